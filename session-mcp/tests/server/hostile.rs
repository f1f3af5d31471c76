//! What a client should not send: each of it is refused with a sentence that repeats nothing of it, changes nothing,
//! and leaves a server that serves the next call. Over HTTP and over a connection.

mod listener;
mod wire;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use session_core::{Limits, SessionName};

use self::listener::listen;
use self::wire::{Answer, Wire};

/// What everything hostile holds, and nothing else does.
const CANARY: &str = "c4n4ry";

/// What is known of a session: that it is the same means that nothing was written.
async fn information(wire: &mut Wire) -> Value {
    let mut told = done(wire.call("session_info", "{}").await);
    for of_the_call in ["last_used", "expires_at"] {
        told.as_object_mut().expect("it is one").remove(of_the_call);
    }
    told
}

/// The structured content of a success.
fn done(answer: Answer) -> Value {
    let Answer::Message(mut answer) = answer else { panic!("nothing was answered") };
    assert_eq!(answer["result"]["isError"], false, "{answer}");
    answer["result"]["structuredContent"].take()
}

/// Lets a tool refuse, and holds the refusal against what is promised of each.
async fn refused(wire: &mut Wire, tool: &str, arguments: &str, code: &str) {
    let (shown, before) = (&arguments[..arguments.len().min(80)], information(wire).await);
    let Answer::Message(answer) = wire.call(tool, arguments).await else { panic!("no answer to {tool} {shown}") };
    assert_eq!(answer["result"]["isError"], true, "{tool} {shown}: {answer}");
    assert_eq!(answer["result"]["_meta"]["session-mcp/refusal"]["error"], code, "{tool} {shown}: {answer}");
    assert!(!answer.to_string().contains(CANARY), "{tool} {shown}: {answer}");
    assert_eq!(information(wire).await, before, "{tool} {shown}");
}

#[tokio::test]
async fn what_is_no_handle_is_refused_by_one_sentence() {
    let log = listen();
    for wire in &mut Wire::all().await {
        let own = done(wire.call("open_session", "{}").await)["session"].take();
        let own = own.as_str().expect("a handle");
        let locator = &own[..4 + (SessionName::LEN - 4) / 2];
        let handles = [
            "true".to_owned(),
            "-0.0".to_owned(),
            format!("[{own:?}]"),
            format!("{{\"session\":{own:?}}}"),
            format!("\"{}\"", CANARY.repeat(1 << 18)),
            format!("\" {own}\""),
            format!("\"{own}\\n\""),
            format!("\"{own}\\u0000{CANARY}\""),
            format!("\"{own}\\r\\nmcp-session-id: {CANARY}\""),
            format!("\"{}\"", own.to_uppercase()),
            format!("\"{}\"", own.replace("ses_", "%73es_")),
            format!("\"{}\"", own.replace('s', "\\u0455")),
            format!("\"{}\"", own.replace("ses_", "ｓｅｓ_")),
            format!("\"\\u200b{own}\""),
            format!("\"{}\"", &own[..own.len() - 1]),
            format!("\"{locator}\""),
            format!("\"{locator}/../{CANARY}\""),
            format!("\"{locator}*\""),
        ];
        for handle in handles {
            for tool in ["session_info", "open_session", "end_session"] {
                refused(wire, tool, &format!("{{\"session\":{handle}}}"), "invalid_handle").await;
            }
        }
        let escaped: Vec<String> = own.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
        let escaped = escaped.concat();
        let told = done(wire.call("session_info", &format!("{{\"session\":\"{escaped}\"}}")).await);
        assert_eq!(told["source"], "handle", "another spelling in JSON is the same text");
        assert!(!log.said(CANARY) && !log.said(own), "a handle is in the log");
    }
}

#[tokio::test]
async fn what_is_no_state_name_is_refused_by_one_sentence() {
    let log = listen();
    for wire in &mut Wire::all().await {
        for name in [
            String::new(),
            "n".repeat(129),
            CANARY.repeat(1 << 17),
            format!(".{CANARY}"),
            "..".to_owned(),
            format!("../{CANARY}"),
            format!("{CANARY}\\\\..\\\\x"),
            format!("{CANARY}\\u0000"),
            format!("{CANARY}\\r\\nx: y"),
            format!("{CANARY} "),
            format!("{CANARY}%2f"),
            format!("{{{CANARY}}}"),
            format!("{CANARY}*"),
            "ｎａｍｅ".to_owned(),
            "\\u202ename".to_owned(),
            "\\ud83e\\udd80".to_owned(),
        ] {
            refused(wire, "set_state", &format!("{{\"name\":\"{name}\",\"value\":1}}"), "invalid_argument").await;
            refused(wire, "get_state", &format!("{{\"name\":\"{name}\"}}"), "invalid_argument").await;
            refused(wire, "delete_state", &format!("{{\"name\":\"{name}\"}}"), "invalid_argument").await;
        }
        assert!(!log.said(CANARY), "a name is in the log");
    }
}

