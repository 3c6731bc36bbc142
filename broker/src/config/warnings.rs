//! `[warnings]`: where they are sent.

use serde::Deserialize;
use toml::Value;

use crate::notify::{Hook, WebhookUrl};

use super::read::Wrong;

/// Where warnings are sent. By default nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WarningsConfig {
    /// A program.
    pub hook: Option<Hook>,
    /// A URL.
    pub webhook: Option<WebhookUrl>,
}

/// The table as it is written. Values are taken as they come: what the parser says of one of the
/// wrong type repeats it, and the URL is a secret.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WarningsTable {
    hook: Option<Value>,
    webhook: Option<Value>,
}

impl WarningsTable {
    /// Takes each value for what it means. An error comes with the key at fault.
    pub(super) fn read(self) -> Result<WarningsConfig, Wrong> {
        let text = |value: Value| match value {
            Value::String(text) => Some(text),
            _ => None,
        };
        let hook = self.hook.map(|value| {
            let Value::Array(list) = value else {
                return None;
            };
            Hook::new(list.into_iter().map(text).collect::<Option<Vec<_>>>()?)
        });
        let webhook = self.webhook.map(|value| {
            let url = text(value)?;
            WebhookUrl::parse(&url).ok()
        });
        let given = |key, what: &str| (key, format!("`{key}` must be {what}"));
        Ok(WarningsConfig {
            hook: hook
                .map(|hook| hook.ok_or_else(|| given("hook", HOOK)))
                .transpose()?,
            webhook: webhook
                .map(|url| url.ok_or_else(|| given("webhook", WEBHOOK)))
                .transpose()?,
        })
    }
}

const HOOK: &str = "a list of texts, the first the absolute path of a program: \
                    `[\"/usr/local/bin/page\", \"--urgent\"]`";
const WEBHOOK: &str = "an `https://` URL (`http://` only for this machine itself: 127.0.0.1, [::1], \
                       localhost)";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn parse(text: &str) -> Result<WarningsConfig, String> {
        Config::parse(text, Path::new("tokend.toml"), 1000)
            .map(|config| config.warnings)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn both_are_read_and_neither_is_needed() {
        let none = parse("").unwrap();
        assert!(none.hook.is_none() && none.webhook.is_none());
        let both = parse(
            "[warnings]\nhook = ['/usr/local/bin/page', 'it']\nwebhook = 'https://hooks.example/x'\n",
        );
        let both = both.unwrap();
        let program = both.hook.unwrap().program().to_owned();
        assert_eq!(program, Path::new("/usr/local/bin/page"));
        assert!(both.webhook.is_some());
    }

    #[test]
    fn what_is_refused_names_its_line_and_never_the_url() {
        for (line, says) in [
            ("webhook = 'http://s3cret.example/x'", "an `https://` URL"),
            (
                "webhook = ['https://s3cret.example/x']",
                "an `https://` URL",
            ),
            ("webhook = 's3cret'", "an `https://` URL"),
            ("hook = 'https://s3cret.example/x'", "a list of texts"),
            ("hook = ['page', 's3cret']", "absolute path"),
            ("hook = []", "a list of texts"),
            ("hook = [1]", "a list of texts"),
            ("mail = 's3cret'", "unknown field `mail`"),
        ] {
            let error = parse(&format!("# a line\n[warnings]\n{line}\n")).unwrap_err();
            assert!(error.starts_with("tokend.toml:3: "), "{error}");
            assert!(error.contains(says) && !error.contains("s3cret"), "{error}");
        }
        let config = parse("[warnings]\nwebhook = 'https://s3cret.example/x'\n");
        assert!(!format!("{config:?}").contains("s3cret"));
    }
}
