-- Ids are 16 bytes, times are microseconds since 1970 (UTC), JSON is text.

-- There is one writer at a time, so positions are handed out in the order of commits, and readers go by them alone.
CREATE TABLE events (
    global_position INTEGER PRIMARY KEY AUTOINCREMENT,
    id              BLOB NOT NULL,
    aggregate_id    BLOB NOT NULL,
    aggregate_type  TEXT NOT NULL,
    event_type      TEXT NOT NULL,
    event_version   INTEGER NOT NULL,
    schema_version  INTEGER NOT NULL,
    event_data      TEXT NOT NULL,
    metadata        TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    UNIQUE (aggregate_id, event_version)
);
CREATE INDEX events_by_type ON events (event_type, created_at);

CREATE TABLE stream_heads (
    aggregate_id      BLOB PRIMARY KEY NOT NULL,
    aggregate_type    TEXT NOT NULL,
    version           INTEGER NOT NULL,
    published_version INTEGER NOT NULL DEFAULT 0,
    lease_until       INTEGER,
    CHECK (published_version <= version)
) WITHOUT ROWID;
CREATE INDEX stream_heads_lagging ON stream_heads (aggregate_id) WHERE published_version < version;

CREATE TABLE snapshots (
    aggregate_id   BLOB NOT NULL,
    schema_version INTEGER NOT NULL,
    version        INTEGER NOT NULL,
    state          TEXT NOT NULL,
    created_at     INTEGER NOT NULL,
    PRIMARY KEY (aggregate_id, schema_version)
);

-- What an append under a key wrote: everything from one position to another, as there is one writer at a time.
CREATE TABLE idempotency_keys (
    key           TEXT PRIMARY KEY NOT NULL,
    fingerprint   TEXT NOT NULL,
    from_position INTEGER NOT NULL,
    to_position   INTEGER NOT NULL,
    created_at    INTEGER NOT NULL
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

CREATE TABLE leases (
    name       TEXT PRIMARY KEY NOT NULL,
    holder     TEXT NOT NULL,
    expires_at INTEGER NOT NULL
);
