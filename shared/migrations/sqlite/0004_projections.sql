-- Read models are written by the projector now, and every row belongs to a generation: readers see the live one, a
-- rebuild fills the next one beside it. What was written in the transaction of an append goes: every event is published
-- again from the first one (nothing was before), and so projected again.
DROP TABLE latest_prices;
DROP TABLE price_history;
DROP TABLE memories;

-- The one row says which generations there are, and where a rebuild stands: the place in the log, events read, events
-- there were at its beginning.
CREATE TABLE projection_state (
    id              INTEGER PRIMARY KEY CHECK (id = 1),
    live            INTEGER NOT NULL,
    shadow          INTEGER,
    last_generation INTEGER NOT NULL,
    read_up_to      TEXT,
    done            INTEGER NOT NULL DEFAULT 0,
    total           INTEGER NOT NULL DEFAULT 0
);
INSERT INTO projection_state (id, live, last_generation) VALUES (1, 1, 1);

-- How far each stream is projected, without a hole.
CREATE TABLE projected_streams (
    generation   INTEGER NOT NULL,
    aggregate_id BLOB NOT NULL,
    version      INTEGER NOT NULL,
    PRIMARY KEY (generation, aggregate_id)
) WITHOUT ROWID;

-- Every row knows the version of the event it follows from, and is only written over an older one.
-- Decimals are text: SQLite has no exact numbers but integers.
CREATE TABLE emotions (
    generation INTEGER NOT NULL,
    owner      BLOB NOT NULL,
    version    INTEGER NOT NULL,
    user_id    TEXT,
    emotion    TEXT NOT NULL,
    points     INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (generation, owner)
);

CREATE TABLE latest_prices (
    generation INTEGER NOT NULL,
    coin       TEXT NOT NULL,
    version    INTEGER NOT NULL,
    usd        TEXT NOT NULL,
    change_24h TEXT,
    market_cap TEXT,
    updated_at INTEGER NOT NULL,
    source     TEXT NOT NULL,
    PRIMARY KEY (generation, coin)
);

CREATE TABLE price_history (
    generation INTEGER NOT NULL,
    coin       TEXT NOT NULL,
    version    INTEGER NOT NULL,
    usd        TEXT NOT NULL,
    at         INTEGER NOT NULL,
    source     TEXT NOT NULL,
    PRIMARY KEY (generation, coin, version)
) WITHOUT ROWID;
CREATE INDEX price_history_by_time ON price_history (generation, coin, at);

-- A deleted memory stays as a tombstone without its text, so that its addition, coming late, does not bring it back.
-- `search_text` is the content in lower case, made by the application, so that every database finds the same.
CREATE TABLE memories (
    generation  INTEGER NOT NULL,
    owner       BLOB NOT NULL,
    id          BLOB NOT NULL,
    version     INTEGER NOT NULL,
    deleted     INTEGER NOT NULL,
    content     TEXT NOT NULL,
    search_text TEXT NOT NULL,
    created_at  INTEGER,
    PRIMARY KEY (generation, owner, id)
);
CREATE INDEX memories_by_version ON memories (generation, owner, version) WHERE NOT deleted;
