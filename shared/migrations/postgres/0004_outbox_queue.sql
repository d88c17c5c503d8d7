-- The queue of the relays: who was looked at least recently comes first, so that a busy stream never starves another.
ALTER TABLE stream_heads ADD COLUMN queued_at timestamptz NOT NULL DEFAULT now();
DROP INDEX stream_heads_lagging;
CREATE INDEX stream_heads_lagging ON stream_heads (queued_at) WHERE published_version < version;
