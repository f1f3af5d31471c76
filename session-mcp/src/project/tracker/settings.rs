//! Which server is asked for the project, and how.

use std::fmt;
use std::time::Duration;

use rmcp::model::JsonObject;
use serde::Deserialize;

use super::tracked::{CACHE, TIMEOUT};

/// Which MCP server knows the project that is being worked on, and how it is asked.
///
/// ```
/// # use session_mcp::project::TrackerSettings;
/// let settings: TrackerSettings = serde_json::from_str(r#"{ "url": "http://127.0.0.1:9000/mcp", "timeout": "1s" }"#)?;
/// settings.check()?;
/// assert!(TrackerSettings::default().check().is_err(), "neither a url nor a command");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The answer is the tool's structured content, or else its first text, which is JSON then. `null`, an empty object and
/// no content at all say that there is no project, and so does a `null` where the id is looked for. An answer that
/// holds something and no id is a failure.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "settings are written as a literal over `..TrackerSettings::default()`")]
pub struct TrackerSettings {
    /// Where the server is, over Streamable HTTP: `http://127.0.0.1:9000/mcp`. Redirects are not followed.
    pub url: Option<String>,
    /// The program that is the server over stdio, and its arguments. It is started at the first question, ended with
    /// the tracker, and gets the environment of this process but for the `SESSION_MCP_` variables; what it writes to
    /// standard error goes to that of this process.
    pub command: Vec<String>,
    /// The tool to call.
    pub tool: String,
    /// Arguments that are sent with every question.
    pub arguments: JsonObject,
    /// The argument under which the session's directory is sent. Without it the answer is one for all directories.
    pub directory_argument: Option<String>,
    /// The environment variable that holds the bearer token for `url`.
    pub token_variable: Option<String>,
    /// Where the project's id is in the answer, as a JSON pointer. Not set, it is the first there is of `/id`,
    /// `/project/id`, `/project_id` and `/result/id`.
    pub id: Option<String>,
    /// Where the project's name is. Not set, it is beside the id: at `/project_name`, if the id is at `/project_id`.
    pub name: Option<String>,
    /// How long an answer is waited for.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// How long an answer is good for.
    #[serde(with = "humantime_serde")]
    pub cache: Duration,
}

impl TrackerSettings {
    /// Looks for what no tracker could be made of.
    ///
    /// # Errors
    ///
    /// [`InvalidTracker`] names the key, and says what to write there.
    pub fn check(&self) -> Result<(), InvalidTracker> {
        match (&self.url, self.command.first()) {
            (Some(_), Some(_)) | (None, None) => return Err(InvalidTracker::Server),
            (Some(url), None) if !is_plain(url) => return Err(InvalidTracker::Url),
            (None, Some(program)) if program.is_empty() => return Err(InvalidTracker::Command),
            (None, Some(_)) if self.token_variable.is_some() => return Err(InvalidTracker::TokenUnused),
            _ => {}
        }
        if self.tool.is_empty() {
            return Err(InvalidTracker::Tool);
        }
        if self.directory_argument.as_ref().is_some_and(|name| self.arguments.contains_key(name)) {
            return Err(InvalidTracker::DirectoryTwice);
        }
        for (key, pointer) in [("id", &self.id), ("name", &self.name)] {
            if pointer.as_ref().is_some_and(|pointer| !pointer.is_empty() && !pointer.starts_with('/')) {
                return Err(InvalidTracker::Pointer { key });
            }
        }
        if self.timeout.is_zero() { Err(InvalidTracker::Timeout) } else { Ok(()) }
    }
}

impl Default for TrackerSettings {
    fn default() -> Self {
        Self {
            url: None,
            command: Vec::new(),
            tool: "get_active_project".to_owned(),
            arguments: JsonObject::new(),
            directory_argument: None,
            token_variable: None,
            id: None,
            name: None,
            timeout: TIMEOUT,
            cache: CACHE,
        }
    }
}

/// Shows no argument's value and nothing of a URL behind its host, since each can hold a secret.
impl fmt::Debug for TrackerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackerSettings")
            .field("url", &self.url.as_deref().filter(|url| is_plain(url)).map(origin))
            .field("command", &self.command.first())
            .field("tool", &self.tool)
            .field("arguments", &self.arguments.keys())
            .field("directory_argument", &self.directory_argument)
            .field("token_variable", &self.token_variable)
            .field("id", &self.id)
            .field("name", &self.name)
            .field("timeout", &self.timeout)
            .field("cache", &self.cache)
            .finish()
    }
}

