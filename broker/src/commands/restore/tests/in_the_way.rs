//! What a restore finds already there: it is left as it is.

use super::*;

#[test]
fn what_is_in_the_way_is_named_with_a_command_and_left_as_it_is() {
    for (at, why) in [
        ("vault.db", "a vault"),
        ("audit/00000000000000000000.jsonl", "an audit log"),
        ("audit/notes", "an audit log"),
        ("tokend.toml", "another configuration"),
        ("policies/secrets.toml", "another policy"),
        ("policies/more.toml", "a policy that is not in the backup"),
        ("root.key", "holds another key"),
    ] {
        let machines = Machines::new();
        let path = machines.places.data.join(at);
        private::make_directory(path.parent().unwrap()).unwrap();
        private::write_new(&path, b"# another's\n").unwrap();
        let error = machines.refusal();
        assert!(error.contains(why), "{at}: {error}");
        assert!(error.contains("mv "), "{at}: {error}");
        assert_eq!(fs::read(&path).unwrap(), b"# another's\n", "{at}");
        assert!(at == "vault.db" || !machines.places.vault.exists(), "{at}");
    }
}

#[test]
fn a_file_that_holds_the_same_already_is_not_in_the_way() {
    let machines = Machines::new();
    let places = &machines.places;
    private::make_directory(&places.policies).unwrap();
    private::write_new(&places.config, b"# mine\n").unwrap();
    private::write_new(&places.policies.join("secrets.toml"), b"# none\n").unwrap();
    private::make_directory(&places.audit).unwrap();
    put_file(&places.root_key, &machines.root_key()).unwrap();
    machines.restored();
    machines.assert_whole();
}

#[test]
fn a_second_run_finds_a_vault_and_refuses() {
    let machines = Machines::new();
    machines.restored();
    let before = fs::read(&machines.places.vault).unwrap();
    let error = machines.refusal();
    assert!(error.contains("vault.db (a vault)"), "{error}");
    assert!(error.contains("an audit log"), "{error}");
    assert_eq!(fs::read(&machines.places.vault).unwrap(), before);
}

#[test]
fn a_directory_in_use_is_left_alone() {
    let machines = Machines::new();
    private::make_directory(&machines.places.data).unwrap();
    let _broker = lock(&machines.places.data).unwrap();
    let error = machines.refusal();
    assert!(error.contains("in use by another tokend"), "{error}");
}
