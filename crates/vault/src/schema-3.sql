-- What format 3 adds: how long the root key has been in force, and what a change of it leaves behind if
-- the broker ends half-way. Times are microseconds since 1970, UTC.

CREATE TABLE root_key (
  one     INTEGER PRIMARY KEY CHECK (one = 1),
  made_at INTEGER NOT NULL,                    -- when this version came into force
  seals   INTEGER NOT NULL,                    -- how often it has sealed since, at most
  change  TEXT,                                -- JSON: vault::rekey::Change, until it is settled
  mac     BLOB                                 -- over all that says where the root key is
) STRICT;

-- X25519: the next root key is sealed for it. NULL: only the passphrase can renew this wrap.
ALTER TABLE root_key_wrap ADD COLUMN public_key BLOB;
