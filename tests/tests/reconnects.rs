//! Calls whose connection is cut, and the clients that come back for the answer by themselves: those of 2025-11-25. On
//! 2026-07-28 no stream is resumed, and a call ends with its connection.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use session_test_servers::{Proxy, Server, eventually};
use session_tests::{Answer, Client, HttpServer, Sdk};
use tokio::time::sleep;

/// A server with a tool that counts, and one that takes four seconds to do so.
const SHOP: &str = env!("CARGO_BIN_EXE_shop");

/// Two replicas that share a Redis, and the network between a client and the first.
struct Fleet {
    _redis: Server,
    here: HttpServer,
    there: HttpServer,
    network: Proxy,
}

impl Fleet {
    async fn start() -> Self {
        let redis = Server::start().await;
        let arguments = ["--store".to_owned(), redis.url()];
        let [here, there] = [(); 2].map(|()| HttpServer::start_of_with(Path::new(SHOP), &arguments));
        let network = Proxy::to(here.address().parse().expect("an address")).await;
        Self { _redis: redis, here, there, network }
    }

    /// Connects a client, which counts to two.
    fn connect(&self, sdk: Sdk) -> Client {
        let mut client = Client::connect(sdk, &format!("http://{}/mcp", self.network.addr()));
        assert_eq!(count(&mut client, 2), "2");
        client
    }

    /// Has a client begin to count three more, and waits until it has heard the first of the answer.
    async fn begin_slowly(&self, client: &mut Client) {
        // What else the client does when it has connected is over by then.
        sleep(Duration::from_millis(500)).await;
        let received = self.network.traffic().received();
        client.begin("slowly", json!({ "count": 3 }));
        eventually("event", async || (self.network.traffic().received() > received).then_some(())).await;
        sleep(Duration::from_millis(200)).await;
    }

    /// Lets whoever comes back meet the other replica.
    fn lead_there(&self) {
        self.network.retarget(self.there.address().parse().expect("an address"));
    }
}

fn count(client: &mut Client, items: u32) -> String {
    client.call("session_items_meta", json!({ "count": items })).text()
}

async fn is_answered_by_the_same_replica(sdk: Sdk) {
    let fleet = Fleet::start().await;
    let mut client = fleet.connect(sdk);
    fleet.begin_slowly(&mut client).await;
    fleet.network.close_all();
    assert_eq!(client.finish().text(), "5");
    assert_eq!(count(&mut client, 1), "6", "the call ran once");
}

async fn is_answered_by_another_replica(sdk: Sdk) {
    let fleet = Fleet::start().await;
    let mut client = fleet.connect(sdk);
    fleet.begin_slowly(&mut client).await;
    fleet.lead_there();
    fleet.network.close_all();
    assert_eq!(client.finish().text(), "5");
    assert_eq!(count(&mut client, 1), "6", "the call ran once");
}

async fn is_told_by_another_replica_that_its_own_is_dead(sdk: Sdk) {
    let mut fleet = Fleet::start().await;
    let mut client = fleet.connect(sdk);
    fleet.begin_slowly(&mut client).await;
    fleet.lead_there();
    fleet.here.kill();
    let Answer::ProtocolError(error) = client.finish() else { panic!("nobody has the answer") };
    assert_eq!(error["code"], -32603, "{error}");
    assert_eq!(count(&mut client, 1), "3", "the call had not counted yet");
}

/// Makes a module of each test, with a test for each client that resumes.
macro_rules! for_each_client_that_resumes {
    ($($test:ident)+) => {
        $(mod $test {
            use session_tests::Sdk;

            #[tokio::test(flavor = "multi_thread")]
            async fn mcp_1() { super::$test(Sdk::Mcp1).await; }
            #[tokio::test(flavor = "multi_thread")]
            async fn sdk_1() { super::$test(Sdk::Sdk1).await; }
            #[tokio::test(flavor = "multi_thread")]
            async fn client_2() { super::$test(Sdk::Client2).await; }
        })+
    };
}

for_each_client_that_resumes! {
    is_answered_by_the_same_replica
    is_answered_by_another_replica
    is_told_by_another_replica_that_its_own_is_dead
}
