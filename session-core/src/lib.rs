#![doc = include_str!("../README.md")]

mod digest;
mod gate;

mod change;
mod changes;
mod error;
mod grant;
mod limits;
mod name;
mod owner;
mod page;
mod record;
mod session;
mod state;
mod text;
mod time;

mod ext;
mod forward;
mod instrumented;
mod journal;
mod manager;
mod observer;
mod resume;
mod store;
mod target;
mod timer;
mod typed;

#[cfg(feature = "conformance")]
pub mod conformance;

pub use change::{Change, Edit};
pub use error::{BoxError, Error, StoreError};
pub use ext::{MAX_ATTEMPTS, SessionStoreExt};
pub use grant::{Grant, Grants, Mode, NewGrant};
pub use instrumented::{Instrumented, Measurement, Meter, Operation, Outcome};
pub use journal::{Appended, Entry, Feed, Follower, InvalidPosition, Journal, JournalLimits, Position};
pub use limits::{Limits, Quota, Rate};
pub use manager::{Opened, Placed, SessionManager};
pub use name::{Access, InvalidName, Locator, SecretHash, SessionId, SessionKey, SessionName};
pub use observer::{Event, Observer, Reason, Subject};
pub use owner::{Owner, PrincipalId};
pub use page::{Cursor, Listing, Page};
pub use record::{Record, Right, Version};
pub use resume::Resumed;
pub use session::{NewSession, Session, Summary};
pub use state::{InvalidStateName, State, StateName, StateValue};
pub use store::{Created, Gone, Load, SessionStore, Updated};
pub use target::Target;
pub use text::{InvalidText, Text};
pub use time::{Expired, InvalidLifetime, Lifetimes, Timestamp};
pub use timer::Timer;
pub use typed::StateKey;
