//! The connection that listens.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use redis::{Pipeline, PushInfo, Value};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::backoff::Backoff;
use super::bell::Shared;
use super::cluster::Cluster;
use super::connection::Connection;
use super::dial::{Address, DialError};
use super::link::{LASTING, Target, Trouble};
use super::outcome::{Answered, Cause, Verdict};

/// Where to listen.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// Wherever this leads.
    One(Target),
    /// At any node of a cluster: they pass on to one another what is published.
    Cluster(Cluster),
}

/// How often the server is asked for a sign of life.
const SIGN: Duration = Duration::from_secs(1);

/// How often all are rung in a cluster, whose nodes do not make up for what one of them did not pass on.
const ROUND: Duration = Duration::from_secs(30);

/// How many channels are asked for at once.
const BATCH: usize = 500;

/// How long to wait after a refusal that stays until somebody changes something.
const REFUSED: Duration = Duration::from_secs(1);

/// Listens for as long as anybody wants to: connects, and connects again.
pub(super) async fn keep(bell: Arc<Shared>) {
    let mut backoff = Backoff::new();
    let mut left = None;
    let mut reported = false;
    loop {
        if bell.is_over() {
            return;
        }
        let begun = Instant::now();
        let address = bell.place.address(left.as_ref());
        let outcome = match &address {
            Some(address) => tokio::select! {
                outcome = listen(&bell, address, &mut reported) => outcome,
                () = bell.place.moved(address) => Err(DialError::NotNow(Arc::new(Trouble::Elsewhere))),
            },
            None => Err(DialError::NotNow(Arc::new(Trouble::NoMaster))),
        };
        let Err(trouble) = outcome else { return };
        bell.close();
        bell.place.doubt();
        let lasted = begun.elapsed() >= LASTING;
        if lasted {
            backoff = Backoff::new();
        }
        let (cause, pause): (Cause, _) = match trouble {
            DialError::NotNow(cause) if lasted => (cause, Duration::ZERO),
            DialError::NotNow(cause) => (cause, backoff.next()),
            DialError::Never(error) => (Arc::new(error), REFUSED),
        };
        if !std::mem::replace(&mut reported, true) {
            let server = address.as_ref().map_or_else(|| "an unknown master".to_owned(), Address::to_string);
            tracing::warn!(%server, %cause, "cannot listen to Redis; whoever follows something learns of it later");
        }
        left = address;
        sleep(pause).await;
    }
}

/// Listens at this address until nobody wants to any more.
///
/// # Errors
///
/// [`DialError`] if that comes first.
async fn listen(bell: &Arc<Shared>, address: &Address, reported: &mut bool) -> Result<(), DialError> {
    let (end, mut ended) = oneshot::channel::<()>();
    let hears = Arc::clone(bell);
    let dialing = bell.dialer.listen(address, move |push: PushInfo| hears.hear(&push), move || drop(end));
    let connection =
        timeout(bell.patience.opening, dialing).await.unwrap_or_else(|_| Err(not_now(Trouble::Silence)))?;
    let mut next_round = Instant::now() + ROUND;
    loop {
        // Before anything else: a node that is cut off from its cluster is no place to listen at.
        sign(bell, &connection).await?;
        let next_sign = Instant::now() + SIGN;
        if Instant::now() >= next_round && matches!(bell.place, Place::Cluster(_)) {
            bell.ring_all();
            next_round += ROUND;
        }
        loop {
            adjust(bell, &connection).await?;
            if std::mem::take(reported) {
                tracing::info!(server = %address, "listens to Redis again");
            }
            if bell.is_over() {
                return Ok(());
            }
            tokio::select! {
                _ = &mut ended => return Err(not_now(Trouble::Closed)),
                () = bell.changed.notified() => {}
                () = sleep_until(next_sign) => break,
            }
        }
    }
}

/// Asks for a sign of life.
async fn sign(bell: &Shared, connection: &Connection) -> Result<(), DialError> {
    let mut steps = Pipeline::with_capacity(1);
    steps.add_command(bell.sign.clone());
    say(bell, connection, &steps).await?.first().map_or(Ok(()), fits)
}

/// Whether a server that answers this is one to listen at.
fn fits(reply: &Value) -> Result<(), DialError> {
    match reply {
        Value::ServerError(error) if Verdict::on(error) == Verdict::Leave || error.code() == "CLUSTERDOWN" => {
            Err(DialError::NotNow(Arc::new(Answered(error.clone()))))
        }
        _ => Ok(()),
    }
}

/// Subscribes to what is listened to by now, and to nothing else.
async fn adjust(bell: &Shared, connection: &Connection) -> Result<(), DialError> {
    loop {
        let changes = bell.changes(BATCH);
        let mut steps = Pipeline::with_capacity(BATCH);
        for (command, channels) in [("UNSUBSCRIBE", &changes.unsubscribe), ("SUBSCRIBE", &changes.subscribe)] {
            for channel in channels {
                steps.cmd(command).arg(&**channel);
            }
        }
        if steps.is_empty() {
            return Ok(());
        }
        let replies = say(bell, connection, &steps).await?;
        if let Some(Value::ServerError(error)) = replies.iter().find(|reply| matches!(reply, Value::ServerError(_))) {
            let cause = Arc::new(Answered(error.clone()));
            return Err(DialError::NotNow(cause));
        }
        bell.open(&changes.subscribe);
    }
}

/// Says something and waits for the answers, for as long as the server says anything at all: they come behind what is
/// published.
async fn say(bell: &Shared, connection: &Connection, steps: &Pipeline) -> Result<Vec<Value>, DialError> {
    let mut saying = pin!(connection.send(steps));
    loop {
        let received = connection.received();
        match timeout(bell.patience.attempt, &mut saying).await {
            Ok(replies) => return replies.map_err(|error| DialError::NotNow(Arc::new(error))),
            Err(_) if connection.received() != received => {}
            Err(_) => return Err(not_now(Trouble::Silence)),
        }
    }
}

fn not_now(trouble: Trouble) -> DialError {
    DialError::NotNow(Arc::new(trouble))
}

impl Place {
    /// Where to listen, rather not at the address that was left.
    fn address(&self, left: Option<&Address>) -> Option<Address> {
        match self {
            Self::One(target) => target.address.borrow().clone(),
            Self::Cluster(cluster) => cluster.addresses().into_iter().max_by_key(|address| Some(address) != left),
        }
    }

    /// Completes when it is elsewhere.
    async fn moved(&self, from: &Address) {
        if let Self::One(target) = self
            && target.address.clone().wait_for(|address| address.as_ref() != Some(from)).await.is_ok()
        {
            return;
        }
        // It is there for good.
        pending::<()>().await;
    }

    /// Lets somebody look whether it is elsewhere.
    fn doubt(&self) {
        match self {
            Self::One(target) => target.doubts.notify_one(),
            Self::Cluster(cluster) => cluster.refresh(),
        }
    }
}
