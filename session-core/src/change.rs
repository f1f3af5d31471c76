//! What a writer asks for: some fields set, some removed, the rest left to others.

use std::collections::BTreeMap;

use crate::grant::NewGrant;
use crate::name::{SecretHash, SessionName};
use crate::record::Version;
use crate::state::{StateName, StateValue};
use crate::text::Text;

/// What a writer does to one field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a field is left, set or removed")]
pub enum Edit<T> {
    /// Leaves it as it is, whoever else may be writing it.
    #[default]
    Keep,
    /// Sets it.
    Set(T),
    /// Removes it.
    Remove,
}

impl<T: Clone> Edit<T> {
    pub(crate) fn apply_to(&self, field: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Set(value) => *field = Some(value.clone()),
            Self::Remove => *field = None,
        }
    }
}

/// A change to a session: named fields set or removed, all or nothing.
///
/// A store merges it into what it holds, so that writers of different fields never undo each other. With
/// [`if_version`](Self::if_version) it is a compare-and-set.
///
/// ```
/// use session_core::{Change, StateName, StateValue, Text};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let change = Change::new()
///     .working_directory(Text::new("/srv/shop")?)
///     .set("cart".parse()?, StateValue::from(br#"["tea"]"#.as_slice()))
///     .remove("coupon".parse()?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a store that merges elsewhere must not overlook a field")]
pub struct Change {
    /// The directory the session works in. Setting it stamps the record's `set_at`.
    pub working_directory: Edit<Text>,
    /// The project's config file.
    pub config_path: Edit<Text>,
    /// The project.
    pub project_id: Edit<Text>,
    /// State values to set (`Some`) or remove (`None`).
    pub state: BTreeMap<StateName, Option<StateValue>>,
    /// Grants to add (`Some`) or revoke (`None`).
    pub grants: BTreeMap<SecretHash, Option<NewGrant>>,
    /// The only version the change is for.
    pub expected: Option<Version>,
}

impl Change {
    /// How many state values and grants one change can edit.
    pub const MAX_EDITS: usize = 256;

    /// A change of nothing. Applied as it is, it counts as a use and as a version.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the working directory.
    #[must_use]
    pub fn working_directory(mut self, directory: Text) -> Self {
        self.working_directory = Edit::Set(directory);
        self
    }

    /// Sets the config path.
    #[must_use]
    pub fn config_path(mut self, path: Text) -> Self {
        self.config_path = Edit::Set(path);
        self
    }

    /// Sets the project id.
    #[must_use]
    pub fn project_id(mut self, id: Text) -> Self {
        self.project_id = Edit::Set(id);
        self
    }

    /// Sets a state value.
    #[must_use]
    pub fn set(mut self, name: StateName, value: StateValue) -> Self {
        self.state.insert(name, Some(value));
        self
    }

    /// Removes a state value; one that is not there is no error.
    #[must_use]
    pub fn remove(mut self, name: StateName) -> Self {
        self.state.insert(name, None);
        self
    }

    /// Lets another name open the session. It has to be one of this session's: [`SessionName::mint_for`] its locator.
    #[must_use]
    pub fn grant(mut self, name: &SessionName, grant: NewGrant) -> Self {
        self.grants.insert(name.secret_hash(), Some(grant));
        self
    }

    /// Takes a name's right away; one that has none is no error.
    #[must_use]
    pub fn revoke(mut self, secret: SecretHash) -> Self {
        self.grants.insert(secret, None);
        self
    }

    /// The bytes of the longest value that it sets, which count against [`Limits::value_bytes`](crate::Limits); those
    /// under reserved names do not.
    #[must_use]
    pub fn longest_value(&self) -> usize {
        let values = self.state.iter().filter(|(name, _)| !name.is_reserved()).filter_map(|(_, value)| value.as_ref());
        values.map(StateValue::len).max().unwrap_or(0)
    }

    /// Makes the change a compare-and-set: applied to this version or not at all.
    #[must_use]
    pub fn if_version(mut self, expected: Version) -> Self {
        self.expected = Some(expected);
        self
    }
}
