//! Sessions that two other processes take over while many first requests for each come at once.

mod counter;

use std::collections::HashSet;
use std::io::{Write as _, stderr};
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{StreamExt as _, iter};
use reqwest::Client;
use session_test_servers::Server;
use session_tests::HttpServer;

use crate::counter::Counter;

const SESSIONS: usize = 450;
/// First requests for each session that wait for their answers, half of them at each process.
const PATIENT: usize = 16;
/// Further ones whose clients disconnect, one at each process.
const IMPATIENT: usize = 2;
/// Sessions that are taken over at once.
const AT_ONCE: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: 7,200 first requests, and 900 whose clients disconnect"]
async fn every_first_request_for_a_session_is_answered() {
    let redis = Server::start().await;
    let bursts = Site::start(&redis, Sessions::Ours).bursts(SESSIONS).await;
    for burst in &bursts {
        burst.check();
    }
    let cut_off: usize = bursts.iter().map(Burst::cut_off).sum();
    // Each had sent its whole request by then.
    assert!(cut_off > SESSIONS * IMPATIENT / 2, "clients that disconnect hear nothing, but {cut_off} only did");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rmcp_alone_does_not_answer_every_first_request() {
    let redis = Server::start().await;
    let bursts = Site::start(&redis, Sessions::Rmcp).bursts(SESSIONS / 15).await;
    let errors = bursts.iter().flat_map(Burst::errors).count();
    assert!(errors > 0, "then what is promised of our sessions is nothing special");
}

/// What keeps the sessions of a server.
#[derive(Clone, Copy)]
enum Sessions {
    Ours,
    Rmcp,
}

/// A process that opens sessions and two that take them over, on one Redis.
struct Site {
    sessions: Sessions,
    first: HttpServer,
    others: [HttpServer; 2],
    http: Client,
}

impl Site {
    fn start(redis: &Server, sessions: Sessions) -> Self {
        let start = || HttpServer::start_of_with(Path::new(env!("CARGO_BIN_EXE_hesitant")), &[redis.url()]);
        let http = Client::builder().no_proxy().timeout(PATIENCE).build().expect("nothing special");
        Self { sessions, first: start(), others: [start(), start()], http }
    }

    fn url(&self, server: &HttpServer) -> String {
        match self.sessions {
            Sessions::Ours => server.url().to_owned(),
            Sessions::Rmcp => server.url().replace("/mcp", "/rmcp"),
        }
    }

    async fn bursts(&self, sessions: usize) -> Vec<Burst> {
        let bursts: Vec<Burst> = iter(0..sessions).map(|_| self.burst()).buffer_unordered(AT_ONCE).collect().await;
        let (errors, cut_off) = (bursts.iter().flat_map(Burst::errors), bursts.iter().map(Burst::cut_off));
        let requests = sessions * PATIENT;
        let _ = writeln!(
            stderr(),
            "{requests} first requests, {} errors; {} clients disconnected, {} of their calls were counted",
            errors.count(),
            cut_off.sum::<usize>(),
            bursts.iter().map(Burst::unheard).sum::<u64>(),
        );
        bursts
    }

    /// Opens a session and sends all first requests for it at once, those of clients that disconnect before the others.
    async fn burst(&self) -> Burst {
        let first = self.url(&self.first);
        let mut counter = Counter::open(&self.http, &first).await;
        if matches!(self.sessions, Sessions::Rmcp) {
            counter = counter.by_handle(&first).await;
        }
        let urls = self.others.each_ref().map(|server| self.url(server));
        let requests = (0..IMPATIENT + PATIENT).zip(urls.iter().cycle()).map(|(number, url)| {
            let counter = &counter;
            async move {
                if number < IMPATIENT {
                    counter.count_impatiently(url, number).await
                } else {
                    Some(counter.count(url, number).await)
                }
            }
        });
        let answers = join_all(requests).await;
        let next = counter.count(&first, IMPATIENT + PATIENT).await.expect("the session is open here");
        Burst { answers, next }
    }
}

/// Longer than a server takes to restore a session, or to find out that it cannot.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the first requests for a session led to.
#[derive(Debug)]
struct Burst {
    /// The counts they were answered with. `None` for a client that had sent its request and disconnected.
    answers: Vec<Option<Result<u64, String>>>,
    /// The count after all of them.
    next: u64,
}

impl Burst {
    /// Checks that every client that waited has a count of its own, and that nothing was counted but the requests.
    fn check(&self) {
        assert_eq!(self.errors().count(), 0, "{self:?}");
        let counts: HashSet<u64> = self.answers.iter().flatten().flatten().copied().collect();
        assert_eq!(counts.len() + self.cut_off(), self.answers.len(), "no count is given out twice: {self:?}");
        assert!(counts.iter().all(|count| (1..self.next).contains(count)), "{self:?}");
        assert!(self.unheard() <= self.cut_off() as u64, "each request counts once: {self:?}");
    }

    fn errors(&self) -> impl Iterator<Item = &String> {
        self.answers.iter().flatten().filter_map(|answer| answer.as_ref().err())
    }

    fn cut_off(&self) -> usize {
        self.answers.iter().filter(|answer| answer.is_none()).count()
    }

    /// Calls that were counted and not answered.
    fn unheard(&self) -> u64 {
        self.next - 1 - self.answers.iter().flatten().flatten().count() as u64
    }
}