#[tokio::test]
async fn names_that_look_like_something_else_are_names() {
    for wire in &mut Wire::all().await {
        let names = ["__proto__", "constructor", "a/../../b", "c:/x", "-rf", "0", "NaN", "null"];
        let longest = "n".repeat(128);
        for name in names.into_iter().chain([longest.as_str()]) {
            done(wire.call("set_state", &format!("{{\"name\":\"{name}\",\"value\":\"{name}\"}}")).await);
            let read = done(wire.call("get_state", &format!("{{\"name\":\"{name}\"}}")).await);
            assert_eq!((&read["found"], &read["value"]), (&json!(true), &json!(name)));
        }
        let told = information(wire).await;
        let kept: BTreeSet<&str> =
            told["state_names"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        assert_eq!(kept, names.into_iter().chain([longest.as_str()]).collect());
    }
}

#[tokio::test]
async fn values_are_kept_as_they_are() {
    for wire in &mut Wire::all().await {
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        for value in [
            r#"{"__proto__":{"isError":true},"constructor":null,"":0}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            r#""\u0000\u001b[31m\r\n\ud83e\udd80\u2028""#,
            r#""ses_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA""#,
            "[18446744073709551615,-9223372036854775808,1e308,5e-324,-0.0,0.1]",
            deep.as_str(),
        ] {
            done(wire.call("set_state", &format!("{{\"name\":\"v\",\"value\":{value}}}")).await);
            let read = done(wire.call("get_state", "{\"name\":\"v\"}").await);
            assert_eq!(read["value"], serde_json::from_str::<Value>(value).expect("JSON"), "{value}");
        }
    }
}

#[tokio::test]
async fn the_last_of_two_equal_keys_counts_for_everybody() {
    for wire in &mut Wire::all().await {
        let twice = r#"{"name":"a","value":1,"name":"b","value":2}"#;
        assert_eq!(done(wire.call("set_state", twice).await)["name"], "b");
        assert_eq!(done(wire.call("get_state", r#"{"name":"a"}"#).await)["found"], false);
        assert_eq!(done(wire.call("get_state", r#"{"name":"b"}"#).await)["value"], 2);
        let own = done(wire.call("open_session", "{}").await)["session"].take();
        refused(wire, "session_info", &format!("{{\"session\":{own},\"session\":\"{CANARY}\"}}"), "invalid_handle")
            .await;
        let told = done(wire.call("session_info", &format!("{{\"session\":\"{CANARY}\",\"session\":{own}}}")).await);
        assert_eq!(told["source"], "handle");
    }
}

/// A state value of so many bytes.
fn value(name: &str, bytes: usize) -> String {
    format!("{{\"name\":\"{name}\",\"value\":\"{}\"}}", "x".repeat(bytes - 2))
}

#[tokio::test]
async fn a_value_has_its_limit_of_bytes_and_not_one_more() {
    let max = Limits::default().value_bytes;
    for wire in &mut Wire::all().await {
        done(wire.call("set_state", &value("a", max)).await);
        refused(wire, "set_state", &value("a", max + 1), "quota").await;
        refused(wire, "set_state", &value("a", 10 * max), "quota").await;
        // Each of these is six bytes in the request, and two where it is kept.
        let escaped = format!("{{\"name\":\"b\",\"value\":\"{}\"}}", "\\u00e9".repeat(max / 2 - 1));
        done(wire.call("set_state", &escaped).await);
        let told = information(wire).await;
        assert_eq!(told["state_names"], json!(["a", "b"]));
    }
}

#[tokio::test]
async fn a_session_has_its_limit_of_bytes_and_not_one_more() {
    let Limits { session_bytes, value_bytes, .. } = Limits::default();
    for wire in &mut Wire::all().await {
        let fits = session_bytes / (value_bytes + 1);
        for name in "abcdefgh".chars().take(fits) {
            done(wire.call("set_state", &value(&name.to_string(), value_bytes)).await);
        }
        let left = session_bytes - fits * (value_bytes + 1) - 1;
        refused(wire, "set_state", &value("z", left + 1), "quota").await;
        done(wire.call("set_state", &value("z", left)).await);
        refused(wire, "set_state", "{\"name\":\"y\",\"value\":0}", "quota").await;
        refused(wire, "set_working_directory", "{\"directory\":\"/\"}", "quota").await;
        done(wire.call("set_state", &value("a", value_bytes)).await);
        done(wire.call("delete_state", "{\"name\":\"a\"}").await);
        done(wire.call("set_state", "{\"name\":\"y\",\"value\":0}").await);
    }
}

#[tokio::test]
async fn a_session_has_its_limit_of_names_and_not_one_more() {
    let max = Limits::default().state_names;
    for wire in &mut Wire::all().await {
        for number in 0..max {
            done(wire.call("set_state", &format!("{{\"name\":\"n{number}\",\"value\":null}}")).await);
        }
        refused(wire, "set_state", &format!("{{\"name\":\"{CANARY}\",\"value\":null}}"), "quota").await;
        done(wire.call("set_state", "{\"name\":\"n0\",\"value\":1}").await);
        done(wire.call("delete_state", "{\"name\":\"n1\"}").await);
        done(wire.call("set_state", "{\"name\":\"another\",\"value\":1}").await);
    }
}

#[tokio::test]
async fn what_is_no_json_to_its_last_level_changes_nothing() {
    let log = listen();
    for wire in &mut Wire::all().await {
        let before = information(wire).await;
        let nested = |open: &str, depth: usize, close: &str| format!("{}{}", open.repeat(depth), close.repeat(depth));
        for value in [
            nested("[", 200, "]"),
            nested("[", 100_000, "]"),
            format!("{}0{}", "{\"a\":".repeat(100_000), "}".repeat(100_000)),
            "[".repeat(1_000_000),
            "1e999".to_owned(),
            "-1e999".to_owned(),
            "01".to_owned(),
            "NaN".to_owned(),
            "0x1".to_owned(),
            format!("\"{CANARY}\\ud800\""),
            format!("\"{CANARY}\\ud800\\u0041\""),
            format!("\"{CANARY}\u{1}\""),
            format!("'{CANARY}'"),
            format!("1,}}/*{CANARY}*/"),
        ] {
            match wire.call("set_state", &format!("{{\"name\":\"v\",\"value\":{value}}}")).await {
                Answer::Message(answer) => {
                    assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(-32_700), &Value::Null), "{answer}");
                    assert!(!answer.to_string().contains(CANARY), "{answer}");
                }
                // What is no JSON has no id to answer to; a connection waits for the next line.
                Answer::Nothing => assert!(wire.is_connection(), "HTTP answers everything"),
            }
            assert_eq!(information(wire).await, before);
        }
        assert!(!log.said(CANARY), "a value is in the log");
    }
}

#[tokio::test]
async fn tools_and_arguments_of_another_shape_are_refused() {
    let log = listen();
    for wire in &mut Wire::all().await {
        let before = information(wire).await;
        for params in [
            format!("{{\"name\":\"{CANARY}\"}}"),
            format!("{{\"name\":\"{}\"}}", CANARY.repeat(1 << 17)),
            "{\"name\":\"\"}".to_owned(),
            "{\"name\":\"open_session\\u0000\"}".to_owned(),
            format!("{{\"name\":[\"{CANARY}\"]}}"),
            format!("{{\"name\":\"set_state\",\"arguments\":[\"{CANARY}\"]}}"),
            format!("{{\"name\":\"set_state\",\"arguments\":\"{CANARY}\"}}"),
            format!("{{\"arguments\":{{\"{CANARY}\":1}}}}"),
            format!("{{\"name\":\"session_info\",\"_meta\":\"{CANARY}\"}}"),
            format!("[\"{CANARY}\"]"),
            format!("\"{CANARY}\""),
        ] {
            let shown = &params[..params.len().min(80)];
            let Answer::Message(answer) = wire.request("tools/call", &params).await else {
                panic!("no answer to {shown}")
            };
            let code = &answer["error"]["code"];
            assert!(code == -32_602 || code == -32_600, "{shown}: {answer}");
            assert!(!answer.to_string().contains(CANARY), "{shown}: {answer}");
            assert_eq!(information(wire).await, before, "{shown}");
        }
        assert!(!log.said(CANARY), "what was asked for is in the log");
    }
}
