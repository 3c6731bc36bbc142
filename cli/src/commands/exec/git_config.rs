//! What git is told through the environment, in `GIT_CONFIG_COUNT` and the variables that it counts.
//!
//! git reads its configuration after the variables that other programs heed, so a user's `http.proxy` would
//! lead it past the relay. A setting for one URL beats one for all, and the environment beats files. An empty
//! `extraHeader` removes those that files set for the same URL: GitHub refuses a request with two.

use std::ffi::{OsStr, OsString};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::environment::Variable;
use crate::error::Failure;
use crate::host_port::HostPort;

const COUNT: &str = "GIT_CONFIG_COUNT";

/// How many settings the environment holds already.
pub(super) fn count(env: &dyn Fn(&str) -> Option<OsString>) -> Result<u32, Failure> {
    let Some(value) = env(COUNT).filter(|value| !value.is_empty()) else {
        return Ok(0);
    };
    let text = value
        .to_str()
        .filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    let count = text.and_then(|text| text.parse().ok());
    // git itself takes no more than fit into an `int`.
    count.filter(|count| *count < u32::MAX / 4).ok_or_else(|| {
        Failure::with_hint(
            format!("`{COUNT}` is no number, but `{}`", value.display()),
            format!("git would refuse it too; unset it: `env -u {COUNT} tokenctl exec …`"),
        )
    })
}

/// Whether one of the settings in the environment has this value.
pub(super) fn names(value: &OsStr, env: &dyn Fn(&str) -> Option<OsString>) -> bool {
    // git refuses a count that is none, and a gap, so nothing is led anywhere then.
    let counted = 0..count(env).unwrap_or_default();
    let mut values = counted.map_while(|number| env(&format!("GIT_CONFIG_VALUE_{number}")));
    values.any(|one| one == value)
}

/// The variables with which git goes through the relay and sends the token, if there is one, after those that are
/// there.
pub(super) fn variables(
    count: u32,
    hosts: &[HostPort],
    relay: &str,
    token: Option<&str>,
) -> Vec<Variable> {
    let header = token.map(|token| {
        let login = Zeroizing::new(format!("x-access-token:{token}"));
        let login = Zeroizing::new(STANDARD.encode(&*login));
        Zeroizing::new(format!("Authorization: Basic {}", *login))
    });
    let mut settings = vec![("proxy", relay)];
    if let Some(header) = &header {
        settings.extend([("extraHeader", ""), ("extraHeader", header)]);
    }
    let mut variables = Vec::new();
    let mut number = count;
    for host in hosts {
        for (name, value) in &settings {
            let key = format!("http.{}.{name}", root(host));
            variables.push(Variable::new(format!("GIT_CONFIG_KEY_{number}"), key));
            variables.push(Variable::new(format!("GIT_CONFIG_VALUE_{number}"), value));
            number += 1;
        }
    }
    variables.push(Variable::new(COUNT, number.to_string()));
    variables
}

/// `https://github.com/`
fn root(host: &HostPort) -> String {
    match host.port() {
        443 => format!("https://{}/", host.url_host()),
        _ => format!("https://{host}/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(value: Option<&str>) -> Result<u32, Failure> {
        count(&|name| {
            assert_eq!(name, COUNT);
            value.map(OsString::from)
        })
    }

    #[test]
    fn what_is_there_is_counted_as_git_counts_it() {
        for (value, want) in [
            (None, 0),
            (Some(""), 0),
            (Some("0"), 0),
            (Some("7"), 7),
            (Some("007"), 7),
        ] {
            assert_eq!(counted(value).ok(), Some(want), "{value:?}");
        }
    }

    #[test]
    fn a_malformed_count_is_an_error_that_names_it() {
        for value in [
            "x",
            "-1",
            "+1",
            " 1",
            "1x",
            "0x1",
            "1.5",
            "99999999999",
            "4294967295",
        ] {
            let failure = counted(Some(value)).unwrap_err();
            assert!(
                failure.to_string().contains("`GIT_CONFIG_COUNT`"),
                "{failure}"
            );
            assert!(failure.hint().unwrap().contains("env -u GIT_CONFIG_COUNT"));
        }
    }

    #[test]
    fn each_root_gets_the_relay_and_the_token_alone_after_what_is_there() {
        let hosts =
            ["github.com:443", "ghe.test:8443", "[::1]:443"].map(|host| host.parse().unwrap());
        let set = variables(2, &hosts, "http://127.0.0.1:4711", Some("tkp_x"));
        let set: Vec<(&str, &str)> = set
            .iter()
            .map(|v| (&*v.name, str::from_utf8(&v.value).unwrap()))
            .collect();
        assert_eq!(
            set[..6],
            [
                ("GIT_CONFIG_KEY_2", "http.https://github.com/.proxy"),
                ("GIT_CONFIG_VALUE_2", "http://127.0.0.1:4711"),
                ("GIT_CONFIG_KEY_3", "http.https://github.com/.extraHeader"),
                ("GIT_CONFIG_VALUE_3", ""),
                ("GIT_CONFIG_KEY_4", "http.https://github.com/.extraHeader"),
                // printf %s x-access-token:tkp_x | base64
                (
                    "GIT_CONFIG_VALUE_4",
                    "Authorization: Basic eC1hY2Nlc3MtdG9rZW46dGtwX3g="
                ),
            ]
        );
        assert_eq!(
            set[6],
            ("GIT_CONFIG_KEY_5", "http.https://ghe.test:8443/.proxy")
        );
        assert_eq!(set[12], ("GIT_CONFIG_KEY_8", "http.https://[::1]/.proxy"));
        assert_eq!(set[18..], [("GIT_CONFIG_COUNT", "11")]);
    }
}
