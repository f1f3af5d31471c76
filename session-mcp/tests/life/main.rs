//! Whatever several callers do with their sessions, in whatever order: nobody meets another's, nothing that ended comes
//! back, and each limit is met exactly.

mod client;
mod model;
mod operation;

use proptest::collection::vec;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use tokio::runtime::Builder;

use self::client::Client;
use self::model::Model;
use self::operation::{Operation, operation};

#[test]
fn callers_have_their_own_sessions_for_as_long_as_those_live() {
    check(160, 60);
}

#[test]
#[ignore = "long: minutes of random operations"]
fn callers_have_their_own_sessions_for_as_long_as_those_live_for_long() {
    check(600, 120);
}

/// Runs random operations, and shows the shortest sequence that goes wrong.
fn check(cases: u32, most: usize) {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
    match TestRunner::new(config).run(&vec(operation(), most / 2..=most), |operations| play(&operations)) {
        Ok(()) => {}
        Err(TestError::Fail(reason, operations)) => panic!("{reason}\nfor {operations:#?}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

/// One server and one life of it, on a clock that moves when it is told to.
fn play(operations: &[Operation]) -> Result<(), TestCaseError> {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a timer");
    runtime.block_on(async {
        let client = Client::start().await;
        let mut model = Model::new(&client).await;
        for operation in operations {
            model.run(&client, operation).await?;
        }
        Ok(())
    })
}
