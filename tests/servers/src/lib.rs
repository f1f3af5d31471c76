//! Redis servers, clusters and faulty networks for the tests of the workspace, on loopback.
