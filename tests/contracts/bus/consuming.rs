//! What groups promise, and reading outside of them.

use std::collections::BTreeSet;
use std::time::Duration;

use mcp_core::bus::Start;

use super::{BusFixture, bus_contract, message, take, value};

bus_contract!(
    a_group_goes_on_where_it_has_committed,
    a_new_group_begins_where_it_is_told,
    two_groups_see_everything_each,
    two_members_share_a_topic,
    a_poll_ends_once_it_has_enough,
    an_empty_topic_gives_nothing_in_time,
    partitions_tell_how_far_a_group_is,
    a_range_can_be_read_by_anybody,
    offsets_can_be_committed_from_outside,
    what_is_deleted_is_gone_and_offsets_go_on,
);

async fn publish(fixture: &BusFixture, topic: &str, numbers: std::ops::Range<u32>) {
    fixture.publish(numbers.map(|n| message(topic, &format!("key {n}"), &n.to_string())).collect()).await;
}

async fn a_group_goes_on_where_it_has_committed(fixture: BusFixture) {
    let topic = fixture.topic("resumed", 1).await;
    publish(&fixture, &topic, 0..10).await;
    let group = fixture.name("group");
    let mut first = fixture.bus.subscribe(&group, &topic, Start::Earliest).await.unwrap();
    assert!(take(first.as_mut(), 10).await.iter().map(value).eq((0..10).map(|n: u32| n.to_string())));
    first.commit(vec![(0, 4)]).await.unwrap();
    drop(first);
    let other_process = fixture.again().await;
    let mut second = other_process.subscribe(&group, &topic, Start::Latest).await.unwrap();
    assert_eq!(value(&take(second.as_mut(), 6).await[0]), "4");
}

async fn a_new_group_begins_where_it_is_told(fixture: BusFixture) {
    let topic = fixture.topic("begun", 2).await;
    publish(&fixture, &topic, 0..5).await;
    let mut late = fixture.bus.subscribe(&fixture.name("late"), &topic, Start::Latest).await.unwrap();
    // Until it is a member, what is published is before its beginning.
    for n in 100.. {
        publish(&fixture, &topic, n..n + 1).await;
        let seen = late.poll(1_000_000, Duration::from_millis(300)).await.unwrap();
        if let Some(first) = seen.first() {
            assert!(value(first).parse::<u32>().unwrap() >= 100, "{first:?}");
            break;
        }
    }
    let mut early = fixture.bus.subscribe(&fixture.name("early"), &topic, Start::Earliest).await.unwrap();
    let seen: BTreeSet<_> = take(early.as_mut(), 5).await.iter().map(value).collect();
    assert!((0..5).all(|n: u32| seen.contains(&n.to_string())));
}

async fn two_groups_see_everything_each(fixture: BusFixture) {
    let topic = fixture.topic("twice", 2).await;
    publish(&fixture, &topic, 0..20).await;
    for group in ["one", "two"] {
        let mut consumer = fixture.bus.subscribe(&fixture.name(group), &topic, Start::Earliest).await.unwrap();
        assert_eq!(take(consumer.as_mut(), 20).await.len(), 20);
    }
}

async fn two_members_share_a_topic(fixture: BusFixture) {
    let topic = fixture.topic("shared", 4).await;
    let group = fixture.name("group");
    let mut one = fixture.bus.subscribe(&group, &topic, Start::Earliest).await.unwrap();
    let mut two = fixture.bus.subscribe(&group, &topic, Start::Earliest).await.unwrap();
    publish(&fixture, &topic, 0..40).await;
    let mut seen = BTreeSet::new();
    // Of a partition that changes hands, some may come twice; none is left out.
    for _ in 0..200 {
        for consumer in [&mut one, &mut two] {
            let records = consumer.poll(1_000_000, Duration::from_millis(100)).await.unwrap();
            seen.extend(records.iter().map(value));
        }
        if seen.len() == 40 {
            return;
        }
    }
    panic!("{} of 40 came", seen.len());
}