/// Whether a URL is one of HTTP with a host and without credentials.
fn is_plain(url: &str) -> bool {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    host.is_some_and(|host| !host.is_empty() && !host.contains('@'))
}

fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find(['/', '?', '#']).map_or(url.len(), |at| host + at);
    &url[..end]
}

/// Settings that no tracker can be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTracker {
    /// There is no server, or there are two.
    #[error("a tracker has either a `url` or a `command`: set one of them")]
    Server,
    /// The URL is none of HTTP, or holds a user.
    #[error(
        "`url` is an address such as http://127.0.0.1:9000/mcp; put a token into the environment variable that \
         `token_variable` names"
    )]
    Url,
    /// The program has no name.
    #[error("`command` is a list that begins with a program")]
    Command,
    /// There is no tool to call.
    #[error("`tool` is the name of the tool to call")]
    Tool,
    /// A token, and nothing that it would be sent with.
    #[error("`token_variable` belongs to `url`; a program takes its secrets from its own environment")]
    TokenUnused,
    /// The variable of the token does not hold one.
    #[error("the environment variable that `token_variable` names holds no token: set it to one")]
    Token,
    /// One argument is to be sent with two values.
    #[error("`directory_argument` names an argument that `arguments` has already: take it out of one")]
    DirectoryTwice,
    /// A place in the answer that is none.
    #[error("`{key}` is a JSON pointer such as /project/{key}")]
    Pointer {
        /// Which.
        key: &'static str,
    },
    /// No time to answer in.
    #[error("`timeout` is longer than nothing, such as 2s")]
    Timeout,
    /// This build can ask no server.
    #[error("this build asks no tracker: build it with the feature `tracker`, or take the tracker out of the settings")]
    Unsupported,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn from(value: serde_json::Value) -> Result<TrackerSettings, serde_json::Error> {
        serde_json::from_value(value)
    }

    #[test]
    fn what_is_not_set_has_a_default() {
        let settings = from(json!({ "command": ["tracker", "--stdio"] })).expect("valid");
        assert_eq!((settings.timeout, settings.cache), (Duration::from_secs(2), Duration::from_secs(30)));
        assert_eq!(settings.tool, "get_active_project");
        assert_eq!(settings.check(), Ok(()));
    }

    #[test]
    fn an_unknown_key_is_refused_by_its_name() {
        let error = from(json!({ "url": "http://localhost/mcp", "tiemout": "1s" })).expect_err("no such key");
        assert!(error.to_string().contains("`tiemout`"), "{error}");
    }

    #[test]
    fn what_no_tracker_can_be_made_of_is_refused() {
        let url = "http://localhost/mcp";
        let cases = [
            (json!({}), InvalidTracker::Server),
            (json!({ "url": url, "command": ["tracker"] }), InvalidTracker::Server),
            (json!({ "url": "ftp://localhost/mcp" }), InvalidTracker::Url),
            (json!({ "url": "http:///mcp" }), InvalidTracker::Url),
            (json!({ "url": "https://user:hunter2@example.com/mcp" }), InvalidTracker::Url),
            (json!({ "command": [""] }), InvalidTracker::Command),
            (json!({ "command": ["tracker"], "token_variable": "TOKEN" }), InvalidTracker::TokenUnused),
            (json!({ "url": url, "tool": "" }), InvalidTracker::Tool),
            (json!({ "url": url, "arguments": { "a": 1 }, "directory_argument": "a" }), InvalidTracker::DirectoryTwice),
            (json!({ "url": url, "id": "project.id" }), InvalidTracker::Pointer { key: "id" }),
            (json!({ "url": url, "name": "name" }), InvalidTracker::Pointer { key: "name" }),
            (json!({ "url": url, "timeout": "0s" }), InvalidTracker::Timeout),
        ];
        for (settings, error) in cases {
            assert_eq!(from(settings.clone()).expect("its types are right").check(), Err(error), "{settings}");
        }
    }

    #[test]
    fn debug_shows_nothing_that_can_be_a_secret() {
        for settings in [
            json!({ "url": "https://example.com/hunter2?key=hunter2#hunter2", "arguments": { "key": "hunter2" } }),
            json!({ "url": "https://user:hunter2@example.com/mcp" }),
            json!({ "url": "hunter2" }),
            json!({ "command": ["tracker", "--token", "hunter2"] }),
        ] {
            let shown = format!("{:?}", from(settings).expect("its types are right"));
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}
