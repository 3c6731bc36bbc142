//! `get`: a token, alone, on stdout.
//!
//! The path that scripts wait for: parse, connect, one write, one read, print.

use broker_protocol::api::{LeaseAnswer, LeaseRequest, LeaseView, Until};
use broker_protocol::client::{ClientError, Request, Response};
use broker_protocol::names::{Level, PermissionName, Permissions, Purpose};
use broker_protocol::permissions;
use zeroize::Zeroizing;

use crate::args::{Access, Ask, Get};
use crate::broker::Broker;
use crate::clock;
use crate::commands::proxy;
use crate::error::Failure;
use crate::ui;

/// A lease just taken, and its token in the clear. No `Debug`: it holds the token, and wipes it.
pub(crate) struct TakenLease {
    /// The token.
    pub(crate) token: Zeroizing<String>,
    /// All else about the lease.
    pub(crate) lease: LeaseView,
}

pub(crate) fn run(broker: &Broker, get: Get, json: bool) -> Result<(), Failure> {
    let answer = ask_for(broker, &request_with(get.purpose, get.ask, None)?)?;
    if json {
        ui::json(&answer.body)?;
        note_rejected(&TakenLease::from(answer)?.lease);
        return Ok(());
    }
    let taken = TakenLease::from(answer)?;
    let mut line = Zeroizing::new(String::with_capacity(taken.token.len() + 1));
    line.push_str(&taken.token);
    line.push('\n');
    // To stdout, where the caller reads it.
    ui::bytes(line.as_bytes())?;
    print_notes(&taken.lease);
    note_rejected(&taken.lease);
    Ok(())
}

/// Prints that GitHub refuses the value behind a lease, where it does. The lease stands: GitHub may change its mind.
fn note_rejected(lease: &LeaseView) {
    if let Some(since) = lease.rejected_since {
        ui::note(format_args!(
            "GitHub refused the value of `{0}` at {1}; an operator replaces it, as `tokenctl secret check {0}` says",
            lease.secret,
            clock::short(since)
        ));
    }
}

/// Prints what someone at a terminal should know. The token is in none of it.
fn print_notes(lease: &LeaseView) {
    if ui::stdout_is_terminal() {
        ui::note(
            "the token is on your screen now; `tokenctl exec` or TOKEN=$(tokenctl get …) keeps it off",
        );
    }
    if let Some(proxy) = &lease.proxy
        && ui::stderr_is_terminal()
    {
        let command = proxy::command(proxy);
        ui::note(format_args!(
            "the token works only through the broker: `tokenctl exec {} -- COMMAND`, or {command}",
            lease.purpose
        ));
    }
}

/// The request that these options make.
pub(crate) fn request_with(
    purpose: Purpose,
    ask: Ask,
    until: Option<Until>,
) -> Result<LeaseRequest, Failure> {
    Ok(LeaseRequest {
        reason: ask.reason,
        until,
        fresh: ask.fresh,
        ..request(purpose, ask.access)?
    })
}

/// The request for this access.
pub(crate) fn request(purpose: Purpose, access: Access) -> Result<LeaseRequest, Failure> {
    let permissions = all_permissions(access.permissions)?;
    Ok(LeaseRequest {
        repositories: Some(access.repositories).filter(|list| !list.is_empty()),
        organization: access.organization,
        permissions: Some(permissions).filter(|map| !map.is_empty()),
        ttl: access.ttl.map(|ttl| ttl.as_secs()),
        ..LeaseRequest::new(purpose)
    })
}

/// Those of all `--permission`.
fn all_permissions(given: Vec<(PermissionName, Level)>) -> Result<Permissions, Failure> {
    let mut permissions = Permissions::new();
    for (name, level) in given {
        if let Some(before) = permissions.insert(name.clone(), level)
            && before != level
        {
            return Err(Failure::Usage(format!(
                "--permission {} is given twice, as {} and as {}",
                name,
                before.as_str(),
                level.as_str()
            )));
        }
    }
    Ok(permissions)
}

/// Takes a lease. Prints a note if GitHub refuses the value behind it.
pub(crate) fn take(broker: &Broker, request: &LeaseRequest) -> Result<TakenLease, Failure> {
    let taken = TakenLease::from(ask_for(broker, request)?)?;
    note_rejected(&taken.lease);
    Ok(taken)
}

/// Asks for a lease.
fn ask_for(broker: &Broker, request: &LeaseRequest) -> Result<Response, Failure> {
    let answer = broker.send(&Request::new("POST", "/v1/leases").json(request)?);
    answer.map_err(|failure| match (&failure, misspelled(request)) {
        (Failure::Broker(ClientError::Problem { .. }), Some(hint)) => Failure::Failed {
            exit_code: failure.exit_code(),
            code: failure.code(),
            what: failure.to_string(),
            hint: Some(hint),
        },
        _ => failure,
    })
}

/// Why a refusal may be no matter of policy. A name that is not on the list may be new at GitHub, so it is asked for
/// all the same.
fn misspelled(request: &LeaseRequest) -> Option<String> {
    let mut names = request.permissions.iter().flat_map(|map| map.keys());
    names.find_map(permissions::odd)
}

impl TakenLease {
    /// Reads the answer to a request for a lease.
    fn from(answer: Response) -> Result<Self, Failure> {
        let read: LeaseAnswer<'_> = answer.json()?;
        Ok(Self {
            token: Zeroizing::new(read.token.into_owned()),
            lease: read.lease,
        })
    }
}
