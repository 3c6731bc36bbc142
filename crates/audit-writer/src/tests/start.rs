//! What a start accepts, repairs and refuses.

use broker_audit::chain::{Head, LineHash};
use broker_audit::record::RotationEvent;

use super::super::segment;
use super::sim_disk::SimDisk;
use super::*;

/// A log of several segments and the heads after each batch.
fn long_log() -> (Rig, Vec<Head>) {
    let mut rig = Rig::new();
    let mut heads = vec![rig.log.head];
    for nth in 0..12 {
        rig.append(&[grant(nth), remark(&format!("remark {nth}"))])
            .unwrap();
        rig.append(&[end(nth.saturating_sub(1))]).unwrap();
        heads.push(rig.log.head);
    }
    assert!(segments(&rig.disk).len() >= 4);
    (rig, heads)
}

fn refusal(disk: &SimDisk, noted: Head) -> AuditLogError {
    match Rig::open(disk, noted) {
        Ok(_) => panic!("opened"),
        Err(error) => error,
    }
}

#[test]
fn a_new_log_says_whose_it_is_and_a_start_goes_on_in_the_same_segment() {
    let (rig, opened) = Rig::open(&SimDisk::default(), Head::EMPTY).unwrap();
    assert!(opened.created && !opened.recovered);
    let kinds: Vec<_> = records(&rig.disk)
        .iter()
        .map(|r| r["kind"].clone())
        .collect();
    assert_eq!(kinds, ["log.opened", "leases.open"]);

    let (mut again, opened) = rig.opened_again(rig.log.head).unwrap();
    assert!(!opened.created && !opened.recovered);
    assert_eq!(opened.last_time, Some(clock().now().wall));
    assert_eq!(again.append(&[remark("one")]).unwrap(), 2);
    assert_eq!(segments(&again.disk).len(), 1);
}

#[test]
fn no_segment_passes_its_limit_and_the_last_one_alone_tells_what_is_live() {
    both_ways(|| {
        let (rig, heads) = long_log();
        for name in segments(&rig.disk) {
            assert!(rig.disk.bytes(&name).len() as u64 <= LIMIT);
        }
        let last = *heads.last().unwrap();
        for gone in segments(&rig.disk).iter().rev().skip(1) {
            rig.disk.delete(gone);
        }
        let (_, opened) = rig.opened_again(last).unwrap();
        let still: Vec<_> = (11..12).map(grant).collect();
        assert_eq!(live_texts(&opened.live), bodies(&still));
    });
}

#[test]
fn a_start_reports_the_grants_after_any_head_the_vault_may_have_noted() {
    both_ways(|| {
        let (rig, heads) = long_log();
        for (nth, noted) in heads.iter().enumerate() {
            let (_, opened) = rig.opened_again(*noted).unwrap();
            let since: Vec<_> = (nth as u128..12).map(grant).collect();
            assert_eq!(texts(&opened.since_noted.granted), bodies(&since), "{nth}");
        }
        let (_, opened) = rig.opened_again(Head::EMPTY).unwrap();
        assert_eq!(opened.since_noted.granted.len(), 12);
    });
}

#[test]
fn a_start_reports_removals_after_the_noted_head_and_what_takes_one_back() {
    let (mut rig, _) = long_log();
    let removed = |secret| {
        change(&SecretEvent::Removed {
            by: None,
            secret,
            version: 1,
        })
    };
    rig.append(&[removed("before")]).unwrap();
    let noted = rig.log.head;
    let mut announced = Vec::new();
    for secret in ["gone", "failing", "gone"] {
        // Over several segments.
        announced.push(rig.append(&[removed(secret)]).unwrap());
        rig.append(&[remark(&"x".repeat(2000))]).unwrap();
    }
    let failed = change(&SecretEvent::Failed {
        secret: "failing",
        announced: announced[1],
        why: "no space left",
    });
    rig.append(std::slice::from_ref(&failed)).unwrap();
    let (_, opened) = rig.opened_again(noted).unwrap();
    let removals = opened.since_noted.removals.iter();
    let told: Vec<_> = removals.map(|r| (r.secret.as_str(), r.seq)).collect();
    let [one, two, three] = announced[..] else {
        panic!("{announced:?}");
    };
    assert_eq!(told, [("gone", one), ("failing", two), ("gone", three)]);
    assert_eq!(
        *opened.since_noted.removals[0].body,
        *removed("gone").body.as_str()
    );
    let failed = failed.body.as_str().into();
    assert_eq!(opened.since_noted.failed_changes, [(two, failed)]);
}

