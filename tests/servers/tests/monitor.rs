//! What a server is told to do.

use session_test_servers::{Command, Monitor, Server};

#[tokio::test]
async fn a_monitor_records_all_commands_and_nothing_else() {
    let server = Server::start().await;
    let client = redis::Client::open(format!("{}/3", server.url())).expect("an address");
    let mut connection = client.get_multiplexed_async_connection().await.expect("the server is there");
    let monitor = Monitor::start(&server).await;
    let binary = b"\x00\xff\" ] [\\\r\n\t\x07\x08 end";
    for _ in 0..100 {
        redis::cmd("SET").arg(binary).arg("").exec_async(&mut connection).await.expect("it is set");
    }
    let script = redis::Script::new("return redis.call('get', KEYS[1])");
    let _: String = script.key(binary).invoke_async(&mut connection).await.expect("it is there");
    let commands = monitor.finish().await;
    let names: Vec<_> = commands[100..].iter().map(Command::name).collect();
    assert_eq!(names, ["EVALSHA", "SCRIPT", "EVALSHA", "GET"]);
    for command in &commands[..100] {
        assert_eq!(command.arguments, [b"SET".as_slice(), binary, b""]);
        assert_eq!(command.database, 3);
        assert!(command.client.starts_with("127.0.0.1:") && !command.is_of_a_script());
    }
    assert!(commands[103].is_of_a_script());
    assert_eq!(commands[103].arguments[1], binary);
}

#[tokio::test]
async fn a_monitor_can_be_had_again() {
    let server = Server::builder().password("secret").start().await;
    assert_eq!(Monitor::start(&server).await.finish().await, []);
    let monitor = Monitor::start(&server).await;
    server.cli(&["GET", "key"]).await;
    let commands = monitor.finish().await;
    assert!(commands.iter().any(|command| command.arguments == [b"GET".as_slice(), b"key"]));
    assert!(commands.iter().all(|command| command.client.starts_with("unix:")));
}
