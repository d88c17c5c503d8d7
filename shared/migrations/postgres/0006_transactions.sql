-- Transactions that were handed in here, by their streams. The index is for who settles them.
CREATE TABLE transactions (
    generation   integer NOT NULL,
    id           uuid NOT NULL,
    version      integer NOT NULL,
    chain        text NOT NULL,
    hash         text NOT NULL,
    user_id      text,
    sender       text NOT NULL,
    recipient    text,
    nonce        bigint,
    block        bigint,
    status       text NOT NULL,
    reason       text,
    submitted_at timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (generation, id)
);
CREATE INDEX transactions_pending ON transactions (generation, updated_at, id) WHERE status IN ('SUBMITTED', 'ACCEPTED');
