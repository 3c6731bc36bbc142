//! Bytes as hexadecimal digits: how hashes are written down.

/// Returns the bytes as lower-case digits, two for each.
pub fn of<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> String {
    let digits = bytes.into_iter().map(|byte| format!("{byte:02x}"));
    digits.collect()
}
