use super::*;

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text.to_owned())
}

fn sealed(content: &[u8]) -> Vec<u8> {
    sealed_with("correct horse battery", content, 7)
}

/// As cheap as Argon2 lets it be.
fn sealed_with(by: &str, content: &[u8], salt: u8) -> Vec<u8> {
    seal_as(FORMAT, &passphrase(by), content, &[salt; 16], (8, 1)).unwrap()
}

fn opened(file: &[u8]) -> Result<Vec<u8>, BackupError> {
    open(&passphrase("correct horse battery"), file).map(|content| content.bytes.to_vec())
}

fn text(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect()
}

#[test]
fn a_content_of_any_length_comes_back() {
    for length in [0, 1, 1000, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
        let file = sealed(&text(length));
        assert_eq!(file.len() as u64, size(length as u64));
        assert_eq!(opened(&file).unwrap(), text(length), "{length}");
    }
}

#[test]
fn with_todays_costs_it_opens_too_and_never_looks_the_same_twice() {
    let by = passphrase("correct horse battery");
    let one = seal(&by, b"x").unwrap();
    let two = seal(&by, b"x").unwrap();
    assert!(one[16..32] != two[16..32] && one[HEADER..] != two[HEADER..]);
    assert_eq!(*open(&by, &one).unwrap().bytes, b"x");
}

#[test]
fn a_passphrase_that_was_read_opens_it_by_the_rule_and_else_as_it_was_read() {
    for (set, read) in [
        ("correct horse battery", "\u{feff}correct horse battery\r\n"),
        ("correct horse battery\r", "correct horse battery\r\n"),
    ] {
        let file = sealed_with(set, b"x", 7);
        assert_eq!(
            *open(&passphrase(read), &file).unwrap().bytes,
            b"x",
            "{set:?}"
        );
    }
    let file = sealed_with("correct horse\r", b"x", 7);
    let wrong = open(&passphrase("correct horse\n"), &file);
    assert!(matches!(wrong, Err(BackupError::WrongPassphrase)));
}

#[test]
fn no_byte_can_be_changed() {
    let file = sealed(&text(300));
    for at in 0..file.len() {
        let mut changed = file.clone();
        changed[at] ^= 1;
        assert!(opened(&changed).is_err(), "byte {at}");
    }
}

#[test]
fn no_byte_can_be_cut_and_none_added() {
    let file = sealed(&text(300));
    for length in 0..file.len() {
        let error = opened(&file[..length]).unwrap_err();
        let told = if length == 0 {
            matches!(error, BackupError::NotABackup)
        } else {
            matches!(error, BackupError::Truncated { .. })
        };
        assert!(told, "{length}: {error}");
    }
    for more in [1, 16, 1000] {
        let mut longer = file.clone();
        longer.resize(file.len() + more, 0);
        let error = opened(&longer).unwrap_err();
        assert!(matches!(error, BackupError::Longer { .. }), "{error}");
    }
}

#[test]
fn no_chunk_can_take_another_ones_place() {
    let file = sealed(&text(4 * CHUNK));
    let chunk = |n: usize| HEADER + n * (CHUNK + TAG)..HEADER + (n + 1) * (CHUNK + TAG);
    for (one, two) in [(0, 1), (1, 2), (2, 3), (0, 3)] {
        let mut swapped = file.clone();
        swapped[chunk(one)].copy_from_slice(&file[chunk(two)]);
        swapped[chunk(two)].copy_from_slice(&file[chunk(one)]);
        let error = opened(&swapped).unwrap_err();
        let at = chunk(one).start as u64;
        assert!(
            matches!(error, BackupError::Altered { at: found } if found == at),
            "{error}"
        );
    }
    // Nor one of another file under the same passphrase.
    let other = sealed_with("correct horse battery", &text(4 * CHUNK), 8);
    let mut mixed = file;
    mixed[chunk(1)].copy_from_slice(&other[chunk(1)]);
    assert!(matches!(opened(&mixed), Err(BackupError::Altered { .. })));
}

/// A header that someone made up to fit a shorter file: the last mark finds it.
#[test]
fn a_file_cut_between_chunks_is_found_although_its_length_was_corrected() {
    let file = sealed(&text(2 * CHUNK));
    let keys = Keys::derive(&passphrase("correct horse battery"), &[7; 16], 8, 1).unwrap();
    let mut cut = file[..HEADER + CHUNK + TAG].to_vec();
    cut[40..48].copy_from_slice(&(CHUNK as u64).to_be_bytes());
    let check = keys.check(&cut[..CHECKED]).bytes();
    cut[CHECKED..SUMMED].copy_from_slice(&check);
    let checksum = Sha256::digest(&cut[..SUMMED]);
    cut[SUMMED..HEADER].copy_from_slice(&checksum);
    assert!(matches!(
        opened(&cut),
        Err(BackupError::Altered { at: 112 })
    ));
}

#[test]
fn each_fault_has_its_own_words() {
    let file = sealed(b"some content");
    let wrong = open(&passphrase("correct horse batterY"), &file);
    assert!(matches!(wrong, Err(BackupError::WrongPassphrase)));
    assert!(matches!(
        opened(b"SQLite format 3\0"),
        Err(BackupError::NotABackup)
    ));
    let mut newer = file.clone();
    newer[15] = 3;
    // Also if its header is of another length.
    for newer in [&newer[..], &newer[..20]] {
        let error = opened(newer).unwrap_err();
        assert!(
            matches!(error, BackupError::Newer { found: 3, known: 2 }),
            "{error}"
        );
    }
    let mut older = file;
    older[15] = 0;
    assert!(matches!(opened(&older), Err(BackupError::Altered { .. })));
}

#[test]
fn costs_that_nobody_asked_for_are_refused_before_any_memory_is() {
    let mut file = sealed(b"x");
    file[32..36].copy_from_slice(&u32::MAX.to_be_bytes());
    let checksum = Sha256::digest(&file[..SUMMED]);
    file[SUMMED..HEADER].copy_from_slice(&checksum);
    assert!(matches!(
        opened(&file),
        Err(BackupError::Altered { at: 32 })
    ));
}

/// A file, byte for byte, computed by another implementation (the comment in it says which). If
/// this fails, no backup in the field would open: give the new form a new format number and a new
/// vector, and keep this one.
#[test]
fn each_format_matches_its_published_vector() {
    for (format, vector) in [
        (
            1,
            include_str!("../../../../../tests/vectors/backup-v1.txt"),
        ),
        (
            2,
            include_str!("../../../../../tests/vectors/backup-v2.txt"),
        ),
    ] {
        matches_the_vector(format, vector);
    }
}

fn matches_the_vector(format: u16, vector: &str) {
    let field = |name: &str| {
        let lines = vector.lines().filter(|line| !line.starts_with('#'));
        let mut fields = lines.filter_map(|line| line.split_once('='));
        fields.find(|(field, _)| *field == name).unwrap().1
    };
    let bytes = |name: &str| -> Vec<u8> {
        let digits = field(name).as_bytes().chunks(2);
        let byte = |pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.map(byte).collect()
    };
    let number = |name: &str| field(name).parse::<u32>().unwrap();
    let by = passphrase(field("passphrase"));
    let file = seal_as(
        format,
        &by,
        field("content").as_bytes(),
        &bytes("salt").try_into().unwrap(),
        (number("memory_kib"), number("passes")),
    );
    assert_eq!(file.unwrap(), bytes("file"));
    let opened = open(&by, &bytes("file")).unwrap();
    assert_eq!(*opened.bytes, field("content").as_bytes());
    assert_eq!(opened.format, format);
}
