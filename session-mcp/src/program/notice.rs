//! What the log says of settings that do less than they seem to, or more.

use std::net::SocketAddr;

use crate::config::Config;

/// Warns of settings without an effect, and of a server that others can reach but should not, or not like this.
pub(super) fn log(config: &Config) {
    for key in idle_keys(config) {
        let transport = if config.http.is_some() { "over HTTP" } else { "over stdio" };
        tracing::warn!("`{key}` has no effect {transport}");
    }
    if config.http.is_some_and(is_open) {
        if config.allowed_hosts == Config::default().allowed_hosts {
            tracing::warn!("others can connect, but only requests for localhost are served; see --allowed-host");
        }
        if config.tokens.is_none() {
            tracing::warn!(
                "others can connect and need not say who they are; see --tokens, and --help for how to make one"
            );
        }
    }
}

/// Whether others than the programs of this machine can connect.
fn is_open(address: SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}

/// The keys that are set for the other way to serve.
fn idle_keys(config: &Config) -> Vec<&'static str> {
    let default = Config::default();
    let of_http = [
        ("allowed_hosts", config.allowed_hosts != default.allowed_hosts),
        ("allowed_origins", config.allowed_origins != default.allowed_origins),
        ("body_limit", config.body_limit != default.body_limit),
        ("require_principal", config.require_principal),
        ("handle_header", config.handle_header),
    ];
    let of_stdio = [("local_principal", config.local_principal.is_some())];
    let idle = if config.http.is_some() { &of_stdio[..] } else { &of_http };
    idle.iter().filter(|(_, is_set)| *is_set).map(|(key, _)| *key).collect()
}
