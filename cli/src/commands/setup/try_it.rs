//! The line to type next.

use std::ffi::OsStr;

use broker_protocol::api::PurposeView;

use super::plain_command::on_path;
use super::{Steps, heading};
use crate::error::Failure;
use crate::ui;

/// What `[github] api` is by default, and all that `gh` asks without further settings.
const API: &str = "https://api.github.com";

impl Steps<'_> {
    pub(super) fn try_it(&self, purpose: &PurposeView) -> Result<(), Failure> {
        heading(5, "try it")?;
        let status = self.status()?.and_then(|status| status.broker);
        let api = status.map_or_else(|| API.to_owned(), |broker| broker.github.api);
        let has_gh = on_path(OsStr::new("gh")).is_some();
        let line = [
            self.tokenctl(["exec", purpose.purpose.as_str(), "--"])
                .line(),
            command(&target(purpose), &api, has_gh),
        ];
        ui::line(format_args!("  {}", line.join(" ")))?;
        let records = self.tokenctl(["audit", "tail"]).line();
        ui::line(format_args!(
            "It asks GitHub with the token. What was done with it is in the audit log:\n  {records}"
        ))
    }
}

/// A path of GitHub's API that the purpose may read: of one repository, or of none in particular.
fn target(purpose: &PurposeView) -> String {
    let mut repositories = purpose.repositories.iter();
    let named = repositories.find(|repository| repository.name().is_some());
    named.map_or_else(
        || "rate_limit".to_owned(),
        |repository| format!("repos/{repository}"),
    )
}

/// A command that asks for it.
fn command(target: &str, api: &str, has_gh: bool) -> String {
    if has_gh && api == API {
        return format!("gh api {target}");
    }
    format!(
        "sh -c \\\n    'curl -sSH \"Authorization: Bearer $GH_TOKEN\" \\\n      {}/{target}'",
        api.trim_end_matches('/')
    )
}
