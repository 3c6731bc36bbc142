//! Moves in process, between the vault and a file.

use broker_protocol::moving::MovePhase;

use super::*;
use crate::app::scratch::{Scratch, bot, caller};
use crate::secrets::UpkeepError;

const VALUE: &str = "ghp_CANARYcanaryCANARYcanaryCANARYcanary1";

#[tokio::test]
async fn what_a_person_has_to_put_in_place_is_said_and_nothing_is_under_way_yet() {
    let scratch = Scratch::new("");
    let (moves, name, by) = (&scratch.app.moves, bot(), caller(0));
    scratch.set(VALUE).await;
    let there = moves
        .move_secret(&by, &name, &SourceSpec::Vault, MoveMode::Careful)
        .await;
    let there = there.unwrap_err();
    assert!(matches!(there, MoveError::AlreadyThere { .. }), "{there}");
    let nothing = moves.finish_move(&by, &name).await.unwrap_err();
    assert!(matches!(nothing, MoveError::NoMove(_)), "{nothing}");
    let to: SourceSpec = "env:NOT_SET".parse().unwrap();
    let planned = moves.move_secret(&by, &name, &to, MoveMode::Careful).await;
    let planned = planned.unwrap();
    assert_eq!(planned.phase, MovePhase::Planned);
    assert_eq!(planned.next.step, MoveStep::Put);
    assert!(scratch.app.vault.moving(&name).is_none());
}

#[tokio::test]
async fn nothing_moves_while_the_store_is_locked() {
    let scratch = Scratch::new("");
    scratch.set(VALUE).await;
    scratch.app.vault.lock();
    let to: SourceSpec = "file:/somewhere".parse().unwrap();
    let (moves, name, by) = (&scratch.app.moves, bot(), caller(0));
    let locked = moves.move_secret(&by, &name, &to, MoveMode::DryRun).await;
    assert!(matches!(
        locked,
        Err(MoveError::Upkeep(UpkeepError::Locked))
    ));
}
