use super::*;

const ROOT: [u8; 32] = [1; 32];
const ROOT_1: RootKeyRef<'static> = of(&ROOT, 1);
const VALUE: &[u8] = b"ghp_a_made_up_value";

const fn of(root: &[u8; 32], version: u32) -> RootKeyRef<'_> {
    RootKeyRef { root, version }
}

fn what() -> Identity<'static> {
    Identity {
        vault: "00112233445566778899aabbccddeeff",
        name: "org-label-sync-token",
        version: 3,
        kind: Some(SecretKind::Classic),
        hash: "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
        expires_at: Some("2027-01-01T00:00:00Z".parse().unwrap()),
        set_at: "2026-11-21T07:00:00.123456Z".parse().unwrap(),
    }
}

#[test]
fn a_value_opens_in_its_own_place() {
    let sealed = seal(ROOT_1, &what(), VALUE).unwrap();
    assert_eq!(*unseal(ROOT_1, &what(), &sealed).unwrap(), VALUE);
    assert_eq!(sealed.len(), VALUE.len() + 93);
    assert!(!sealed.windows(8).any(|part| VALUE.starts_with(part)));
}

#[test]
fn a_value_opens_nowhere_else() {
    let sealed = seal(ROOT_1, &what(), VALUE).unwrap();
    let elsewhere = [
        Identity {
            vault: "ffffffffffffffffffffffffffffffff",
            ..what()
        },
        Identity {
            name: "org-label-sync-tokem",
            ..what()
        },
        Identity {
            version: 2,
            ..what()
        },
        Identity {
            kind: None,
            ..what()
        },
        Identity {
            kind: Some(SecretKind::App),
            ..what()
        },
        Identity {
            hash: "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa1=",
            ..what()
        },
        Identity {
            expires_at: None,
            ..what()
        },
        Identity {
            expires_at: Some("2028-01-01T00:00:00Z".parse().unwrap()),
            ..what()
        },
        Identity {
            set_at: "2026-11-22T07:00:00Z".parse().unwrap(),
            ..what()
        },
    ];
    for other in elsewhere {
        assert!(unseal(ROOT_1, &other, &sealed).is_err(), "{other:?}");
    }
    assert!(unseal(of(&[2; 32], 1), &what(), &sealed).is_err());
    assert!(unseal(of(&ROOT, 2), &what(), &sealed).is_err());
}

#[test]
fn no_byte_can_be_changed_and_none_cut() {
    let sealed = seal(ROOT_1, &what(), VALUE).unwrap();
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(unseal(ROOT_1, &what(), &changed).is_err(), "byte {at}");
        assert!(
            unseal(ROOT_1, &what(), &sealed[..at]).is_err(),
            "cut at {at}"
        );
    }
}

#[test]
fn the_same_value_never_looks_the_same_twice() {
    let one = seal(ROOT_1, &what(), VALUE).unwrap();
    let two = seal(ROOT_1, &what(), VALUE).unwrap();
    assert!(one[5..17] != two[5..17] && one[65..77] != two[65..77]);
    assert!(one[77..] != two[77..]);
}

#[test]
fn a_key_opens_only_for_its_purpose_and_a_refusal_leaves_nothing() {
    let sealed = seal_key(&ROOT, &purpose("a", "v", 1), &[9; 32]).unwrap();
    let mut room = [0; 32];
    open_key(&ROOT, &purpose("a", "v", 1), &sealed, &mut room).unwrap();
    assert_eq!(room, [9; 32]);
    for other in [
        purpose("b", "v", 1),
        purpose("a", "w", 1),
        purpose("a", "v", 2),
    ] {
        let refused = open_key(&ROOT, &other, &sealed, &mut room);
        assert_eq!((refused, room), (Err(DoesNotOpen), [0; 32]));
    }
}

/// An envelope, byte for byte, computed by another implementation (the comment in the file says
/// which). If this fails, the envelope has changed and no vault in the field would open: give the
/// new one a new format byte and a new vector, and keep this one.
#[test]
fn v1_matches_the_published_vector() {
    let vector = include_str!("../../../../tests/vectors/envelope-v1.txt");
    let field = |name: &str| {
        vector
            .lines()
            .filter(|line| !line.starts_with('#'))
            .find_map(|line| line.split_once('=').filter(|(n, _)| *n == name))
            .unwrap_or_else(|| panic!("no {name}"))
            .1
    };
    let bytes = |name: &str| {
        let digits = field(name).as_bytes().chunks(2);
        let byte = |pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.map(byte).collect::<Vec<u8>>()
    };
    let time = |name: &str| field(name).parse().unwrap();
    for (kind, expires_at, want) in [
        (
            Some(SecretKind::Classic),
            Some(time("expires_at")),
            "envelope",
        ),
        (None, None, "envelope_without_kind_and_end"),
    ] {
        let what = Identity {
            vault: field("vault"),
            name: field("name"),
            version: field("version").parse().unwrap(),
            kind,
            hash: field("hash"),
            expires_at,
            set_at: time("set_at"),
        };
        let root = bytes("root_key").try_into().unwrap();
        let sealed = seal_with(
            of(&root, field("root_key_version").parse().unwrap()),
            &what,
            field("value").as_bytes(),
            &Fresh {
                data_key: Zeroizing::new(bytes("data_key").try_into().unwrap()),
                key_nonce: bytes("data_key_nonce").try_into().unwrap(),
                value_nonce: bytes("value_nonce").try_into().unwrap(),
            },
        );
        assert_eq!(*sealed, *bytes(want), "{want}");
    }
}
