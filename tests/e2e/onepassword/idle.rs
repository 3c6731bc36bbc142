//! 1Password is slow or down while nobody, or hardly anybody, uses what lies there.

use super::*;

const DOWN: &str = "error initializing client: dial tcp: lookup my.1password.com: no such host";

#[test]
fn the_figure_of_a_stale_value_is_0_once_it_is_served_no_more() {
    let (_scratch, op) = op();
    let broker = broker(&op, "[sources]\nttl = \"1s\"\nstale = \"4s\"");
    let seconds = || {
        let name = format!("tokend_secret_stale_seconds{{secret=\"{NAME}\"}}");
        figure(&broker, &name)
    };
    assert_leased(&broker, canary::CLASSIC);
    assert_eq!(seconds(), Some(0));
    op.fail_with(DOWN);
    until_stale(&broker);
    until(|| seconds() > Some(0));
    until(|| lease(&broker).0 == 502);
    assert_eq!(seconds(), Some(0));
}
