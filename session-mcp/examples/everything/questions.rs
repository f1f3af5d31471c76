//! What a server can ask a client, and what it makes of the answers.

use rmcp::model::{
    ClientCapabilities, CreateMessageRequest, CreateMessageRequestParams, CreateMessageResult, ElicitRequest,
    ElicitRequestParams, ElicitResult, ElicitationAction, InputRequest, InputRequiredResult, InputResponses,
    ListRootsRequest, ListRootsResult, SamplingMessage,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::{Value, json};

/// A form for the user.
pub(crate) fn form(message: &str, properties: &Value, required: &[&str]) -> ElicitRequestParams {
    let schema = json!({ "type": "object", "properties": properties, "required": required });
    ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: message.to_owned(),
        requested_schema: serde_json::from_value(schema).expect("the forms are written in this program"),
    }
}

/// A prompt for the client's model.
pub(crate) fn prompt(text: &str, max_tokens: u32) -> CreateMessageRequestParams {
    CreateMessageRequestParams::new(vec![SamplingMessage::user_text(text)], max_tokens)
}

/// Asks for one text. To be answered with [`Answers::text`].
pub(crate) fn ask_text(message: &str, field: &str) -> InputRequest {
    let form = form(message, &json!({ field: { "type": "string" } }), &[field]);
    InputRequest::Elicitation(ElicitRequest::new(form))
}

/// Asks for a yes or no. To be answered with [`Answers::is_confirmed`].
pub(crate) fn ask_consent(message: &str, field: &str) -> InputRequest {
    let form = form(message, &json!({ field: { "type": "boolean" } }), &[field]);
    InputRequest::Elicitation(ElicitRequest::new(form))
}

/// Asks the client's model. To be answered with [`Answers::said`].
pub(crate) fn ask_model(text: &str, max_tokens: u32) -> InputRequest {
    InputRequest::CreateMessage(CreateMessageRequest::new(prompt(text, max_tokens)))
}

/// Asks for the roots. To be answered with [`Answers::roots`].
pub(crate) fn ask_roots() -> InputRequest {
    InputRequest::ListRoots(ListRootsRequest::default())
}

/// What a client answers, if it does. What is missing, declined or of another kind is `None`, and to be asked again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers(InputResponses);

impl Answers {
    pub(crate) fn new(given: Option<InputResponses>) -> Self {
        Self(given.unwrap_or_default())
    }

    /// Whether the client answered anything at all.
    pub(crate) fn are_there(&self) -> bool {
        !self.0.is_empty()
    }

    /// The text in a field of a form that the user filled in.
    pub(crate) fn text(&self, key: &str, field: &str) -> Option<String> {
        Some(self.form(key)?.get(field)?.as_str()?.to_owned())
    }

    /// Whether the user said yes.
    pub(crate) fn is_confirmed(&self, key: &str, field: &str) -> Option<bool> {
        self.form(key)?.get(field)?.as_bool()
    }

    /// What the client's model said.
    pub(crate) fn said(&self, key: &str) -> Option<String> {
        text_of(&serde_json::from_value(self.0.get(key)?.clone()).ok()?)
    }

    /// The URIs of the client's roots.
    pub(crate) fn roots(&self, key: &str) -> Option<Vec<String>> {
        let ListRootsResult { roots, .. } = serde_json::from_value(self.0.get(key)?.clone()).ok()?;
        Some(roots.into_iter().map(|root| root.uri).collect())
    }

    fn form(&self, key: &str) -> Option<Value> {
        let answer: ElicitResult = serde_json::from_value(self.0.get(key)?.clone()).ok()?;
        if answer.action == ElicitationAction::Accept { answer.content } else { None }
    }
}

/// The text of what a model said.
pub(crate) fn text_of(said: &CreateMessageResult) -> Option<String> {
    Some(said.message.content.first()?.as_text()?.text.clone())
}

/// Asks several things at once, each under a key of its own. The client asks whom it has to, and then repeats its
/// request with the answers.
///
/// # Errors
///
/// That this client cannot be asked that.
pub(crate) fn ask<const N: usize>(
    questions: [(&str, InputRequest); N],
    context: &RequestContext<RoleServer>,
) -> Result<InputRequiredResult, ErrorData> {
    for (_, question) in &questions {
        check(question, context)?;
    }
    let questions = questions.into_iter().map(|(key, question)| (key.to_owned(), question)).collect();
    Ok(InputRequiredResult::from_input_requests(questions))
}

/// Whether this client can be asked that.
///
/// # Errors
///
/// Which capability it would have to declare, in the words of the protocol.
pub(crate) fn check(question: &InputRequest, context: &RequestContext<RoleServer>) -> Result<(), ErrorData> {
    let client = context.client_capabilities().unwrap_or_default();
    let needed = ClientCapabilities::builder();
    let needed = match question {
        InputRequest::Elicitation(_) if client.elicitation.is_none() => needed.enable_elicitation().build(),
        InputRequest::CreateMessage(_) if client.sampling.is_none() => needed.enable_sampling().build(),
        InputRequest::ListRoots(_) if client.roots.is_none() => needed.enable_roots().build(),
        _ => return Ok(()),
    };
    Err(ErrorData::missing_required_client_capability(needed))
}
