//! The nodes of a cluster, and which of them holds a slot.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use redis::cmd;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::dial::{Address, DialError, Dialer};
use super::error::ConnectError;
use super::link::{Patience, Target, Trouble};
use super::node::Node;
use super::outcome::Outcome;
use super::request::Request;
use super::slots::{Slots, named};
use crate::url::Endpoint;

/// A node of the cluster, and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) node: Node,
    pub(crate) endpoint: Arc<Endpoint>,
}

/// A cluster. A handle.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    seeds: Vec<Endpoint>,
    dialer: Arc<Dialer>,
    patience: Patience,
    question: Request,
    map: RwLock<Map>,
    /// All that are known, so that a node keeps its links when the map changes. Those that left the map are not.
    members: Mutex<HashMap<Endpoint, Member>>,
    /// Whether somebody is asking for the map. Written by who asks.
    asking: watch::Sender<Phase>,
}

/// How far asking for the map is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Nobody asks.
    #[default]
    Idle,
    /// Somebody asks.
    Asking,
    /// It was answered a moment ago, and that counts.
    Answered,
}

/// The ranges in order, with the master of each.
type Map = Vec<(RangeInclusive<u16>, Member)>;

/// How long the nodes may take to tell the map.
const BOUND: Duration = Duration::from_secs(1);

/// How long to wait for one node's answer before the next is asked too.
const STAGGER: Duration = Duration::from_millis(50);

/// How long one answer counts at least.
const LEAST: Duration = Duration::from_millis(50);

impl Cluster {
    /// The cluster that these nodes belong to. Nobody is asked yet.
    pub(crate) fn at(seeds: &[Endpoint], dialer: &Arc<Dialer>, patience: Patience) -> Self {
        let mut slots = cmd("CLUSTER");
        slots.arg("SLOTS");
        let shared = Shared {
            seeds: seeds.to_vec(),
            dialer: Arc::clone(dialer),
            patience: Patience { insists: false, ..patience },
            question: Request::new(0).command(slots),
            map: RwLock::default(),
            members: Mutex::default(),
            asking: watch::Sender::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Waits until then for somebody to tell the map.
    ///
    /// # Errors
    ///
    /// [`DialError`] if nobody does.
    pub(crate) async fn discover(&self, until: Instant) -> Result<(), DialError> {
        loop {
            match timeout_at(until, self.shared.learn()).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(DialError::NotNow(_))) if Instant::now() + LEAST < until => sleep(LEAST).await,
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(DialError::NotNow(Arc::new(Trouble::Silence))),
            }
        }
    }

    /// Who holds this slot, as far as is known.
    pub(crate) fn holder(&self, slot: u16) -> Option<Member> {
        let map = self.shared.map.read().unwrap_or_else(PoisonError::into_inner);
        let after = map.partition_point(|(range, _)| *range.start() <= slot);
        let (range, member) = map.get(after.checked_sub(1)?)?;
        range.contains(&slot).then(|| member.clone())
    }

    /// One member for each master.
    pub(crate) fn masters(&self) -> Vec<Node> {
        let map = self.shared.map.read().unwrap_or_else(PoisonError::into_inner);
        let masters: HashMap<&Endpoint, &Member> = map.iter().map(|(_, member)| (&*member.endpoint, member)).collect();
        masters.into_values().map(|member| member.node.clone()).collect()
    }

    /// Where its nodes are, masters or not, in an order left to chance.
    pub(crate) fn addresses(&self) -> Vec<Address> {
        self.shared.all().iter().map(|member| Address::Tcp(Endpoint::clone(&member.endpoint))).collect()
    }

    /// How its nodes are connected to.
    pub(crate) fn dialer(&self) -> &Arc<Dialer> {
        &self.shared.dialer
    }

    /// The node that a redirection of this one names.
    pub(crate) fn named(&self, text: &str, by: &Member) -> Option<Member> {
        named(text, &by.endpoint).map(|endpoint| self.shared.member(&endpoint))
    }

