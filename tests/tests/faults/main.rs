//! Replicas that serve while their Redis is paused, killed and replaced. A run of a minute, which `tests/run --full`
//! includes.

mod caller;
mod history;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use session_tests::{HttpServer, everything};
use tokio::time::sleep;

use crate::caller::Fleet;
use crate::history::History;
use crate::trouble::Redis;

const REPLICAS: usize = 3;
const SESSIONS: usize = 300;
/// How long each session is called.
const MINUTE: Duration = Duration::from_secs(60);
/// What its first call and its last one may be away from the beginning and the end.
const MARGIN: Duration = Duration::from_secs(8);

/// Half of the sessions are of each era, and each call goes to whichever replica. Redis comes back each time with all
/// that it acknowledged, so nothing may be missing in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: a minute of calls to three replicas"]
async fn three_hundred_sessions_lose_nothing_and_never_mix_while_redis_is_paused_killed_and_failed_over() {
    let redis = Redis::start().await;
    let arguments = ["--store".to_owned(), redis.url()];
    let replicas: Vec<_> = (0..REPLICAS).map(|_| HttpServer::start_of_with(&everything(), &arguments)).collect();
    let fleet = Arc::new(Fleet::of(&replicas));

    let trouble = async {
        tokio::join!(redis.trouble(), sleep(MINUTE + MARGIN));
    };
    let history = History::of(&fleet, SESSIONS, trouble).await;
    history.report(&fleet);
    history.went_on_for(MINUTE);
    history.noticed_the_trouble();
    history.goes_on_everywhere().await;
    history.is_what_is_there().await;
}
