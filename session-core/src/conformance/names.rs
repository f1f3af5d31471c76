//! What comes from outside.

use std::fmt::Debug;
use std::str::FromStr;
use std::time::Duration;

use super::harness::{Fixture, Harness, alice, assert_answer, long, page_size, roomy, state_name, store};
use crate::change::Change;
use crate::error::StoreError;
use crate::grant::{Mode, NewGrant};
use crate::name::{Locator, SessionName};
use crate::owner::Owner;
use crate::page::{Cursor, Page};
use crate::state::{StateName, StateValue};
use crate::text::Text;

/// Names that are none never reach a store, and a cursor that no listing gave reaches nothing in it.
pub async fn hostile_names_are_refused_before_the_backend(harness: &dyn Harness) {
    let store = store(harness, roomy()).await;
    let fixture = Fixture::create(&store, alice(), long()).await;
    let real = fixture.name.expose();
    let megabyte = "a".repeat(1 << 20);
    let hostile = [
        "",
        " ",
        "\0",
        "{}",
        "}:s:{0",
        "a\r\nDEL *",
        "*",
        "?",
        "\u{202e}",
        "naïve",
        "名前",
        "🦀",
        "\u{7f}",
        "a b",
        "\"",
        "'",
        "\\",
        megabyte.as_str(),
    ];
    for text in hostile {
        refuses::<SessionName>(text);
        refuses::<Locator>(text);
        refuses::<StateName>(text);
        for place in [0, 4, 26, real.len()] {
            let (before, after) = real.split_at(place);
            if !text.is_empty() {
                refuses::<SessionName>(&format!("{before}{text}{after}"));
            }
        }
    }
    refuses::<SessionName>("ses_");
    refuses::<SessionName>(&real[..real.len() - 1]);
    refuses::<SessionName>(&real.to_uppercase());
    refuses::<StateName>(".reserved");
    refuses::<StateName>(&"a".repeat(StateName::MAX_BYTES + 1));
    for text in ["\0", "", &"a".repeat(Text::MAX_BYTES + 1)] {
        assert!(Text::new(text).is_err(), "no text is empty, too long or holds a NUL");
    }

    for text in ["*", "}:s:{0", "-1", "18446744073709551616", "zzz", fixture.name.expose().as_str()] {
        let cursor: Cursor = text.parse().expect("visible characters, few enough");
        let page = Page { after: Some(cursor), size: page_size(10) };
        assert_answer!(store.list(&alice(), page).await, Err(StoreError::InvalidCursor), "no listing gave `{text}`");
    }
    for text in ["", "a b", "\n", megabyte.as_str(), "é"] {
        refuses::<Cursor>(text);
    }
    assert_answer!(store.count(Duration::ZERO).await, Ok(1), "nothing was created by any of it");
    assert_answer!(fixture.peek().await, Some(_), "and nothing was ended");
}

fn refuses<T: FromStr<Err: Debug> + Debug>(text: &str) {
    if let Ok(parsed) = text.parse::<T>() {
        panic!("{:?} was taken for {parsed:?}", text.chars().take(60).collect::<String>());
    }
}

/// Texts and values are kept to the byte, whatever they hold.
pub async fn hostile_texts_are_kept_verbatim(harness: &dyn Harness) {
    let store = store(harness, roomy()).await;
    let longest = "x".repeat(Text::MAX_BYTES);
    let texts = [
        "/a b",
        " leading and trailing ",
        "/naïve/名前/🦀",
        "a\r\n$4\r\nPING\r\n",
        "{}:s:{0}",
        "\u{202e}\u{7f}\u{1}",
        "\"'\\`$(reboot)",
        "%00%0a",
        "nil",
        "null",
        "0",
        "-1",
        "1e999",
        longest.as_str(),
    ];
    let bytes: Vec<u8> = (0..=255).collect();
    let largest = vec![0xff; 65_536];
    let values = [b"".as_slice(), b"\0", b"\r\n", b"null", b"1.0", b"007", &bytes, &largest];
    let longest_name = state_name(&"n".repeat(StateName::MAX_BYTES));
    let reserved_name = StateName::reserved(".reserved");
    for owner in [Owner::Anonymous, alice()] {
        let fixture = Fixture::create(&store, owner, long()).await;
        for (at, text) in texts.iter().map(|text| Text::new(text).expect("a text")).enumerate() {
            let value = StateValue::from(values[at % values.len()]);
            let name = SessionName::mint_for(fixture.name.locator());
            let change = Change::new()
                .working_directory(text.clone())
                .config_path(text.clone())
                .project_id(text.clone())
                .set(state_name("value"), value.clone())
                .set(longest_name.clone(), StateValue::from(text.as_str().as_bytes()))
                .set(reserved_name.clone(), StateValue::from(text.as_str().as_bytes()))
                .grant(&name, NewGrant::new(Mode::ReadOnly).with_label(text.clone()));
            store.update(&fixture.key, change).await.expect("the session is live");
            let session = fixture.peek().await.expect("the session is live");
            for kept in [&session.working_directory, &session.config_path, &session.project_id] {
                assert_eq!(kept.as_ref().map(Text::as_str), Some(text.as_str()));
            }
            assert_eq!(session.state.get(&state_name("value")).map(StateValue::as_bytes), Some(value.as_bytes()));
            for name in [&longest_name, &reserved_name] {
                let kept = session.state.get(name).map(StateValue::as_bytes);
                assert_eq!(kept, Some(text.as_str().as_bytes()), "values under long and reserved names are kept");
            }
            let label = session.grants.get(name.secret_hash()).and_then(|grant| grant.label.as_ref());
            assert_eq!(label.map(Text::as_str), Some(text.as_str()));
            let revoke = Change::new().revoke(name.secret_hash());
            store.update(&fixture.key, revoke).await.expect("the session is live");
        }
    }
}
