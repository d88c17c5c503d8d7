-- What was appended under an idempotency key in the last 24 hours, in the order in which it was appended; nothing if
-- the key is free. Raises MC002 for a key that was used with another fingerprint.
CREATE FUNCTION events_under_key(wanted_key text, wanted_fingerprint text)
RETURNS TABLE (
    replayed boolean, id uuid, aggregate_id uuid, aggregate_type text, event_version integer, event_type text,
    schema_version integer, event_data jsonb, metadata jsonb
)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    taken idempotency_keys;
BEGIN
    SELECT * INTO taken FROM idempotency_keys k
    WHERE k.key = wanted_key AND k.created_at > now() - interval '24 hours';
    IF taken.fingerprint <> wanted_fingerprint THEN
        RAISE EXCEPTION 'the idempotency key was used for another request' USING ERRCODE = 'MC002';
    END IF;
    RETURN QUERY
    SELECT true, e.id, e.aggregate_id, e.aggregate_type, e.event_version, e.event_type,
           e.schema_version, e.event_data, e.metadata
    FROM unnest(taken.aggregate_ids, taken.from_versions, taken.to_versions) AS s (stream, first, last)
    JOIN events e ON e.aggregate_id = s.stream AND e.event_version BETWEEN s.first AND s.last
    ORDER BY e.global_position;
END
$$;

-- Appends to one or more streams, all or nothing. Returns the stored events in the order given; those of the first
-- time, with `replayed`, where the idempotency key was seen in the last 24 hours.
--
-- streams, types, expected: one entry a stream; an expected version of NULL is any.
-- event_places: which stream an event is for, counted from 1; event_offsets: its place in that stream's part, from 1.
--
-- Locks are taken in one order by everybody (streams, the key, heads), so that appends never deadlock. Those of the
-- streams come before anything is written, because the first write gives the transaction its id: who waits for a
-- stream then has no id yet, and gets a higher one than who held it. So the order of transaction ids, by which readers
-- go, agrees with the versions of each stream. Call it first in a transaction.
--
-- Raises MC001 with {"stream", "expected", "actual"} for the first stream (in the order given) that is not at its
-- expected version, and MC002 for a key that was used with another fingerprint.
CREATE FUNCTION append_events(
    streams uuid[], types text[], expected integer[],
    event_ids uuid[], event_places integer[], event_offsets integer[], event_types text[], event_schemas integer[],
    event_payloads jsonb[], event_metadata jsonb,
    wanted_key text, wanted_fingerprint text
)
RETURNS TABLE (
    replayed boolean, id uuid, aggregate_id uuid, aggregate_type text, event_version integer, event_type text,
    schema_version integer, event_data jsonb, metadata jsonb
)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    versions_before integer[];
    versions_after integer[];
BEGIN
    -- 32 bits of a stream's id stand for it; should two be equal, they wait for each other needlessly.
    PERFORM pg_advisory_xact_lock(7237, locks.name)
    FROM (SELECT DISTINCT ('x' || right(s.stream::text, 8))::bit(32)::integer AS name
          FROM unnest(streams) AS s (stream) ORDER BY name) AS locks;

    IF wanted_key IS NOT NULL THEN
        -- Waits for another transaction that holds the key; takes over a key that has expired.
        INSERT INTO idempotency_keys AS k (key, fingerprint) VALUES (wanted_key, wanted_fingerprint)
        ON CONFLICT (key) DO UPDATE
            SET fingerprint = EXCLUDED.fingerprint, created_at = EXCLUDED.created_at
            WHERE k.created_at <= now() - interval '24 hours';
        IF NOT FOUND THEN
            RETURN QUERY SELECT * FROM events_under_key(wanted_key, wanted_fingerprint);
            RETURN;
        END IF;
    END IF;

    -- Moves every head, whatever was expected: that tells the versions in one statement, and a conflict undoes it.
    WITH wanted AS (
        SELECT s.stream, s.type, s.place, e.events
        FROM unnest(streams, types) WITH ORDINALITY AS s (stream, type, place)
        JOIN (SELECT place, count(*)::integer FROM unnest(event_places) AS p (place) GROUP BY place)
            AS e (place, events) USING (place)
    ), moved AS (
        INSERT INTO stream_heads AS head (aggregate_id, aggregate_type, version)
        SELECT stream, type, events FROM wanted ORDER BY stream
        ON CONFLICT (aggregate_id) DO UPDATE SET version = head.version + EXCLUDED.version
        RETURNING head.aggregate_id, head.version
    )
    SELECT array_agg(moved.version - wanted.events ORDER BY wanted.place),
           array_agg(moved.version ORDER BY wanted.place)
    INTO versions_before, versions_after
    FROM wanted JOIN moved ON moved.aggregate_id = wanted.stream;

    FOR place IN 1 .. cardinality(streams) LOOP
        IF versions_before[place] <> expected[place] THEN
            RAISE EXCEPTION 'a stream is not at its expected version' USING ERRCODE = 'MC001', DETAIL =
                json_build_object('stream', streams[place], 'expected', expected[place],
                                  'actual', versions_before[place])::text;
        END IF;
    END LOOP;

    IF wanted_key IS NOT NULL THEN
        UPDATE idempotency_keys k
        SET aggregate_ids = streams, to_versions = versions_after,
            from_versions = ARRAY(SELECT before + 1 FROM unnest(versions_before) AS b (before))
        WHERE k.key = wanted_key;
        -- Two at a time, so that the table stays as small as a day is long, without a task that sweeps it.
        DELETE FROM idempotency_keys k WHERE k.key IN (
            SELECT old.key FROM idempotency_keys old WHERE old.created_at <= now() - interval '24 hours'
            ORDER BY old.created_at LIMIT 2 FOR UPDATE SKIP LOCKED);
    END IF;

    RETURN QUERY
    INSERT INTO events AS stored
        (id, aggregate_id, aggregate_type, event_type, event_version, schema_version, event_data, metadata)
    SELECT e.id, streams[e.place], types[e.place], e.type, versions_before[e.place] + e.moved, e.schema, e.payload,
           event_metadata
    FROM unnest(event_ids, event_places, event_offsets, event_types, event_schemas, event_payloads)
        WITH ORDINALITY AS e (id, place, moved, type, schema, payload, ordinal)
    ORDER BY e.ordinal
    RETURNING false, stored.id, stored.aggregate_id, stored.aggregate_type, stored.event_version, stored.event_type,
              stored.schema_version, stored.event_data, stored.metadata;
END
$$;
