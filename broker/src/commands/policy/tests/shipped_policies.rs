//! The policies of this repository: they load, and give what their tables say.

use broker_policy::NamesOnly;

use super::*;

/// Promise P4: what no rule allows is denied, as the decision tables say it.
#[test]
fn p4_every_case_of_the_shipped_policies_holds_and_every_rule_is_tried() {
    let files = policy_files::read(&shipped(), None).unwrap();
    let report = cases::run(&files.policies, &files.tables).unwrap();
    let failed = report.outcomes.iter().filter(|o| !o.differences.is_empty());
    assert_eq!(failed.collect::<Vec<_>>(), [] as [&cases::Outcome; 0]);
    assert!(report.untested.is_empty(), "{:?}", report.untested);
    assert!(report.unused.is_empty(), "{:?}", report.unused);
    for said in ["allow", "denied", "too_wide"] {
        let times = report.outcomes.iter().filter(|o| o.said.starts_with(said));
        assert!(times.count() >= 5, "{said}");
    }
}

/// Promise P4: a policy that does not parse allows nothing, and takes the whole set with it.
#[test]
fn p4_one_wrong_line_in_any_shipped_policy_leaves_no_set_at_all() {
    let files = policy_files::read(&shipped(), None).unwrap().policies;
    let parse = |files: &[_]| PolicySet::parse(files, &NamesOnly::default(), &Host::anywhere());
    assert!(parse(&files).is_ok());
    for (n, file) in files.iter().enumerate() {
        let mut files = files.clone();
        files[n].text.push_str("\nalow = 1\n");
        let errors = parse(&files).unwrap_err().to_string();
        assert!(errors.starts_with(&file.name), "{errors}");
    }
}

#[test]
fn the_shipped_policies_load_for_a_system_service_with_no_warning_but_of_missing_accounts() {
    let files = policy_files::read(&shipped(), None).unwrap().policies;
    let service = Host {
        uid: Some(990),
        system_service: true,
    };
    let set = PolicySet::parse(&files, &NamesOnly::default(), &service).unwrap();
    let warnings: Vec<_> = set.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "acme-import.toml:16: where the first secret cannot be used, the caller gets the \
             fallback's stored token itself, and nothing holds it to this purpose"
        ]
    );
    assert_eq!((set.purposes().count(), set.secrets().count()), (6, 8));
}

/// What a full disk or half a copy leaves of a file that the documentation says to copy.
#[test]
fn no_shipped_policy_cut_at_a_line_gives_more_than_its_table_says() {
    let files = policy_files::read(&shipped(), None).unwrap();
    let mut loaded = 0;
    for (n, file) in files.policies.iter().enumerate() {
        assert_eq!(cut::widening(file), [], "{}", file.name);
        let ends = file.text.match_indices('\n').map(|(at, _)| at + 1);
        for end in ends {
            let mut cut = files.policies.clone();
            cut[n].text.truncate(end);
            let set = PolicySet::parse(&cut, &NamesOnly::default(), &Host::anywhere());
            if set.is_ok() {
                loaded += 1;
                let verdict = cases::verdict(&cut, &files.tables);
                assert_eq!(verdict.refused, [], "{} cut at {end}", file.name);
            }
        }
    }
    assert!(loaded > 20, "some cuts load: {loaded}");
}
