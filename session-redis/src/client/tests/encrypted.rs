//! Servers that are spoken to by TLS.

use session_test_servers::{Certificates, Cluster, Sentinels, free_port};

use super::{Client, ConnectError, Duration, Instant, RedisConfig, Server, Value, config, get, send, set, slot, text};
use crate::config::TlsFiles;

/// A server that speaks TLS at a second port, and its URL.
async fn start(certificates: &Certificates, clients: &str) -> (Server, String) {
    let port = free_port();
    let server = Server::builder()
        .config("tls-port", port.to_string())
        .config("tls-cert-file", certificates.server().display().to_string())
        .config("tls-key-file", certificates.server_key().display().to_string())
        .config("tls-ca-cert-file", certificates.authority().display().to_string())
        .config("tls-auth-clients", clients);
    (server.start().await, format!("rediss://127.0.0.1:{port}"))
}

fn trusting(url: &str, certificates: &Certificates) -> RedisConfig {
    let mut config = config(url);
    config.tls.ca = Some(certificates.authority());
    config
}

async fn refused(config: &RedisConfig) -> ConnectError {
    Client::connect(config).await.expect_err("it must not connect")
}

#[tokio::test]
async fn the_authority_of_the_configuration_is_trusted() {
    let certificates = Certificates::new();
    let (server, url) = start(&certificates, "no").await;
    let client = Client::connect(&trusting(&url, &certificates)).await.expect("the server is trusted");
    send(&client, &set("k", "v")).await.expect("the server runs");
    server.kill();
    server.restart().await;
    assert_eq!(send(&client, &get("k")).await.expect("the server is back").replies, [Value::Nil]);
    let by_name = url.replace("127.0.0.1", "localhost");
    Client::connect(&trusting(&by_name, &certificates)).await.expect("the certificate names it too");
}

#[tokio::test]
async fn an_unknown_authority_is_not_trusted() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let (_server, url) = start(&certificates, "no").await;
    for config in [config(&url), trusting(&url, &others)] {
        let error = refused(&config).await;
        assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_gets_one() {
    let certificates = Certificates::new();
    let (_server, url) = start(&certificates, "yes").await;
    let mut config = trusting(&url, &certificates);
    config.tls.certificate = Some(certificates.client());
    config.tls.key = Some(certificates.client_key());
    let client = Client::connect(&config).await.expect("the client is trusted");
    send(&client, &set("k", "v")).await.expect("the server runs");
    assert_eq!(send(&client, &get("k")).await.expect("the server runs").replies, [text("v")]);
    let error = refused(&trusting(&url, &certificates)).await;
    assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
}

#[tokio::test]
async fn sentinels_and_the_master_they_name_are_spoken_to_by_tls() {
    let certificates = Certificates::new();
    let sentinels = Sentinels::builder().tls(&certificates).config("min-replicas-to-write", "1");
    let sentinels = sentinels.config("min-replicas-max-lag", "1").start().await;
    assert!(sentinels.url().starts_with("rediss+sentinel://"), "{}", sentinels.url());
    let client = Client::connect(&trusting(&sentinels.url(), &certificates)).await.expect("all are trusted");
    send(&client, &set("k", "v")).await.expect("there is a master");
    sentinels.failover().await;
    client.send(&set("k", "w"), Instant::now() + Duration::from_secs(10)).await.expect("there is another");
    assert_eq!(sentinels.master().await.cli(&["GET", "k"]).await, text("w"));
    let error = refused(&trusting(&sentinels.url(), &Certificates::new())).await;
    assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
}

#[tokio::test]
async fn the_nodes_of_a_cluster_are_spoken_to_by_tls() {
    let certificates = Certificates::new();
    let cluster = Cluster::builder().tls(&certificates).start().await;
    assert!(cluster.url().starts_with("rediss+cluster://"), "{}", cluster.url());
    let client = Client::connect(&trusting(&cluster.url(), &certificates)).await.expect("all are trusted");
    for n in 0..20 {
        send(&client, &set(&format!("k{n}"), "v")).await.expect("the cluster runs");
    }
    cluster.failover(slot("k0")).await;
    assert_eq!(send(&client, &get("k0")).await.expect("there is another master").replies, [text("v")]);
    let error = refused(&trusting(&cluster.url(), &Certificates::new())).await;
    assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named_by_its_key() {
    let certificates = Certificates::new();
    let nowhere = certificates.folder().join("nowhere.pem");
    let url = "rediss://127.0.0.1:1";
    let tls = TlsFiles {
        ca: Some(certificates.authority()),
        certificate: Some(certificates.client()),
        key: Some(certificates.client_key()),
    };
    for (key, tls) in [
        ("ca", TlsFiles { ca: Some(nowhere.clone()), ..tls.clone() }),
        ("ca", TlsFiles { ca: Some(certificates.client_key()), ..tls.clone() }),
        ("certificate", TlsFiles { certificate: Some(nowhere.clone()), ..tls.clone() }),
        ("key", TlsFiles { key: Some(nowhere), ..tls.clone() }),
        ("key", TlsFiles { key: Some(certificates.server_key()), ..tls.clone() }),
    ] {
        let error = refused(&RedisConfig { tls, ..config(url) }).await;
        assert!(matches!(&error, ConnectError::TlsFile { key: named, .. } if *named == key), "{key}: {error:?}");
        assert!(error.to_string().contains(&format!("`tls.{key}`")), "{error}");
    }
    let half = refused(&RedisConfig { tls: TlsFiles { key: None, ..tls.clone() }, ..config(url) }).await;
    assert!(matches!(half, ConnectError::TlsPair), "{half:?}");
    let unused = refused(&RedisConfig { tls, ..config("redis://127.0.0.1:1") }).await;
    assert!(matches!(unused, ConnectError::TlsUnused), "{unused:?}");
}
