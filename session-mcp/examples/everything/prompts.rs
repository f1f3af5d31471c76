//! Prompts: without arguments, with some, of several kinds of content, and one that asks back.

use rmcp::handler::server::prompt::PromptContext;
use rmcp::handler::server::router::prompt::{PromptRoute, PromptRouter};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{ContentBlock, GetPromptResponse, GetPromptResult, Prompt, PromptMessage, ResourceContents, Role};
use rmcp::{ErrorData, prompt, prompt_router};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Everything;
use crate::content::PNG;
use crate::questions::{Answers, ask, ask_text};

#[derive(Deserialize, JsonSchema)]
struct Two {
    /// First test argument
    arg1: String,
    /// Second test argument
    arg2: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Embedded {
    /// URI of the resource to embed
    resource_uri: String,
}

#[prompt_router]
#[expect(clippy::unused_self, reason = "a prompt that is no method has to be able to fail")]
impl Everything {
    /// Says one thing.
    #[prompt]
    fn test_simple_prompt(&self) -> Vec<PromptMessage> {
        vec![PromptMessage::new_text(Role::User, "This is a simple prompt for testing.")]
    }

    /// Says what it is given.
    #[prompt]
    fn test_prompt_with_arguments(&self, Parameters(Two { arg1, arg2 }): Parameters<Two>) -> Vec<PromptMessage> {
        let text = format!("Prompt with arguments: arg1='{arg1}', arg2='{arg2}'");
        vec![PromptMessage::new_text(Role::User, text)]
    }

    /// Has a resource processed.
    #[prompt]
    fn test_prompt_with_embedded_resource(&self, Parameters(embedded): Parameters<Embedded>) -> Vec<PromptMessage> {
        let resource = ResourceContents::text("Embedded resource content for testing.", embedded.resource_uri);
        vec![
            PromptMessage::new(Role::User, ContentBlock::resource(resource)),
            PromptMessage::new_text(Role::User, "Please process the embedded resource above."),
        ]
    }

    /// Has an image analyzed.
    #[prompt]
    fn test_prompt_with_image(&self) -> Vec<PromptMessage> {
        vec![
            PromptMessage::new(Role::User, ContentBlock::image(PNG, "image/png")),
            PromptMessage::new_text(Role::User, "Please analyze the image above."),
        ]
    }
}

/// All prompts.
pub(crate) fn all() -> PromptRouter<Everything> {
    let mut all = Everything::prompt_router();
    let asks = Prompt::new("test_input_required_result_prompt", Some("Asks the user for what it is about."), None);
    all.add_route(PromptRoute::new_dyn(asks, |context| Box::pin(async move { with_context(&context) })));
    all
}

/// A prompt for which the user is asked first. What they answer comes with the request that the client then repeats.
fn with_context(prompt: &PromptContext<'_, Everything>) -> Result<GetPromptResponse, ErrorData> {
    let answers = prompt.context.extensions.get::<Answers>();
    let Some(text) = answers.and_then(|answers| answers.text("user_context", "context")) else {
        let question = ask_text("What context should the prompt use?", "context");
        return Ok(ask([("user_context", question)], &prompt.context)?.into());
    };
    let text = format!("Please keep this in mind: {text}");
    Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]).into())
}
