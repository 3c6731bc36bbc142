//! `NO_PROXY`: hosts that are asked without a proxy.
//!
//! No two clients read it alike. So there are two readings here. [`without`] takes out what *any* client
//! could read as one of GitHub's hosts, so that none leaves the relay out. That may take out too much,
//! which does no harm: the command then asks the relay, and the relay goes by [`goes_directly`], the
//! usual reading of the list as it was before.

use std::net::IpAddr;

use crate::host_port::HostPort;

/// The list without the entries that could mean one of these hosts.
pub(crate) fn without(list: &str, hosts: &[HostPort]) -> String {
    let left = entries(list).filter(|entry| !hosts.iter().any(|host| could_mean(entry, host)));
    left.collect::<Vec<_>>().join(",")
}

/// Whether the list says to ask this host directly.
pub(crate) fn goes_directly(list: &str, to: &HostPort) -> bool {
    entries(list).any(|entry| means(&entry.to_ascii_lowercase(), to))
}

/// Separated by commas, as most clients read it, or by spaces, as some do.
fn entries(list: &str) -> impl Iterator<Item = &str> {
    let parts = list.split(|c: char| c == ',' || c.is_whitespace());
    parts.filter(|entry| !entry.is_empty())
}

/// Python's requests takes any end of a name for a match, others whole labels, and some do so without the
/// leading dot. Ruby also looks the name up, and compares its address with networks. Of networks only those that
/// hold every address are taken for a match: the addresses of GitHub's hosts are not known here.
fn could_mean(entry: &str, host: &HostPort) -> bool {
    let entry = entry.to_ascii_lowercase();
    if entry.ends_with("/0")
        || host
            .address()
            .is_some_and(|ip| covers(&entry, ip, host.port()))
    {
        return true;
    }
    let end = entry.trim_start_matches(['*', '.']);
    let (name, port) = split_port(end);
    let same_port = port.is_none_or(|port| port == host.port());
    (same_port && host.host().ends_with(name.trim_end_matches('.')))
        || host.to_string().ends_with(end)
}

/// curl's and Go's reading.
fn means(entry: &str, to: &HostPort) -> bool {
    if entry == "*" {
        return true;
    }
    if let Some(ip) = to.address() {
        return covers(entry, ip, to.port());
    }
    let (name, port) = split_port(entry);
    let name = name.strip_prefix('*').unwrap_or(name);
    let name = name.strip_prefix('.').unwrap_or(name);
    let name = name.strip_suffix('.').unwrap_or(name);
    let before = to.host().strip_suffix(name);
    let whole_labels = before.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    !name.is_empty() && whole_labels && port.is_none_or(|port| port == to.port())
}

/// Whether an entry is this address, or a network that holds it.
fn covers(entry: &str, ip: IpAddr, port: u16) -> bool {
    let bare = |text: &str| -> Option<IpAddr> {
        let inside = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        inside.unwrap_or(text).parse().ok()
    };
    if let Some((network, bits)) = entry.split_once('/') {
        let network = bare(network).zip(bits.parse().ok());
        return network.is_some_and(|(network, bits)| is_inside(ip, network, bits));
    }
    if let Some(address) = bare(entry) {
        return address == ip;
    }
    let (address, named) = split_port(entry);
    bare(address) == Some(ip) && named.is_none_or(|named| named == port)
}

fn is_inside(ip: IpAddr, network: IpAddr, bits: u32) -> bool {
    let (ip, network, width) = match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(net)) => (u32::from(ip).into(), u32::from(net).into(), 32),
        (IpAddr::V6(ip), IpAddr::V6(net)) => (u128::from(ip), u128::from(net), 128),
        _ => return false,
    };
    // A shift by all bits is none to the processor: that network holds every address.
    let same = |shift: u32| ip.checked_shr(shift) == network.checked_shr(shift);
    bits <= width && (bits == 0 || same(width - bits))
}

