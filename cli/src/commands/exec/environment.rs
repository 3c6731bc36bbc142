//! The command's environment: its tokens and, for proxy tokens, what leads its clients to the relay.
//!
//! Each client has its own variable for the same thing, and some read it in lower case first. So each is set,
//! in both spellings where both are read. What they named before stays in force for other hosts: the relay
//! asks the previous proxy, and the bundle holds the previous certificates.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use broker_protocol::names::Purpose;
use zeroize::Zeroizing;

use super::certificates::{self, Certificates};
use super::git_config;
use super::leases::Leases;
use super::tunnel::Tunnel;
use crate::error::Failure;
use crate::host_port::HostPort;
use crate::no_proxy;
use crate::relay::previous;

/// A variable and its value. No `Debug`: it may hold a token, and is wiped.
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: Zeroizing<Vec<u8>>,
}

impl Variable {
    pub(super) fn new(name: impl Into<String>, value: impl AsRef<OsStr>) -> Self {
        Self {
            name: name.into(),
            value: Zeroizing::new(value.as_ref().as_bytes().to_vec()),
        }
    }
}

/// What the environment said before, as far as it matters.
pub(super) struct Before {
    /// What the variables of [`certificates::VARIABLES`] name, and the system's own.
    pub(super) certificates: Certificates,
    no_proxy: Vec<(&'static str, Zeroizing<String>)>,
    git_settings: u32,
}

impl Before {
    /// Reads it, and refuses what a proxy token cannot be used with.
    pub(super) fn read(env: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, Failure> {
        // The relay reads it again, so that no password is among its arguments.
        previous::find(env)?;
        let mut no_proxy = Vec::new();
        for name in previous::EXCEPTIONS {
            no_proxy.extend(previous::first(&[name], env)?);
        }
        Ok(Self {
            git_settings: git_config::count(env)?,
            certificates: Certificates::read(certificates::SYSTEM, env)?,
            no_proxy,
        })
    }
}

/// The variables for tokens that GitHub honours.
pub(super) fn with_tokens(leases: &Leases, names: &[String]) -> Vec<Variable> {
    let mut variables = Vec::new();
    if let Some(first) = leases.first() {
        let names = names.iter().map(String::as_str);
        let names = TOKEN.iter().copied().chain(names);
        variables.extend(names.map(|name| Variable::new(name, first.token.as_str())));
    }
    let more = leases.more().iter();
    variables.extend(more.map(|(taken, name)| Variable::new(name, taken.token.as_str())));
    variables
}

/// The variables for tokens that the broker honours.
pub(super) fn with_tunnel(
    leases: &Leases,
    names: &[String],
    before: &Before,
    tunnel: &Tunnel,
) -> Vec<Variable> {
    let token = leases.first().map(|first| first.token.as_str());
    let mut variables = leading_to(&tunnel.relay, tunnel.bundle.as_os_str());
    for (name, list) in &before.no_proxy {
        variables.push(Variable::new(*name, no_proxy::without(list, &tunnel.hosts)));
    }
    let settings = before.git_settings;
    variables.extend(git_config::variables(
        settings,
        &tunnel.hosts,
        &tunnel.relay,
        token,
    ));
    if let Some(token) = token.filter(|_| !is_github_com(&tunnel.hosts)) {
        variables.extend(ENTERPRISE_TOKEN.map(|name| Variable::new(name, token)));
    }
    variables.extend(with_tokens(leases, names));
    variables
}

/// The relay, and what its tunnels are verified with.
fn leading_to(relay: &str, bundle: &OsStr) -> Vec<Variable> {
    let mut variables = vec![Variable::new(MARKER, relay), Variable::new(NODE, "1")];
    variables.extend(PROXY.map(|name| Variable::new(name, relay)));
    variables.extend(certificates::VARIABLES.map(|name| Variable::new(name, bundle)));
    variables
}

/// `gh` takes other variables for the token of another host.
fn is_github_com(hosts: &[HostPort]) -> bool {
    hosts.iter().any(|host| host.host() == "github.com")
}

/// A token that GitHub honours is of no use in a command whose GitHub hosts are led to a broker.
pub(super) fn refuse_inside_tunnel(env: &dyn Fn(&str) -> Option<OsString>) -> Result<(), Failure> {
    let set = |name: &str| env(name).filter(|value| !value.is_empty());
    let Some(relay) = set(MARKER) else {
        return Ok(());
    };
    let proxy = PROXY.iter().find_map(|name| set(name));
    if proxy.as_ref() != Some(&relay) && !git_config::names(&relay, env) {
        return Ok(());
    }
    Err(Failure::with_hint(
        "this runs inside an `exec` whose purpose delivers `proxy`: GitHub's hosts are led to the broker here, \
         which honours only proxy tokens",
        "run it outside of that command, or for a purpose that delivers `proxy`",
    ))
}

/// Refuses a variable that would have to hold two tokens, or a token in place of what leads to the relay.
pub(super) fn refuse_one_name_for_two_tokens(
    purpose: Option<&Purpose>,
    names: &[String],
    with: &[(Purpose, String)],
) -> Result<(), Failure> {
    let own = |option: String, name: &str| {
        Failure::Usage(format!("{option}: `exec` itself sets `{name}`"))
    };
    if let Some(name) = names.iter().find(|name| is_set_by_exec(name)) {
        return Err(own(format!("--env {name}"), name));
    }
    let mut taken: Vec<&str> = purpose.map_or_else(Vec::new, |_| TOKEN.to_vec());
    taken.extend(names.iter().map(String::as_str));
    for (purpose, name) in with {
        if is_set_by_exec(name) {
            return Err(own(format!("--env {name}={purpose}"), name));
        }
        if taken.contains(&name.as_str()) {
            return Err(Failure::Usage(format!(
                "--env {name}={purpose}: `{name}` holds another token already"
            )));
        }
        taken.push(name);
    }
    Ok(())
}

/// Whether it is one of those that lead to the relay.
fn is_set_by_exec(name: &str) -> bool {
    PROXY.contains(&name)
        || previous::EXCEPTIONS.contains(&name)
        || certificates::VARIABLES.contains(&name)
        || [MARKER, NODE].contains(&name)
        || name.starts_with("GIT_CONFIG_")
}

/// Lower case first, as curl and Python read them.
const PROXY: [&str; 2] = ["https_proxy", "HTTPS_PROXY"];

/// The relay that leads to the broker, by which a command inside knows it.
const MARKER: &str = "TOKEND_EXEC_PROXY";

/// Has Node heed the others, from version 24 on.
const NODE: &str = "NODE_USE_ENV_PROXY";

const TOKEN: [&str; 2] = ["GH_TOKEN", "GITHUB_TOKEN"];

/// Where `gh` looks for the token of Enterprise Server.
const ENTERPRISE_TOKEN: [&str; 2] = ["GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"];

#[cfg(test)]
mod tests {
    use super::*;

