//! From what a tool answers to the project that it means.

use rmcp::model::CallToolResult;
use serde_json::Value;

use super::settings::TrackerSettings;
use super::tracked::NoProjectId;
use super::{TrackedProject, is_usable};

/// Where in an answer the project is.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    id: Option<String>,
    name: Option<String>,
}

impl Reading {
    /// Where the id is looked for unless a setting says it. The last is for servers that wrap what may be `null`.
    const PLACES: [&str; 4] = ["/id", "/project/id", "/project_id", "/result/id"];

    pub(super) fn new(settings: &TrackerSettings) -> Self {
        Self { id: settings.id.clone(), name: settings.name.clone() }
    }

    /// The project that an answer means, if it means one.
    ///
    /// # Errors
    ///
    /// [`NoProjectId`] if it says something else.
    pub(super) fn project(&self, result: CallToolResult) -> Result<Option<TrackedProject>, NoProjectId> {
        let answer = content(result)?;
        let places = self.id.as_ref().map_or(Self::PLACES.to_vec(), |place| vec![place.as_str()]);
        let found = || places.iter().filter_map(|place| Some((*place, at(&answer, place)?)));
        match found().find(|(_, value)| !value.is_null()).or_else(|| found().next()) {
            Some((place, Value::String(id))) if is_usable(id) => {
                Ok(Some(TrackedProject { id: id.clone(), name: self.name(&answer, place) }))
            }
            Some((_, Value::Null)) => Ok(None),
            Some(_) => Err(NoProjectId::Unusable),
            None if answer.as_object().is_some_and(serde_json::Map::is_empty) => Ok(None),
            None => Err(NoProjectId::Elsewhere),
        }
    }

    /// The name that goes with the id at `place`. One that cannot be used is none: a project is known by its id.
    fn name(&self, answer: &Value, place: &str) -> Option<String> {
        let beside = || place.strip_suffix("id").map(|before| format!("{before}name"));
        let name = answer.pointer(&self.name.clone().or_else(beside)?)?.as_str()?;
        is_usable(name).then(|| name.to_owned())
    }
}

/// What a tool answers, whichever way. No content at all is how some servers say `null`.
fn content(result: CallToolResult) -> Result<Value, NoProjectId> {
    if let Some(structured) = result.structured_content {
        return Ok(structured);
    }
    match result.content.iter().find_map(|content| content.as_text()) {
        Some(text) => serde_json::from_str(&text.text).map_err(|_| NoProjectId::NotJson),
        None if result.content.is_empty() => Ok(Value::Null),
        None => Err(NoProjectId::NotJson),
    }
}

/// What is at `pointer`, or the `null` on the way there.
fn at<'a>(answer: &'a Value, pointer: &str) -> Option<&'a Value> {
    let ends = pointer.match_indices('/').map(|(end, _)| end).chain([pointer.len()]);
    let mut value = answer;
    for end in ends {
        value = answer.pointer(&pointer[..end])?;
        if value.is_null() {
            break;
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use rmcp::model::ContentBlock;
    use serde_json::json;

    use super::*;

    fn reading(id: Option<&str>, name: Option<&str>) -> Reading {
        Reading { id: id.map(str::to_owned), name: name.map(str::to_owned) }
    }

    fn read(answer: Value) -> Result<Option<TrackedProject>, NoProjectId> {
        reading(None, None).project(CallToolResult::structured(answer))
    }

    fn project(id: &str, name: Option<&str>) -> TrackedProject {
        TrackedProject { id: id.to_owned(), name: name.map(str::to_owned) }
    }

    #[test]
    fn an_id_is_found_where_servers_put_it_with_the_name_beside_it() {
        for (answer, name) in [
            (json!({ "id": "p", "name": "n", "project": { "id": "other" } }), Some("n")),
            (json!({ "project": { "id": "p", "name": "n" }, "name": "other" }), Some("n")),
            (json!({ "project_id": "p", "project_name": "n", "name": "other" }), Some("n")),
            (json!({ "result": { "id": "p", "name": "n" } }), Some("n")),
            (json!({ "id": null, "project": { "id": "p" } }), None),
            (json!({ "id": "p", "name": "" }), None),
            (json!({ "id": "p", "name": 7 }), None),
        ] {
            assert_eq!(read(answer.clone()), Ok(Some(project("p", name))), "{answer}");
        }
    }

    #[test]
    fn a_place_that_is_set_is_the_only_one() {
        let reading = reading(Some("/tasks/0/key"), Some("/title"));
        let read = |answer| reading.project(CallToolResult::structured(answer));
        let tasks = json!({ "tasks": [{ "key": "p" }], "title": "n", "id": "other" });
        assert_eq!(read(tasks), Ok(Some(project("p", Some("n")))));
        assert_eq!(read(json!({ "id": "other" })), Err(NoProjectId::Elsewhere));
        assert_eq!(read(json!({ "tasks": null, "id": "other" })), Ok(None));
    }

    #[test]
    fn null_where_the_id_belongs_and_nothing_at_all_say_that_there_is_no_project() {
        for answer in [
            json!(null),
            json!({}),
            json!({ "id": null }),
            json!({ "project": null, "message": "no task is active" }),
            json!({ "result": null }),
        ] {
            assert_eq!(read(answer.clone()), Ok(None), "{answer}");
        }
        assert_eq!(reading(None, None).project(CallToolResult::success(vec![])), Ok(None));
    }

    #[test]
    fn an_answer_that_holds_something_and_no_id_is_none() {
        for (answer, error) in [
            (json!({ "projectId": "p" }), NoProjectId::Elsewhere),
            (json!([{ "id": "p" }]), NoProjectId::Elsewhere),
            (json!("p"), NoProjectId::Elsewhere),
            (json!({ "id": 7 }), NoProjectId::Unusable),
            (json!({ "id": "" }), NoProjectId::Unusable),
            (json!({ "id": "a\nb" }), NoProjectId::Unusable),
            (json!({ "id": "x".repeat(256) }), NoProjectId::Unusable),
        ] {
            assert_eq!(read(answer.clone()), Err(error), "{answer}");
        }
        assert!(matches!(read(json!({ "id": "ü".repeat(255) })), Ok(Some(_))), "characters count, not bytes");
    }

    #[test]
    fn text_is_read_as_json_where_there_is_no_structured_content() {
        let read = |text: &str| reading(None, None).project(CallToolResult::success(vec![ContentBlock::text(text)]));
        assert_eq!(read(r#"{ "id": "p" }"#), Ok(Some(project("p", None))));
        assert_eq!(read("null"), Ok(None));
        assert_eq!(read("the project is p"), Err(NoProjectId::NotJson));
        assert_eq!(read(""), Err(NoProjectId::NotJson));
    }
}
