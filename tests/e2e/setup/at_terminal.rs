//! Someone answers its questions, stops it, and runs it again.

use super::*;

#[test]
fn interrupted_at_each_question_the_next_run_goes_on_and_the_last_line_works() {
    if !needs::program("curl") {
        return;
    }
    const QUESTIONS: [(&str, &str); 6] = [
        ("Recovery passphrase: ", PASSPHRASE),
        ("Recovery passphrase again: ", PASSPHRASE),
        ("A name for your token [github-token]: ", ""),
        ("Value of github-token: ", canary::CLASSIC),
        ("(OWNER/NAME or OWNER/*) [acme-bot/*]: ", "acme/site"),
        ("Permissions it gives [contents=read issues=read]: ", ""),
    ];
    // The question that begins each one's step: a run repeats the step that the one before did not finish.
    const STEPS: [usize; 6] = [0, 0, 2, 2, 4, 4];
    let account = Account::new();
    let mut printed = String::new();
    let is_secret = |question: &str| {
        ["Recovery", "Value"]
            .iter()
            .any(|begin| question.starts_with(begin))
    };
    let answer = |terminal: &mut Terminal, (question, answer): (&str, &str)| {
        let before = terminal.expect(question);
        match is_secret(question) {
            true => terminal.type_unseen(&format!("{answer}\n")),
            false => terminal.type_in(&format!("{answer}\n")),
        }
        before
    };
    for (index, (question, _)) in QUESTIONS.iter().enumerate() {
        let mut terminal = account.at_terminal();
        for known in &QUESTIONS[STEPS[index.saturating_sub(1)]..index] {
            printed.push_str(&answer(&mut terminal, *known));
        }
        printed.push_str(&terminal.expect(question));
        if is_secret(question) {
            terminal.type_unseen("\x03");
        } else {
            terminal.type_in("\x03");
        }
        let (rest, status) = terminal.wait();
        assert!(!status.success() && terminal.echoes(), "{rest}");
        printed.push_str(&rest);
    }
    let mut terminal = account.at_terminal();
    for known in &QUESTIONS[STEPS[5]..] {
        printed.push_str(&answer(&mut terminal, *known));
    }
    let (last, status) = terminal.end();
    assert!(status.success(), "{last}");
    printed.push_str(&last);
    let printed = printed.replace('\r', "");
    for line in printed.lines().filter(|line| line.starts_with("$ ")) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    for command in [
        "$ tokenctl init --recovery\n",
        "$ setsid tokend ",
        "$ tokenctl secret add github-token\n",
        "$ tokenctl policy new github --secret github-token --repo acme/site",
    ] {
        assert!(printed.contains(command), "`{command}`: {printed}");
    }
    account.assert_shows_no_value(&printed);
    account.try_it(&last.replace('\r', ""), SITE);

    let before = (account.configuration(), account.broker());
    let again = account.run("tokenctl setup").success();
    assert_eq!(again.matches("\nfound ").count(), 4, "{again}");
    assert!(!again.contains("$ "), "{again}");
    assert_eq!((account.configuration(), account.broker()), before);
    account.try_it(&again, SITE);
}

#[test]
fn the_usual_file_is_offered_for_import_and_the_broker_outlives_the_terminal() {
    if !needs::program("curl") {
        return;
    }
    let account = Account::new();
    let text = format!(
        "export ORG_SYNC_TOKEN={}\nexport OTHER_TOKEN={}\n",
        canary::CLASSIC,
        canary::CLASSIC_TWO
    );
    write_private(&account.path(".github-tokens"), text);
    let mut terminal = account.at_terminal();
    for (question, typed) in [
        ("Recovery passphrase: ", "too short"),
        ("at least 12 characters; once more", PASSPHRASE),
        ("again: ", "correct horse batteries"),
        ("the two do not match; once more", PASSPHRASE),
        ("again: ", PASSPHRASE),
    ] {
        terminal.expect(question);
        terminal.type_unseen(&format!("{typed}\n"));
    }
    terminal.expect("`none` to type one token [~/.github-tokens]: ");
    terminal.type_in("~/no-such-file\n");
    terminal.expect("there is no file");
    terminal.expect("[~/.github-tokens]: ");
    terminal.type_in("\n");
    terminal.expect("`tokenctl setup --secret NAME`) [org-sync-token]: ");
    terminal.type_in("\n");
    terminal.expect("[acme-bot/*]: ");
    terminal.type_in("not a repository\n");
    terminal.expect("is not a repository");
    terminal.expect("[acme-bot/*]: ");
    terminal.type_in("acme/*\n");
    terminal.expect("[contents=read issues=read]: ");
    terminal.type_in("metdata=read\n");
    terminal.expect("did you mean `metadata`?");
    terminal.expect("[contents=read issues=read]: ");
    terminal.type_in("metadata=read\n");
    let (last, status) = terminal.end();
    assert!(status.success(), "{last}");
    fs::remove_file(account.path(".github-tokens")).unwrap();
    account.assert_shows_no_value(&last);
    // The terminal is gone, and with it all that belonged to it.
    account.try_it(&last.replace('\r', ""), "\"remaining\"");
}