    fn env<'a>(set: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
        move |name| {
            let variable = set.iter().find(|(known, _)| *known == name);
            variable.map(|(_, value)| OsString::from(value))
        }
    }

    #[test]
    fn every_client_is_led_to_the_relay_in_the_spelling_it_reads() {
        let variables = leading_to("http://127.0.0.1:4711", OsStr::new("/run/ca"));
        let set = |name: &str| {
            let found = variables.iter().filter(|variable| variable.name == name);
            let values: Vec<&[u8]> = found.map(|variable| variable.value.as_slice()).collect();
            assert_eq!(values.len(), 1, "{name}");
            values[0].to_vec()
        };
        for name in ["https_proxy", "HTTPS_PROXY", "TOKEND_EXEC_PROXY"] {
            assert_eq!(set(name), b"http://127.0.0.1:4711");
        }
        for name in certificates::VARIABLES {
            assert_eq!(set(name), b"/run/ca");
        }
        assert_eq!(set("NODE_USE_ENV_PROXY"), b"1");
        assert_eq!(variables.len(), 9);
    }

    #[test]
    fn inside_a_tunnel_is_where_a_client_is_led_to_the_relay_that_the_marker_names() {
        let (relay, other) = ("http://127.0.0.1:1", "http://127.0.0.1:2");
        for inside in [
            &[(MARKER, relay), ("HTTPS_PROXY", relay)][..],
            &[
                (MARKER, relay),
                ("https_proxy", relay),
                ("HTTPS_PROXY", other),
            ],
            &[(MARKER, relay), ("https_proxy", ""), ("HTTPS_PROXY", relay)],
            &[
                (MARKER, relay),
                ("HTTPS_PROXY", other),
                ("GIT_CONFIG_COUNT", "2"),
                ("GIT_CONFIG_KEY_0", "user.name"),
                ("GIT_CONFIG_VALUE_0", "me"),
                ("GIT_CONFIG_KEY_1", "http.https://github.com/.proxy"),
                ("GIT_CONFIG_VALUE_1", relay),
            ],
        ] {
            let failure = refuse_inside_tunnel(&env(inside)).unwrap_err();
            assert!(failure.to_string().contains("honours only proxy tokens"));
        }
        for outside in [
            &[][..],
            &[("HTTPS_PROXY", relay)],
            &[(MARKER, relay)],
            &[
                (MARKER, relay),
                ("https_proxy", other),
                ("HTTPS_PROXY", relay),
            ],
            &[(MARKER, ""), ("HTTPS_PROXY", "")],
            &[
                (MARKER, relay),
                ("GIT_CONFIG_COUNT", "1"),
                ("GIT_CONFIG_VALUE_0", other),
                ("GIT_CONFIG_VALUE_1", relay),
            ],
            &[(MARKER, relay), ("GIT_CONFIG_VALUE_0", relay)],
            &[
                (MARKER, relay),
                ("GIT_CONFIG_COUNT", "x"),
                ("GIT_CONFIG_VALUE_0", relay),
            ],
        ] {
            assert!(refuse_inside_tunnel(&env(outside)).is_ok(), "{outside:?}");
        }
    }

