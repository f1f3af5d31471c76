//! State values as an application's own types.

use std::num::NonZeroU32;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use crate::change::Change;
use crate::error::{BoxError, Error};
use crate::manager::SessionManager;
use crate::name::SessionKey;
use crate::record::Record;
use crate::state::{StateName, StateValue};
use crate::store::Updated;
use crate::target::Target;

/// A state value with a name, a type, and a version of that type's shape.
///
/// It is kept as JSON, an object of exactly these two members: `{"$version":2,"value":…}`. What differs from that was
/// kept without a typed key, by [`SessionManager::set`] for example, and counts as version 0. So a server can change
/// what it keeps while sessions live and while replicas of two versions serve them:
///
/// - **Older** values are upgraded when they are read, and kept in today's shape when they are next written.
/// - **Newer** values are refused, with [`Error::NewerVersion`], by readers and writers alike, and stay as they are.
///   That a replica writes nothing over what a newer one kept, [`SessionManager::write`] and
///   [`modify`](SessionManager::modify) see to; the untyped `set` and `remove` look at no version.
///
/// A name is a client's to read and write if the server offers that, in a tool for example. What a key reads is
/// therefore always of its type, and not always what the server wrote.
///
/// ```
/// use session_core::{BoxError, Error, SessionKey, SessionManager, StateKey};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Item {
///     name: String,
///     count: u32,
/// }
///
/// struct Cart;
///
/// impl StateKey for Cart {
///     const NAME: &'static str = "cart";
///     const VERSION: u32 = 2;
///     type Value = Vec<Item>;
///
///     fn upgrade(from: u32, value: serde_json::Value) -> Result<Vec<Item>, BoxError> {
///         match from {
///             // Version 1 had names alone, as had the untyped value before it.
///             0 | 1 => {
///                 let names: Vec<String> = serde_json::from_value(value)?;
///                 Ok(names.into_iter().map(|name| Item { name, count: 1 }).collect())
///             }
///             _ => Err("there was no such version".into()),
///         }
///     }
/// }
///
/// async fn add(sessions: &SessionManager, key: &SessionKey, item: Item) -> Result<usize, Error> {
///     let cart = sessions.modify::<Cart, _>(key, |cart| {
///         let mut cart = cart.unwrap_or_default();
///         cart.push(Item { name: item.name.clone(), count: item.count });
///         cart
///     });
///     Ok(cart.await?.len())
/// }
/// ```
pub trait StateKey {
    /// Under which name the value is kept; a valid [`StateName`].
    const NAME: &'static str;

    /// The version of [`Value`](Self::Value)'s shape, from 1; a key of version 0 does not compile.
    ///
    /// Raise it when an older reader would misread what is written now.
    const VERSION: u32 = 1;

    /// What is kept.
    type Value: Serialize + DeserializeOwned + Send + Sync;

    /// Turns what an earlier version kept into today's value. Runs whenever such a value is read, and may run often.
    ///
    /// `from` is the version that kept it: 0 for what was kept without a typed key, else less than
    /// [`VERSION`](Self::VERSION).
    ///
    /// # Errors
    ///
    /// Any error refuses the value, which then stays as it is: readers get [`Error::Upgrade`]. The error itself goes no
    /// further, since those of `serde_json` quote the value; what is worth knowing is to be logged here. Unless
    /// written, every upgrade is refused.
    fn upgrade(from: u32, value: serde_json::Value) -> Result<Self::Value, BoxError> {
        let _ = value;
        Err(format!("nothing upgrades what version {from} kept").into())
    }
}

impl Record {
    /// Reads a state value. `None` if there is none under this name.
    ///
    /// # Errors
    ///
    /// [`Error::Decode`] if what is kept is no `T`.
    pub fn value<T: DeserializeOwned>(&self, name: &StateName) -> Result<Option<T>, Error> {
        self.state.get(name).map(|value| decode(name, value)).transpose()
    }

    /// Reads the value of a typed key, upgraded to today's version. `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::NewerVersion`] if a newer version of the key kept it; [`Error::Upgrade`] if an older one did and
    /// [`StateKey::upgrade`] refuses it; [`Error::Decode`] if what is kept is no `K::Value`; [`Error::StateName`] if
    /// [`StateKey::NAME`] is none.
    pub fn read<K: StateKey>(&self) -> Result<Option<K::Value>, Error> {
        let name = K::NAME.parse()?;
        let Some(value) = self.state.get(&name) else { return Ok(None) };
        let found = version_of(value);
        refuse_newer::<K>(found)?;
        if found == K::VERSION {
            return decode(&name, value).map(|Versioned { value, .. }| Some(value));
        }
        let value = if found == 0 {
            decode(&name, value)?
        } else {
            decode(&name, value).map(|Versioned { value, .. }| value)?
        };
        let upgraded = K::upgrade(found, value);
        upgraded.map(Some).map_err(|_| Error::Upgrade { name: K::NAME.to_owned(), found, known: K::VERSION })
    }
}