#[test]
fn a_log_must_lead_through_both_heads_that_the_vault_knows() {
    let (rig, heads) = long_log();
    let last = *heads.last().unwrap();
    let other = Head {
        hash: LineHash::of(b"rewritten"),
        ..heads[2]
    };
    let open = |noted| {
        let disk = rig.disk.after_kill();
        Appender::open(disk, identity(), noted, limits(), clock().now()).map(drop)
    };
    for (noted, authenticated) in [(last, heads[2]), (heads[2], last), (last, last)] {
        open(KnownHeads::of(Some(noted), Some(authenticated))).unwrap();
    }
    for (noted, authenticated) in [(last, other), (other, last)] {
        let refused = open(KnownHeads::of(Some(noted), Some(authenticated)));
        assert!(matches!(refused, Err(AuditLogError::Rewritten { .. })));
    }
}

#[test]
fn a_start_reports_the_versions_of_secrets_named_after_the_noted_head() {
    let (mut rig, _) = long_log();
    rig.append(&[set("source-pat", 1), set("org-label-sync-token", 3)])
        .unwrap();
    let noted = rig.log.head;
    let (_, opened) = rig.opened_again(noted).unwrap();
    assert!(opened.since_noted.secret_versions.is_empty());
    // Over several segments, and not always in order.
    for version in [5, 4] {
        rig.append(&[set("org-label-sync-token", version)]).unwrap();
        rig.append(&[remark(&"x".repeat(2000))]).unwrap();
    }
    let (_, opened) = rig.opened_again(noted).unwrap();
    let wanted = ("org-label-sync-token".parse().unwrap(), 5);
    assert_eq!(opened.since_noted.secret_versions, BTreeMap::from([wanted]));
}

#[test]
fn versions_that_a_rotation_names_count_like_those_that_were_set() {
    let (mut rig, _) = long_log();
    let noted = rig.log.head;
    let by = || Caller {
        uid: 1000,
        gid: 1000,
        groups: Vec::new(),
        subordinate_of: None,
        pid: None,
        started: None,
        unit: None,
        user_unit: None,
        exe: None,
        sha256: None,
    };
    let swapped = RotationEvent::Swapped {
        by: by(),
        secret: "source-pat",
        version: 2,
        replaces: Some(1),
        hashed_credential: "abc=",
        expires_at: None,
    };
    let back = RotationEvent::RolledBack {
        by: by(),
        secret: "source-pat",
        version: 3,
        restores: 1,
        hashed_credential: "abc=",
    };
    rig.append(&[change(&swapped), change(&back)]).unwrap();
    let (_, opened) = rig.opened_again(noted).unwrap();
    let wanted = ("source-pat".parse().unwrap(), 3);
    assert_eq!(opened.since_noted.secret_versions, BTreeMap::from([wanted]));
}

#[test]
fn whatever_follows_the_last_whole_line_is_moved_aside_and_named() {
    both_ways(|| {
        let tails: [&[u8]; 5] = [
            b"{\"v\":1,\"seq\":",
            b"\0\0\0\0x",
            b"\xff\xfe\n\n",
            b"{\"v\":1}\n{\"v\":1}\n",
            b"\n",
        ];
        for tail in tails {
            let mut rig = Rig::new();
            rig.append(&[grant(1)]).unwrap();
            rig.disk
                .tamper(&segment::name(0), |bytes| put_behind(bytes, tail));
            let (mut again, opened) = rig.opened_again(rig.log.head).unwrap();
            assert!(opened.recovered);
            assert_eq!(live_texts(&opened.live), bodies(&[grant(1)]));
            assert_moved_aside_is_named(&again.disk);
            let torn = segment::Torn::parse(&format!(
                "{}.{}.torn",
                segment::name(0),
                content(&rig.disk.bytes(&segment::name(0))).len() - tail.len()
            ));
            assert_eq!(again.disk.bytes(&torn.unwrap().name), tail);
            again.append(&[end(1)]).unwrap();
            assert_eq!(segments(&again.disk).len(), 2);
        }
    });
}

#[test]
fn two_lines_torn_at_once_by_a_lost_page_are_moved_aside_together() {
    both_ways(|| {
        let mut rig = Rig::new();
        rig.append(&[grant(1)]).unwrap();
        let noted = rig.log.head;
        let before = text(&rig.disk, &segment::name(0)).len();
        rig.append(&[grant(2), grant(3)]).unwrap();
        let after = text(&rig.disk, &segment::name(0)).len();
        // A page of zeros anywhere in the two lines, prefixes left whole or not.
        for at in (before..after - 64).step_by(16) {
            let disk = rig.disk.after_kill();
            disk.tamper(&segment::name(0), |bytes| bytes[at..at + 64].fill(0));
            let (again, opened) = Rig::open(&disk, noted).unwrap();
            assert!(opened.recovered);
            let recorded = recorded(&again.disk);
            assert!(recorded.len() <= 2, "at {at}: {recorded:?}");
            assert!(recorded.iter().all(|body| !body.contains('\0')), "at {at}");
            assert_moved_aside_is_named(&again.disk);
        }
    });
}

