//! Emotions: event-sourced, one per user.

use std::collections::BTreeMap;

use serde_json::json;

use super::server::Server;

const FEELING: &str = "{ emotion { userId emotion points version modifiers { confidence verbosity delayMs } } }";

#[tokio::test]
async fn feedback_moves_the_callers_emotion_and_nobody_elses() {
    let server = Server::start().await;
    let data = server.user("ada", "mutation { updateEmotion(feedback: 60) { emotion points version } }").await.data();
    assert_eq!(data["updateEmotion"], json!({ "emotion": "HAPPY", "points": 60, "version": 1 }));
    let ada = server.user("ada", FEELING).await.data();
    assert_eq!(
        ada["emotion"],
        json!({
            "userId": "ada", "emotion": "HAPPY", "points": 60, "version": 1,
            "modifiers": { "confidence": 1.2, "verbosity": 1.1, "delayMs": 0 },
        })
    );
    let bob = server.user("bob", FEELING).await.data();
    assert_eq!((&bob["emotion"]["points"], &bob["emotion"]["version"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn mutations_of_one_request_run_one_after_the_other() {
    let server = Server::start().await;
    let two =
        "mutation { a: updateEmotion(feedback: 10) { version } b: updateEmotion(feedback: -30) { points version } }";
    let data = server.user("ada", two).await.data();
    assert_eq!(data, json!({ "a": { "version": 1 }, "b": { "points": -20, "version": 2 } }));
}

#[tokio::test]
async fn feedback_out_of_range_or_of_another_type_is_the_callers_mistake() {
    let server = Server::start().await;
    for feedback in ["101", "-101", "99999999999", "1.5", "\"1\"", "null"] {
        let query = format!("mutation {{ updateEmotion(feedback: {feedback}) {{ points }} }}");
        assert_eq!(server.user("ada", &query).await.code(), "BAD_USER_INPUT", "{feedback}");
    }
    assert_eq!(server.user("ada", FEELING).await.data()["emotion"]["version"], 0);
}

#[tokio::test]
async fn two_hundred_concurrent_updates_are_all_counted_or_told_of() {
    let server = Server::start().await;
    let update = "mutation { updateEmotion(feedback: 1) { version } }";
    let answers = futures_util::future::join_all((0..200).map(|_| server.user("ada", update))).await;
    let acknowledged = answers.iter().filter(|answer| answer.json().get("errors").is_none()).count();
    for answer in answers.iter().filter(|answer| answer.json().get("errors").is_some()) {
        assert_eq!(answer.code(), "CONFLICT");
    }
    assert_eq!(server.user("ada", FEELING).await.data()["emotion"]["version"], acknowledged);
}

/// What a caller's agent is told to be, by persona.
async fn prompts(server: &Server, user: &str) -> BTreeMap<String, String> {
    let context =
        server.user(user, "{ mcp { personas { name instructions prompt } emotion { emotion } } }").await.data();
    let personas = context["mcp"]["personas"].as_array().unwrap().iter().map(|persona| {
        let text = |name: &str| persona[name].as_str().unwrap().to_owned();
        assert!(text("prompt").starts_with(&text("instructions")), "{persona}");
        (text("name"), text("prompt"))
    });
    personas.collect()
}

#[tokio::test]
async fn personas_speak_otherwise_to_who_is_happy_than_to_who_is_frustrated() {
    let server = Server::start().await;
    for (user, feedback, emotion) in [("ada", 90, "HAPPY"), ("bob", -90, "FRUSTRATED")] {
        let update = format!("mutation {{ updateEmotion(feedback: {feedback}) {{ emotion }} }}");
        assert_eq!(server.user(user, &update).await.data()["updateEmotion"]["emotion"], emotion);
    }
    let (happy, frustrated) = (prompts(&server, "ada").await, prompts(&server, "bob").await);
    assert!(happy.len() >= 4 && happy.keys().eq(frustrated.keys()), "{happy:?} {frustrated:?}");
    for (persona, prompt) in &happy {
        let other = &frustrated[persona];
        assert!(prompt.contains("120 % as sure") && prompt.contains("110 % as much"), "{prompt}");
        assert!(prompt.contains("hesitate for 0 ms"), "{prompt}");
        assert!(other.contains("80 % as sure") && other.contains("90 % as much"), "{other}");
        assert!(other.contains("hesitate for 500 ms"), "{other}");
    }
    // It follows the caller, in an answer that is asked for again.
    server.user("ada", "mutation { updateEmotion(feedback: -100) { points } }").await.data();
    server.user("ada", "mutation { updateEmotion(feedback: -100) { points } }").await.data();
    assert_eq!(prompts(&server, "ada").await, frustrated);
}
