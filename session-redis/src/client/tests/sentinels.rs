//! A master that sentinels watch over.

use session_test_servers::Sentinels;

use super::{Client, ConnectError, Duration, Instant, RedisConfig, config, connect, get, send, set, sleep, text};

#[tokio::test]
async fn a_master_that_is_replaced_is_left_before_it_forgets() {
    let builder = Sentinels::builder().config("min-replicas-to-write", "1").config("min-replicas-max-lag", "1");
    let sentinels = builder.start().await;
    let client = connect(&sentinels.url()).await;
    send(&client, &set("k", "v")).await.expect("there is a master");
    sentinels.failover().await;
    assert_eq!(send(&client, &get("k")).await.expect("there is a master").replies, [text("v")]);
    client.send(&set("k", "w"), Instant::now() + Duration::from_secs(10)).await.expect("the old one follows");
    assert_eq!(sentinels.master().await.cli(&["GET", "k"]).await, text("w"));
}

#[tokio::test]
async fn a_master_that_dies_is_replaced_within_three_seconds() {
    let sentinels = Sentinels::start().await;
    let client = connect(&sentinels.url()).await;
    send(&client, &set("k", "v")).await.expect("there is a master");
    let killed = Instant::now();
    sentinels.kill_master().await;
    client.send(&set("k", "w"), killed + Duration::from_secs(10)).await.expect("there is another");
    assert!(killed.elapsed() < Duration::from_secs(3), "{:?}", killed.elapsed());
}

#[tokio::test]
async fn a_sentinel_that_is_silent_is_outvoted() {
    let sentinels = Sentinels::start().await;
    sentinels.sentinels()[0].stop();
    let client = connect(&sentinels.url()).await;
    send(&client, &set("k", "v")).await.expect("two of three are a majority");
    sentinels.sentinels()[1].kill();
    sleep(Duration::from_millis(600)).await;
    send(&client, &get("k")).await.expect("the master is known");
    let mut config = config(&sentinels.url());
    config.deadline = Duration::from_millis(700);
    let before = Instant::now();
    let error = Client::connect(&config).await.expect_err("one of three is no majority");
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
    assert!(before.elapsed() < Duration::from_millis(750), "{:?}", before.elapsed());
}

#[tokio::test]
async fn sentinels_with_a_password_are_told_it() {
    let sentinels = Sentinels::builder().password("servers").sentinel_password("sentinels").start().await;
    let with = |password: Option<&str>| {
        let credentials = password.map(|password| serde_json::json!({ "password": password }));
        let config = serde_json::json!({ "url": sentinels.url(), "sentinel_credentials": credentials });
        serde_json::from_value::<RedisConfig>(config).expect("a configuration")
    };
    let client = Client::connect(&with(Some("sentinels"))).await.expect("the sentinels take it");
    send(&client, &set("k", "v")).await.expect("there is a master");
    // The servers' is none for them.
    for wrong in [Some("servers"), None] {
        let error = Client::connect(&with(wrong)).await.expect_err("they want theirs");
        assert!(matches!(error, ConnectError::SentinelCredentials { .. }), "{wrong:?}: {error:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_url_is_said() {
    let sentinels = Sentinels::start().await;
    let url = sentinels.url().replace(sentinels.name(), "another");
    let error = Client::connect(&config(&url)).await.expect_err("no such master");
    assert!(matches!(&error, ConnectError::UnknownMaster { master } if master == "another"), "{error:?}");
    let sentinel = sentinels.sentinels()[0].addr();
    let error = Client::connect(&config(&format!("redis://{sentinel}"))).await.expect_err("a sentinel");
    assert!(matches!(error, ConnectError::IsSentinel), "{error:?}");
    let master = sentinels.master().await.addr();
    let url = format!("redis+sentinel://{master}/{}", sentinels.name());
    let error = Client::connect(&config(&url)).await.expect_err("no sentinel");
    assert!(matches!(error, ConnectError::IsNoSentinel), "{error:?}");
}
