//! What the log says of settings that do less than they seem to.

use std::net::SocketAddr;

use crate::config::Config;

/// What to warn of: settings without an effect, and a server that others can reach but not use, or use but should not.
pub(super) fn notices(config: &Config) -> Vec<String> {
    let default = Config::default();
    let Some(address) = config.http else {
        let of_http = [
            ("allowed_hosts", config.allowed_hosts != default.allowed_hosts),
            ("allowed_origins", config.allowed_origins != default.allowed_origins),
            ("body_limit", config.body_limit != default.body_limit),
            ("require_principal", config.require_principal),
            ("handle_header", config.handle_header),
        ];
        let set = of_http.into_iter().filter(|(_, is_set)| *is_set);
        return set.map(|(key, _)| format!("`{key}` has no effect over stdio; it is for `http`")).collect();
    };
    let warnings = [
        (
            config.local_principal.is_some(),
            "`local_principal` has no effect over HTTP; give callers tokens, see --tokens",
        ),
        (
            is_open(address) && config.allowed_hosts == default.allowed_hosts,
            "others can connect, but only requests for localhost are served; see --allowed-host",
        ),
        (
            is_open(address) && config.tokens.is_none(),
            "others can connect and need not say who they are; see --tokens, and --help for how to make a token",
        ),
    ];
    warnings.into_iter().filter(|(applies, _)| *applies).map(|(_, warning)| warning.to_owned()).collect()
}

/// Whether others than the programs of this machine can connect.
fn is_open(address: SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use crate::principal::Principal;

    use super::*;

    fn at(address: &str) -> Config {
        Config { http: Some(address.parse().expect("an address")), ..Config::default() }
    }

    fn assert_named(config: &Config, words: &[&str]) {
        let notices = notices(config);
        assert_eq!(notices.len(), words.len(), "{notices:?}");
        assert!(notices.iter().zip(words).all(|(notice, word)| notice.contains(word)), "{notices:?}");
    }

    #[test]
    fn what_has_its_effect_is_not_spoken_of() {
        assert_named(&Config::default(), &[]);
        for address in ["127.0.0.1:8787", "[::1]:8787", "[::ffff:127.0.0.1]:8787"] {
            assert_named(&at(address), &[]);
        }
        let careful =
            Config { tokens: Some("tokens.toml".into()), allowed_hosts: vec!["*".to_owned()], ..at("0.0.0.0:1") };
        assert_named(&careful, &[]);
    }

    #[test]
    fn a_server_that_others_reach_is_warned_of() {
        for address in ["0.0.0.0:8787", "[::]:8787", "192.0.2.1:8787"] {
            assert_named(&at(address), &["--allowed-host", "--tokens"]);
        }
    }

    #[test]
    fn a_key_of_the_other_transport_is_named() {
        let local_principal = Some(Principal::new("https://issuer.example", "alice").expect("it has both"));
        assert_named(&Config { local_principal, ..at("127.0.0.1:1") }, &["`local_principal`"]);
        assert_named(&Config { local_principal, ..Config::default() }, &[]);
        let of_http = Config {
            allowed_hosts: vec!["*".to_owned()],
            body_limit: 1,
            require_principal: true,
            handle_header: true,
            ..Config::default()
        };
        assert_named(&of_http, &["`allowed_hosts`", "`body_limit`", "`require_principal`", "`handle_header`"]);
    }
}
