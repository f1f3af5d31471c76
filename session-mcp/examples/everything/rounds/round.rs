//! One round of a call, as a tool takes it.

use rmcp::handler::server::common::FromContextPart;
use rmcp::handler::server::tool::{InputResponses, RequestState, ToolCallContext};
use rmcp::model::{CallToolResponse, InputRequest, InputRequests, InputRequiredResult};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use session_mcp::Session;

use crate::Everything;
use crate::questions::{Answers, ask, check};

use super::kept;

/// One round of a call: what the client has answered by now, and how to ask it more.
pub(super) struct Round {
    pub(super) answers: Answers,
    state: Option<String>,
    session: Session,
    context: RequestContext<RoleServer>,
}

impl FromContextPart<ToolCallContext<'_, Everything>> for Round {
    fn from_context_part(context: &mut ToolCallContext<'_, Everything>) -> Result<Self, ErrorData> {
        let InputResponses(given) = InputResponses::from_context_part(context)?;
        let RequestState(state) = RequestState::from_context_part(context)?;
        let context = RequestContext::from_context_part(context)?;
        Ok(Self { answers: Answers::new(given), state, session: Session::of(&context)?, context })
    }
}

impl Round {
    /// What the round before kept for this one, if there was one.
    ///
    /// # Errors
    ///
    /// That what the client came back with was not given to it for this.
    pub(super) async fn kept<T: DeserializeOwned>(&self, kind: &'static str) -> Result<Option<T>, ErrorData> {
        match &self.state {
            Some(state) => kept::take(&self.session, kind, state).await.map(Some),
            None => Ok(None),
        }
    }

    /// Answers with questions, after which the client calls again.
    ///
    /// # Errors
    ///
    /// That this client cannot be asked that.
    pub(super) fn ask<const N: usize>(
        self,
        questions: [(&str, InputRequest); N],
    ) -> Result<CallToolResponse, ErrorData> {
        Ok(ask(questions, &self.context)?.into())
    }

    /// The same, and keeps something for the next round.
    ///
    /// # Errors
    ///
    /// What opening a session refuses, too.
    pub(super) async fn ask_and_keep<const N: usize, T: Serialize>(
        self,
        questions: [(&str, InputRequest); N],
        kind: &'static str,
        kept: &T,
    ) -> Result<CallToolResponse, ErrorData> {
        let mut asked = ask(questions, &self.context)?;
        asked.request_state = Some(kept::keep(&self.session, kind, kept).await?);
        Ok(asked.into())
    }

    /// Answers with those of the questions that this client can be asked, if there are any.
    pub(super) fn ask_what_can_be_asked<const N: usize>(
        self,
        questions: [(&str, InputRequest); N],
    ) -> Option<CallToolResponse> {
        let questions = questions.into_iter().filter(|(_, question)| check(question, &self.context).is_ok());
        let questions: InputRequests = questions.map(|(key, question)| (key.to_owned(), question)).collect();
        (!questions.is_empty()).then(|| InputRequiredResult::from_input_requests(questions).into())
    }
}
