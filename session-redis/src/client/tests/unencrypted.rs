//! A program that was built without TLS.

use super::{Client, ConnectError, config};

#[tokio::test]
async fn who_asks_for_tls_is_told_how_to_have_it() {
    for url in ["rediss://127.0.0.1:1", "rediss+sentinel://127.0.0.1:1/master", "rediss+cluster://127.0.0.1:1"] {
        let error = Client::connect(&config(url)).await.expect_err("there is no TLS");
        assert!(matches!(error, ConnectError::NoTls), "{url}: {error:?}");
        assert!(error.is_misconfiguration() && error.to_string().contains("feature `tls`"), "{error}");
    }
}
