//! What a session tool takes: said in its schema, and asked of every call.

use rmcp::model::JsonObject;
use serde_json::{Value, json};

use crate::error::SessionError;
use crate::resolve::SESSION_ARGUMENT;

/// An argument of a session tool, beside the handle.
#[derive(Clone, Copy)]
pub(super) struct Argument {
    name: &'static str,
    description: &'static str,
    /// What to say of a call that brings another type, or nothing where something is required.
    problem: &'static str,
    kind: Kind,
    is_required: bool,
}

/// What an argument can be.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Flag,
    Any,
}

impl Argument {
    /// A text that has to be given.
    pub(super) const fn text(name: &'static str, description: &'static str, problem: &'static str) -> Self {
        Self { name, description, problem, kind: Kind::Text, is_required: true }
    }

    /// A truth value that has to be given.
    pub(super) const fn flag(name: &'static str, description: &'static str, problem: &'static str) -> Self {
        Self { name, description, problem, kind: Kind::Flag, is_required: true }
    }

    /// Any JSON, which has to be given.
    pub(super) const fn any(name: &'static str, description: &'static str, problem: &'static str) -> Self {
        Self { name, description, problem, kind: Kind::Any, is_required: true }
    }

    /// The same argument where it can be left out.
    pub(super) const fn optional(self) -> Self {
        Self { is_required: false, ..self }
    }

    fn property(&self) -> Value {
        match self.kind {
            Kind::Text => json!({ "type": "string", "description": self.description }),
            Kind::Flag => json!({ "type": "boolean", "description": self.description }),
            Kind::Any => json!({ "description": self.description }),
        }
    }

    /// What is to be said of a call that passes what this cannot be.
    pub(super) const fn refuse(&self, problem: &'static str) -> SessionError {
        SessionError::Argument { name: self.name, problem }
    }

    /// Null is as good as nothing where nothing is asked for.
    fn accepts(&self, given: Option<&Value>) -> bool {
        match given {
            None => !self.is_required,
            Some(Value::Null) if !self.is_required => true,
            Some(value) => match self.kind {
                Kind::Text => value.is_string(),
                Kind::Flag => value.is_boolean(),
                Kind::Any => true,
            },
        }
    }
}

/// The input schema of a tool that takes these.
pub(super) fn schema(arguments: &[Argument]) -> JsonObject {
    let properties: JsonObject =
        arguments.iter().map(|argument| (argument.name.to_owned(), argument.property())).collect();
    let required: Vec<&str> =
        arguments.iter().filter(|argument| argument.is_required).map(|argument| argument.name).collect();
    let mut schema = JsonObject::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), properties.into());
    if !required.is_empty() {
        schema.insert("required".to_owned(), required.into());
    }
    schema.insert("additionalProperties".to_owned(), false.into());
    schema
}

/// Checks what a call brings against what its tool takes.
///
/// # Errors
///
/// [`SessionError::Argument`], [`SessionError::UnknownArgument`]. They repeat nothing of what was brought.
pub(super) fn check(arguments: &[Argument], given: Option<&JsonObject>) -> Result<(), SessionError> {
    let is_known = |name: &String| name == SESSION_ARGUMENT || arguments.iter().any(|known| known.name == name);
    if !given.into_iter().flat_map(JsonObject::keys).all(is_known) {
        let names = arguments.iter().map(|argument| argument.name).chain([SESSION_ARGUMENT]);
        let takes: Vec<String> = names.map(|name| format!("`{name}`")).collect();
        return Err(SessionError::UnknownArgument { takes: takes.join(" and ") });
    }
    let unfit = |argument: &&Argument| !argument.accepts(given.and_then(|given| given.get(argument.name)));
    match arguments.iter().find(unfit) {
        Some(&Argument { name, problem, .. }) => Err(SessionError::Argument { name, problem }),
        None => Ok(()),
    }
}
