//! Which node of a cluster holds which slots.

use std::ops::RangeInclusive;

use redis::Value;

use crate::url::Endpoint;

/// What a node answered to `CLUSTER SLOTS`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Slots {
    /// The ranges in order, with the master of each.
    pub(crate) ranges: Vec<(RangeInclusive<u16>, Endpoint)>,
    /// Those who only copy.
    pub(crate) replicas: Vec<Endpoint>,
}

impl Slots {
    /// Reads the answer of the node at this address. A node that is announced without a host has the same one.
    ///
    /// `None` if it is no such answer, or tells of no slots: that node knows no cluster.
    pub(crate) fn parse(answer: &Value, asked: &Endpoint) -> Option<Self> {
        let Value::Array(entries) = answer else { return None };
        let mut slots = Self { ranges: Vec::with_capacity(entries.len()), replicas: Vec::new() };
        for entry in entries {
            let Value::Array(entry) = entry else { return None };
            let [Value::Int(first), Value::Int(last), master, replicas @ ..] = entry.as_slice() else { return None };
            let range = u16::try_from(*first).ok()?..=u16::try_from(*last).ok()?;
            slots.ranges.push((range, node(master, asked)?));
            slots.replicas.extend(replicas.iter().filter_map(|replica| node(replica, asked)));
        }
        slots.ranges.sort_by_key(|(range, _)| *range.start());
        (!slots.ranges.is_empty()).then_some(slots)
    }
}

/// A node in such an answer: host and port, then what does not matter.
fn node(value: &Value, asked: &Endpoint) -> Option<Endpoint> {
    let Value::Array(parts) = value else { return None };
    let host = match parts.first()? {
        Value::BulkString(host) => std::str::from_utf8(host).ok()?,
        // A node whose host is not known yet.
        Value::Nil => "",
        _ => return None,
    };
    let Value::Int(port) = parts.get(1)? else { return None };
    let host = if host.is_empty() || host == "?" { &asked.host } else { host };
    Some(Endpoint { host: host.to_owned(), port: u16::try_from(*port).ok().filter(|port| *port != 0)? })
}

/// The node that `MOVED` or `ASK` of the node at this address names: `host:port`, with the same rule for the host.
pub(crate) fn named(text: &str, asked: &Endpoint) -> Option<Endpoint> {
    // An address of IPv6 stands there without brackets.
    let (host, port) = text.rsplit_once(':')?;
    let host = if host.is_empty() || host == "?" { &asked.host } else { host };
    Some(Endpoint { host: host.to_owned(), port: port.parse().ok().filter(|port| *port != 0)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str, port: u16) -> Endpoint {
        Endpoint { host: host.to_owned(), port }
    }

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn entry(first: i64, last: i64, nodes: &[(Value, i64)]) -> Value {
        let nodes = nodes.iter().map(|(host, port)| {
            Value::Array(vec![host.clone(), Value::Int(*port), text("id"), Value::Array(Vec::new())])
        });
        Value::Array([Value::Int(first), Value::Int(last)].into_iter().chain(nodes).collect())
    }

    #[test]
    fn ranges_are_in_order_with_masters_and_replicas() {
        let answer = Value::Array(vec![
            entry(8192, 16383, &[(text("b"), 7001)]),
            entry(0, 8191, &[(text("a"), 7000), (text("c"), 7002)]),
        ]);
        let slots = Slots::parse(&answer, &at("seed", 1)).expect("an answer");
        assert_eq!(slots.ranges, [(0..=8191, at("a", 7000)), (8192..=16383, at("b", 7001))]);
        assert_eq!(slots.replicas, [at("c", 7002)]);
    }

    #[test]
    fn a_node_without_a_host_is_at_the_host_that_was_asked() {
        for host in [text(""), text("?"), Value::Nil] {
            let slots = Slots::parse(&Value::Array(vec![entry(0, 1, &[(host, 7000)])]), &at("seed", 1));
            assert_eq!(slots.expect("an answer").ranges, [(0..=1, at("seed", 7000))]);
        }
        assert_eq!(named(":7000", &at("seed", 1)), Some(at("seed", 7000)));
    }

    #[test]
    fn redirections_name_hosts_and_addresses() {
        assert_eq!(named("127.0.0.1:6381", &at("seed", 1)), Some(at("127.0.0.1", 6381)));
        assert_eq!(named("::1:6381", &at("seed", 1)), Some(at("::1", 6381)));
        assert_eq!(named("node.example:0", &at("seed", 1)), None);
        assert_eq!(named("nonsense", &at("seed", 1)), None);
    }

    #[test]
    fn what_is_no_such_answer_is_none() {
        let odd = [
            Value::Nil,
            Value::Array(Vec::new()),
            Value::Array(vec![Value::Int(1)]),
            Value::Array(vec![Value::Array(vec![Value::Int(0), Value::Int(1)])]),
            Value::Array(vec![entry(0, 70_000, &[(text("a"), 7000)])]),
            Value::Array(vec![entry(0, 1, &[(text("a"), 0)])]),
            Value::Array(vec![entry(0, 1, &[(text("a"), 70_000)])]),
        ];
        for answer in odd {
            assert_eq!(Slots::parse(&answer, &at("seed", 1)), None, "{answer:?}");
        }
    }
}
