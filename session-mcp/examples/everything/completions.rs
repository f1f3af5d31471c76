//! What could follow, while a user types an argument.

use rmcp::ErrorData;
use rmcp::model::{CompleteRequestParams, CompleteResult, CompletionInfo, Reference};

use crate::resources::TEMPLATE;

/// Completes an argument of a prompt or of a resource template. What has no proposals has none, and is no error.
pub(crate) fn complete(request: &CompleteRequestParams) -> Result<CompleteResult, ErrorData> {
    let all: &[&str] = match (&request.r#ref, request.argument.name.as_str()) {
        (Reference::Prompt(prompt), "arg1" | "arg2") if prompt.name == "test_prompt_with_arguments" => {
            &["paris", "park", "party", "test", "testing"]
        }
        (Reference::Resource(resource), "id") if resource.uri == TEMPLATE => &["1", "12", "123"],
        _ => &[],
    };
    let fitting = all.iter().filter(|value| value.starts_with(&request.argument.value));
    let completion = CompletionInfo::with_all_values(fitting.map(|&value| value.to_owned()).collect());
    Ok(CompleteResult::new(completion.map_err(|error| ErrorData::internal_error(error, None))?))
}
