-- What format 2 adds: what GitHub said and what was asked of it. All of it can be had again, but for
-- tokens and rotations that are under way. Times are microseconds since 1970, UTC.

-- Installation tokens that may be alive at GitHub, until they have ended there: a broker that comes
-- back after a crash can still revoke them.
CREATE TABLE minted (
  hashed_credential TEXT    PRIMARY KEY,
  installation      INTEGER NOT NULL,
  secret            TEXT    NOT NULL,          -- the App's
  uid               INTEGER NOT NULL,
  purpose           TEXT    NOT NULL,
  scope             TEXT    NOT NULL,          -- JSON: rule, repositories, organization, permissions
  minted_at         INTEGER NOT NULL,
  expires_at        INTEGER NOT NULL,
  envelope          BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

-- Which repository a name meant when an App first reached it. Names change hands; ids do not.
CREATE TABLE repository (
  name TEXT    PRIMARY KEY,                    -- owner/name, lower case
  id   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What GitHub said of a secret when it was last asked. Also for values that lie elsewhere; so no
-- reference to secret.
CREATE TABLE secret_check (
  secret     TEXT    PRIMARY KEY,
  version    INTEGER,                          -- NULL where the value does not lie in the vault
  checked_at INTEGER,                          -- NULL: GitHub never answered
  verdict    TEXT,                             -- ok | warning | error
  accepted   INTEGER,                          -- 0: the credential was refused
  login      TEXT,
  expires_at INTEGER,
  findings   TEXT,                             -- JSON; with the hash of a value that lies elsewhere
  failed_at  INTEGER,                          -- the last attempt, where GitHub did not answer it
  failed_why TEXT
) STRICT, WITHOUT ROWID;

-- The last rotation of each secret, under way or ended. Written with the version it is about.
CREATE TABLE rotation (
  secret TEXT PRIMARY KEY,
  state  TEXT NOT NULL                         -- JSON: rotation_state::Rotation
) STRICT, WITHOUT ROWID;

-- Where else a value is kept, and which version of it.
CREATE TABLE sink (
  secret TEXT NOT NULL,
  sink   TEXT NOT NULL,                        -- as policies name it
  state  TEXT NOT NULL,                        -- JSON: rotation_state::SinkState
  PRIMARY KEY (secret, sink)
) STRICT, WITHOUT ROWID;

-- Warnings that were given, the last of each key, so that none is given twice.
CREATE TABLE warning (
  key      TEXT    PRIMARY KEY,                -- deadline/SECRET, rate_floor/PRINCIPAL …
  occasion TEXT    NOT NULL,                   -- a new version or a moved deadline starts anew
  mark     INTEGER NOT NULL,                   -- the moment that had been reached
  hook     INTEGER NOT NULL,                   -- 1: the hook has yet to hear of it
  webhook  INTEGER NOT NULL,
  body     TEXT    NOT NULL                    -- JSON: what they are told
) STRICT, WITHOUT ROWID;
