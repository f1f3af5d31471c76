//! The official conformance suite on the `everything` example: all scenarios of a protocol version, those that the suite
//! does not score included, and nothing but successes.

mod suite;

use session_tests::{HttpServer, everything};

use crate::suite::{Requirements, passes_the_official_suite};

#[test]
fn one_server_passes_all_of_2025_11_25() {
    let server = HttpServer::start_of(&everything());
    passes_the_official_suite(server.url(), Requirements::V2025_11_25);
}

#[test]
fn one_server_passes_all_of_2026_07_28() {
    let server = HttpServer::start_of(&everything());
    passes_the_official_suite(server.url(), Requirements::V2026_07_28);
}
