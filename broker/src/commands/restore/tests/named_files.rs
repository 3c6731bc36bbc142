//! The files of certificates that the configuration names.

use super::*;

#[test]
fn a_file_named_beside_the_configuration_is_put_there() {
    let config = "[github]\nca = \"tls/acme.pem\"\n";
    let machines = Machines::with(config, &[("github", "acme")]);
    assert_eq!(machines.restored().notes, [""; 0]);
    machines.assert_whole();
    let places = &machines.places;
    assert_eq!(fs::read_to_string(&places.config).unwrap(), config);
    let file = places.data.join("tls/acme.pem");
    assert_eq!(fs::read_to_string(file).unwrap(), "acme");
}

#[test]
fn a_file_named_elsewhere_goes_beside_the_configuration_which_then_names_it_there() {
    let elsewhere = tempfile::tempdir().unwrap();
    let (github, op) = (
        elsewhere.path().join("a.pem"),
        elsewhere.path().join("b.pem"),
    );
    let config = format!(
        "[onepassword]\ntoken = 'vault'\nconnect = 'https://op.example'\nca = '{}' # theirs\n\
         [github]\nca = \"{}\"\n",
        op.display(),
        github.display()
    );
    let authorities = [("github", "acme"), ("onepassword", "op")];
    let machines = Machines::with(&config, &authorities);
    let notes = machines.restored().notes;
    assert!(notes[0].contains("restored-github-ca.pem"), "{notes:?}");
    machines.assert_whole();
    let places = &machines.places;
    let text = fs::read_to_string(&places.config).unwrap();
    let config = Config::parse(&text, &places.config, 0).unwrap();
    assert!(text.contains("# theirs"), "{text}");
    for (file, pem) in config.authority_files.iter().zip(["acme", "op"]) {
        assert_eq!(file.path.parent(), places.config.parent());
        assert_eq!(fs::read_to_string(&file.path).unwrap(), pem);
    }
    assert!(
        !github.exists() && !op.exists(),
        "nothing outside was written"
    );

    // Where the very same is there already, it is used where it is.
    fs::write(&github, "acme").unwrap();
    let again = Machines::with(&format!("github.ca = '{}'", github.display()), &authorities);
    assert_eq!(again.restored().notes, [""; 0]);
    let beside = fs::read_dir(&again.places.data).unwrap();
    let beside = beside.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_str().unwrap().ends_with(".pem")
    });
    assert_eq!(beside.count(), 0);
}

#[test]
fn a_named_file_that_differs_is_in_the_way_and_one_that_the_backup_lacks_is_noted() {
    let config = "[github]\nca = \"acme.pem\"\n";
    let machines = Machines::with(config, &[("github", "acme")]);
    private::make_directory(&machines.places.data).unwrap();
    let file = machines.places.data.join("acme.pem");
    fs::write(&file, "another").unwrap();
    let refused = machines.refusal();
    assert!(
        refused.contains("another file of certificates"),
        "{refused}"
    );
    assert!(refused.contains("acme.pem.before-restore"), "{refused}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "another");
    assert!(!machines.places.config.exists());

    let machines = Machines::with(config, &[]);
    let notes = machines.restored().notes;
    assert!(notes[0].starts_with("not in the backup: "), "{notes:?}");
    assert!(
        notes[0].contains("tokend.toml:2: `[github] ca`"),
        "{notes:?}"
    );
}
