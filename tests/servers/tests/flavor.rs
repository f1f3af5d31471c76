//! The programs that the tests run against.

use session_test_servers::{Flavor, Server};

#[tokio::test]
async fn every_flavor_serves_in_its_version() {
    for flavor in Flavor::all() {
        let server = Server::builder().flavor(&flavor).start().await;
        let info = server.info("server").await;
        let (major, minor, patch) = flavor.version();
        let version = format!("{major}.{minor}.{patch}");
        let key = if flavor.name() == "valkey" { "valkey_version" } else { "redis_version" };
        assert!(info.contains(&(key.to_owned(), version)), "{flavor}");
    }
}

#[test]
fn the_oldest_flavor_is_6_2() {
    let (major, minor, _) = Flavor::redis_6_2().version();
    assert_eq!((major, minor), (6, 2));
    assert!(Flavor::redis().version() >= (7, 0, 0));
}
