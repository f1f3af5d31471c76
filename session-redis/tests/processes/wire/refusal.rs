//! What a store answers instead of doing as asked.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use session_core::{Quota, StoreError};

/// An error of a store. Causes stay where they are, as texts.
#[derive(Serialize, Deserialize)]
pub(crate) enum Refusal {
    AlreadyExists,
    NotFound,
    Conflict,
    ReadOnly,
    OwnerRequired,
    InvalidCursor,
    Full,
    Unavailable { maybe_applied: bool, cause: Option<String> },
    Defect { cause: String },
    Sessions { max: u64 },
    SessionsPerPrincipal { max: u64 },
    CreationRate { retry_after: Duration },
    Grants { max: usize },
    StateNames { max: usize },
    ValueBytes { max: usize },
    SessionBytes { max: usize },
    Edits { max: usize },
}

const STORE: &str = "redis, in another process";

impl Refusal {
    pub(crate) fn of(error: StoreError) -> Self {
        match error {
            StoreError::AlreadyExists => Self::AlreadyExists,
            StoreError::NotFound => Self::NotFound,
            StoreError::Conflict => Self::Conflict,
            StoreError::ReadOnly => Self::ReadOnly,
            StoreError::OwnerRequired => Self::OwnerRequired,
            StoreError::InvalidCursor => Self::InvalidCursor,
            StoreError::Full { .. } => Self::Full,
            StoreError::Unavailable { maybe_applied, source, .. } => {
                Self::Unavailable { maybe_applied, cause: source.map(|cause| cause.to_string()) }
            }
            StoreError::Quota(quota) => Self::by(quota),
            other => Self::Defect { cause: format!("{other:?}") },
        }
    }

    fn by(quota: Quota) -> Self {
        match quota {
            Quota::Sessions { max } => Self::Sessions { max },
            Quota::SessionsPerPrincipal { max } => Self::SessionsPerPrincipal { max },
            Quota::CreationRate { retry_after } => Self::CreationRate { retry_after },
            Quota::Grants { max } => Self::Grants { max },
            Quota::StateNames { max } => Self::StateNames { max },
            Quota::ValueBytes { max } => Self::ValueBytes { max },
            Quota::SessionBytes { max } => Self::SessionBytes { max },
            Quota::Edits { max } => Self::Edits { max },
            other => Self::Defect { cause: format!("{other:?}") },
        }
    }

    pub(crate) fn read(self) -> StoreError {
        match self {
            Self::AlreadyExists => StoreError::AlreadyExists,
            Self::NotFound => StoreError::NotFound,
            Self::Conflict => StoreError::Conflict,
            Self::ReadOnly => StoreError::ReadOnly,
            Self::OwnerRequired => StoreError::OwnerRequired,
            Self::InvalidCursor => StoreError::InvalidCursor,
            Self::Full => StoreError::Full { store: STORE },
            Self::Unavailable { maybe_applied, cause } => {
                StoreError::Unavailable { store: STORE, maybe_applied, source: cause.map(Into::into) }
            }
            Self::Defect { cause } => StoreError::Defect { store: STORE, source: cause.into() },
            Self::Sessions { max } => Quota::Sessions { max }.into(),
            Self::SessionsPerPrincipal { max } => Quota::SessionsPerPrincipal { max }.into(),
            Self::CreationRate { retry_after } => Quota::CreationRate { retry_after }.into(),
            Self::Grants { max } => Quota::Grants { max }.into(),
            Self::StateNames { max } => Quota::StateNames { max }.into(),
            Self::ValueBytes { max } => Quota::ValueBytes { max }.into(),
            Self::SessionBytes { max } => Quota::SessionBytes { max }.into(),
            Self::Edits { max } => Quota::Edits { max }.into(),
        }
    }
}