    /// Asks for the map in the background, unless somebody is asking already or was answered a moment ago.
    pub(crate) fn refresh(&self) {
        let begun = self.shared.asking.send_if_modified(|phase| {
            let idle = *phase == Phase::Idle;
            if idle {
                *phase = Phase::Asking;
            }
            idle
        });
        if begun {
            let asking = Asking(Arc::clone(&self.shared));
            tokio::spawn(async move {
                // Whoever is silent now may answer when somebody needs the map again.
                let _ = asking.0.learn().await;
                asking.0.asking.send_replace(Phase::Answered);
                sleep(LEAST).await;
            });
        }
    }

    /// Waits until nobody is asking for the map, until then at most.
    pub(crate) async fn refreshed(&self, until: Instant) {
        let mut phases = self.shared.asking.subscribe();
        let _ = timeout_at(until, phases.wait_for(|phase| *phase != Phase::Asking)).await;
    }
}

impl Shared {
    /// Takes over the first map that a node tells. One after the other is asked, in an order left to chance, and the
    /// next is not kept waiting by one that is silent.
    async fn learn(&self) -> Result<(), DialError> {
        let until = Instant::now() + BOUND;
        let mut answers: FuturesUnordered<_> =
            (0..).zip(self.all()).map(|(turn, member)| self.ask(member, STAGGER * turn, until)).collect();
        let mut trouble: Option<DialError> = None;
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(slots) => {
                    self.adopt(slots);
                    return Ok(());
                }
                // What somebody has to mend is said rather than who was silent besides.
                Err(error @ DialError::Never(_)) => trouble = Some(error),
                Err(error) => trouble = trouble.or(Some(error)),
            }
        }
        Err(trouble.unwrap_or_else(|| DialError::NotNow(Arc::new(Trouble::Silence))))
    }

    /// Everybody who may know the map, the known members and the seeds.
    fn all(&self) -> Vec<Member> {
        let mut members: Vec<Member> = self.members().values().cloned().collect();
        let seeds = self.seeds.iter().filter(|seed| members.iter().all(|member| *member.endpoint != **seed));
        let seeds: Vec<Member> = seeds.map(|seed| self.new_member(seed)).collect();
        members.extend(seeds);
        let chance = getrandom::u32().unwrap_or_default() as usize;
        let turns = members.len().max(1);
        members.rotate_left(chance % turns);
        members
    }

    async fn ask(&self, member: Member, turn: Duration, until: Instant) -> Result<Slots, DialError> {
        sleep(turn).await;
        match member.node.shared().attempt(&self.question, self.question.steps(), until).await {
            Outcome::Answered(replies) => replies
                .first()
                .and_then(|reply| Slots::parse(reply, &member.endpoint))
                .ok_or_else(|| DialError::NotNow(Arc::new(Trouble::NoSlots))),
            Outcome::Again { cause, .. } => Err(DialError::NotNow(cause)),
            Outcome::Full(_) => Err(DialError::NotNow(Arc::new(Trouble::NoSlots))),
            Outcome::Never(error) => Err(DialError::Never(error)),
            Outcome::Refused { cause, .. } => Err(DialError::Never(ConnectError::Refused { source: cause })),
        }
    }

    fn adopt(&self, slots: Slots) {
        let map: Map = slots.ranges.into_iter().map(|(range, endpoint)| (range, self.member(&endpoint))).collect();
        for replica in &slots.replicas {
            self.member(replica);
        }
        self.members().retain(|endpoint, _| {
            map.iter().any(|(_, member)| *member.endpoint == *endpoint) || slots.replicas.contains(endpoint)
        });
        *self.map.write().unwrap_or_else(PoisonError::into_inner) = map;
    }

    /// The node at this address, which is a member from now on.
    fn member(&self, endpoint: &Endpoint) -> Member {
        let mut members = self.members();
        if let Some(member) = members.get(endpoint) {
            return member.clone();
        }
        let member = self.new_member(endpoint);
        members.insert(endpoint.clone(), member.clone());
        member
    }

    fn new_member(&self, endpoint: &Endpoint) -> Member {
        let target = Target::fixed(Address::Tcp(endpoint.clone()));
        Member { node: Node::at(&target, &self.dialer, self.patience), endpoint: Arc::new(endpoint.clone()) }
    }

    fn members(&self) -> MutexGuard<'_, HashMap<Endpoint, Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The asking for the map, which is over when this is dropped: at its end, or together with its runtime.
struct Asking(Arc<Shared>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.asking.send_replace(Phase::Idle);
    }
}
