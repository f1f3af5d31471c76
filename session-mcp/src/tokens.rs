//! Bearer tokens that an operator keeps in a file.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::principal::Principal;

/// The bearer tokens of a server, each with the principal it stands for.
///
/// They are kept as SHA-256 hashes, in a TOML file and in memory. A hash keeps a token secret if nobody can guess the
/// token: let a machine choose it.
///
/// ```sh
/// token=$(openssl rand -base64 32)          # for the client: Authorization: Bearer …
/// printf %s "$token" | sha256sum            # for the file
/// ```
///
/// ```
/// # use session_mcp::Tokens;
/// let tokens: Tokens = r#"
///     [[token]]
///     sha256 = "64d5b3b1dd9b2ba4a3e3a4e2aa5e8a6e0d5f9cf08b7b8a0d7a1f0c1c5b4d3e2f"
///     issuer = "https://issuer.example"
///     subject = "alice"
/// "#
/// .parse()?;
/// # assert!(tokens.principal("what alice has").is_none());
/// # Ok::<(), session_mcp::InvalidTokens>(())
/// ```
///
/// Several tokens of one principal reach the same sessions, so that one can be replaced without losing any: add the new
/// one, then remove the old one. The file is read at the start.
#[derive(Clone)]
pub struct Tokens(Vec<Token>);

#[derive(Clone)]
struct Token {
    hash: [u8; 32],
    principal: Principal,
}

impl Tokens {
    /// Reads a file of tokens.
    ///
    /// # Errors
    ///
    /// [`UnusableTokens`] names the file, and the place in it.
    pub fn read(path: &Path) -> Result<Self, UnusableTokens> {
        let unusable = |problem| UnusableTokens { path: path.to_owned(), problem };
        let text = std::fs::read_to_string(path).map_err(|error| unusable(Problem::Unreadable(error)))?;
        text.parse().map_err(|error| unusable(Problem::Invalid(error)))
    }

    /// Whose token this is. How long that takes does not depend on how much of it is right.
    #[must_use]
    pub fn principal(&self, token: &str) -> Option<Principal> {
        let hash = Sha256::digest(token.as_bytes());
        let mut found = None;
        for known in &self.0 {
            if known.hash.ct_eq(hash.as_slice()).into() {
                found = Some(known.principal);
            }
        }
        found
    }
}

impl std::str::FromStr for Tokens {
    type Err = InvalidTokens;

    fn from_str(text: &str) -> Result<Self, InvalidTokens> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            #[serde(default)]
            token: Vec<Entry>,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Entry {
            sha256: toml::Spanned<String>,
            issuer: String,
            subject: String,
        }
        let line = |offset: usize| text[..offset.min(text.len())].matches('\n').count() + 1;
        // Without the parser's own words, which quote the file: it may hold a token by mistake.
        let file: File = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line(span.start));
            InvalidTokens { line, problem: NO_FORM }
        })?;
        if file.token.is_empty() {
            return Err(InvalidTokens { line: 1, problem: NO_TOKEN });
        }
        let mut tokens: Vec<Token> = Vec::with_capacity(file.token.len());
        for Entry { sha256, issuer, subject } in file.token {
            let line = line(sha256.span().start);
            let invalid = |problem| InvalidTokens { line, problem };
            let hash = decode(sha256.as_ref()).ok_or_else(|| invalid(NO_HASH))?;
            if tokens.iter().any(|token| token.hash == hash) {
                return Err(invalid("this token is there already; remove one of the two"));
            }
            if ["", "\n"].into_iter().any(|nothing| hash == *Sha256::digest(nothing)) {
                return Err(invalid(OF_NOTHING));
            }
            let principal = Principal::new(&issuer, &subject).map_err(|_| invalid(NOBODY))?;
            tokens.push(Token { hash, principal });
        }
        Ok(Self(tokens))
    }
}

const NO_FORM: &str = "a file of tokens has `[[token]]` for each, and below it `sha256`, `issuer` and `subject` and \
                       nothing else, each a text in quotes";
const NO_TOKEN: &str =
    "there is no `[[token]]` in it, so nobody could call; add one with `sha256`, `issuer` and `subject`";
const NOBODY: &str = "`issuer` and `subject` of this token must not be empty";
const OF_NOTHING: &str = "this is the hash of no token at all; was there one when it was made?";
const NO_HASH: &str = "`sha256` must be the token's SHA-256 in 64 hexadecimal digits, as `printf %s TOKEN | sha256sum` \
                       prints it";

/// 64 hexadecimal digits as the bytes they stand for.
fn decode(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(digits, &mut bytes).ok()?;
    Some(bytes)
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.0.len())
    }
}

/// A text that is no list of tokens. What is wrong with it is told without quoting it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct InvalidTokens {
    line: usize,
    problem: &'static str,
}

/// A file of tokens that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the tokens in {} cannot be used: {problem}", path.display())]
pub struct UnusableTokens {
    path: PathBuf,
    problem: Problem,
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{0}")]
    Unreadable(std::io::Error),
    #[error(transparent)]
    Invalid(InvalidTokens),
}
