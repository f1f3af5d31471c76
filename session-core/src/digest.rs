//! The one hash behind owners, secrets and what `Debug` shows.

use std::fmt;

use sha2::{Digest, Sha256};

/// How many bytes of a digest are kept: 128 bits, the strength of the names themselves.
pub(crate) const LEN: usize = 16;

/// Hashes `parts` under a `domain`, each part preceded by its length, so that no two lists of parts meet.
pub(crate) fn digest(domain: &str, parts: &[&[u8]]) -> [u8; LEN] {
    let mut hasher = Sha256::new();
    for part in std::iter::once(domain.as_bytes()).chain(parts.iter().copied()) {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let whole: [u8; 32] = hasher.finalize().into();
    let mut kept = [0; LEN];
    kept.copy_from_slice(&whole[..LEN]);
    kept
}

/// Writes `label(#1a2b3c4d)`: enough to follow one value through a log, too little to use it.
pub(crate) fn write_short(f: &mut fmt::Formatter<'_>, label: &str, bytes: &[u8]) -> fmt::Result {
    let short = digest("debug", &[bytes]);
    write!(f, "{label}(#{:02x}{:02x}{:02x}{:02x})", short[0], short[1], short[2], short[3])
}
