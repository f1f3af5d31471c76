//! The store, and what is said of one that cannot be used.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::common::{answers, converse, file, initialize, program, refused};

#[test]
fn a_store_that_is_away_is_said_before_anything_is_served_and_without_its_password() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port is free");
    let forms = [
        ("redis", "/0"),
        ("rediss", ""),
        ("redis+cluster", ""),
        ("rediss+cluster", ""),
        ("redis+sentinel", "/m"),
        ("rediss+sentinel", "/m/1"),
    ];
    for (form, path) in forms {
        let url = format!("{form}://user:hunter2@{free}{path}");
        let file = file(&format!("store = \"{url}\""));
        for command in [
            program().args(["--store", &url]),
            program().env("SESSION_MCP_STORE", &url),
            program().arg("--config").arg(file.path()),
            program().args(["--http", "127.0.0.1:0", "--store", &url]),
        ] {
            let begun = Instant::now();
            let (code, said) = refused(command.env("SESSION_MCP_REDIS__DEADLINE", "200ms"));
            assert!(begun.elapsed() < Duration::from_secs(2), "{form} took {:?}", begun.elapsed());
            assert_eq!(code, Some(1), "{said}");
            assert!(said.contains(&format!("the store `{form}`")) && said.contains("`deadline`"), "{said}");
            assert!(!said.contains("hunter2") && !said.contains("user:") && !said.contains("listening"), "{said}");
        }
    }
}

#[test]
fn a_store_url_that_cannot_be_is_refused_without_its_password() {
    for (url, why) in [
        ("redis://user:hunter2@", "host"),
        ("redis://user:hunter2@db:port", "port"),
        ("redis://user:hunter2@db/first", "database"),
        ("redis://user:hunter2%ff@db", "percent"),
        ("redis+cluster://user:hunter2@a,b/1", "one database"),
        ("rediss+sentinel://user:hunter2@a,b", "master"),
        ("postgres://user:hunter2@db", "redis://"),
    ] {
        let (code, said) = refused(program().args(["--store", url]));
        assert_eq!(code, Some(2), "{url}: {said}");
        assert!(said.contains(why) && !said.contains("hunter2"), "{url}: {said}");
    }
}

#[test]
fn a_store_that_no_server_could_serve_is_a_misuse() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port is free");
    for (form, key, value, why) in [
        ("rediss", "TLS__CA", "/no/such/file", "`tls.ca`"),
        ("rediss", "TLS__KEY", "/no/such/file", "`tls.certificate`"),
        ("redis", "TLS__CA", "/no/such/file", "rediss://"),
        ("redis", "DEADLINE", "2h", "`deadline`"),
    ] {
        let mut command = program();
        let command = command.args(["--store", &format!("{form}://user:hunter2@{free}")]);
        let (code, said) = refused(command.env(format!("SESSION_MCP_REDIS__{key}"), value));
        assert_eq!(code, Some(2), "{key}: {said}");
        assert!(said.contains(why) && !said.contains("hunter2"), "{key}: {said}");
    }
}

#[test]
fn settings_of_redis_without_a_store_are_refused_and_with_memory_ignored_aloud() {
    let settings = file("[redis]\nkey_prefix = \"shop\"");
    let (code, said) = refused(program().arg("--config").arg(settings.path()));
    assert!(code == Some(2) && said.contains("`redis`") && said.contains("set `store`"), "{said}");
    let mut command = program();
    let output = converse(command.arg("--config").arg(settings.path()).args(["--store", "memory"]), &[initialize()]);
    assert_eq!(answers(&output).len(), 1);
    let log = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(log.contains("`redis` have no effect"), "{log}");
}
