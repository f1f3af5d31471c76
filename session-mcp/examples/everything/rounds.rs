//! Tools that ask the client by answering it with questions, as protocol versions from 2026-07-28 do: the client
//! repeats the call with the answers, and any replica can take that up.

mod kept;
mod round;

use rmcp::model::{CallToolResponse, CallToolResult, ContentBlock, InputRequest};
use rmcp::{ErrorData, tool, tool_router};
use serde::{Deserialize, Serialize};

use crate::Everything;
use crate::questions::{ask_consent, ask_model, ask_roots, ask_text};

use self::round::Round;

#[tool_router(router = rounds, vis = "pub(crate)")]
impl Everything {
    /// Asks the user for their name, and greets them.
    #[tool]
    fn test_input_required_result_elicitation(round: Round) -> Result<CallToolResponse, ErrorData> {
        match round.answers.text("user_name", "name") {
            Some(name) => done(format!("Hello, {name}!")),
            None => round.ask([("user_name", ask_text("What is your name?", "name"))]),
        }
    }

    /// Asks the client's model, and answers with what that said.
    #[tool]
    fn test_input_required_result_sampling(round: Round) -> Result<CallToolResponse, ErrorData> {
        match round.answers.said("capital_question") {
            Some(said) => done(format!("The model said: {said}")),
            None => round.ask([("capital_question", ask_model("What is the capital of France?", 100))]),
        }
    }

    /// Asks for the client's roots, and answers with them.
    #[tool]
    fn test_input_required_result_list_roots(round: Round) -> Result<CallToolResponse, ErrorData> {
        match round.answers.roots("client_roots") {
            Some(roots) => done(format!("The roots are: {}", roots.join(", "))),
            None => round.ask([("client_roots", ask_roots())]),
        }
    }

    /// Asks the user to confirm, and takes no confirmation that it did not ask for.
    #[tool]
    async fn test_input_required_result_request_state(round: Round) -> Result<CallToolResponse, ErrorData> {
        confirm(round).await
    }

    /// Asks the user to confirm, and refuses a state that it did not give.
    #[tool]
    async fn test_input_required_result_tampered_state(round: Round) -> Result<CallToolResponse, ErrorData> {
        confirm(round).await
    }

    /// Asks the user, the client's model and the client itself, all at once.
    #[tool]
    async fn test_input_required_result_multiple_inputs(round: Round) -> Result<CallToolResponse, ErrorData> {
        if round.kept(SEVERAL).await? == Some(()) {
            let given = &round.answers;
            let answers = (given.text("user_name", "name"), given.said("greeting"), given.roots("client_roots"));
            if let (Some(name), Some(greeting), Some(roots)) = answers {
                return done(format!("{greeting}, {name}! You have {} roots.", roots.len()));
            }
        }
        round.ask_and_keep(several(), SEVERAL, &()).await
    }

    /// Asks the user for their name and then, knowing that, for a color.
    #[tool]
    async fn test_input_required_result_multi_round(round: Round) -> Result<CallToolResponse, ErrorData> {
        let step = match round.kept(STEP).await?.unwrap_or(Step::Name) {
            Step::Name => round.answers.text("step1", "name").map_or(Step::Name, |name| Step::Color { name }),
            Step::Color { name } => match round.answers.text("step2", "color") {
                Some(color) => return done(format!("{name} likes {color}.")),
                None => Step::Color { name },
            },
        };
        let question = match &step {
            Step::Name => ("step1", ask_text("Step 1: What is your name?", "name")),
            Step::Color { .. } => ("step2", ask_text("Step 2: What is your favorite color?", "color")),
        };
        round.ask_and_keep([question], STEP, &step).await
    }

    /// Asks whatever this client can be asked.
    #[tool]
    fn test_input_required_result_capabilities(round: Round) -> Result<CallToolResponse, ErrorData> {
        if round.answers.are_there() {
            return done("There are answers.".to_owned());
        }
        match round.ask_what_can_be_asked(several()) {
            Some(asked) => Ok(asked),
            None => done("This client can be asked nothing.".to_owned()),
        }
    }

    /// Asks the client's model, and refuses to go on without one.
    #[tool]
    fn test_missing_capability(round: Round) -> Result<CallToolResponse, ErrorData> {
        match round.answers.said("presence") {
            Some(said) => done(format!("The model is there: {said}")),
            None => round.ask([("presence", ask_model("Are you there?", 10))]),
        }
    }

    /// Asks the user whether to go on.
    #[tool]
    fn test_streaming_elicitation(round: Round) -> Result<CallToolResponse, ErrorData> {
        match round.answers.is_confirmed("go_on", "ok") {
            Some(is_confirmed) => done(format!("To go on: {is_confirmed}")),
            None => round.ask([("go_on", ask_consent("Shall I go on?", "ok"))]),
        }
    }
}

/// Where a call is that takes several rounds.
#[derive(Deserialize, Serialize)]
enum Step {
    /// The user is asked for their name.
    Name,
    /// The user of this name is asked for a color.
    Color { name: String },
}

/// What is kept from one round to the next is of one of these kinds, so that the state of one is none of another.
const CONFIRMATION: &str = ".everything.confirmation";
const SEVERAL: &str = ".everything.several";
const STEP: &str = ".everything.step";

async fn confirm(round: Round) -> Result<CallToolResponse, ErrorData> {
    let is_asked = round.kept(CONFIRMATION).await? == Some(());
    if is_asked && round.answers.is_confirmed("confirm", "ok") == Some(true) {
        return done("Confirmed: state-ok".to_owned());
    }
    round.ask_and_keep([("confirm", ask_consent("Please confirm", "ok"))], CONFIRMATION, &()).await
}

/// A question of each kind.
fn several() -> [(&'static str, InputRequest); 3] {
    [
        ("user_name", ask_text("What is your name?", "name")),
        ("greeting", ask_model("Generate a greeting", 50)),
        ("client_roots", ask_roots()),
    ]
}

#[expect(clippy::unnecessary_wraps, reason = "it is one of the ways to answer a round")]
fn done(text: String) -> Result<CallToolResponse, ErrorData> {
    Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
}
