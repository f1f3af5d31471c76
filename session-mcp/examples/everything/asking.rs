//! Tools that ask the client while they run, as protocol versions before 2026-07-28 allow. For later ones see `rounds`.

use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::ElicitRequestParams;
use rmcp::service::RequestContext;
use rmcp::{RoleServer, tool, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::Everything;
use crate::questions::{form, prompt, text_of};

#[derive(Deserialize, JsonSchema)]
struct Sampling {
    /// What to ask the client's model.
    prompt: String,
}

#[derive(Deserialize, JsonSchema)]
struct Elicitation {
    /// What to ask the user.
    message: String,
}

#[tool_router(router = asking, vis = "pub(crate)")]
impl Everything {
    /// Asks the client's model, and answers with what that said.
    #[tool]
    async fn test_sampling(
        Parameters(asked): Parameters<Sampling>,
        context: RequestContext<RoleServer>,
    ) -> Result<String, String> {
        if context.client_capabilities().is_none_or(|client| client.sampling.is_none()) {
            return Err("this client has no model to ask; call with one that declares `sampling`".to_owned());
        }
        let said = context.peer.create_message(prompt(&asked.prompt, 100)).await;
        let said = said.map_err(|error| error.to_string())?;
        Ok(format!("LLM response: {}", text_of(&said).unwrap_or_default()))
    }

    /// Asks the user for a name and an address, and answers with what they said.
    #[tool]
    async fn test_elicitation(
        Parameters(asked): Parameters<Elicitation>,
        context: RequestContext<RoleServer>,
    ) -> Result<String, String> {
        let fields = json!({
            "username": { "type": "string", "description": "User's response" },
            "email": { "type": "string", "description": "User's email address" },
        });
        let said = elicit(form(&asked.message, &fields, &["username", "email"]), &context).await?;
        Ok(format!("User response: {said}"))
    }

    /// Asks the user to look through a form that is filled in already.
    #[tool]
    async fn test_elicitation_sep1034_defaults(context: RequestContext<RoleServer>) -> Result<String, String> {
        let fields = json!({
            "name": { "type": "string", "default": "John Doe" },
            "age": { "type": "integer", "default": 30 },
            "score": { "type": "number", "default": 95.5 },
            "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
            "verified": { "type": "boolean", "default": true },
        });
        let said = elicit(form("Please look through these values", &fields, &[]), &context).await?;
        Ok(format!("Elicitation completed: {said}"))
    }

    /// Lets the user choose, in each way there is.
    #[tool]
    async fn test_elicitation_sep1330_enums(context: RequestContext<RoleServer>) -> Result<String, String> {
        let options = ["option1", "option2", "option3"];
        let titled = |choice| {
            json!([
                { "const": "value1", "title": format!("First {choice}") },
                { "const": "value2", "title": format!("Second {choice}") },
                { "const": "value3", "title": format!("Third {choice}") },
            ])
        };
        let fields = json!({
            "untitledSingle": { "type": "string", "enum": options },
            "titledSingle": { "type": "string", "oneOf": titled("Option") },
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": { "type": "array", "items": { "type": "string", "enum": options } },
            "titledMulti": { "type": "array", "items": { "anyOf": titled("Choice") } },
        });
        let said = elicit(form("Please choose", &fields, &[]), &context).await?;
        Ok(format!("Elicitation completed: {said}"))
    }
}

/// Asks the user, and says what they did with the form.
async fn elicit(form: ElicitRequestParams, context: &RequestContext<RoleServer>) -> Result<String, String> {
    if context.client_capabilities().is_none_or(|client| client.elicitation.is_none()) {
        return Err("this client has no user to ask; call with one that declares `elicitation`".to_owned());
    }
    let said = context.peer.create_elicitation(form).await.map_err(|error| error.to_string())?;
    let action = json!(said.action);
    let filled_in = said.content.unwrap_or_else(|| json!({}));
    Ok(format!("action={}, content={filled_in}", action.as_str().unwrap_or_default()))
}
