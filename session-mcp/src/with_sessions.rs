//! A handler whose calls have sessions.
#![deny(clippy::missing_trait_methods)]
#![expect(deprecated, reason = "what the handler inside still answers is forwarded")]

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt as _;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, CancelledNotificationParam, CompleteRequestParams,
    CompleteResult, CustomNotification, CustomRequest, CustomResult, DiscoverResult, Extensions,
    GetPromptRequestParams, GetPromptResponse, GetSkillRequestParams, GetSkillResult, GetTaskParams, GetTaskResult,
    InitializeRequestParams, InitializeResult, JsonObject, ListPromptsResult, ListResourceTemplatesResult,
    ListResourcesResult, ListSkillsResult, ListToolsResult, PaginatedRequestParams, ProgressNotificationParam,
    ProtocolVersion, ReadResourceDirectoryRequestParams, ReadResourceDirectoryResult, ReadResourceRequestParams,
    ReadResourceResponse, ServerConfig, SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter, Tool,
    UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use session_core::{Owner, SessionManager};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[cfg(feature = "http")]
use crate::ahead::Ahead;
use crate::bracket::{CutShort, bracket};
use crate::connection::Connection;
use crate::error::into_tool_answer;
use crate::principal::owner_of;
#[cfg(feature = "http")]
use crate::resolve::ValidatedSession;
use crate::resolve::resolve;
use crate::session::Session;

/// A handler whose requests have sessions.
///
/// It forwards every method to the handler it wraps. Before a request it finds out which session that belongs to, for
/// the [`Session`] extractor of tools and prompts and for [`Session::of`] elsewhere: resources, lists, completions, the
/// log level, subscriptions and tasks. The handshake has none, and neither has `listen`, which belongs to no session.
/// It uses that session while a long call runs, so that the call does not lose it; and it answers a call that panics
/// with an error, which leaves session and server usable.
///
/// A call that is cancelled, by `notifications/cancelled` or on 2026-07-28 by closing its stream, has a second to end
/// by itself: [`RequestContext::ct`] tells it. So has one whose client was connected by an `Mcp-Session-Id` that has
/// ended, wherever that was done. Then it is **dropped** where it waits, as any future can be: a change of its
/// session is then made in full or not at all. What has to be done to its end is spawned as a task.
///
/// On 2026-07-28 one is made per request, and rmcp moves it from one of its futures to the next, so it is a pointer
/// more than the handler inside.
pub struct WithSessions<H> {
    inner: H,
    shared: Arc<Shared>,
}

/// What a handler has besides the one inside; over HTTP, where requests tell clients apart, all have the same.
struct Shared {
    sessions: Arc<SessionManager>,
    /// Whose the connection is, where requests do not say who calls.
    owner: Owner,
    /// What belongs to the connection. `None` over HTTP.
    connected: Option<Connected>,
}

#[derive(Default)]
struct Connected {
    /// The connection's own session, which `initialize` opens where there is nothing else to tell clients apart.
    session: OnceCell<Arc<Connection>>,
    /// What is being answered.
    calls: TaskTracker,
}

impl Shared {
    fn new(sessions: Arc<SessionManager>, owner: Owner) -> Arc<Self> {
        Arc::new(Self { sessions, owner, connected: Some(Connected::default()) })
    }

    /// The connection's own session, if it has one.
    fn connection(&self) -> Option<&Arc<Connection>> {
        self.connected.as_ref()?.session.get()
    }
}

impl<H> WithSessions<H> {
    /// Gives the calls of a handler sessions. Who calls is said by the [`Principal`](crate::Principal) of each request
    /// over HTTP; elsewhere callers are anonymous.
    pub fn new(inner: H, sessions: Arc<SessionManager>) -> Self {
        Self { inner, shared: Shared::new(sessions, Owner::Anonymous) }
    }

