//! Clients of each era that count all the while.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use session_tests::{Counter, Sdk};

/// Fewer than this is not all the while.
const ENOUGH: u64 = 20;
/// How long they count before something goes on, and after.
const BEFORE: Duration = Duration::from_millis(500);

/// Clients of each era, connected to a balancer.
pub(crate) struct Counters([Counter; 4]);

impl Counters {
    pub(crate) fn connect(url: &str) -> Self {
        Self([Sdk::Mcp1, Sdk::Mcp2, Sdk::Sdk1, Sdk::Mcp2].map(|sdk| Counter::connect(sdk, url)))
    }

    /// Counts as long as something goes on, and checks that no client sees anything of it.
    pub(crate) fn count_while(self, going_on: impl FnOnce()) {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let counting = self.0.map(|counter| scope.spawn(|| count_on(counter, &is_over)));
            let over = Over(&is_over);
            thread::sleep(BEFORE);
            going_on();
            thread::sleep(BEFORE);
            drop(over);
            for counted in counting {
                let counted = counted.join().expect("each counts rightly");
                assert!(counted > ENOUGH, "{counted} is not all the while");
            }
        });
    }
}

/// Says that it is over when dropped, so that nobody counts on when a test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn count_on(mut counter: Counter, is_over: &AtomicBool) -> u64 {
    let mut last = 0;
    while !is_over.load(Ordering::Relaxed) {
        last += 1;
        assert_eq!(counter.count(), last);
    }
    counter.close();
    last
}
