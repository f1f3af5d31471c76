//! What sessions are called in the other processes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use session_core::{Locator, SecretHash, SessionName};

/// What sessions are called in the other processes.
///
/// A name is a secret that a store is told only the hash of, so it cannot be passed on from here. Each secret that a
/// rule uses therefore has a counterpart, the same one in all processes, of the same locator.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    there: HashMap<SecretHash, SessionName>,
    here: HashMap<SecretHash, SecretHash>,
}

impl Names {
    /// The name there of what has this secret here.
    pub(crate) fn there(&self, locator: Locator, here: SecretHash) -> SessionName {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = book.there.entry(here).or_insert_with(|| SessionName::mint_for(locator)).clone();
        book.here.insert(name.secret_hash(), here);
        name
    }

    /// The secret here of what has this one there.
    pub(crate) fn here(&self, there: SecretHash) -> SecretHash {
        let book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *book.here.get(&there).expect("every name there is the counterpart of one here")
    }
}
