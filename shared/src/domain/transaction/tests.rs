use chrono::DateTime;
use serde_json::json;

use super::*;
use crate::domain::aggregate::DomainEvent;
use crate::domain::testing::{given, replay};

fn submission() -> Submission {
    Submission {
        chain: ChainId::evm(1),
        hash: "0xabc".to_owned(),
        from: "0xa".to_owned(),
        to: Some("0xb".to_owned()),
        nonce: Some(7),
        user_id: Some("ada".to_owned()),
        submitted_at: DateTime::UNIX_EPOCH,
    }
}

fn block(hash: &str) -> Block {
    Block { number: 9, hash: hash.to_owned() }
}

fn submitted() -> TransactionEvent {
    TransactionEvent::Submitted(submission())
}

fn accepted() -> TransactionEvent {
    TransactionEvent::Accepted(submission())
}

fn rejected() -> TransactionEvent {
    TransactionEvent::Rejected { submission: submission(), reason: "underpriced".to_owned() }
}

fn dropped() -> TransactionEvent {
    TransactionEvent::Dropped { submission: submission(), reason: "gone".to_owned() }
}

fn confirmed(hash: &str) -> TransactionEvent {
    TransactionEvent::Confirmed { submission: submission(), block: block(hash) }
}

fn failed(error: &str) -> TransactionEvent {
    TransactionEvent::Failed { submission: submission(), block: block("a"), error: Some(error.to_owned()) }
}

fn submit() -> TransactionCommand {
    TransactionCommand::Submit(submission())
}

fn reject() -> TransactionCommand {
    TransactionCommand::Reject { reason: "underpriced".to_owned() }
}

fn drop_it() -> TransactionCommand {
    TransactionCommand::Drop { reason: "gone".to_owned() }
}

fn succeed(hash: &str) -> TransactionCommand {
    TransactionCommand::Settle { block: block(hash), succeeded: true, error: None }
}

fn fail(error: &str) -> TransactionCommand {
    TransactionCommand::Settle { block: block("a"), succeeded: false, error: Some(error.to_owned()) }
}

/// What follows from a command after each history.
#[track_caller]
fn follows(command: &TransactionCommand, table: &[(&[TransactionEvent], &[TransactionEvent])]) {
    for (history, expected) in table {
        given::<TransactionAggregate>(history).when(command).then(expected);
    }
}

#[test]
fn a_transaction_is_submitted_once_and_again_after_it_came_to_nothing() {
    let news: &[TransactionEvent] = &[submitted()];
    follows(
        &submit(),
        &[
            (&[], news),
            (&[submitted()], &[]),
            (&[submitted(), accepted()], &[]),
            (&[submitted(), rejected()], news),
            (&[submitted(), accepted(), dropped()], news),
            (&[submitted(), confirmed("a")], &[]),
            (&[submitted(), failed("x")], &[]),
        ],
    );
}

#[test]
fn what_is_not_settled_is_accepted_whatever_was_said_before() {
    let news = &[accepted()];
    follows(
        &TransactionCommand::Accept,
        &[
            (&[submitted()], news),
            (&[submitted(), rejected()], news),
            (&[submitted(), dropped()], news),
            (&[submitted(), accepted()], &[]),
            (&[submitted(), confirmed("a")], &[]),
        ],
    );
}

#[test]
fn only_what_is_submitted_is_rejected() {
    follows(
        &reject(),
        &[
            (&[submitted()], &[rejected()]),
            (&[submitted(), accepted()], &[]),
            (&[submitted(), rejected()], &[]),
            (&[submitted(), confirmed("a")], &[]),
            (&[submitted(), dropped()], &[]),
        ],
    );
}

#[test]
fn only_what_may_still_come_is_dropped() {
    follows(
        &drop_it(),
        &[
            (&[submitted()], &[dropped()]),
            (&[submitted(), accepted()], &[dropped()]),
            (&[submitted(), rejected()], &[]),
            (&[submitted(), dropped()], &[]),
            (&[submitted(), confirmed("a")], &[]),
            (&[submitted(), failed("x")], &[]),
        ],
    );
}

#[test]
fn a_transaction_is_settled_whatever_was_thought_of_it_and_again_only_in_another_block_or_otherwise() {
    follows(
        &succeed("a"),
        &[
            (&[submitted()], &[confirmed("a")]),
            (&[submitted(), rejected()], &[confirmed("a")]),
            (&[submitted(), dropped()], &[confirmed("a")]),
            (&[submitted(), confirmed("a")], &[]),
            (&[submitted(), confirmed("b")], &[confirmed("a")]),
            (&[submitted(), failed("x")], &[confirmed("a")]),
        ],
    );
    follows(
        &fail("x"),
        &[
            (&[submitted(), accepted()], &[failed("x")]),
            (&[submitted(), failed("x")], &[]),
            (&[submitted(), failed("y")], &[failed("x")]),
        ],
    );
}

#[test]
fn of_a_transaction_that_was_never_handed_in_nothing_is_said() {
    for command in [TransactionCommand::Accept, reject(), drop_it(), succeed("a"), fail("x")] {
        given::<TransactionAggregate>(&[]).when(&command).then(&[]);
    }
}

#[test]
fn a_reason_is_kept_in_a_form_that_every_store_takes() {
    given::<TransactionAggregate>(&[submitted()]).when(&fail("a\0b")).then(&[failed("a\u{fffd}b")]);
    given::<TransactionAggregate>(&[submitted(), failed("a\u{fffd}b")]).when(&fail("a\0b")).then(&[]);
    given::<TransactionAggregate>(&[submitted()]).when(&fail(&"é".repeat(900))).then(&[failed(&"é".repeat(500))]);
}

#[test]
fn the_state_is_that_of_the_last_event() {
    let mut transaction = TransactionAggregate::default();
    assert_eq!((transaction.state(), transaction.submission()), (None, None));
    replay(&mut transaction, &[submitted(), accepted(), confirmed("a")]);
    assert_eq!(transaction.state(), Some(TransactionState::Confirmed));
    assert_eq!(transaction.submission(), Some(&submission()));
    for (state, name) in [(TransactionState::Submitted, "SUBMITTED"), (TransactionState::Dropped, "DROPPED")] {
        assert_eq!((state.as_str(), name.parse()), (name, Ok(state)));
    }
    assert!("LOST".parse::<TransactionState>().is_err());
}

#[test]
fn every_payload_says_whose_it_is() {
    let data = failed("x").to_value().unwrap();
    let wanted = json!({
        "chain": "eip155:1", "hash": "0xabc", "from": "0xa", "to": "0xb", "nonce": 7, "userId": "ada",
        "submittedAt": "1970-01-01T00:00:00Z", "block": {"number": 9, "hash": "a"}, "error": "x",
    });
    assert_eq!(data, wanted);
    assert!(TransactionEvent::decode("TransactionConfirmed", 1, &submitted().to_value().unwrap()).is_err());
    assert!(TransactionEvent::decode("TransactionRejected", 1, &submitted().to_value().unwrap()).is_err());
}