/// Typed keys; see [`StateKey`].
impl SessionManager {
    /// Reads the value of a typed key, upgraded to today's version, as a use of the session. `None` if there is none.
    ///
    /// Nothing is written: what an older version kept is upgraded again by the next reader.
    ///
    /// # Errors
    ///
    /// As [`Record::read`] and [`load`](Self::load).
    pub async fn read<K: StateKey>(&self, key: &SessionKey) -> Result<Option<K::Value>, Error> {
        self.load(key).await?.read::<K>()
    }

    /// Keeps the value of a typed key, whatever an older version kept there.
    ///
    /// It looks before it writes, so that a newer version's value survives: one load and one compare-and-set, repeated
    /// as [`modify`](Self::modify) does when the session, in whatever part of it, is changed in between. Of two who
    /// write at once the later one wins; what depends on the value before is for `modify`.
    ///
    /// # Errors
    ///
    /// [`Error::NewerVersion`] if a newer version of the key kept a value, which stays; [`Error::Encode`] if `value` is
    /// no JSON; [`Error::StateName`]; [`StoreError::Conflict`](crate::StoreError::Conflict) when others were faster in
    /// hundreds of attempts; else as [`update`](Self::update).
    pub async fn write<K: StateKey>(
        &self,
        target: impl Into<Target<'_>> + Send,
        value: &K::Value,
    ) -> Result<Updated, Error> {
        let _pass = self.enter()?;
        let name: StateName = K::NAME.parse()?;
        let value = encode_versioned::<K>(&name, value)?;
        let written = self.change_with(target.into(), |session| {
            refuse_newer::<K>(session.state.get(&name).map_or(0, version_of))?;
            Ok((Change::new().set(name.clone(), value.clone()), ()))
        });
        Ok(written.await?.0)
    }

    /// Replaces the value of a typed key by what `next` makes of it, without losing what others write meanwhile.
    ///
    /// `next` gets the value upgraded to today's version, or `None` if there is none. It runs once for each attempt and
    /// must not act on anything else; between attempts there are pauses, as in [`update_with`](Self::update_with).
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read) and [`write`](Self::write).
    pub async fn modify<K, F>(&self, target: impl Into<Target<'_>> + Send, mut next: F) -> Result<K::Value, Error>
    where
        K: StateKey,
        F: FnMut(Option<K::Value>) -> K::Value + Send,
    {
        let _pass = self.enter()?;
        let name: StateName = K::NAME.parse()?;
        let modified = self.change_with(target.into(), |session| {
            let value = next(session.read::<K>()?);
            Ok((Change::new().set(name.clone(), encode_versioned::<K>(&name, &value)?), value))
        });
        Ok(modified.await?.1)
    }
}

/// What a typed key keeps.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Versioned<T> {
    #[serde(rename = "$version")]
    version: NonZeroU32,
    value: T,
}

/// Which version of its key kept a value; 0 if it was kept without one.
fn version_of(value: &StateValue) -> u32 {
    let bytes = value.as_bytes().trim_ascii_start();
    // To serde, a list of two is such a struct as well.
    if !bytes.starts_with(b"{") {
        return 0;
    }
    serde_json::from_slice::<Versioned<IgnoredAny>>(bytes).map_or(0, |kept| kept.version.get())
}

fn refuse_newer<K: StateKey>(found: u32) -> Result<(), Error> {
    let known = known::<K>().get();
    if found > known { Err(Error::NewerVersion { name: K::NAME.to_owned(), found, known }) } else { Ok(()) }
}

fn encode_versioned<K: StateKey>(name: &StateName, value: &K::Value) -> Result<StateValue, Error> {
    encode(name, &Versioned { version: known::<K>(), value })
}

/// The version of a key, which is 1 at least or does not compile.
const fn known<K: StateKey>() -> NonZeroU32 {
    const { NonZeroU32::new(K::VERSION).expect("the versions of a `StateKey` begin at 1") }
}

/// A value to keep under a name, as JSON.
pub(crate) fn encode<T: Serialize>(name: &StateName, value: &T) -> Result<StateValue, Error> {
    let encoded = serde_json::to_vec(value);
    encoded.map(StateValue::from).map_err(|_| Error::Encode { name: name.as_str().to_owned() })
}

fn decode<T: DeserializeOwned>(name: &StateName, value: &StateValue) -> Result<T, Error> {
    // The cause quotes the value, which is nobody's business.
    serde_json::from_slice(value.as_bytes()).map_err(|cause| Error::Decode {
        name: name.as_str().to_owned(),
        line: cause.line(),
        column: cause.column(),
    })
}
