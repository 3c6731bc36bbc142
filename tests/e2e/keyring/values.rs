//! Values in a real gnome-keyring, as the source itself sees them.

use std::path::Path;
use std::process::Command;

use broker_protocol::value_form::BadValue;
use broker_secret_memory::token::AccessToken;
use broker_sources::{KeyringError, KeyringSource};
use support::broker::Ran;
use support::canary;
use support::keyring::{Session, SessionKeyring, is_here};

/// Names the session's directory for a test that runs itself again within it: the address of the bus
/// is the environment's, and that of a process with other tests in it stays as it is.
const INSIDE: &str = "TOKEND_TEST_SESSION";

#[test]
fn a_value_is_read_written_and_erased_in_the_keyring() {
    let Some(directory) = std::env::var_os(INSIDE) else {
        if is_here() {
            let keyring = SessionKeyring::start();
            let session = keyring.session();
            let mut again = Command::new(std::env::current_exe().unwrap());
            session.enter(&mut again).env(INSIDE, session.directory());
            let test = "keyring::values::a_value_is_read_written_and_erased_in_the_keyring";
            let said = Ran::of(again.args(["--exact", test, "--nocapture"])).success();
            assert!(said.contains("1 passed"), "{said}");
        }
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap();
    runtime.block_on(values(&Session::at(Path::new(&directory))));
}

async fn values(session: &Session) {
    let source = KeyringSource;
    let read = async |name| {
        let read = source.read(name).await;
        read.map(|fetched| fetched.value.expose().to_owned())
    };
    let missing = Err(KeyringError::NoEntry("ci".into()));
    assert_eq!(read("ci").await, missing);
    // The user puts it there, the broker another, and the user again: it stays one entry.
    session.put("ci", canary::CLASSIC);
    assert_eq!(read("ci").await, Ok(canary::CLASSIC.to_owned()));
    let two = || AccessToken::new(canary::CLASSIC_TWO.to_owned());
    assert_eq!(source.write("ci", &two()).await, Ok(()));
    let there = || session.look_up("tokend-secrets", "ci");
    assert_eq!(there().as_deref(), Some(canary::CLASSIC_TWO));
    session.put("ci", canary::CLASSIC);
    assert_eq!(read("ci").await, Ok(canary::CLASSIC.to_owned()));
    // The broker first, then the user.
    assert_eq!(source.write("made", &two()).await, Ok(()));
    session.put("made", canary::CLASSIC);
    assert_eq!(read("made").await, Ok(canary::CLASSIC.to_owned()));

    session.lock();
    for name in ["ci", "never-there"] {
        assert_eq!(read(name).await, Err(KeyringError::Locked), "{name}");
        assert_eq!(
            source.write(name, &two()).await,
            Err(KeyringError::Locked),
            "{name}"
        );
        assert_eq!(
            source.erase(name).await,
            Err(KeyringError::Locked),
            "{name}"
        );
    }
    session.unlock();
    assert_eq!(there().as_deref(), Some(canary::CLASSIC));
    for _ in 0..2 {
        assert_eq!(source.erase("ci").await, Ok(()));
        assert_eq!(there(), None);
    }
    assert_eq!(read("ci").await, missing);

    session.put("two", canary::CLASSIC);
    session.put_with("two", canary::CLASSIC, &["also", "this"]);
    let several = KeyringError::Several("two".into());
    assert_eq!(read("two").await, Err(several.clone()));
    assert_eq!(source.write("two", &two()).await, Err(several));
    session.put("lines", "login\npassword");
    let lines = KeyringError::NotAValue("lines".into(), BadValue::SeveralLines);
    assert_eq!(read("lines").await, Err(lines));
}
