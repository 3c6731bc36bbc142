//! How an operator puts a value from the vault where the broker cannot write: it is printed nowhere, so a lease
//! hands it to the command that writes it. Or why no lease does.

use broker_protocol::api::{PurposeList, PurposeView};
use broker_protocol::moving::MoveView;
use broker_protocol::names::Delivery;
use broker_protocol::source::FieldReference;

use crate::broker::Broker;
use crate::commands::purpose::PURPOSES;
use crate::error::Failure;

/// The lines to print; none if the operator can read the value where it is.
pub(super) fn lines(broker: &Broker, view: &MoveView) -> Result<Vec<String>, Failure> {
    if view.from != "vault" {
        return Ok(Vec::new());
    }
    let all: PurposeList = broker.read_list(PURPOSES)?;
    Ok(of(view, &all.purposes))
}

fn of(view: &MoveView, purposes: &[PurposeView]) -> Vec<String> {
    let name = &view.secret;
    let raw = |one: &&PurposeView| one.secret == *name && one.deliver == Delivery::Raw;
    let mut raws = purposes.iter().filter(raw);
    let Some(raw) = raws.clone().find(|one| one.rule.is_some()) else {
        let purpose = raws.next().map_or_else(
            || format!("no purpose hands out `{name}` itself"),
            |one| format!("no rule of `{}` allows you", one.purpose),
        );
        return vec![
            format!("{purpose}, and the vault shows it to no one. Either"),
            format!(
                "- for the time of the move, allow yourself a purpose with secret = \"{name}\" and"
            ),
            "  deliver = \"raw\" (an App's private key is never handed out); or".to_owned(),
            "- create a new value at GitHub, and put that there.".to_owned(),
        ];
    };
    let exec = format!("tokenctl exec {} -- sh -c", raw.purpose);
    let field = view.to.strip_prefix("op://");
    match field.and_then(|parts| FieldReference::parse(parts).ok()) {
        Some(field) => in_1password(&exec, &field),
        None => vec![
            "the vault shows it to no one; a command has it in $GH_TOKEN under".to_owned(),
            format!("  {exec} '…'"),
        ],
    }
}

/// Parts of a reference have neither quotes nor anything that a shell expands.
fn in_1password(exec: &str, field: &FieldReference) -> Vec<String> {
    let FieldReference {
        vault,
        item,
        section,
        field,
    } = field;
    let (sections, within, dot) = match section {
        Some(section) => (
            format!(",\"sections\":[{{\"id\":\"{section}\",\"label\":\"{section}\"}}]"),
            format!(",\"section\":{{\"id\":\"{section}\"}}"),
            format!("{section}."),
        ),
        None => (String::new(), String::new(), String::new()),
    };
    vec![
        "the vault shows it to no one; this puts it there in a new item:".to_owned(),
        format!("  {exec} 'op item create --vault \"{vault}\" - <<END"),
        format!("{{\"title\":\"{item}\",\"category\":\"API_CREDENTIAL\"{sections},\"fields\":[{{"),
        format!(
            "\"label\":\"{field}\",\"type\":\"CONCEALED\"{within},\"value\":\"$GH_TOKEN\"}}]}}"
        ),
        "END'".to_owned(),
        "and into an item that exists, where other accounts can read it off the command line:"
            .to_owned(),
        format!(
            "  {exec} 'op item edit \"{item}\" --vault \"{vault}\" \"{dot}{field}[concealed]=$GH_TOKEN\"'"
        ),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines_for(to: &str, deliver: &str, rule: Option<&str>) -> String {
        let view = json!({
            "secret": "ci", "from": "vault", "to": to, "phase": "planned", "begun_at": null,
            "next": {"step": "put", "text": ""}, "change": null,
        });
        let purpose = json!({
            "purpose": "site", "about": null, "secret": "ci", "deliver": deliver, "rule": rule,
            "repositories": [], "organization": null, "permissions": {}, "ttl_default": 1, "ttl_max": 1
        });
        let purposes = [serde_json::from_value(purpose).unwrap()];
        of(&serde_json::from_value(view).unwrap(), &purposes).join("\n")
    }

    #[test]
    fn a_value_that_a_lease_hands_out_goes_into_1password_on_standard_input() {
        let text = lines_for("op://Git Hub/ci/credential", "raw", Some("site.toml#1"));
        let create = "tokenctl exec site -- sh -c 'op item create --vault \"Git Hub\" - <<END\n";
        let (_, template) = text.split_once(create).unwrap();
        let (template, _) = template.split_once("\nEND'").unwrap();
        let item: serde_json::Value = serde_json::from_str(template).unwrap();
        assert_eq!(item["title"], "ci");
        assert_eq!(item["fields"][0]["label"], "credential");
        assert_eq!(item["fields"][0]["value"], "$GH_TOKEN");
        let text = lines_for("op://v/ci/tokens/x", "raw", Some("site.toml#1"));
        assert!(text.contains("\"section\":{\"id\":\"tokens\"}"), "{text}");
        assert!(text.contains("\"tokens.x[concealed]=$GH_TOKEN\""), "{text}");
    }

    #[test]
    fn where_no_lease_hands_it_out_the_reason_is_printed() {
        for (deliver, rule, why) in [
            (
                "proxy",
                Some("site.toml#1"),
                "no purpose hands out `ci` itself",
            ),
            ("raw", None, "no rule of `site` allows you"),
        ] {
            let text = lines_for("op://v/ci/credential", deliver, rule);
            assert!(text.starts_with(why), "{text}");
            assert!(!text.contains("tokenctl exec"), "{text}");
        }
        let text = lines_for("file:/f", "raw", Some("site.toml#1"));
        assert!(text.contains("tokenctl exec site -- sh -c"), "{text}");
    }
}
