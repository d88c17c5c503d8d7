-- Read models. Every row knows the version of the event it follows from, and is only written over an older one.
-- Decimals are text: SQLite has no exact numbers but integers.
CREATE TABLE latest_prices (
    coin       TEXT PRIMARY KEY NOT NULL,
    version    INTEGER NOT NULL,
    usd        TEXT NOT NULL,
    change_24h TEXT,
    market_cap TEXT,
    updated_at INTEGER NOT NULL,
    source     TEXT NOT NULL
);

CREATE TABLE price_history (
    coin    TEXT NOT NULL,
    version INTEGER NOT NULL,
    usd     TEXT NOT NULL,
    at      INTEGER NOT NULL,
    source  TEXT NOT NULL,
    PRIMARY KEY (coin, version)
) WITHOUT ROWID;
CREATE INDEX price_history_by_time ON price_history (coin, at);

-- A deleted memory stays as a tombstone without its text, so that its addition, coming late, does not bring it back.
-- `search_text` is the content in lower case, made by the application, so that every database finds the same.
CREATE TABLE memories (
    owner       BLOB NOT NULL,
    id          BLOB NOT NULL,
    version     INTEGER NOT NULL,
    deleted     INTEGER NOT NULL,
    content     TEXT NOT NULL,
    search_text TEXT NOT NULL,
    created_at  INTEGER,
    PRIMARY KEY (owner, id)
);
CREATE INDEX memories_by_version ON memories (owner, version) WHERE NOT deleted;