#[test]
fn every_file_moved_aside_is_named_although_the_record_that_named_it_was_torn_too() {
    both_ways(|| {
        let (rig, _) = long_log();
        let last = segments(&rig.disk).pop().unwrap();
        let half_an_opening = |bytes: &mut Vec<u8>| {
            let end = bytes.iter().position(|b| *b == b'\n').unwrap();
            bytes.truncate(end / 2);
        };
        rig.disk.tamper(&last, half_an_opening);
        // The segment is moved aside whole and begun again; then its end, `log.recovered`, is torn off.
        let (rig, opened) = rig.opened_again(Head::EMPTY).unwrap();
        assert!(opened.recovered);
        assert_eq!(segments(&rig.disk).last(), Some(&last));
        rig.disk
            .tamper(&last, |bytes| bytes.truncate(bytes.len() - 10));
        let (rig, opened) = rig.opened_again(Head::EMPTY).unwrap();
        assert!(opened.recovered);
        let aside = rig.disk.list().unwrap().into_iter();
        assert_eq!(aside.filter(|name| name.ends_with(".torn")).count(), 2);
        assert_moved_aside_is_named(&rig.disk);
    });
}

#[test]
fn a_log_that_lacks_what_the_vault_noted_is_refused() {
    both_ways(|| {
        let (rig, heads) = long_log();
        let noted = *heads.last().unwrap();
        let all = segments(&rig.disk);
        let last = all.last().unwrap();

        let disk = rig.disk.after_kill();
        disk.tamper(last, |bytes| bytes.truncate(content(bytes).len() - 1));
        let error = refusal(&disk, noted);
        assert!(matches!(error, AuditLogError::Damaged { .. }), "{error}");

        let disk = rig.disk.after_kill();
        disk.tamper(last, |bytes| {
            let end = content(bytes).len() - 1;
            let end = bytes[..end].iter().rposition(|b| *b == b'\n');
            bytes.truncate(end.unwrap() + 1);
        });
        let error = refusal(&disk, noted);
        assert!(matches!(error, AuditLogError::Truncated { .. }), "{error}");

        let disk = rig.disk.after_kill();
        disk.delete(last);
        let error = refusal(&disk, noted);
        assert!(matches!(error, AuditLogError::Truncated { .. }), "{error}");

        let disk = rig.disk.after_kill();
        disk.delete(&all[all.len() - 2]);
        let error = refusal(&disk, heads[1]);
        assert!(matches!(error, AuditLogError::Missing { .. }), "{error}");

        let error = refusal(&SimDisk::default(), noted);
        assert!(matches!(error, AuditLogError::Missing { .. }), "{error}");
        assert!(error.to_string().contains("--new-audit-log"), "{error}");

        let other = Head {
            hash: LineHash::of(b"another"),
            ..heads[3]
        };
        let error = refusal(&rig.disk.after_kill(), other);
        assert!(matches!(error, AuditLogError::Rewritten { .. }), "{error}");
    });
}

#[test]
fn damage_before_the_last_segment_is_refused_where_a_start_reads_it() {
    let (rig, heads) = long_log();
    let first = &segments(&rig.disk)[0];
    for at in [10, 900, rig.disk.bytes(first).len() - 10] {
        let disk = rig.disk.after_kill();
        disk.tamper(first, |bytes| bytes[at] ^= 4);
        let before = disk.list().unwrap();
        let error = refusal(&disk, Head::EMPTY);
        assert!(
            matches!(error, AuditLogError::Damaged { .. }),
            "{at}: {error}"
        );
        assert_eq!(disk.list().unwrap(), before, "nothing is moved");
        // It is not read where the vault noted a later head.
        if at > 10 {
            Rig::open(&disk, *heads.last().unwrap()).unwrap();
        }
    }
}

#[test]
fn the_log_of_another_vault_is_refused_untouched() {
    let rig = Rig::new();
    rig.disk
        .tamper(&segment::name(0), |bytes| bytes.extend_from_slice(b"torn"));
    let mut other = identity();
    other.log_id = "f".repeat(32);
    let disk = rig.disk.after_kill();
    let opened = Appender::open(
        disk.clone(),
        other,
        KnownHeads::of(None, None),
        limits(),
        clock().now(),
    );
    let Err(error) = opened else { panic!("opened") };
    assert!(matches!(error, AuditLogError::Foreign { .. }), "{error}");
    assert_eq!(disk.list().unwrap(), segments(&disk));
}

#[test]
fn a_log_that_cannot_be_read_is_refused_and_not_taken_for_an_empty_one() {
    let rig = Rig::new();
    rig.disk.set_unreadable(true);
    let error = refusal(&rig.disk, rig.log.head);
    assert!(
        matches!(error, AuditLogError::Io { what: "read", .. }),
        "{error}"
    );
    assert_eq!(rig.disk.list().unwrap(), [segment::name(0)]);
}

#[test]
fn the_oldest_segment_left_is_not_begun_anew_when_it_does_not_open_as_segments_do() {
    let disk = SimDisk::default();
    disk.put(&segment::name(41), b"");
    let error = refusal(&disk, Head::EMPTY);
    assert!(matches!(error, AuditLogError::Damaged { .. }), "{error}");
}
