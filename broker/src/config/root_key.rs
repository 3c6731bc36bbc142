//! `[root_key]`: how often the broker changes it by itself.

use std::time::Duration;

use broker_protocol::duration;
use serde::{Deserialize, Deserializer};

use super::read::parsed;

/// The table as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RootKeyTable {
    /// `None` for never.
    #[serde(deserialize_with = "rekey_every")]
    pub(super) rekey_every: Option<Duration>,
}

fn rekey_every<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Duration>, D::Error> {
    parsed(value, |text| match text {
        "off" => Ok(None),
        text => match duration::parse(text) {
            Ok(every) if every < SHORTEST => Err(format!(
                "`{text}` is too often for a root key: write \"1d\" or more (\"30d\"), or \"off\""
            )),
            Ok(every) => Ok(Some(every)),
            Err(error) => Err(format!(
                "{error}; write \"off\" to change it only with `tokenctl rekey`"
            )),
        },
    })
}

const SHORTEST: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn parse(text: &str) -> Result<Option<Duration>, String> {
        Config::parse(text, Path::new("tokend.toml"), 1000)
            .map(|config| config.rekey_every)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn it_is_off_unless_it_says_how_often() {
        assert_eq!(parse(""), Ok(None));
        assert_eq!(parse("[root_key]\nrekey_every = 'off'"), Ok(None));
        let month = Duration::from_secs(30 * 24 * 60 * 60);
        assert_eq!(parse("[root_key]\nrekey_every = '30d'"), Ok(Some(month)));
    }

    #[test]
    fn what_is_refused_names_its_line() {
        for (line, says) in [
            ("rekey_every = '1h'", "\"1d\" or more"),
            ("rekey_every = 'monthly'", "write \"off\""),
            ("rekey_evry = '30d'", "unknown field"),
        ] {
            let error = parse(&format!("[root_key]\n{line}\n")).unwrap_err();
            assert!(error.starts_with("tokend.toml:2: "), "{error}");
            assert!(error.contains(says), "{error}");
        }
    }
}
