//! The client of rmcp, which needs no process of its own.

use rmcp::model::{CallToolRequestParams, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{RoleClient, ServiceError};
use serde_json::Value;

use crate::site::Site;

/// A connection over HTTP.
#[derive(Debug)]
pub(crate) struct InProcess(RunningService<RoleClient, ()>);

impl InProcess {
    /// Connects a client of 2025-11-25 and one of 2026-07-28.
    ///
    /// # Panics
    ///
    /// If one does not connect, or agrees on another protocol version than its own.
    pub(crate) async fn connect(site: &Site) -> [Self; 2] {
        let later = ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
        [
            Self::agree(site, ClientLifecycleMode::Initialize, "2025-11-25").await,
            Self::agree(site, later, "2026-07-28").await,
        ]
    }

    async fn agree(site: &Site, lifecycle: ClientLifecycleMode, protocol: &str) -> Self {
        let [url] = &*site.target() else { panic!("a URL") };
        let mut config = StreamableHttpClientTransportConfig::with_uri(&**url);
        config.auth_header = site.token().map(str::to_owned);
        let transport = StreamableHttpClientTransport::from_config(config);
        let client = ().serve_with_lifecycle(transport, lifecycle).await.expect("it connects");
        assert_eq!(client.peer_info().map(|server| server.protocol_version.to_string()).as_deref(), Some(protocol));
        Self(client)
    }

    /// Lists the tools, as they are on the wire.
    pub(crate) async fn tools(&self) -> Vec<Value> {
        let tools = self.0.list_all_tools().await.expect("a list of tools");
        tools.iter().map(|tool| serde_json::to_value(tool).expect("it came as JSON")).collect()
    }

    /// Opens a session and returns its handle.
    pub(crate) async fn open(&self) -> String {
        let opened = self.0.call_tool(CallToolRequestParams::new("open_session")).await.expect("a result");
        opened.structured_content.expect("what it says")["session"].as_str().expect("a handle").to_owned()
    }

    /// Counts in the session of a handle.
    ///
    /// # Errors
    ///
    /// If there is no result.
    pub(crate) async fn count(&self, session: &str) -> Result<u64, ServiceError> {
        let arguments = [("session".to_owned(), session.into())].into_iter().collect();
        let counted = self.0.call_tool(CallToolRequestParams::new("counter").with_arguments(arguments)).await?;
        Ok(counted.structured_content.expect("what it says")["count"].as_u64().expect("a count"))
    }

    /// Ends the connection.
    pub(crate) async fn close(self) {
        self.0.cancel().await.expect("the client ends");
    }
}
