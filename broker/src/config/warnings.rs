//! `[warnings]`: where they are sent.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::notify::{Hook, WebhookUrl};

/// Where warnings are sent. By default nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WarningsConfig {
    /// A program.
    #[serde(deserialize_with = "hook")]
    pub hook: Option<Hook>,
    /// A URL.
    #[serde(deserialize_with = "webhook")]
    pub webhook: Option<WebhookUrl>,
}

// What the parser says of a value of the wrong type repeats it, and the URL is a secret: it is not passed on.

fn hook<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Hook>, D::Error> {
    let list = Vec::<String>::deserialize(value).ok();
    let hook = list.and_then(Hook::new);
    hook.map(Some).ok_or_else(|| D::Error::custom(HOOK))
}

fn webhook<'de, D: Deserializer<'de>>(value: D) -> Result<Option<WebhookUrl>, D::Error> {
    let text = String::deserialize(value).ok();
    let url = text.and_then(|url| WebhookUrl::parse(&url).ok());
    url.map(Some).ok_or_else(|| D::Error::custom(WEBHOOK))
}

const HOOK: &str = "`hook` must be a list of texts, the first the absolute path of a program: \
                    `[\"/usr/local/bin/page\", \"--urgent\"]`";
const WEBHOOK: &str = "`webhook` must be an `https://` URL (`http://` only for this machine itself: \
                       127.0.0.1, [::1], localhost)";

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