/// `HOST:PORT` as its parts; a text without a port as it is.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    let parts = entry.rsplit_once(':');
    let parts = parts.filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
    let parts = parts.and_then(|(host, port)| Some((host, port.parse().ok()?)));
    parts.map_or((entry, None), |(host, port)| (host, Some(port)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hosts(list: &[&str]) -> Vec<HostPort> {
        list.iter().map(|host| host.parse().unwrap()).collect()
    }

    fn github() -> Vec<HostPort> {
        hosts(&[
            "api.github.com:443",
            "uploads.github.com:443",
            "github.com:443",
        ])
    }

    #[test]
    fn what_any_client_could_read_as_a_host_of_githubs_is_taken_out() {
        for entry in [
            "*",
            "*.",
            ".",
            "github.com",
            "GitHub.com",
            "github.com.",
            ".github.com",
            ".github.com.",
            "*.github.com",
            "*github.com",
            "hub.com",
            ".com",
            "com",
            "api.github.com",
            "b.com",
            "github.com:443",
            ".github.com:443",
            "*.github.com:443",
            "github.com.:443",
            "0.0.0.0/0",
            "::/0",
        ] {
            assert_eq!(without(entry, &github()), "", "{entry}");
            let among = format!("localhost, {entry}\t10.0.0.0/8,,");
            assert_eq!(without(&among, &github()), "localhost,10.0.0.0/8");
        }
    }

    #[test]
    fn all_else_stays() {
        let list = "localhost,127.0.0.1,::1,[::1]:80,.corp.test,git.corp.test:8443,github.com:8443,\
                    mygithub.community,api.github.com.corp.test,10.0.0.0/8,raw.githubusercontent.com";
        assert_eq!(without(list, &github()), list);
        assert_eq!(without("", &github()), "");
        assert_eq!(without(" , ", &github()), "");
    }

    #[test]
    fn addresses_are_compared_as_addresses() {
        let server = hosts(&["10.1.2.3:8443", "[fd00::1]:443"]);
        for entry in [
            "10.1.2.3",
            "10.1.2.3:8443",
            "10.0.0.0/8",
            "10.1.2.3/32",
            "1.2.3",
            "fd00::1",
            "[fd00::1]",
            "[fd00::1]:443",
            "fd00::/8",
            "FD00:0:0::1",
            "[fd00::]/8",
            ":8443",
        ] {
            assert_eq!(without(entry, &server), "", "{entry}");
        }
        let list = "10.1.2.3:443,11.0.0.0/8,10.1.2.4,10.1.2.0/33,10.0.0.0/x,fd01::1,fc00::/16";
        assert_eq!(without(list, &server), list);
    }

    #[test]
    fn the_relay_goes_directly_where_the_list_says_so_and_nowhere_else() {
        let directly = |list: &str, to: &str| goes_directly(list, &to.parse().unwrap());
        for (list, to) in [
            ("*", "any.test:443"),
            ("x,corp.test", "git.corp.test:443"),
            ("corp.test", "corp.test:443"),
            ("CORP.test.", "corp.TEST:443"),
            (".corp.test", "a.b.corp.test:443"),
            ("*.corp.test", "a.corp.test:443"),
            ("corp.test:8443", "corp.test:8443"),
            ("10.0.0.0/8 fd00::/8", "10.9.8.7:22"),
            ("10.0.0.0/8 fd00::/8", "[fd12::1]:22"),
            ("127.0.0.1", "127.0.0.1:1"),
            ("[::1]:80", "[::1]:80"),
            ("0.0.0.0/0", "1.2.3.4:1"),
        ] {
            assert!(directly(list, to), "{list} {to}");
        }
        for (list, to) in [
            ("", "any.test:443"),
            (",.,", "any.test:443"),
            ("corp.test", "mycorp.test:443"),
            ("corp.test:8443", "corp.test:443"),
            ("corp", "corp.test:443"),
            ("10.0.0.0/8", "11.0.0.1:22"),
            ("10.0.0.0/8", "ten.test:22"),
            ("1.2.3", "10.1.2.3:22"),
            ("[::1]:80", "[::1]:81"),
        ] {
            assert!(!directly(list, to), "{list} {to}");
        }
    }

    proptest! {
        #[test]
        fn what_is_left_never_means_one_of_the_hosts(list in "[*.a-c:0-9/,\\[\\] ]{0,40}") {
            let hosts = hosts(&["a.b.c:12", "b.c:12", "10.1.0.2:3", "[::1]:4"]);
            let left = without(&list, &hosts);
            for host in &hosts {
                prop_assert!(!goes_directly(&left, host), "{left} {host}");
            }
        }
    }
}
