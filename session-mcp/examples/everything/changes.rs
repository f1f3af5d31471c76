//! Changes that clients are told of: who is connected by this call's connection, and everyone who listens.

use rmcp::model::ResourceUpdatedNotificationParam;
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{RoleServer, tool, tool_router};
use session_mcp::{Session, SessionError};

use crate::announcements::{Announcement, Subscriber};
use crate::resources::{WATCHED, is_subscribed};
use crate::{Everything, has_connection};

#[tool_router(router = changes, vis = "pub(crate)")]
impl Everything {
    /// Tells clients that the list of tools has changed, though it has not: who is connected by this call's connection,
    /// and everyone who listens.
    #[tool]
    async fn notify(&self, session: Session, context: RequestContext<RoleServer>) -> Result<String, SessionError> {
        self.announce(Announcement::Tools, &session, &context).await?;
        Ok("notified".to_owned())
    }

    /// Does what `notify` does.
    #[tool]
    async fn test_trigger_tool_change(
        &self,
        session: Session,
        context: RequestContext<RoleServer>,
    ) -> Result<String, SessionError> {
        self.announce(Announcement::Tools, &session, &context).await?;
        Ok("The change of the tools was announced.".to_owned())
    }

    /// Tells clients that the list of prompts has changed.
    #[tool]
    async fn test_trigger_prompt_change(
        &self,
        session: Session,
        context: RequestContext<RoleServer>,
    ) -> Result<String, SessionError> {
        self.announce(Announcement::Prompts, &session, &context).await?;
        Ok("The change of the prompts was announced.".to_owned())
    }

    /// Tells clients who subscribed to `test://watched-resource` that it has changed.
    #[tool]
    async fn test_trigger_resource_change(
        &self,
        session: Session,
        context: RequestContext<RoleServer>,
    ) -> Result<String, SessionError> {
        self.announce(Announcement::Resource(WATCHED.to_owned()), &session, &context).await?;
        Ok("The change of the resource was announced.".to_owned())
    }
}

impl Everything {
    async fn announce(
        &self,
        change: Announcement,
        session: &Session,
        context: &RequestContext<RoleServer>,
    ) -> Result<(), SessionError> {
        change.publish(session.manager()).await?;
        if has_connection(context) {
            // It fails for who has gone.
            let _ = match change {
                Announcement::Tools => context.peer.notify_tool_list_changed().await,
                Announcement::Prompts => context.peer.notify_prompt_list_changed().await,
                Announcement::Resource(uri) if is_subscribed(session, &uri).await? => {
                    context.peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await
                }
                Announcement::Resource(_) => Ok(()),
            };
        }
        Ok(())
    }
}

/// Tells one who listens what is announced, until they do not listen any more.
pub(crate) async fn tell(subscription: &SubscriptionContext, mut announced: Subscriber) {
    loop {
        let change = tokio::select! {
            () = subscription.cancelled() => return,
            change = announced.next() => change,
        };
        let sink = subscription.sink();
        // It fails for who did not ask for this kind, or has gone.
        let _ = match change {
            Announcement::Tools => sink.notify_tool_list_changed().await,
            Announcement::Prompts => sink.notify_prompt_list_changed().await,
            Announcement::Resource(uri) => sink.notify_resource_updated(uri).await,
        };
    }
}
