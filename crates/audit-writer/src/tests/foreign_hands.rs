//! Someone else touches the files while the broker runs.

use broker_audit::record::write_line;

use super::super::segment;
use super::*;

fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.append(&[grant(1), remark("one")]).unwrap();
    rig
}

#[test]
fn well_chained_records_that_nobody_asked_for_are_moved_aside_and_give_no_lease() {
    both_ways(|| {
        let mut rig = rig();
        let mut forged = Vec::new();
        write_line(
            &mut forged,
            rig.log.head,
            clock().now().wall,
            &grant(66).body,
        );
        rig.disk
            .tamper(&segment::name(0), |bytes| put_behind(bytes, &forged));

        let error = rig.append(&[grant(2)]).unwrap_err().to_string();
        assert!(error.contains("changed by another program"), "{error}");
        rig.log.recover(rig.clock.now());
        rig.append(&[grant(3)]).unwrap();

        assert_eq!(
            recorded(&rig.disk),
            bodies(&[grant(1), remark("one"), grant(3)])
        );
        let torn: Vec<_> = rig.disk.list().unwrap();
        let torn = torn.iter().find(|name| name.ends_with(".torn")).unwrap();
        assert_eq!(rig.disk.bytes(torn), forged);
        assert_moved_aside_is_named(&rig.disk);
        let (_, opened) = rig.opened_again(rig.log.head).unwrap();
        assert_eq!(live_texts(&opened.live), bodies(&[grant(1), grant(3)]));
    });
}

#[test]
fn nothing_is_appended_to_a_deleted_segment_and_putting_it_back_is_enough() {
    both_ways(|| {
        let mut rig = rig();
        let name = segment::name(0);
        let bytes = rig.disk.bytes(&name);
        rig.disk.delete(&name);
        let error = rig.append(&[grant(2)]).unwrap_err().to_string();
        assert!(error.contains("was deleted or replaced"), "{error}");
        for _ in 0..3 {
            rig.recover();
            let fault = rig.log.fault().unwrap();
            assert!(fault.contains("put that very file back"), "{fault}");
            assert_eq!(
                segments(&rig.disk),
                [""; 0],
                "no new log beside the old one"
            );
        }

        rig.disk.put(&name, &bytes);
        rig.recover();
        rig.append(&[end(1)]).unwrap();
        assert_eq!(
            recorded(&rig.disk),
            bodies(&[grant(1), remark("one"), end(1)])
        );
    });
}

#[test]
fn a_file_put_in_the_place_of_the_segment_is_not_written_to() {
    both_ways(|| {
        let mut rig = rig();
        let name = segment::name(0);
        let bytes = rig.disk.bytes(&name);
        rig.disk.delete(&name);
        rig.disk.put(&name, b"something else\n");
        assert!(rig.append(&[grant(2)]).is_err());
        rig.recover();
        assert!(rig.log.fault().unwrap().contains("is damaged at byte 0"));
        assert_eq!(rig.disk.bytes(&name), b"something else\n");
        rig.disk.delete(&name);
        rig.disk.put(&name, &bytes);
        rig.recover();
        assert_eq!(rig.log.fault(), None);
    });
}

#[test]
fn a_segment_cut_or_changed_under_the_broker_stops_the_log_for_good() {
    both_ways(|| {
        for cut_to in [0, 1, 200, 700] {
            let mut rig = rig();
            let before = rig.disk.bytes(&segment::name(0));
            assert!(before.len() > 700);
            rig.disk.tamper(&segment::name(0), |b| b.truncate(cut_to));
            assert!(rig.append(&[grant(2)]).is_err());
            rig.recover();
            let fault = rig.log.fault().expect("acknowledged records are gone");
            assert!(fault.contains("put the audit log back"), "{fault}");
            rig.disk.tamper(&segment::name(0), |b| *b = before);
            rig.recover();
            rig.append(&[grant(2)]).unwrap();
            records(&rig.disk);
        }
    });
}

#[test]
fn a_byte_changed_in_place_is_found_when_the_segment_is_next_read() {
    both_ways(|| {
        let mut rig = rig();
        let name = segment::name(0);
        let before = rig.disk.bytes(&name);
        for at in 0..content(&before).len() {
            rig.disk.tamper(&name, |bytes| {
                *bytes = before.clone();
                bytes[at] ^= 4;
            });
            let Err(error) = rig.opened_again(rig.log.head) else {
                panic!("byte {at}");
            };
            assert!(error.to_string().contains(&name), "byte {at}: {error}");
        }
        rig.disk.tamper(&name, |bytes| *bytes = before);
        rig.append(&[grant(2)]).unwrap();
    });
}
