//! State values as an application's own types.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::record::Record;
use crate::state::{StateName, StateValue};

impl Record {
    /// Reads a state value. `None` if there is none under this name.
    ///
    /// # Errors
    ///
    /// [`Error::Decode`] if what is kept is no `T`.
    pub fn value<T: DeserializeOwned>(&self, name: &StateName) -> Result<Option<T>, Error> {
        let Some(value) = self.state.get(name) else { return Ok(None) };
        let decoded = serde_json::from_slice(value.as_bytes());
        // The cause quotes the value, which is nobody's business.
        decoded.map(Some).map_err(|cause| Error::Decode {
            name: name.as_str().to_owned(),
            line: cause.line(),
            column: cause.column(),
        })
    }
}

/// A value to keep under a name, as JSON.
pub(crate) fn encode<T: Serialize>(name: &StateName, value: &T) -> Result<StateValue, Error> {
    let encoded = serde_json::to_vec(value);
    encoded.map(StateValue::from).map_err(|_| Error::Encode { name: name.as_str().to_owned() })
}
