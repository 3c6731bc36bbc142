-- What format 5 adds. Times are microseconds since 1970, UTC.

-- On which boot's clock the two times were read: spans within a boot go by that.
ALTER TABLE secret_check ADD COLUMN boot_id TEXT;
ALTER TABLE secret_check ADD COLUMN checked_boot INTEGER;   -- microseconds since that boot began
ALTER TABLE secret_check ADD COLUMN failed_boot INTEGER;

-- Since when the values of a secret have been known, wherever they lie: deadlines count from that.
CREATE TABLE first_seen (
  secret TEXT PRIMARY KEY,
  state  TEXT NOT NULL                         -- JSON: first_seen::FirstSeen
) STRICT, WITHOUT ROWID;

-- 1: GitHub is being asked to end this installation token, or was. It may be dead, and is shared with no
-- lease any more.
ALTER TABLE minted ADD COLUMN ending INTEGER NOT NULL DEFAULT 0;

-- Who was handed a value that another took the place of, by the value's hash: it counts again once that
-- value is stored once more, and is forgotten when the value is erased.
CREATE TABLE exposure_before (
  secret            TEXT    NOT NULL,
  hashed_credential TEXT    NOT NULL,
  uid               INTEGER NOT NULL,
  purpose           TEXT    NOT NULL,
  last              INTEGER NOT NULL,
  leases            INTEGER NOT NULL,
  PRIMARY KEY (secret, hashed_credential, uid, purpose)
) STRICT, WITHOUT ROWID;

-- The head and the tombstones as a MAC covers them: vault.noted_* may be later, where it was written
-- before the first unlock. No row in a vault that has not been unlocked since it became format 5.
CREATE TABLE witness (
  one     INTEGER PRIMARY KEY CHECK (one = 1),
  records INTEGER,                             -- of the head; NULL: none was noted
  hash    BLOB,
  mac     BLOB    NOT NULL,                    -- over log_id, the head, every row of tombstone, rotation, sink, secret_move, repository
  CHECK ((records IS NULL) = (hash IS NULL))
) STRICT;

-- Tombstones from before the first unlock, until it puts them among the others.
CREATE TABLE late_tombstone (
  lease TEXT    PRIMARY KEY,
  until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