    #[test]
    fn a_variable_holds_one_token() {
        let with = |list: &[(&str, &str)]| -> Vec<(Purpose, String)> {
            let list = list.iter();
            list.map(|(purpose, name)| (purpose.parse().unwrap(), (*name).to_owned()))
                .collect()
        };
        let mine = ["MINE".to_owned()];
        let refuse = |names: &[String], with: &[(Purpose, String)]| {
            refuse_one_name_for_two_tokens(Some(&"p".parse().unwrap()), names, with)
        };
        assert!(refuse(&mine, &with(&[("a", "A"), ("a", "B")])).is_ok());
        let alone = with(&[("a", "GH_TOKEN"), ("b", "GITHUB_TOKEN")]);
        assert!(refuse_one_name_for_two_tokens(None, &[], &alone).is_ok());
        for list in [
            &[("a", "GH_TOKEN")][..],
            &[("a", "GITHUB_TOKEN")],
            &[("a", "MINE")],
            &[("a", "A"), ("b", "A")],
        ] {
            let failure = refuse(&mine, &with(list)).unwrap_err();
            assert_eq!(failure.exit_code(), 2);
        }
        for name in [
            "HTTPS_PROXY",
            "no_proxy",
            "SSL_CERT_FILE",
            "GIT_CONFIG_COUNT",
            "GIT_CONFIG_KEY_0",
            "NODE_USE_ENV_PROXY",
            "TOKEND_EXEC_PROXY",
        ] {
            let failure = refuse(&[name.to_owned()], &[]).unwrap_err();
            assert_eq!(failure.exit_code(), 2, "{name}");
            let failure = refuse(&[], &with(&[("a", name)])).unwrap_err();
            assert!(failure.to_string().contains("itself sets"), "{failure}");
        }
    }

    #[test]
    fn what_a_proxy_token_cannot_be_used_with_is_said_before() {
        for (name, value) in [
            ("https_proxy", "socks5://proxy:1"),
            ("ALL_PROXY", "socks5h://proxy:1"),
            ("GIT_CONFIG_COUNT", "many"),
            ("NODE_EXTRA_CA_CERTS", "/nonexistent/ca.pem"),
        ] {
            let failure = Before::read(&env(&[(name, value)])).err().unwrap();
            assert!(
                failure.to_string().contains(&format!("`{name}`")),
                "{failure}"
            );
        }
    }
}
