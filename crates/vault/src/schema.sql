-- The vault, version 1 (PRAGMA user_version). Times are microseconds since 1970, UTC.
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

-- The root key under a passphrase (Argon2id).
CREATE TABLE root_key_wrap (
  kind       TEXT    PRIMARY KEY CHECK (kind IN ('passphrase', 'recovery')),
  salt       BLOB    NOT NULL,
  memory_kib INTEGER NOT NULL,
  passes     INTEGER NOT NULL,
  sealed     BLOB    NOT NULL
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
