//! Those who have nothing to do with the trouble of others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use session_core::{SessionKey, SessionStore as _, SessionStoreExt as _};
use session_redis::RedisStore;
use tokio::task::JoinSet;

use crate::shards::{MASTERS, open_in};
use crate::stores::set;

/// Tasks that use sessions in all shards but one, through the same stores as everybody, and stand no error.
///
/// The writers of a history use sessions everywhere, so they all come to wait for the shard that is in trouble.
pub(crate) struct Bystanders {
    over: Arc<AtomicBool>,
    tasks: JoinSet<Duration>,
}

impl Bystanders {
    pub(crate) async fn beside(shard: usize, stores: &[RedisStore]) -> Self {
        let over = Arc::<AtomicBool>::default();
        let mut tasks = JoinSet::new();
        for other in (0..MASTERS).filter(|other| *other != shard) {
            for store in stores {
                let key = open_in(store, other).await;
                tasks.spawn(use_it(store.clone(), key, Arc::clone(&over)));
            }
        }
        Self { over, tasks }
    }

    /// Ends them, and says how long the slowest answer took.
    pub(crate) async fn slowest(self) -> Duration {
        self.over.store(true, Ordering::Relaxed);
        self.tasks.join_all().await.into_iter().max().unwrap_or_default()
    }
}

async fn use_it(store: RedisStore, key: SessionKey, over: Arc<AtomicBool>) -> Duration {
    let mut slowest = Duration::ZERO;
    let mut round: u64 = 0;
    while !over.load(Ordering::Relaxed) {
        round += 1;
        let begun = Instant::now();
        let session = store.touch(&key).await.expect("this shard is well").expect("nobody ended it");
        assert_eq!(session.version.get(), round, "each change counts once");
        slowest = slowest.max(begun.elapsed());
        let begun = Instant::now();
        store.update(&key, set("round", round)).await.expect("this shard is well");
        slowest = slowest.max(begun.elapsed());
    }
    slowest
}
