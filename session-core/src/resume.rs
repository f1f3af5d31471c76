//! A session taken up again by its owner, who has lost its names.

use crate::change::Change;
use crate::error::{Error, StoreError};
use crate::grant::{Mode, NewGrant};
use crate::limits::{Limits, Quota};
use crate::manager::SessionManager;
use crate::name::{Locator, SecretHash, SessionKey, SessionName};
use crate::observer::{Reason, Subject};
use crate::owner::Owner;
use crate::record::{Record, Version};
use crate::session::Session;
use crate::store::Updated;
use crate::text::Text;

impl SessionManager {
    /// Gives an authenticated owner a new name for one of their own sessions, to read and write it until it ends, and
    /// applies `change` in the same step. Raises [`Reason::Restored`], and beside it what `change` does to other names.
    ///
    /// The other names go on opening the session, as long as it has room for one more. When it holds its limit of
    /// [`grants`](crate::Limits::grants), the name that was resumed longest ago makes room and opens nothing from then
    /// on ([`Reason::Revoked`]): so whoever loses name after name can always come back. Names of other origin are
    /// never taken for that, neither the first one nor those of [`promote`](Self::promote).
    ///
    /// # Errors
    ///
    /// [`StoreError::OwnerRequired`] for the anonymous owner, without asking the store; [`StoreError::NotFound`] if
    /// this owner has no such session; [`Quota::Grants`] if the limit is met and no name was resumed, so that one has
    /// to be [revoked](Change::revoke) by [locator](SessionKey::by_locator) or to end first;
    /// [`StoreError::Conflict`] if `change` expects another version, or when others were faster in hundreds of
    /// attempts; else as [`update`](Self::update).
    pub async fn resume(&self, owner: &Owner, locator: Locator, change: Change) -> Result<Resumed, Error> {
        let _pass = self.enter()?;
        if owner.as_principal().is_none() {
            return Err(StoreError::OwnerRequired.into());
        }
        let key = SessionKey::by_locator(*owner, locator);
        let name = SessionName::mint_for(locator);
        let one_more = self.change_with((&key).into(), |session| {
            let wanted = resumption(session, &name, &change)?;
            Ok((wanted.clone(), (session.clone(), wanted)))
        });
        let (updated, (before, mut applied)) = match one_more.await {
            Err(Error::Store(StoreError::Quota(Quota::Grants { max }))) => {
                let instead = self.change_with((&key).into(), |session| {
                    let oldest = longest_resumed(session).ok_or(StoreError::Quota(Quota::Grants { max }))?;
                    let wanted = resumption(session, &name, &change)?.revoke(oldest);
                    Ok((wanted.clone(), (session.clone(), wanted)))
                });
                instead.await?
            }
            resumed => resumed?,
        };
        let session = after(before, &key, &applied, updated)?;
        self.report(*owner, Subject::One(locator), Reason::Restored);
        applied.grants.remove(&name.secret_hash());
        self.report_each(&key, Reason::of_change(&applied)).await;
        Ok(Resumed { name, session })
    }
}

/// A session that its owner took up again, with the name its client is to keep.
#[derive(Debug)]
#[non_exhaustive]
pub struct Resumed {
    /// The name: the only time it exists in full on this side.
    pub name: SessionName,
    /// The session as it is since, with what was changed.
    pub session: Session,
}

/// With which version of its record a resumed name came is what its label says, after this.
const LABEL: &str = ".resumed:";

/// The change that adds `name` to what the caller wants, labelled with the version that it leads to.
fn resumption(session: &Session, name: &SessionName, change: &Change) -> Result<Change, Error> {
    if change.expected.is_some_and(|expected| expected != session.version) {
        return Err(StoreError::Conflict.into());
    }
    let label = Text::new(&format!("{LABEL}{}", session.version.next().get()))?;
    Ok(change.clone().grant(name, NewGrant::new(Mode::ReadWrite).with_label(label)))
}

fn longest_resumed(record: &Record) -> Option<SecretHash> {
    let resumed = record.grants.iter().filter_map(|grant| {
        let version: u64 = grant.label.as_ref()?.as_str().strip_prefix(LABEL)?.parse().ok()?;
        Some((Version::from_store(version), grant.secret))
    });
    resumed.min().map(|(_, secret)| secret)
}

/// What the store holds since it applied `change` to the very version that was seen before.
fn after(before: Session, key: &SessionKey, change: &Change, updated: Updated) -> Result<Session, StoreError> {
    // The store has looked at its limits already.
    let unlimited = Limits {
        grants: usize::MAX,
        state_names: usize::MAX,
        value_bytes: usize::MAX,
        session_bytes: usize::MAX,
        ..Limits::default()
    };
    let mut record = before.into_record();
    let right = Record::apply(&mut record, key.access(), change, updated.at, &unlimited)?;
    Ok(Session::new(record, right, updated.at, updated.at))
}
