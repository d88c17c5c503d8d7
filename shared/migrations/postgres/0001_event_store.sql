-- Events, in the order in which readers read them. An identity is handed out before its transaction commits, so a
-- reader that went by it alone would skip what commits late; `transaction_id` tells what may still be overtaken.
CREATE TABLE events (
    global_position bigint GENERATED ALWAYS AS IDENTITY,
    transaction_id  xid8 NOT NULL DEFAULT pg_current_xact_id(),
    id              uuid NOT NULL,
    aggregate_id    uuid NOT NULL,
    aggregate_type  text NOT NULL,
    event_type      text NOT NULL,
    event_version   integer NOT NULL,
    schema_version  integer NOT NULL,
    event_data      jsonb NOT NULL,
    metadata        jsonb NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (transaction_id, global_position),
    UNIQUE (aggregate_id, event_version)
);
CREATE INDEX events_by_type ON events (event_type, created_at);

-- A row a stream, written in the transaction of its events: the lock that makes one writer win, and the outbox.
CREATE TABLE stream_heads (
    aggregate_id      uuid PRIMARY KEY,
    aggregate_type    text NOT NULL,
    version           integer NOT NULL,
    published_version integer NOT NULL DEFAULT 0,
    lease_until       timestamptz,
    CHECK (published_version <= version)
);
CREATE INDEX stream_heads_lagging ON stream_heads (aggregate_id) WHERE published_version < version;

CREATE TABLE snapshots (
    aggregate_id   uuid NOT NULL,
    schema_version integer NOT NULL,
    version        integer NOT NULL,
    state          jsonb NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (aggregate_id, schema_version)
);

-- What an append under a key wrote: for each stream its id and the first and last version.
CREATE TABLE idempotency_keys (
    key           text PRIMARY KEY,
    fingerprint   text NOT NULL,
    aggregate_ids uuid[] NOT NULL DEFAULT '{}',
    from_versions integer[] NOT NULL DEFAULT '{}',
    to_versions   integer[] NOT NULL DEFAULT '{}',
    created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

CREATE TABLE leases (
    name       text PRIMARY KEY,
    holder     text NOT NULL,
    expires_at timestamptz NOT NULL
);
