//! What store and journal are asked for.

use std::sync::{Arc, Mutex};

use session_core::{Measurement, Operation};

use crate::fleet::Backend;

/// What store and journal are asked for.
#[derive(Clone, Default)]
pub(crate) struct Asked(Arc<Mutex<Vec<Operation>>>);

impl Asked {
    /// Notes what is asked of this from now on.
    pub(crate) fn of(&self, backend: Backend) -> Backend {
        let asked = Arc::clone(&self.0);
        backend.measured(move |measured: &Measurement| asked.lock().expect("no panic").push(measured.operation))
    }

    /// What was asked since it was taken last.
    pub(crate) fn take(&self) -> Vec<Operation> {
        std::mem::take(&mut self.0.lock().expect("no panic"))
    }
}
