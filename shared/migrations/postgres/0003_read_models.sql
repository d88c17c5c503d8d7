-- Read models. Every row knows the version of the event it follows from, and is only written over an older one.
CREATE TABLE latest_prices (
    coin       text PRIMARY KEY,
    version    integer NOT NULL,
    usd        numeric NOT NULL,
    change_24h numeric,
    market_cap numeric,
    updated_at timestamptz NOT NULL,
    source     text NOT NULL
);

CREATE TABLE price_history (
    coin    text NOT NULL,
    version integer NOT NULL,
    usd     numeric NOT NULL,
    at      timestamptz NOT NULL,
    source  text NOT NULL,
    PRIMARY KEY (coin, version)
);
CREATE INDEX price_history_by_time ON price_history (coin, at);

-- A deleted memory stays as a tombstone without its text, so that its addition, coming late, does not bring it back.
-- `search_text` is the content in lower case, made by the application, so that every database finds the same.
CREATE TABLE memories (
    owner       uuid NOT NULL,
    id          uuid NOT NULL,
    version     integer NOT NULL,
    deleted     boolean NOT NULL,
    content     text NOT NULL,
    search_text text NOT NULL,
    created_at  timestamptz,
    PRIMARY KEY (owner, id)
);
CREATE INDEX memories_by_version ON memories (owner, version) WHERE NOT deleted;
