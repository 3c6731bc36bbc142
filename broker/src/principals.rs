//! Whose budget at GitHub is used up, for the audit log.
//!
//! Not here: what GitHub says of a budget ([`crate::github::Limits`]).

use std::sync::Arc;

use broker_audit::record::Event;
use futures_util::future::join_all;

use crate::broker::Broker;

impl Broker {
    /// Records who became limited since this was last called; later, if the log cannot be written
    /// now.
    pub(crate) fn record_limits(self: &Arc<Self>) {
        let news = self.github.limits().take_news();
        if news.is_empty() {
            return;
        }
        let broker = Arc::clone(self);
        tokio::spawn(async move {
            let records = news.iter().map(|limited| async {
                let principal = limited.principal.to_string();
                tracing::warn!(%principal, limit = %limited.kind, until = %limited.until, "limited by GitHub");
                let event = Event::GitHubLimited {
                    principal: &principal,
                    limit: limited.kind.as_str(),
                    resource: limited.resource.as_deref(),
                    until: limited.until,
                };
                broker.record_or_trace(&event).await
            });
            join_all(records).await;
        });
    }
}
