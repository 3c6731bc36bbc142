-- The vault, format 4 (PRAGMA user_version); schema-5.sql and schema-6.sql have what came after it. Times are microseconds since 1970, UTC.
-- No value and no key is ever here in the clear.

CREATE TABLE vault (
  one              INTEGER PRIMARY KEY CHECK (one = 1),
  id               TEXT    NOT NULL,           -- 32 hexadecimal digits; bound into all that is sealed
  created_at       INTEGER NOT NULL,
  root_key_source  TEXT    NOT NULL,           -- file | passphrase | credential:NAME | keyring
  root_key_version INTEGER NOT NULL,
  key_check        BLOB    NOT NULL,           -- sealed under the root key: tells a wrong key
  mac_key          BLOB    NOT NULL,           -- sealed under the root key: leases, and list_mac
  log_id           TEXT    NOT NULL,
  log_public_key   TEXT    NOT NULL,           -- Ed25519, base64
  log_seed         BLOB    NOT NULL,           -- sealed under the root key
  changes          INTEGER NOT NULL,           -- counts changes to what list_mac covers
  list_mac         BLOB    NOT NULL,           -- over log_id, changes, secrets, versions
  noted_records    INTEGER,                    -- head of the audit log as last noted
  noted_hash       BLOB,
  CHECK ((noted_records IS NULL) = (noted_hash IS NULL))
) STRICT;

-- How long the root key has been in force, and what a change of it leaves behind if the broker ends
-- half-way.
CREATE TABLE root_key (
  one     INTEGER PRIMARY KEY CHECK (one = 1),
  made_at INTEGER NOT NULL,                    -- when this version came into force
  seals   INTEGER NOT NULL,                    -- how often it has sealed since, at most
  change  TEXT,                                -- JSON: rekey::Change, until it is settled
  mac     BLOB                                 -- over all that says where the root key is
) STRICT;

-- The root key under a passphrase (Argon2id).
CREATE TABLE root_key_wrap (
  kind       TEXT    PRIMARY KEY CHECK (kind IN ('passphrase', 'recovery')),
  salt       BLOB    NOT NULL,
  memory_kib INTEGER NOT NULL,
  passes     INTEGER NOT NULL,
  sealed     BLOB    NOT NULL,
  public_key BLOB                              -- X25519: the next root key is sealed for it
) STRICT;

-- A secret that was removed keeps its row, so that its versions are never counted again.
CREATE TABLE secret (
  name         TEXT    PRIMARY KEY,
  created_at   INTEGER NOT NULL,
  last_version INTEGER NOT NULL                -- reserved last; its value may never have come
) STRICT;

CREATE TABLE version (
  secret            TEXT    NOT NULL REFERENCES secret (name),
  version           INTEGER NOT NULL,
  kind              TEXT,                      -- classic | fine-grained | app, by its first characters
  hashed_credential TEXT    NOT NULL,
  expires_at        INTEGER,
  set_at            INTEGER NOT NULL,
  envelope          BLOB    NOT NULL,
  PRIMARY KEY (secret, version)
) STRICT, WITHOUT ROWID;

-- Usage also of secrets whose value lies elsewhere; so no reference to secret.
CREATE TABLE last_used (
  secret TEXT    PRIMARY KEY,
  at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE exposure (
  secret  TEXT    NOT NULL,
  uid     INTEGER NOT NULL,
  purpose TEXT    NOT NULL,
  last    INTEGER NOT NULL,
  leases  INTEGER NOT NULL,
  PRIMARY KEY (secret, uid, purpose)
) STRICT, WITHOUT ROWID;

-- Leases that were revoked, until they would have ended: a log whose tail was cut revives none.
CREATE TABLE tombstone (
  lease TEXT    PRIMARY KEY,
  until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX tombstone_until ON tombstone (until);

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
