//! A lease as the audit log spells it, and back.
//!
//! `lease.granted` and `lease.renewed` hold all that is needed to honour the lease again after a
//! restart, but for what was not known at the grant, which `lease.issued` adds. Reading one back proves
//! nothing by itself: the caller has checked the MAC.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use broker_audit::chain::LineHash;
use broker_audit::record;
use broker_clock::{BootId, Now};
use broker_policy::Caller;
use broker_protocol::hex;
use broker_protocol::names::{Delivery, NameError};
use broker_secret_memory::token::HashedToken;

use crate::lease::{Lease, Span, TooShort, time_between};

/// The lease's fields as a record holds them.
pub(crate) fn of<'a>(lease: &'a Lease, boot_id: &'a BootId) -> record::Lease<'a> {
    fn text(hash: &HashedToken) -> Cow<'_, str> {
        Cow::Borrowed(hash.as_str())
    }
    record::Lease {
        lease: lease.id.as_str().into(),
        caller: caller(&lease.caller),
        purpose: lease.purpose.as_str().into(),
        secret: lease.secret.as_str().into(),
        version: lease.version,
        rule: lease.rule.as_ref().into(),
        deliver: lease.deliver.as_str().into(),
        repositories: lease
            .repositories
            .iter()
            .map(|repo| repo.as_str().into())
            .collect(),
        organization: lease.organization.as_ref().map(|org| org.as_str().into()),
        permissions: lease
            .permissions
            .iter()
            .map(|(name, level)| (name.as_str().into(), level.as_str().into()))
            .collect(),
        reason: lease.reason.as_deref().map(Into::into),
        fallback: lease.fallback.as_deref().map(Into::into),
        until: lease.until_exit.then_some(CALLER_EXIT.into()),
        issued_at: lease.span.issued.wall,
        expires_at: lease.span.expires.wall,
        renewable_until: lease.span.renewable.wall,
        boot_id: boot_id.as_str().into(),
        issued_boot_us: micros(lease.span.issued.boot),
        expires_boot_us: micros(lease.span.expires.boot),
        renewable_boot_us: micros(lease.span.renewable.boot),
        hashed_token: lease.hashed_token.as_ref().map(text),
        hashed_credential: lease.hashed_credential().map(text),
    }
}

/// What the records of one lease take of the log, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordSize {
    /// While it lives: its grant, and what may be issued after it.
    pub(crate) live: usize,
    /// In all, its end included. An end is never refused, so the grant pays for it.
    pub(crate) written: usize,
}

/// The longest `lease.issued`, and the longest record of an end but for whom it names.
pub(crate) const SHORT: usize = 512;

impl RecordSize {
    /// Of a lease that is granted by this body.
    ///
    /// # Errors
    ///
    /// Only if serialising fails, which a caller does not.
    pub(crate) fn of(lease: &Lease, granted: &record::Body) -> Result<Self, serde_json::Error> {
        let live = granted.as_str().len() + SHORT;
        let by = serde_json::to_vec(&caller(&lease.caller))?.len();
        Ok(Self {
            live,
            written: live + SHORT + by,
        })
    }
}

/// The caller as a record names it.
pub(crate) fn caller(caller: &Caller) -> record::Caller<'_> {
    record::Caller {
        uid: caller.uid,
        gid: caller.gid,
        groups: caller.groups.clone(),
        subordinate_of: caller.subordinate_of,
        pid: caller.pid,
        started: caller.started,
        unit: caller.unit.as_deref().map(Into::into),
        user_unit: caller.user_unit.as_deref().map(Into::into),
        exe: caller.exe.as_deref().map(Into::into),
        sha256: caller.sha256.map(|hash| hex::of(&hash).into()),
    }
}

