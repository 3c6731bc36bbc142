//! Values in process.

use super::*;
use crate::app::scratch::{Scratch, bot, caller};

const ONE: &str = "ghp_ONEoneONEoneONEoneONEoneONEoneONEone1";
const TWO: &str = "ghp_TWOtwoTWOtwoTWOtwoTWOtwoTWOtwoTWOtwo2";

async fn opened(scratch: &Scratch) -> Result<String, UpkeepError> {
    let (secrets, name) = (&scratch.app.secrets, bot());
    let opened = secrets.open(None, &name, None, Upkeep::CHECK);
    // Compared, and goes nowhere.
    opened.await.map(|value| value.expose().to_owned())
}

#[tokio::test]
async fn a_value_is_opened_after_its_record_and_not_while_the_store_is_locked() {
    let scratch = Scratch::new("");
    let missing = opened(&scratch).await.unwrap_err();
    assert!(matches!(missing, UpkeepError::NotFound(_)), "{missing}");
    scratch.set(ONE).await;
    assert_eq!(opened(&scratch).await.unwrap(), ONE);
    assert_eq!(scratch.recorded().last().unwrap(), "secret.used");
    scratch.app.vault.lock();
    let records = scratch.recorded().len();
    let locked = opened(&scratch).await.unwrap_err();
    assert!(matches!(locked, UpkeepError::Locked), "{locked}");
    assert_eq!(scratch.recorded().len(), records, "nothing was used");
}

#[tokio::test]
async fn an_undo_stores_the_value_before_once_more_and_another_one_goes_back() {
    let scratch = Scratch::new("");
    let (secrets, name, by) = (&scratch.app.secrets, bot(), caller(0));
    scratch.set(ONE).await;
    let nothing = secrets.undo_secret(&by, &name).await.err().unwrap();
    assert!(
        matches!(nothing, UpkeepError::NothingBefore(_)),
        "{nothing}"
    );
    scratch.set(TWO).await;
    for (restores, version, value) in [(1, 3, ONE), (2, 4, TWO)] {
        let undone = secrets.undo_secret(&by, &name).await.ok().unwrap();
        assert_eq!((undone.restores, undone.held.version), (restores, version));
        assert_eq!(opened(&scratch).await.unwrap(), value);
    }
}

#[tokio::test]
async fn what_proves_to_be_of_another_kind_is_not_stored() {
    let scratch = Scratch::new("");
    let (secrets, name, by) = (&scratch.app.secrets, bot(), caller(0));
    let value =
        broker_secret_memory::token::AccessToken::new(format!("github_pat_{}", "a".repeat(82)));
    let refused = secrets.set_secret(&by, &name, value, None).await;
    let refused = refused.err().unwrap();
    assert!(
        matches!(refused, UpkeepError::AnotherKind { .. }),
        "{refused}"
    );
    assert!(scratch.app.vault.held(&name).is_none());
}

#[tokio::test]
async fn one_change_of_a_secret_goes_on_at_a_time_and_those_of_others_beside_it() {
    let scratch = Scratch::new("");
    let locks = &scratch.app.secrets.locks;
    let turn = locks.turn(&bot()).await;
    assert!(locks.try_turn(&bot()).is_none());
    assert!(locks.try_turn(&"other".parse().unwrap()).is_some());
    drop(turn);
    assert!(locks.try_turn(&bot()).is_some());
}
