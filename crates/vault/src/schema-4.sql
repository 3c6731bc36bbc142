-- What format 4 adds: what is kept of values that lie elsewhere. Times are microseconds since 1970, UTC.

-- How often 1Password was asked, by the hour, written down before it is asked: a broker in a loop of
-- crashes goes on counting.
CREATE TABLE source_requests (
  hour     INTEGER PRIMARY KEY,                -- counted from 1970
  requests INTEGER NOT NULL
) STRICT;

-- Values as they were last read, where `[sources] keep` says "vault".
CREATE TABLE source_value (
  source  TEXT    PRIMARY KEY,                 -- as policies name it
  version INTEGER,                             -- what the place counts its changes with
  read_at INTEGER NOT NULL,
  sealed  BLOB    NOT NULL                     -- under a key made from the MAC key
) STRICT, WITHOUT ROWID;

-- A secret on its way from one source to another, until the old copy is erased or it is moved back.
CREATE TABLE secret_move (
  secret TEXT PRIMARY KEY,
  state  TEXT NOT NULL                         -- JSON: move_state::Move
) STRICT, WITHOUT ROWID;
