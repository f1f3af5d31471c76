//! Keys that no config file of the known version has.

use super::Position;
use super::fields::Section;

/// The sections' keys.
const KEYS: [(&str, &str); 11] = [
    ("", "$schema"),
    ("", "version"),
    ("", "project"),
    ("", "auto_switch"),
    ("", "strict_mode"),
    ("", "dry_run"),
    ("", "description"),
    ("", "created_at"),
    ("", "updated_at"),
    ("project", "name"),
    ("project", "id"),
];

/// How many keys are told of one by one.
const MOST: usize = 8;

/// One warning for each unknown key, as far as that helps.
pub(super) fn warnings(sections: &[Section<'_>], text: &str) -> Vec<String> {
    let entries = sections.iter().flat_map(|section| section.table.entries.iter().map(|entry| (section.name, entry)));
    let mut unknown = entries.filter(|(section, entry)| !KEYS.contains(&(section, &entry.key)));
    let first = unknown.by_ref().take(MOST);
    let mut warnings: Vec<_> = first
        .map(|(section, entry)| {
            let key = shown(section, &entry.key);
            let key = key.map_or_else(|| "a key".to_owned(), |path| format!("`{path}`"));
            let line = Position::of(text, entry.key_at).line;
            let meant = nearest(section, &entry.key);
            let meant = meant.map_or_else(String::new, |path| format!("; did you mean `{path}`?"));
            format!("{key} in line {line} is not known here and has no effect{meant}")
        })
        .collect();
    let more = unknown.count();
    if more > 0 {
        warnings.push(format!("more keys are not known here and have no effect: {more}"));
    }
    warnings
}

/// A key with its section.
pub(super) fn path(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

/// A key with its section, if it looks like one and not like something that nobody should see.
pub(super) fn shown(section: &str, key: &str) -> Option<String> {
    let is_key_like = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let is_shown = (1..=64).contains(&key.len()) && key.bytes().all(is_key_like);
    (is_shown || KEYS.contains(&(section, key))).then(|| path(section, key))
}

/// The known key that is meant, maybe: one that is written alike, rather in the same section than in another.
fn nearest(section: &str, key: &str) -> Option<String> {
    let key = key.to_ascii_lowercase();
    let score = |(within, known): (&str, &str)| {
        let likeness = strsim::jaro_winkler(&key, known);
        if within == section { likeness } else { likeness - 0.1 }
    };
    let scored = KEYS.into_iter().map(|candidate| (score(candidate), candidate));
    let (_, (within, known)) = scored.filter(|(score, _)| *score > 0.8).max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    Some(path(within, known))
}
