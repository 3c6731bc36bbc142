//! Live leases: handed out, prolonged, ended, and found again after a start. Read [`issue`] first.

pub mod end;
pub mod issue;
pub mod note;
pub mod rebuild;
pub mod table;
pub mod usage;
