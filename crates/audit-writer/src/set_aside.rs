//! Moves the end of a segment out of the way and loses none of it, whenever the power fails.
//!
//! 1. The bytes, without zeros up to the end of the file, are copied to `SEQ.jsonl.OFFSET.torn`: synced under a passing name, renamed,
//!    directory synced.
//! 2. They are cut from the segment; recovery syncs it before it goes on.
//! 3. The new segment's `log.recovered` names the copy (the appender does this).
//!
//! A crash after 1 repeats 1 and finds the copy. A crash after 2 leaves a copy at the end of the log
//! that no record names; the next start finds it and does 3. A segment of which nothing is wanted is
//! renamed whole.

use broker_audit::segment::content;

use super::disk::Disk;
use super::error::AuditLogError;
use super::segment::{self, Torn};

/// Moves everything from `offset` on out of the segment that begins with record `first`. What is
/// left of that segment is not synced yet.
pub(super) fn set_aside<D: Disk>(disk: &D, first: u64, offset: u64) -> Result<(), AuditLogError> {
    let name = segment::name(first);
    let io = |what| AuditLogError::io(what, &disk.path(&name));
    let bytes = read_from(disk, &name, offset)?;
    let file = disk.open(&name).map_err(io("open"))?;
    // Zeros that were written ahead were never anything else.
    let bytes = content(&bytes);
    let end = offset + bytes.len() as u64;
    if end == 0 {
        // A crash right after the segment was made. There is nothing to keep.
        disk.remove(&name).map_err(io("remove the empty"))?;
        return sync_directory(disk);
    }
    if offset == 0 {
        if disk.size(&name).map_err(io("look at"))? != Some(end) {
            disk.truncate(&file, end).map_err(io("cut"))?;
        }
        disk.sync_all(&file).map_err(io("sync"))?;
        let (torn, _) = free_name(disk, first, 0, None)?;
        disk.rename(&name, &torn).map_err(io("rename"))?;
        return sync_directory(disk);
    }
    let (torn, exists) = free_name(disk, first, offset, Some(bytes))?;
    if !exists {
        copy_to(disk, &torn, bytes)?;
    }
    sync_directory(disk)?;
    disk.truncate(&file, offset).map_err(io("cut"))
}

/// A name for what is moved aside, and whether the very same bytes are there already: an earlier recovery
/// came as far as this.
fn free_name<D: Disk>(
    disk: &D,
    first: u64,
    offset: u64,
    bytes: Option<&[u8]>,
) -> Result<(String, bool), AuditLogError> {
    let mut nth = 1;
    loop {
        let name = Torn::new(first, offset, nth).name;
        let io = AuditLogError::io("look at", &disk.path(&name));
        if disk.size(&name).map_err(io)?.is_none() {
            return Ok((name, false));
        }
        if let Some(bytes) = bytes
            && read_from(disk, &name, 0)? == bytes
        {
            return Ok((name, true));
        }
        nth += 1;
    }
}

fn copy_to<D: Disk>(disk: &D, name: &str, bytes: &[u8]) -> Result<(), AuditLogError> {
    let passing = format!("{name}.part");
    let io = |what| AuditLogError::io(what, &disk.path(&passing));
    if disk.size(&passing).map_err(io("look at"))?.is_some() {
        disk.remove(&passing).map_err(io("remove"))?;
    }
    let file = disk.create(&passing).map_err(io("make"))?;
    disk.write_at(&file, 0, bytes).map_err(io("write"))?;
    disk.sync_all(&file).map_err(io("sync"))?;
    disk.rename(&passing, name).map_err(io("rename"))
}

/// The bytes of a file from `offset` on.
pub(super) fn read_from<D: Disk>(
    disk: &D,
    name: &str,
    offset: u64,
) -> Result<Vec<u8>, AuditLogError> {
    disk.read(name, offset, u64::MAX)
        .map_err(AuditLogError::io("read", &disk.path(name)))
}

/// Makes a file durable.
pub(super) fn sync_file<D: Disk>(disk: &D, name: &str) -> Result<(), AuditLogError> {
    let io = |what| AuditLogError::io(what, &disk.path(name));
    let file = disk.open(name).map_err(io("open"))?;
    disk.sync_all(&file).map_err(io("sync"))
}

fn sync_directory<D: Disk>(disk: &D) -> Result<(), AuditLogError> {
    disk.sync_directory()
        .map_err(AuditLogError::io("sync", &disk.path("")))
}

#[cfg(test)]
mod tests {
    use super::super::tests::sim_disk::SimDisk;
    use super::*;

    #[test]
    fn no_byte_is_lost_to_a_crash_right_after() {
        let bytes: Vec<u8> = (0..=255).collect();
        for offset in [0, 1, 100, 255] {
            for seed in 0..50 {
                let disk = SimDisk::default();
                let file = disk.create(&segment::name(7)).unwrap();
                disk.write_at(&file, 0, &bytes).unwrap();
                if offset > 0 {
                    disk.sync_all(&file).unwrap();
                }
                disk.sync_directory().unwrap();
                set_aside(&disk, 7, offset).unwrap();
                let disk = disk.after_crash(seed);
                let torn = disk.bytes(&Torn::new(7, offset, 1).name);
                assert_eq!(torn, bytes[usize::try_from(offset).unwrap()..]);
            }
        }
    }
}
