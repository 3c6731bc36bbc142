//! The text of an environment file, or why there is none. Whatever is wrong is said with the file's name.

use std::fs::File;
use std::io;
use std::path::Path;

use broker_protocol::{as_read, value_form, whole_file};
use zeroize::Zeroizing;

use crate::error::Failure;

/// Reads a regular file, or stdin if it is `-`, at most [`value_form::LONGEST`] bytes. A FIFO is not opened: it
/// may never be written to. A pipe that this process was started with is read.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let passed = path == Path::new("/dev/stdin") || path.starts_with("/dev/fd");
    let bytes = match passed {
        _ if path == Path::new("-") => as_read::read_to_end(io::stdin().lock()),
        true => File::open(path).and_then(as_read::read_to_end),
        false => whole_file::open_to_read(path).and_then(as_read::read_to_end),
    };
    let refused = |why: String| Failure::file("read", path)(io::Error::other(why));
    let bytes = bytes.map_err(Failure::file("read", path))?;
    if bytes.len() > value_form::LONGEST {
        let why = "it is longer than 48 KiB, and no file of tokens is";
        return Err(refused(why.to_owned()));
    }
    as_read::text_of(bytes).map_err(|why| refused(format!("it {why}")))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    fn refused(path: &Path) -> String {
        let text = read(path).err().unwrap().to_string();
        let named = format!("cannot read {}: ", path.display());
        text.strip_prefix(&named).unwrap().to_owned()
    }

    #[test]
    fn what_is_no_file_of_text_is_said_with_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| -> PathBuf {
            let path = dir.path().join(name);
            fs::write(&path, bytes).unwrap();
            path
        };
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for (path, why) in [
            (
                dir.path().to_owned(),
                "it is a directory and not a regular file",
            ),
            (fifo, "it is a FIFO and not a regular file"),
            (
                PathBuf::from("/dev/zero"),
                "it is a character device and not a regular file",
            ),
            (
                file("utf16", b"\xff\xfeA\0=\0"),
                "it is UTF-16 text, as PowerShell writes it; save it as UTF-8",
            ),
            (file("latin", b"A=\xe9"), "it is not UTF-8 text"),
            (
                file("huge", &vec![b'x'; value_form::LONGEST + 1]),
                "it is longer than 48 KiB, and no file of tokens is",
            ),
        ] {
            assert_eq!(refused(&path), why);
        }
        assert!(refused(&dir.path().join("none")).contains("No such file"));
        assert_eq!(*read(&file("tokens", b"A=1\n")).ok().unwrap(), "A=1\n");
    }
}
