-- Transactions that were handed in here, by their streams. The index is for who settles them.
CREATE TABLE transactions (
    generation   INTEGER NOT NULL,
    id           BLOB NOT NULL,
    version      INTEGER NOT NULL,
    chain        TEXT NOT NULL,
    hash         TEXT NOT NULL,
    user_id      TEXT,
    sender       TEXT NOT NULL,
    recipient    TEXT,
    nonce        INTEGER,
    block        INTEGER,
    status       TEXT NOT NULL,
    reason       TEXT,
    submitted_at INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    PRIMARY KEY (generation, id)
);
CREATE INDEX transactions_pending ON transactions (generation, updated_at, id) WHERE status IN ('SUBMITTED', 'ACCEPTED');