    /// Makes the handlers for what comes over HTTP, which share all but what `handler` makes.
    #[cfg(feature = "http")]
    pub(crate) fn each(
        handler: impl Fn() -> H + Send + Sync + 'static,
        sessions: Arc<SessionManager>,
    ) -> impl Fn() -> Self + Clone + Send + Sync + 'static {
        let (handler, owner) = (Arc::new(handler), Owner::Anonymous);
        let shared = Arc::new(Shared { sessions, owner, connected: None });
        move || Self { inner: handler(), shared: Arc::clone(&shared) }
    }

    /// Says whose the connection is, for transports other than HTTP.
    #[must_use]
    pub fn owned_by(self, owner: impl Into<Owner>) -> Self {
        Self { inner: self.inner, shared: Shared::new(Arc::clone(&self.shared.sessions), owner.into()) }
    }

    /// The handler inside.
    pub fn get_ref(&self) -> &H {
        &self.inner
    }

    /// Takes the handler out.
    pub fn into_inner(self) -> H {
        self.inner
    }

    /// Waits until no call is being answered.
    #[cfg(feature = "stdio")]
    pub(crate) async fn idle(&self) {
        if let Some(Connected { calls, .. }) = &self.shared.connected {
            calls.close();
            calls.wait().await;
        }
    }

    /// Ends the connection's own session, if it has one.
    #[cfg(feature = "stdio")]
    pub(crate) async fn end_connection(&self) {
        if let Some(connection) = self.shared.connection()
            && let Err(error) = connection.end(&self.shared.sessions).await
        {
            tracing::warn!(%error, "the connection's session was not ended; it will expire");
        }
    }

    /// The session that a call with these arguments belongs to.
    fn session(&self, context: &RequestContext<RoleServer>, arguments: Option<&JsonObject>) -> Session {
        let Shared { sessions, owner, .. } = &*self.shared;
        let found = resolve(context, arguments, self.shared.connection());
        let session = Session::new(Arc::clone(sessions), owner_of(&context.extensions, *owner), found);
        #[cfg(feature = "http")]
        let session = session.with(Ahead::of(&context.extensions));
        session
    }

    /// Answers one request with its session at hand.
    fn answer<T: Send, F: Future<Output = Result<T, ErrorData>> + Send>(
        &self,
        session: Session,
        mut context: RequestContext<RoleServer>,
        call: impl FnOnce(RequestContext<RoleServer>) -> F,
    ) -> impl Future<Output = Result<Result<T, ErrorData>, CutShort>> + Send {
        let answering = self.shared.connected.as_ref().map(|connected| connected.calls.token());
        context.extensions.insert(session.clone());
        let (cancelled, ended) = (context.ct.clone(), end_of_connection(&context.extensions));
        // Not awaited: a future that awaits another which it was made with holds that twice.
        bracket(session, cancelled, ended, || call(context)).map(move |answer| {
            drop(answering);
            answer
        })
    }

    /// The same for a request that names no session by itself.
    fn ask<T: Send, F: Future<Output = Result<T, ErrorData>> + Send>(
        &self,
        context: RequestContext<RoleServer>,
        call: impl FnOnce(RequestContext<RoleServer>) -> F,
    ) -> impl Future<Output = Result<T, ErrorData>> + Send {
        let session = self.session(&context, None);
        self.answer(session, context, call).map(|answer| answer?)
    }
}

/// The requests that every server may have an answer to.
const CALLS: [&str; 3] = ["tools/call", "prompts/get", "resources/read"];

impl<H: fmt::Debug> fmt::Debug for WithSessions<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithSessions").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// Whether a message came over HTTP, where requests and not connections tell clients apart.
#[cfg(feature = "http")]
fn came_over_http(extensions: &Extensions) -> bool {
    extensions.get::<axum::http::request::Parts>().is_some()
}

#[cfg(not(feature = "http"))]
fn came_over_http(_: &Extensions) -> bool {
    false
}

/// Says when the session that a client is connected by ends, if that can be known before it is used again.
#[cfg(feature = "http")]
fn end_of_connection(extensions: &Extensions) -> Option<CancellationToken> {
    extensions.get::<ValidatedSession>().map(|validated| validated.ended.clone())
}

#[cfg(not(feature = "http"))]
fn end_of_connection(_: &Extensions) -> Option<CancellationToken> {
    None
}

