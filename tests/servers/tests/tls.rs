//! Servers and certificates.

use std::fs;

use redis::{Client, ClientTlsConfig, RedisResult, TlsCertificates};
use rustls::crypto::ring;
use session_test_servers::{Certificates, Flavor, Server};

#[tokio::test]
async fn a_server_shows_a_certificate_that_its_authority_signed() {
    let certificates = Certificates::new();
    let server = Server::builder().flavor(&Flavor::redis()).tls(&certificates).password("secret").start().await;
    assert_eq!(ping(&server, certificates_of(&certificates, false)).await, Ok("PONG".to_owned()));
    assert_eq!(ping(&server, certificates_of(&certificates, true)).await, Ok("PONG".to_owned()));
    assert!(ping(&server, certificates_of(&Certificates::new(), false)).await.is_err());
}

#[tokio::test]
async fn a_server_can_insist_on_a_certificate_of_the_client() {
    let certificates = Certificates::new();
    let server =
        Server::builder().flavor(&Flavor::redis()).tls(&certificates).config("tls-auth-clients", "yes").start().await;
    assert_eq!(ping(&server, certificates_of(&certificates, true)).await, Ok("PONG".to_owned()));
    assert!(ping(&server, certificates_of(&certificates, false)).await.is_err());
    server.restart().await;
    assert_eq!(ping(&server, certificates_of(&certificates, true)).await, Ok("PONG".to_owned()));
}

#[test]
fn certificates_are_removed_when_dropped() {
    let certificates = Certificates::new();
    let folder = certificates.folder().to_owned();
    assert_eq!(fs::read_dir(&folder).expect("it is there").count(), 5);
    drop(certificates);
    assert!(!folder.exists());
}

async fn ping(server: &Server, certificates: TlsCertificates) -> RedisResult<String> {
    let _ = ring::default_provider().install_default();
    let client = Client::build_with_tls(server.tls_url(), certificates)?;
    redis::cmd("PING").query_async(&mut client.get_multiplexed_async_connection().await?).await
}

fn certificates_of(certificates: &Certificates, with_client: bool) -> TlsCertificates {
    let client_tls = with_client.then(|| ClientTlsConfig {
        client_cert: fs::read(certificates.client()).expect("it was made"),
        client_key: fs::read(certificates.client_key()).expect("it was made"),
    });
    let root_cert = Some(fs::read(certificates.authority()).expect("it was made"));
    TlsCertificates { client_tls, root_cert }
}
