//! Many events at once, for what is measured among them.

/// So many streams (`$1`) of a hundred events each, as the store would have written them.
pub(crate) const FILL: &str = r#"
    WITH streams AS (
        INSERT INTO stream_heads (aggregate_id, aggregate_type, version)
        SELECT gen_random_uuid(), 'emotion', 100 FROM generate_series(1, $1) RETURNING aggregate_id
    )
    INSERT INTO events (id, aggregate_id, aggregate_type, event_type, event_version, schema_version, event_data, metadata)
    SELECT gen_random_uuid(), aggregate_id, 'emotion', 'EmotionUpdated', version, 1,
           '{"oldEmotion": "CURIOUS", "newEmotion": "EXCITED", "points": 30, "feedback": 30}',
           '{"userId": "ada", "correlationId": "backlog", "occurredAt": "2026-01-31T12:00:00Z"}'
    FROM streams, generate_series(1, 100) AS version"#;
