//! The proxy that the environment named before `exec` named the relay.
//!
//! Where other hosts cannot be reached directly, there is one. The relay asks it for those hosts, so it has to
//! speak what the relay speaks: plain HTTP, with a name and a password at most.

use std::ffi::OsString;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::error::Failure;
use crate::host_port::HostPort;

/// Where clients look, in this order: curl and Python read lower case first.
pub(crate) const VARIABLES: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/// Where they find the hosts that are asked directly.
pub(crate) const EXCEPTIONS: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// A proxy. No `Debug`: it may hold a password.
pub(crate) struct Previous {
    /// The variable that names it.
    pub(crate) variable: &'static str,
    /// Where it listens.
    pub(crate) at: HostPort,
    /// The value of `Proxy-Authorization` that it wants.
    pub(crate) authorization: Option<Zeroizing<String>>,
}

/// The first of these variables that is not empty.
pub(crate) fn first<'a>(
    names: &[&'a str],
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Option<(&'a str, Zeroizing<String>)>, Failure> {
    for name in names {
        let value = env(name).filter(|value| !value.is_empty());
        match value.map(OsString::into_string) {
            None => {}
            Some(Ok(value)) => return Ok(Some((name, Zeroizing::new(value)))),
            Some(Err(_not_text)) => {
                return Err(Failure::with_hint(
                    format!("the value of `{name}` is not UTF-8"),
                    format!("correct it, or do without: `env -u {name} tokenctl exec …`"),
                ));
            }
        }
    }
    Ok(None)
}

/// Finds the proxy in the environment.
pub(crate) fn find(env: &dyn Fn(&str) -> Option<OsString>) -> Result<Option<Previous>, Failure> {
    let Some((variable, url)) = first(&VARIABLES, env)? else {
        return Ok(None);
    };
    let (at, authorization) = parse(&url).map_err(|why| {
        // The value may hold a password, so it is not shown.
        Failure::with_hint(
            format!(
                "`{variable}` names a proxy that `exec` cannot reach other hosts through: {why}; it has to be \
                 `http://[USER:PASSWORD@]HOST:PORT`"
            ),
            format!("change it for this command, or do without: `env -u {variable} tokenctl exec …`"),
        )
    })?;
    Ok(Some(Previous {
        variable,
        at,
        authorization,
    }))
}

fn parse(url: &str) -> Result<(HostPort, Option<Zeroizing<String>>), String> {
    // Without a scheme it is `http` to all clients.
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    if !scheme.eq_ignore_ascii_case("http") {
        let plain = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        let known = scheme.len() <= 16 && scheme.chars().all(plain);
        let shown = if known { scheme } else { "something else" };
        return Err(format!("it speaks {shown}, not http"));
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (login, at) = match rest.rsplit_once('@') {
        Some((login, at)) => (Some(login), at),
        None => (None, rest),
    };
    let at: HostPort = at
        .parse()
        .map_err(|_not| "it has no HOST:PORT that can be read".to_owned())?;
    let authorization = login.map(basic).transpose()?;
    Ok((at, authorization))
}

fn basic(login: &str) -> Result<Zeroizing<String>, String> {
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let mut plain = Zeroizing::new(Vec::with_capacity(login.len() + 1));
    for part in [user, ":", password] {
        decode(part, &mut plain).ok_or("the name or password in it is not percent-encoded")?;
    }
    let mut value = Zeroizing::new(String::with_capacity(8 + plain.len() * 2));
    value.push_str("Basic ");
    STANDARD.encode_string(&*plain, &mut value);
    Ok(value)
}

/// Adds the text with `%2F` and the like decoded.
fn decode(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Result<Option<Previous>, Failure> {
        find(&|name| {
            let variable = variables.iter().find(|(known, _)| *known == name);
            variable.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn lower_case_comes_first_and_all_proxy_last_and_empty_is_unset() {
        for (variables, variable, at) in [
            (
                &[("https_proxy", "http://a:1"), ("HTTPS_PROXY", "http://b:2")][..],
                "https_proxy",
                "a:1",
            ),
            (
                &[("https_proxy", ""), ("HTTPS_PROXY", "http://b:2/")],
                "HTTPS_PROXY",
                "b:2",
            ),
            (
                &[("all_proxy", "http://c:3"), ("ALL_PROXY", "http://d:4")],
                "all_proxy",
                "c:3",
            ),
            (&[("ALL_PROXY", "HTTP://[::1]:4")], "ALL_PROXY", "[::1]:4"),
            (
                &[("https_proxy", "proxy.corp.test:3128")],
                "https_proxy",
                "proxy.corp.test:3128",
            ),
        ] {
            let previous = found(variables).ok().flatten().unwrap();
            assert_eq!(
                (previous.variable, &*previous.at.to_string()),
                (variable, at)
            );
            assert!(previous.authorization.is_none());
        }
        assert!(
            found(&[("HTTPS_PROXY", ""), ("http_proxy", "http://e:5")])
                .unwrap_or_default()
                .is_none()
        );
    }

    #[test]
    fn name_and_password_are_decoded_and_sent_as_basic() {
        for (login, plain) in [
            ("user:pass", "user:pass"),
            ("user", "user:"),
            ("do%40main:p%3Ass%2f", "do@main:p:ss/"),
            ("user:a:b@c", "user:a:b@c"),
        ] {
            let url = format!("http://{login}@proxy:1");
            let previous = found(&[("HTTPS_PROXY", &url)]).ok().flatten().unwrap();
            let want = format!("Basic {}", STANDARD.encode(plain));
            assert_eq!(previous.authorization.unwrap().as_str(), want);
        }
    }

    #[test]
    fn another_kind_of_proxy_is_an_error_that_names_the_variable_and_not_the_password() {
        for (url, why) in [
            (
                "socks5h://user:secret@proxy:1080",
                "it speaks socks5h, not http",
            ),
            ("https://user:secret@proxy:1", "it speaks https, not http"),
            (
                "user:secret@proxy@x://y:1",
                "it speaks something else, not http",
            ),
            (
                "http://user:secret@proxy",
                "it has no HOST:PORT that can be read",
            ),
            (
                "http://user:secret@proxy:1/path",
                "it has no HOST:PORT that can be read",
            ),
            ("http://", "it has no HOST:PORT that can be read"),
            (
                "http://user:secret%4@proxy:1",
                "the name or password in it is not percent-encoded",
            ),
            (
                "http://user:secret%zz@proxy:1",
                "the name or password in it is not percent-encoded",
            ),
        ] {
            let failure = found(&[("all_proxy", url)]).err().unwrap();
            let text = format!("{failure} {}", failure.hint().unwrap());
            assert!(text.contains("`all_proxy`") && text.contains(why), "{text}");
            assert!(
                text.contains("env -u all_proxy") && !text.contains("secret"),
                "{text}"
            );
        }
    }
}
