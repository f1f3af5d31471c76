//! What an event is called towards clients.

use std::fmt;

use rmcp::model::RequestId;
use session_core::{Owner, Position, SessionId};
use sha2::{Digest as _, Sha256};

use super::transport::Replica;

/// A stream of events as clients are told of it: which one, of which session, and whose answer is on it.
///
/// An event's id is its position and this. That of an answer, which is the last of its stream, has a mark between. It
/// ends with a digest over the session, its owner and what the stream is, so that an id of another session, or a stream
/// that never was, names nothing. It holds nothing that its client does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StreamId {
    /// `common`, or what rmcp calls the stream of one call.
    pub(super) stream: String,
    /// For the stream of a call, which process runs it, and which it is.
    pub(super) call: Option<(Replica, RequestId)>,
}

impl StreamId {
    /// The stream of what concerns no call in particular.
    pub(super) fn common() -> Self {
        Self { stream: COMMON.to_owned(), call: None }
    }

    pub(super) fn is_common(&self) -> bool {
        self.stream == COMMON
    }

    /// The id of an event of this stream, from what [`suffix`](Self::suffix) says.
    pub(super) fn event(at: impl fmt::Display, is_answer: bool, suffix: &str) -> String {
        format!("{at}{}.{suffix}", if is_answer { LAST } else { "" })
    }

    /// What follows the position in the ids of its events, in this session.
    pub(super) fn suffix(&self, session: &SessionId) -> String {
        let (replica, request) = match &self.call {
            Some((replica, request)) => {
                (replica.as_str(), hex::encode(serde_json::to_vec(request).unwrap_or_default()))
            }
            None => ("", String::new()),
        };
        let named = format!("{}.{replica}.{request}", self.stream);
        let digest = digest(session, &named);
        format!("{named}.{digest}")
    }

    /// Reads the id of an event of this session: where to go on, if anything can follow it, and in which stream.
    pub(super) fn parse(id: &str, session: &SessionId) -> Option<(Option<Position>, Self)> {
        let (position, suffix) = id.split_once('.')?;
        let after = match position.strip_suffix(LAST) {
            Some(_) => None,
            None => Some(position.parse().ok()?),
        };
        let (named, signed) = suffix.rsplit_once('.')?;
        if digest(session, named) != signed {
            return None;
        }
        let mut parts = named.split('.');
        let (stream, replica, request) = (parts.next()?, parts.next()?, parts.next()?);
        let request = (!request.is_empty()).then(|| serde_json::from_slice(&hex::decode(request).ok()?).ok()).flatten();
        let call = request.map(|request| (Replica::read(replica), request));
        Some((after, Self { stream: stream.to_owned(), call }))
    }
}

const COMMON: &str = "common";

/// What marks the position of an answer.
const LAST: &str = "!";

fn digest(session: &SessionId, named: &str) -> String {
    let owner = match &session.owner {
        Owner::Principal(principal) => principal.as_bytes().as_slice(),
        Owner::Anonymous => &[],
    };
    let hash = Sha256::new()
        .chain_update("event")
        .chain_update([u8::try_from(owner.len()).unwrap_or(u8::MAX)])
        .chain_update(owner)
        .chain_update(session.locator.as_bytes())
        .chain_update(named)
        .finalize();
    hex::encode(&hash[..12])
}

#[cfg(test)]
mod tests {
    use session_core::SessionName;

    use super::*;

    fn session(owner: Owner) -> SessionId {
        SessionId { owner, locator: SessionName::mint().locator() }
    }

    #[test]
    fn an_id_names_its_event_in_its_session_and_nothing_in_another() {
        let alice = Owner::principal("https://issuer.example", "alice");
        let (mine, other) = (session(alice), session(alice));
        let foreign = SessionId { owner: Owner::principal("https://issuer.example", "bob"), ..mine };
        let nobodys = SessionId { owner: Owner::Anonymous, ..mine };
        let call = Some((Replica::new(), RequestId::String("a.b".into())));
        for stream in [StreamId::common(), StreamId { stream: "0d-1".to_owned(), call }] {
            let at = Position::new(7, 1);
            let id = StreamId::event(at, false, &stream.suffix(&mine));
            assert_eq!(StreamId::parse(&id, &mine), Some((Some(at), stream.clone())));
            let last = StreamId::event(at, true, &stream.suffix(&mine));
            assert_eq!(StreamId::parse(&last, &mine), Some((None, stream.clone())), "nothing follows an answer");
            for elsewhere in [other, foreign, nobodys] {
                assert_eq!(StreamId::parse(&id, &elsewhere), None);
            }
            let changed = id.replacen(&stream.stream, "other", 1);
            assert_eq!(StreamId::parse(&changed, &mine), None);
        }
    }

    #[test]
    fn what_is_no_id_names_nothing() {
        let mine = session(Owner::Anonymous);
        for id in ["", "0", "0/0", "1-1", "1-1.common", "1-1.common...", "1-1.common...00", "....", "1-1.\u{0}..x"] {
            assert_eq!(StreamId::parse(id, &mine), None, "{id:?}");
        }
    }
}