async fn a_poll_ends_once_it_has_enough(fixture: BusFixture) {
    let topic = fixture.topic("limited", 1).await;
    let text = "x".repeat(1000);
    fixture.publish((0..50).map(|_| message(&topic, "k", &text)).collect()).await;
    let mut consumer = fixture.bus.subscribe(&fixture.name("group"), &topic, Start::Earliest).await.unwrap();
    let mut sizes = vec![];
    while sizes.iter().sum::<usize>() < 50 {
        sizes.push(consumer.poll(10_000, Duration::from_secs(5)).await.unwrap().len());
    }
    assert!(sizes.iter().all(|size| *size <= 10) && sizes.iter().sum::<usize>() == 50, "{sizes:?}");
    // One that is larger than the limit comes all the same.
    assert_eq!(
        {
            fixture.publish(vec![message(&topic, "k", &text)]).await;
            take(consumer.as_mut(), 1).await.len()
        },
        1
    );
}

async fn an_empty_topic_gives_nothing_in_time(fixture: BusFixture) {
    let topic = fixture.topic("empty", 1).await;
    let mut consumer = fixture.bus.subscribe(&fixture.name("group"), &topic, Start::Earliest).await.unwrap();
    assert!(consumer.poll(1_000_000, Duration::from_millis(200)).await.unwrap().is_empty());
}

async fn partitions_tell_how_far_a_group_is(fixture: BusFixture) {
    let (topic, group) = (fixture.topic("told", 2).await, fixture.name("group"));
    assert!(fixture.bus.partitions(&group, &fixture.name("nowhere")).await.unwrap().is_empty());
    publish(&fixture, &topic, 0..10).await;
    let before = fixture.bus.partitions(&group, &topic).await.unwrap();
    assert_eq!(before.iter().map(|state| state.partition).collect::<Vec<_>>(), [0, 1]);
    assert!(before.iter().all(|state| state.first == 0 && state.committed.is_none()));
    assert_eq!(before.iter().map(|state| state.end).sum::<i64>(), 10);
    let mut consumer = fixture.bus.subscribe(&group, &topic, Start::Earliest).await.unwrap();
    take(consumer.as_mut(), 10).await;
    consumer.commit(vec![(0, before[0].end), (1, 1)]).await.unwrap();
    let after = fixture.bus.partitions(&group, &topic).await.unwrap();
    assert_eq!((after[0].committed, after[1].committed), (Some(before[0].end), Some(1)));
    let of_others = fixture.bus.partitions(&fixture.name("other"), &topic).await.unwrap();
    assert!(of_others.iter().all(|state| state.committed.is_none()));
}

async fn a_range_can_be_read_by_anybody(fixture: BusFixture) {
    let topic = fixture.topic("ranged", 1).await;
    publish(&fixture, &topic, 0..10).await;
    let read = async |from, limit| {
        let records = fixture.bus.read(&topic, 0, from, limit).await.unwrap();
        records.iter().map(|record| record.offset).collect::<Vec<_>>()
    };
    assert_eq!(read(0, 3).await, [0, 1, 2]);
    assert_eq!(read(8, 30).await, [8, 9]);
    assert_eq!(read(10, 3).await, [0; 0]);
}

async fn offsets_can_be_committed_from_outside(fixture: BusFixture) {
    let (topic, group) = (fixture.topic("outside", 2).await, fixture.name("group"));
    publish(&fixture, &topic, 0..10).await;
    fixture.bus.commit(&group, &topic, &[(1, 2)]).await.unwrap();
    fixture.bus.commit(&group, &topic, &[(0, 1), (1, 3)]).await.unwrap();
    let states = fixture.again().await.partitions(&group, &topic).await.unwrap();
    assert_eq!((states[0].committed, states[1].committed), (Some(1), Some(3)));
}

async fn what_is_deleted_is_gone_and_offsets_go_on(fixture: BusFixture) {
    let topic = fixture.topic("deleted", 1).await;
    publish(&fixture, &topic, 0..10).await;
    fixture.bus.delete_before(&topic, &[(0, 7)]).await.unwrap();
    let offsets = async || {
        let records = fixture.bus.read(&topic, 0, 0, 100).await.unwrap();
        records.iter().map(|record| record.offset).collect::<Vec<_>>()
    };
    assert_eq!(offsets().await, [7, 8, 9]);
    fixture.bus.delete_before(&topic, &[(0, 10)]).await.unwrap();
    publish(&fixture, &topic, 10..12).await;
    assert_eq!(offsets().await, [10, 11]);
    let state = fixture.bus.partitions(&fixture.name("group"), &topic).await.unwrap()[0];
    assert_eq!((state.first, state.end), (10, 12));
}
