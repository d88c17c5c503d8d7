-- Read models are written by the projector now, and every row belongs to a generation: readers see the live one, a
-- rebuild fills the next one beside it. What was written in the transaction of an append goes: every event is published
-- again from the first one (nothing was before), and so projected again.
DROP TABLE latest_prices, price_history, memories;

-- The one row says which generations there are, and where a rebuild stands. Writers of rows hold it FOR KEY SHARE, who
-- changes the generations FOR UPDATE.
CREATE TABLE projection_state (
    id              boolean PRIMARY KEY DEFAULT true CHECK (id),
    live            integer NOT NULL,
    shadow          integer,
    last_generation integer NOT NULL,
    -- Of the rebuild: the place in the log, events read, events there were at its beginning, and the first transaction
    -- that was not yet over then.
    read_up_to      text,
    done            bigint NOT NULL DEFAULT 0,
    total           bigint NOT NULL DEFAULT 0,
    fence           xid8
);
INSERT INTO projection_state (live, last_generation) VALUES (1, 1);

-- How far each stream is projected, without a hole.
CREATE TABLE projected_streams (
    generation   integer NOT NULL,
    aggregate_id uuid NOT NULL,
    version      integer NOT NULL,
    PRIMARY KEY (generation, aggregate_id)
);

-- Every row knows the version of the event it follows from, and is only written over an older one.
CREATE TABLE emotions (
    generation integer NOT NULL,
    owner      uuid NOT NULL,
    version    integer NOT NULL,
    user_id    text,
    emotion    text NOT NULL,
    points     integer NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (generation, owner)
);

CREATE TABLE latest_prices (
    generation integer NOT NULL,
    coin       text NOT NULL,
    version    integer NOT NULL,
    usd        numeric NOT NULL,
    change_24h numeric,
    market_cap numeric,
    updated_at timestamptz NOT NULL,
    source     text NOT NULL,
    PRIMARY KEY (generation, coin)
);

CREATE TABLE price_history (
    generation integer NOT NULL,
    coin       text NOT NULL,
    version    integer NOT NULL,
    usd        numeric NOT NULL,
    at         timestamptz NOT NULL,
    source     text NOT NULL,
    PRIMARY KEY (generation, coin, version)
);
CREATE INDEX price_history_by_time ON price_history (generation, coin, at);

-- A deleted memory stays as a tombstone without its text, so that its addition, coming late, does not bring it back.
-- `search_text` is the content in lower case, made by the application, so that every database finds the same.
CREATE TABLE memories (
    generation  integer NOT NULL,
    owner       uuid NOT NULL,
    id          uuid NOT NULL,
    version     integer NOT NULL,
    deleted     boolean NOT NULL,
    content     text NOT NULL,
    search_text text NOT NULL,
    created_at  timestamptz,
    PRIMARY KEY (generation, owner, id)
);
CREATE INDEX memories_by_version ON memories (generation, owner, version) WHERE NOT deleted;
