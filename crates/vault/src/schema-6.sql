-- What format 6 adds.

-- The certificate under which TLS ends in the broker for one lease, and its key, until the lease is over.
CREATE TABLE tunnel (
  lease  TEXT PRIMARY KEY,
  sealed BLOB NOT NULL                         -- under a key made from the MAC key
) STRICT, WITHOUT ROWID;
