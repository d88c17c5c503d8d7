//! A batch of Kafka's, as any bytes.

use super::event::{decode, encode};
use crate::bus::Record;

/// What was read is written as one that reads the same, and is no more than what came.
pub(crate) fn event(bytes: &[u8]) -> bool {
    let Some(batch) = std::str::from_utf8(bytes).ok().and_then(|text| decode(text).ok()) else { return false };
    let records: Vec<Record> = batch.into_iter().flat_map(|(_, records)| records).collect();
    let held =
        |record: &Record| [&record.key, &record.value].into_iter().flatten().map(bytes::Bytes::len).sum::<usize>();
    assert!(records.iter().map(held).sum::<usize>() <= bytes.len());
    let again = |records: &[Record]| -> Option<Vec<Record>> {
        let batch = decode(&encode(records.iter()).ok()?).ok()?;
        Some(batch.into_iter().flat_map(|(_, records)| records).collect())
    };
    // The names of partitions may have been others than those of their records: in order, from then on.
    let ordered = again(&records);
    assert_eq!(ordered.as_ref().map(Vec::len), Some(records.len()));
    assert_eq!(ordered.as_deref().and_then(again), ordered);
    for record in &records {
        crate::fuzzing::record(record);
    }
    true
}
