//! The leases of one command: one for each purpose that it is run for.
//!
//! Tokens that only the broker honours do not go with tokens that GitHub honours: GitHub's hosts are either led
//! to the broker or not. So a mix is refused: by what the purposes deliver, before a lease is taken, and by
//! what the leases deliver, in case policy has changed in between.

use broker_protocol::api::{LeaseRequest, LeaseView, PurposeView, Until};
use broker_protocol::client::ClientError;
use broker_protocol::names::{Delivery, EnforcedBy, Purpose};

use crate::args::{Access, Ask};
use crate::broker::Broker;
use crate::clock;
use crate::commands::get::{self, TakenLease};
use crate::commands::proxy;
use crate::error::Failure;
use crate::ui;

/// Who honours the tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HonouredBy {
    /// The broker alone: proxy tokens.
    Broker,
    /// GitHub itself.
    GitHub,
}

/// What is asked for: a lease whose token goes into the usual variables, and one for each further variable.
pub(super) struct LeaseRequests {
    first: Option<LeaseRequest>,
    more: Vec<(LeaseRequest, String)>,
}

/// Leases just taken.
pub(super) struct Leases {
    first: Option<TakenLease>,
    /// Each with the variable for its token.
    more: Vec<(TakenLease, String)>,
}

impl LeaseRequests {
    /// The requests that these options make: one for the purpose, if there is one, and one for each variable
    /// with a purpose of its own.
    pub(super) fn of(
        purpose: Option<Purpose>,
        ask: Ask,
        with: Vec<(Purpose, String)>,
    ) -> Result<Self, Failure> {
        let Access {
            repositories,
            organization,
            permissions,
            ttl,
        } = &ask.access;
        let narrows = !repositories.is_empty() || organization.is_some() || !permissions.is_empty();
        if purpose.is_none() && narrows {
            return Err(Failure::Usage(
                "--repo, --org and --permission go with PURPOSE, and there is none".to_owned(),
            ));
        }
        let until = Some(Until::CallerExit);
        let more = with.into_iter().map(|(purpose, variable)| {
            let request = LeaseRequest {
                ttl: ttl.map(|ttl| ttl.as_secs()),
                reason: ask.reason.clone(),
                until,
                fresh: ask.fresh,
                ..LeaseRequest::new(purpose)
            };
            (request, variable)
        });
        let more = more.collect();
        let first = purpose.map(|purpose| get::request_with(purpose, ask, until));
        let first = first.transpose()?;
        Ok(Self { first, more })
    }

    /// Asks the broker who will honour the tokens; `None` if no rule gives the caller any of the purposes.
    pub(super) fn ask_who_honours(&self, broker: &Broker) -> Result<Option<HonouredBy>, Failure> {
        let mut delivered = Vec::new();
        for purpose in self.purposes() {
            match broker.read::<PurposeView>(&format!("/v1/purposes/{purpose}")) {
                Ok(view) if view.rule.is_some() => delivered.push((purpose, view.deliver)),
                // What is denied is denied when it is asked for, where that goes on record.
                Ok(_) | Err(Failure::Broker(ClientError::Problem { .. })) => {}
                Err(failure) => return Err(failure),
            }
        }
        refuse_mix(delivered)
    }

    fn purposes(&self) -> impl Iterator<Item = &Purpose> {
        let more = self.more.iter().map(|(request, _)| request);
        let all = self.first.iter().chain(more);
        all.map(|request| &request.purpose)
    }
}

impl Leases {
    /// Takes them all, or none.
    pub(super) fn take(broker: &Broker, requests: LeaseRequests) -> Result<Self, Failure> {
        let LeaseRequests { first, more } = requests;
        let take = |request: &LeaseRequest| get::take(broker, request);
        let mut leases = Self {
            first: first.as_ref().map(take).transpose()?,
            more: Vec::with_capacity(more.len()),
        };
        for (request, variable) in more {
            match take(&request) {
                Ok(lease) => leases.more.push((lease, variable)),
                Err(failure) => {
                    leases.give_back(broker);
                    return Err(failure);
                }
            }
        }
        Ok(leases)
    }

    /// Revokes them. What cannot be revoked ends with this process, which has failed.
    pub(super) fn give_back(&self, broker: &Broker) {
        for taken in self.all() {
            proxy::give_back(broker, &taken.lease).unwrap_or_default();
        }
    }