/// Why a record is no lease of ours, although its MAC is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeaseRecordError {
    #[error("not a lease record")]
    Json(#[from] serde_json::Error),
    #[error("what was issued does not fit the lease")]
    Issued,
    #[error("a name in a lease record is not one")]
    Name(#[from] NameError),
}

/// A lease read back from the text of its record, which lacks the brace that opens it, and the boot in which
/// its span was measured.
///
/// # Errors
///
/// [`LeaseRecordError`]: with a genuine MAC only a newer or older broker's record gives that.
pub(crate) fn read(text: &str) -> Result<(Lease, BootId), LeaseRecordError> {
    let text = format!("{{{text}");
    let record: record::Lease<'_> = serde_json::from_str(&text)?;
    let permission = |(name, level): (&Cow<'_, str>, &Cow<'_, str>)| {
        Ok::<_, NameError>((name.parse()?, level.parse()?))
    };
    let at = |wall, boot_us| Now {
        wall,
        boot: Duration::from_micros(boot_us),
    };
    let deliver: Delivery = serde_json::from_value(record.deliver.as_ref().into())?;
    let opened = record.hashed_credential.as_deref();
    let opened = opened.filter(|_| deliver == Delivery::Proxy);
    let caller = record.caller;
    let sha256: Option<LineHash> = caller.sha256.and_then(|hex| hex.parse().ok());
    let lease = Lease {
        id: record.lease.parse()?,
        caller: Arc::new(Caller {
            uid: caller.uid,
            gid: caller.gid,
            groups: caller.groups,
            subordinate_of: caller.subordinate_of,
            pid: caller.pid,
            started: caller.started,
            unit: caller.unit.map(Cow::into_owned),
            user_unit: caller.user_unit.map(Cow::into_owned),
            exe: caller.exe.map(Cow::into_owned),
            sha256: sha256.map(|hash| *hash.as_bytes()),
        }),
        purpose: record.purpose.parse()?,
        secret: record.secret.parse()?,
        version: record.version,
        rule: record.rule.as_ref().into(),
        deliver,
        repositories: record
            .repositories
            .iter()
            .map(|repo| repo.parse())
            .collect::<Result<_, _>>()?,
        organization: record.organization.as_deref().map(str::parse).transpose()?,
        permissions: record
            .permissions
            .iter()
            .map(permission)
            .collect::<Result<_, _>>()
            .map(Arc::new)?,
        reason: record.reason.as_deref().map(Into::into),
        until_exit: record.until.as_deref() == Some(CALLER_EXIT),
        span: Span {
            issued: at(record.issued_at, record.issued_boot_us),
            expires: at(record.expires_at, record.expires_boot_us),
            renewable: at(record.renewable_until, record.renewable_boot_us),
        },
        hashed_token: record.hashed_token.as_deref().map(HashedToken::from_stored),
        opened: opened.map(HashedToken::from_stored),
        fallback: record.fallback.as_deref().map(Into::into),
        stale_since: None,
        seq: 0,
    };
    Ok((lease, BootId::new(&record.boot_id)))
}

/// Adds to a lease, as its grant spells it, what `lease.issued` says of it.
///
/// # Errors
///
/// [`LeaseRecordError::Issued`]: with a genuine MAC only another broker's record gives that.
pub(crate) fn add_issued(
    lease: &mut Lease,
    issued: &record::Issued<'_>,
) -> Result<(), LeaseRecordError> {
    if issued.lease != lease.id.as_str() {
        return Err(LeaseRecordError::Issued);
    }
    if let Some(ends) = issued.expires_at {
        let life = time_between(lease.span.issued.wall, ends);
        let cut = lease.span.cut_to(life);
        lease.span = cut.map_err(|TooShort| LeaseRecordError::Issued)?;
    }
    lease.hashed_token = Some(HashedToken::from_stored(&issued.hashed_token));
    if lease.deliver == Delivery::Proxy {
        lease.opened = Some(HashedToken::from_stored(&issued.hashed_credential));
    }
    lease.stale_since = issued.stale_since;
    Ok(())
}

const CALLER_EXIT: &str = "caller_exit";

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use broker_audit::record::{Body, LeaseEvent};
    use broker_protocol::names::LeaseId;

    use super::*;
    use broker_policy::Terms;

    #[test]
    fn a_lease_reads_back_from_its_record_as_it_was() {
        let caller = Caller {
            uid: 1000,
            gid: 100,
            groups: vec![4, 27],
            subordinate_of: Some(1001),
            pid: Some(4242),
            started: Some(99),
            unit: Some("label-sync.service".to_owned()),
            exe: Some("/usr/bin/\"odd\"".to_owned()),
            sha256: Some([3; 32]),
            ..Caller::default()
        };
        let terms = Terms {
            purpose: "label-sync".parse().unwrap(),
            rule: "label-sync.toml#2".into(),
            secret: "org-label-sync-token".parse().unwrap(),
            deliver: Delivery::Raw,
            fallback: None,
            repositories: ["acme/*".parse().unwrap()].into(),
            organization: Some("acme".parse().unwrap()),
            permissions: Arc::new([("issues".parse().unwrap(), "write".parse().unwrap())].into()),
            ttl: Duration::from_secs(900),
            ttl_max: Duration::from_secs(3600),
        };
        let now = Now {
            wall: "2026-11-21T07:00:00.123456Z".parse().unwrap(),
            boot: Duration::from_micros(77_000_001),
        };
        let span = Span::first(now, terms.ttl, terms.ttl_max, None).unwrap();
        let mut lease = Lease::new(LeaseId::from_random(7), Arc::new(caller), &terms, span);
        lease.until_exit = true;
        lease.version = Some(3);
        lease.reason = Some("nightly \u{1b}[2J".into());
        lease.hashed_token = Some(HashedToken::from_stored("abc="));

        let boot_id = BootId::new("b00t");
        let body = Body::of(&LeaseEvent::Granted(of(&lease, &boot_id))).unwrap();
        assert_eq!(read(body.as_str()).unwrap(), (lease.clone(), boot_id));

        let (proxy, boot_id) = (Delivery::Proxy, BootId::new("b00t"));
        for opened in [None, Some(HashedToken::from_stored("def="))] {
            (lease.deliver, lease.opened) = (proxy, opened);
            let body = Body::of(&LeaseEvent::Granted(of(&lease, &boot_id))).unwrap();
            assert_eq!(read(body.as_str()).unwrap().0, lease);
        }
    }

    /// A lease as long as its record can be made by the caller who asks for it.
    fn longest() -> Lease {
        let now = Now {
            wall: "2026-11-21T07:00:00.123456Z".parse().unwrap(),
            boot: Duration::from_secs(77),
        };
        let mut lease = Lease::in_a_test(7, u32::MAX, now, Duration::from_secs(60));
        let name = |nth: usize| {
            let (owner, name) = ("o".repeat(39), "n".repeat(97));
            format!("{owner}/{name}{nth:03}").parse().unwrap()
        };
        lease.repositories = (0..500).map(name).collect();
        lease.reason = Some("\"".repeat(200).into());
        lease.caller = Arc::new(Caller {
            uid: u32::MAX,
            subordinate_of: Some(u32::MAX),
            groups: vec![u32::MAX; 1000],
            exe: Some("\"".repeat(4096)),
            sha256: Some([3; 32]),
            ..Caller::default()
        });
        lease
    }

    #[test]
    fn the_longest_lease_fits_wherever_it_is_written_and_read_back() {
        let lease = longest();
        let boot_id = BootId::new("b00t");
        let body = Body::of(&LeaseEvent::Granted(of(&lease, &boot_id))).unwrap();
        let body = body.with_mac(&[7; 32]);
        let length = body.as_str().len();
        // Written again as a string in JSON, where each byte may become two.
        assert!((2 * length as u64) < broker_audit_writer::SEGMENT_LIMIT / 4);
        assert!(2 * length < broker_protocol::api::MAX_PAGE);
        let weight = RecordSize::of(&lease, &body).unwrap();
        let most = crate::config::Limits::default().audit_bytes();
        assert!(weight.live < most / 50, "{weight:?}");
        assert!(weight.written < most / 50, "{weight:?}");
    }

    #[test]
    fn a_grant_pays_for_whatever_the_log_says_of_the_lease_later() {
        let lease = longest();
        let boot_id = BootId::new("b00t");
        let text = |event: &LeaseEvent<'_>| Body::of(event).unwrap().as_str().len();
        let granted = Body::of(&LeaseEvent::Granted(of(&lease, &boot_id))).unwrap();
        let weight = RecordSize::of(&lease, &granted).unwrap();
        let hash = "x".repeat(44);
        let issued = LeaseEvent::Issued(record::Issued {
            lease: lease.id.as_str().into(),
            hashed_token: hash.as_str().into(),
            hashed_credential: hash.as_str().into(),
            installation: Some(u64::MAX),
            expires_at: Some(lease.span.expires.wall),
            stale_since: Some(lease.span.expires.wall),
        });
        let name = "n".repeat(64);
        let ended = LeaseEvent::Revoked {
            lease: lease.id.as_str(),
            purpose: &name,
            secret: &name,
            by: Some(caller(&lease.caller)),
            why: "no longer allowed when it was to be renewed",
        };
        let mac = 80;
        let live = granted.as_str().len() + text(&issued) + mac;
        assert!(live <= weight.live, "{live} {weight:?}");
        assert!(live + text(&ended) <= weight.written, "{weight:?}");
    }

    #[test]
    fn what_was_issued_names_the_token_and_cuts_the_lease_to_completion() {
        let wall = "2026-11-21T07:00:00.123456Z".parse().unwrap();
        let boot = Duration::from_secs(77);
        let (minute, granted) = (Duration::from_secs(60), Now { wall, boot });
        let mut lease = Lease::in_a_test(7, 1000, granted, 15 * minute);
        lease.span.renewable.wall = wall + 60 * minute;
        lease.span.renewable.boot = boot + 60 * minute;
        let issued = |number, expires_at| record::Issued {
            lease: LeaseId::from_random(number).as_str().to_owned().into(),
            hashed_token: "abc=".into(),
            hashed_credential: "abc=".into(),
            installation: Some(4711),
            expires_at,
            stale_since: None,
        };
        let mut whole = lease.clone();
        add_issued(&mut whole, &issued(7, None)).unwrap();
        assert_eq!(whole.hashed_token, Some(HashedToken::from_stored("abc=")));
        assert_eq!(whole.span, lease.span);
        let mut cut = lease.clone();
        add_issued(&mut cut, &issued(7, Some(wall + 20 * minute))).unwrap();
        assert_eq!(cut.span.expires, lease.span.expires);
        assert_eq!(cut.span.renewable.boot, boot + 20 * minute);
        assert!(add_issued(&mut lease, &issued(8, None)).is_err());
        assert_eq!(lease.hashed_token, None);
    }
}
