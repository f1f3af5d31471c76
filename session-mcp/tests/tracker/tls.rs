//! Over TLS, by the authorities that the system trusts.

use std::io;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;
use session_mcp::project::{McpTracker, ProjectTracker as _, TrackerSettings};
use tempfile::NamedTempFile;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::board::{Board, Era, Say};

/// Set for a process of this test that asks, to the URL that it asks.
const URL: &str = "TRACKER_TEST_URL";

struct Tls {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let (stream, peer) = self.tcp.accept().await.expect("the listener holds");
            // Whoever does not trust the certificate hangs up.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// The authorities of the system are read from the environment, so whoever asks is a process with its own.
#[tokio::test]
async fn a_server_is_asked_over_tls_if_the_system_trusts_it_and_only_then() {
    if let Ok(url) = std::env::var(URL) {
        let timeout = Duration::from_secs(60);
        let settings = TrackerSettings { url: Some(url), timeout, ..TrackerSettings::default() };
        let tracker = McpTracker::new(&settings).expect("the settings are valid");
        tracker.current_project(None).await.expect("it is told");
        return;
    }
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).expect("a name");
    let file = NamedTempFile::new().expect("a file");
    std::fs::write(&file, cert.pem()).expect("it can be written");
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("the versions are known").with_no_client_auth();
    let config = config.with_single_cert(vec![cert.der().clone()], key).expect("the key is the certificate's");
    let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
    let listener = Tls { tcp, acceptor: TlsAcceptor::from(Arc::new(config)) };
    let board = Board::on(listener, Era::Both, Say::Structured(json!({ "id": "p" })), |router| router);
    let url = format!("https://localhost:{}/mcp", board.address.port());

    let asks = || {
        let mut command = Command::new(std::env::current_exe().expect("it runs"));
        command.args(["a_server_is_asked_over_tls", "--test-threads=1"]).env(URL, &url);
        command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        command
    };
    let trusting = asks().env("SSL_CERT_FILE", file.path()).env_remove("SSL_CERT_DIR").status().await;
    assert!(trusting.expect("it starts").success());
    assert_eq!(board.questions().len(), 1);
    let distrusting = asks().env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR").status().await;
    assert!(!distrusting.expect("it starts").success());
    assert_eq!(board.questions().len(), 1, "nothing is said to who is not trusted");
}