    /// Who honours their tokens.
    pub(super) fn honoured_by(&self) -> Result<HonouredBy, Failure> {
        let leases = self.all().map(|taken| &taken.lease);
        let delivered = leases.map(|lease| (&lease.purpose, lease.deliver));
        Ok(refuse_mix(delivered)?.unwrap_or(HonouredBy::GitHub))
    }

    /// The one of the purpose that the usual variables are for, if there is one.
    pub(super) const fn first(&self) -> Option<&TakenLease> {
        self.first.as_ref()
    }

    /// The others, each with the variable for its token.
    pub(super) fn more(&self) -> &[(TakenLease, String)] {
        &self.more
    }

    /// All of them, the first one first.
    pub(super) fn all(&self) -> impl Iterator<Item = &TakenLease> {
        let more = self.more.iter().map(|(taken, _)| taken);
        self.first.iter().chain(more)
    }

    /// Prints the leases and when their tokens expire, if stderr is a terminal. A script's stderr stays the
    /// command's own.
    pub(super) fn tell_the_ends(&self) {
        if ui::stderr_is_terminal() {
            self.all()
                .for_each(|taken| ui::note(lease_note(&taken.lease)));
        }
    }
}

/// A lease by the id that `lease show` and `lease revoke` take, and the end of its token.
fn lease_note(lease: &LeaseView) -> String {
    let LeaseView {
        lease: id, purpose, ..
    } = lease;
    let end = clock::moment(lease.expires_at);
    let works = match lease.enforced_by {
        EnforcedBy::NoOne => {
            format!("ends {end}; its token is the stored one, which works at GitHub after that too")
        }
        EnforcedBy::Broker if lease.renewable_until > lease.expires_at => {
            let used = clock::moment(lease.renewable_until);
            format!("its token works until {end}, and while it is used until {used}")
        }
        _ => format!("its token works until {end}"),
    };
    format!("lease {id} for `{purpose}`: {works}")
}

/// Who honours what is delivered, if all of it is honoured by the same.
fn refuse_mix<'a>(
    delivered: impl IntoIterator<Item = (&'a Purpose, Delivery)>,
) -> Result<Option<HonouredBy>, Failure> {
    let mut first: Option<(&Purpose, Delivery, HonouredBy)> = None;
    for (purpose, deliver) in delivered {
        let by = match deliver {
            Delivery::Proxy => HonouredBy::Broker,
            Delivery::Installation | Delivery::Raw => HonouredBy::GitHub,
        };
        match first {
            None => first = Some((purpose, deliver, by)),
            Some((_, _, same)) if same == by => {}
            Some((other, delivers, _)) => {
                return Err(Failure::with_hint(
                    format!(
                        "`{other}` delivers `{}` and `{purpose}` delivers `{}`: one command cannot use both",
                        delivers.as_str(),
                        deliver.as_str()
                    ),
                    "for a proxy token GitHub's hosts are led to the broker, which honours no other; run two \
                     commands, each with an `exec` of its own",
                ));
            }
        }
    }
    Ok(first.map(|(_, _, by)| by))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxy_goes_with_proxy_and_what_github_honours_with_what_github_honours() {
        use Delivery::{Installation, Proxy, Raw};
        let purposes: Vec<Purpose> = ["a", "b", "c"].map(|name| name.parse().unwrap()).into();
        let of = |list: &[Delivery]| refuse_mix(purposes.iter().zip(list.iter().copied()));
        assert_eq!(of(&[]).ok(), Some(None));
        assert_eq!(of(&[Proxy]).ok(), Some(Some(HonouredBy::Broker)));
        assert_eq!(of(&[Proxy, Proxy]).ok(), Some(Some(HonouredBy::Broker)));
        assert_eq!(
            of(&[Raw, Installation, Raw]).ok(),
            Some(Some(HonouredBy::GitHub))
        );
        let failure = of(&[Raw, Raw, Proxy]).unwrap_err();
        assert_eq!(
            failure.to_string(),
            "`a` delivers `raw` and `c` delivers `proxy`: one command cannot use both"
        );
        for mix in [
            &[Proxy, Installation][..],
            &[Installation, Proxy],
            &[Proxy, Proxy, Raw],
        ] {
            assert!(of(mix).is_err());
        }
    }
}
