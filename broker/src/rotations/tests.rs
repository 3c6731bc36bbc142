//! Rotations in process, as far as they go without GitHub.

use crate::app::scratch::{Scratch, bot, caller};

const VALUE: &str = "ghp_CANARYcanaryCANARYcanaryCANARYcanary1";

#[tokio::test]
async fn a_secret_whose_rotation_has_not_begun_shows_what_a_person_does_first() {
    let scratch = Scratch::new("");
    scratch.set(VALUE).await;
    let shown = scratch.app.rotations.show_rotation(&bot()).await.unwrap();
    assert_eq!(shown.new_version, None);
    assert!(shown.create.is_some());
    assert!(scratch.app.rotations.rotations().await.is_empty());
}

#[tokio::test]
async fn nothing_is_confirmed_or_rolled_back_that_has_not_begun() {
    let scratch = Scratch::new("");
    scratch.set(VALUE).await;
    let (rotations, name, by) = (&scratch.app.rotations, bot(), caller(0));
    assert!(
        rotations
            .confirm_rotation(&by, &name, std::time::Duration::ZERO)
            .await
            .is_err()
    );
    assert!(rotations.roll_back_rotation(&by, &name).await.is_err());
    assert!(rotations.next_step(&by, &name).await.is_err());
}
