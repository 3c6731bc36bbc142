//! The last segment: how it is made, gone on with, and left.
//!
//! Not here: when, and what is written to it.

use broker_audit::chain::Head;
use broker_audit::record::Body;

use super::disk::Disk;
use super::error::AuditLogError;
use super::layout::{LastOpening, Layout, NewSegment};
use super::live_leases::LiveLeases;
use super::recovery::LastSegment;
use super::segment;

/// The last segment, open for writing.
pub(super) struct Tail<F> {
    pub(super) file: F,
    pub(super) name: String,
    /// Of its records.
    pub(super) size: u64,
    /// Of the file, zeros included, as far as no step is under way.
    pub(super) length: u64,
    pub(super) last_opening: LastOpening,
}

impl<F> Tail<F> {
    /// Cuts the zeros off: a segment that another follows, or that no broker writes to, has none.
    pub(super) fn cut<D: Disk<File = F>>(&mut self, disk: &D) -> Result<(), AuditLogError> {
        let Self {
            file,
            name,
            size,
            length,
            ..
        } = self;
        if *length == *size {
            return Ok(());
        }
        let failed = |what, error| AuditLogError::io(what, &disk.path(name))(error);
        let cut = disk.truncate(file, *size);
        cut.map_err(|error| failed("cut", error))?;
        *length = *size;
        let synced = disk.sync_all(file);
        synced.map_err(|error| failed("sync", error))
    }
}

/// Goes on with the segment that is there.
pub(super) fn resume<D: Disk>(
    disk: &D,
    last: &LastSegment,
) -> Result<Tail<D::File>, AuditLogError> {
    let name = segment::name(last.first);
    let io = AuditLogError::io("open", &disk.path(&name));
    let file = disk.open(&name).map_err(io)?;
    Ok(Tail {
        file,
        name,
        size: last.size,
        length: last.size,
        last_opening: last.last_opening,
    })
}

/// Makes segments that list the live leases, and name what was moved aside.
pub(super) fn begin_with<D: Disk>(
    disk: &D,
    mut layout: Layout,
    live: &LiveLeases,
    recovered: &[Body],
) -> Result<(Head, Tail<D::File>), AuditLogError> {
    layout.open(live)?;
    layout.add(recovered);
    begin(disk, layout)
}

/// Makes the segments that were laid out, names included, and goes on with the last of them.
///
/// If that fails they are removed again: they hold nothing but what the next attempt will write, and a
/// full disk must not fill with beginnings.
pub(super) fn begin<D: Disk>(
    disk: &D,
    layout: Layout,
) -> Result<(Head, Tail<D::File>), AuditLogError> {
    let Layout {
        full,
        last,
        last_opening,
        head,
        ..
    } = layout;
    let mut made = Vec::new();
    let mut make_all = || {
        for segment in &full {
            make(disk, segment, &mut made)?;
        }
        make(disk, &last, &mut made)
    };
    let file = match make_all() {
        Ok(file) => file,
        Err(error) => {
            for name in made.iter().rev() {
                if let Err(error) = disk.remove(name) {
                    tracing::warn!(%error, name, "cannot remove a segment that could not be begun");
                }
            }
            return Err(error);
        }
    };
    let size = last.lines.len() as u64;
    let name = segment::name(last.first);
    Ok((
        head,
        Tail {
            file,
            name,
            size,
            length: size,
            last_opening,
        },
    ))
}

/// Makes one segment durable, its name included, and adds that to those `made`.
fn make<D: Disk>(
    disk: &D,
    segment: &NewSegment,
    made: &mut Vec<String>,
) -> Result<D::File, AuditLogError> {
    let name = segment::name(segment.first);
    let io = |what| AuditLogError::io(what, &disk.path(&name));
    let file = disk.create(&name).map_err(io("make"))?;
    made.push(name.clone());
    disk.write_at(&file, 0, &segment.lines)
        .map_err(io("write"))?;
    disk.sync_all(&file).map_err(io("sync"))?;
    let synced = disk.sync_directory();
    synced.map_err(AuditLogError::io("sync", &disk.path("")))?;
    Ok(file)
}