impl<H: ServerHandler> ServerHandler for WithSessions<H> {
    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let has_connection = !came_over_http(&context.extensions);
        let result = self.inner.initialize(request, context).await?;
        let Shared { sessions, owner, connected } = &*self.shared;
        if let Some(Connected { session, .. }) = connected.as_ref().filter(|_| has_connection) {
            let open = || async { Connection::open(sessions, *owner).await.map(Arc::new) };
            // Apart, since every request has room for what the largest of them holds.
            Box::pin(session.get_or_try_init(open)).await?;
        }
        Ok(result)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let session = self.session(&context, request.arguments.as_ref());
        match self.answer(session, context, |context| self.inner.call_tool(request, context)).await {
            Ok(answer) => answer.or_else(into_tool_answer),
            Err(cut) => Ok(cut.into()),
        }
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let session = self.session(&context, request.arguments.as_ref());
        self.answer(session, context, |context| self.inner.get_prompt(request, context)).await?
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        self.ask(context, |context| self.inner.read_resource(request, context)).await
    }

    async fn ping(&self, context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.inner.ping(context).await
    }

    fn negotiate_initialize(&self, request: &InitializeRequestParams) -> Result<InitializeResult, ErrorData> {
        self.inner.negotiate_initialize(request)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.inner.supported_protocol_versions()
    }

    async fn discover(&self, context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        self.inner.discover(context).await
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        self.ask(context, |context| self.inner.complete(request, context)).await
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.ask(context, |context| self.inner.set_level(request, context)).await
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        self.ask(context, |context| self.inner.list_prompts(request, context)).await
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        self.ask(context, |context| self.inner.list_resources(request, context)).await
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        self.ask(context, |context| self.inner.list_resource_templates(request, context)).await
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        self.inner.accepted_subscription_filter(requested)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        self.inner.listen(context).await
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.ask(context, |context| self.inner.subscribe(request, context)).await
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.ask(context, |context| self.inner.unsubscribe(request, context)).await
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        self.ask(context, |context| self.inner.list_tools(request, context)).await
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.inner.get_tool(name)
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        // rmcp takes a request whose parameters it cannot read for one of a method that it does not know.
        if let Some(method) = CALLS.iter().find(|method| **method == request.method) {
            let message = format!("the parameters of `{method}` are not what the protocol says");
            return Err(ErrorData::invalid_params(message, None));
        }
        self.ask(context, |context| self.inner.on_custom_request(request, context)).await
    }

    async fn on_cancelled(&self, notification: CancelledNotificationParam, context: NotificationContext<RoleServer>) {
        self.inner.on_cancelled(notification, context).await;
    }

    async fn on_progress(&self, notification: ProgressNotificationParam, context: NotificationContext<RoleServer>) {
        self.inner.on_progress(notification, context).await;
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        self.inner.on_initialized(context).await;
    }

    async fn on_roots_list_changed(&self, context: NotificationContext<RoleServer>) {
        self.inner.on_roots_list_changed(context).await;
    }

    async fn on_custom_notification(&self, notification: CustomNotification, context: NotificationContext<RoleServer>) {
        self.inner.on_custom_notification(notification, context).await;
    }

    fn get_info(&self) -> ServerConfig {
        self.inner.get_info()
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        self.ask(context, |context| self.inner.get_task(request, context)).await
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.ask(context, |context| self.inner.update_task(request, context)).await
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.ask(context, |context| self.inner.cancel_task(request, context)).await
    }

    async fn list_skills(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListSkillsResult, ErrorData> {
        self.ask(context, |context| self.inner.list_skills(request, context)).await
    }

    async fn get_skill(
        &self,
        request: GetSkillRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetSkillResult, ErrorData> {
        self.ask(context, |context| self.inner.get_skill(request, context)).await
    }

    async fn read_resource_directory(
        &self,
        request: ReadResourceDirectoryRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceDirectoryResult, ErrorData> {
        self.ask(context, |context| self.inner.read_resource_directory(request, context)).await
    }
}
