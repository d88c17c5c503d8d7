//! The caller's agent: how it feels and what it remembers.

use std::sync::Arc;

use http::{Method, StatusCode};

use super::input::{Content, Feedback, MemoryId, MemoryPage, Nothing};
use super::{About, Answer, Operation, mutation, query};
use crate::faces::graphql::Services;
use crate::faces::views::lists::Paged;
use crate::faces::views::{Deleted, EmotionState, Memory};
use crate::services::memory::{Memories, MemoryFilter};
use crate::services::{Call, Error};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            query(
                "emotion",
                "emotion",
                "/v1/emotion",
                "Emotion",
                "How the caller's agent feels, and how to tune an answer to it.",
            ),
            emotion,
        ),
        Operation::new(
            mutation(
                "updateEmotion",
                "update_emotion",
                "/v1/emotion",
                "Give feedback",
                "Tells the caller's agent how its last answer was: from -100 to 100.",
            ),
            update_emotion,
        ),
        Operation::new(
            query(
                "memories",
                "memories",
                "/v1/memories",
                "Memories",
                "What the caller's agent remembers, newest first, searched by words.",
            ),
            memories,
        ),
        Operation::new(
            About {
                success: StatusCode::CREATED,
                ..mutation(
                    "addMemory",
                    "add_memory",
                    "/v1/memories",
                    "Remember",
                    "Makes the caller's agent remember something.",
                )
            },
            add_memory,
        ),
        Operation::new(
            About {
                is_tool: false,
                ..query("memories", "memory", "/v1/memories/{id}", "Memory", "One memory of the caller's agent.")
            },
            memory,
        ),
        Operation::new(
            About {
                route: (Method::DELETE, "/v1/memories/{id}"),
                success: StatusCode::NO_CONTENT,
                ..mutation(
                    "deleteMemory",
                    "delete_memory",
                    "/v1/memories/{id}",
                    "Forget",
                    "Makes the caller's agent forget a memory.",
                )
            },
            delete_memory,
        ),
    ]
}

async fn emotion(services: Arc<Services>, call: Call, _: Nothing) -> Result<Answer<EmotionState>, Error> {
    Ok(EmotionState::from(services.emotions.of(call.user_id()?).await?).into())
}

async fn update_emotion(services: Arc<Services>, call: Call, input: Feedback) -> Result<Answer<EmotionState>, Error> {
    let place = Operation::place("updateEmotion");
    Ok(EmotionState::from(services.emotions.give_feedback(&call, &place, input.feedback).await?).into())
}

async fn memories(services: Arc<Services>, call: Call, input: MemoryPage) -> Result<Answer<Paged<Memory>>, Error> {
    let MemoryPage { first, after, search } = input;
    let filter = MemoryFilter { first, after, search };
    Ok(Paged::of(services.memories.list(call.user_id()?, &filter).await?).into())
}

async fn add_memory(services: Arc<Services>, call: Call, input: Content) -> Result<Answer<Memory>, Error> {
    let place = Operation::place("addMemory");
    Ok(Memory::from(services.memories.add(&call, &place, input.content).await?).into())
}

async fn memory(services: Arc<Services>, call: Call, input: MemoryId) -> Result<Answer<Memory>, Error> {
    let id = Memories::id(&input.id)?;
    Ok(Memory::from(services.memories.get(call.user_id()?, id).await?).into())
}

async fn delete_memory(services: Arc<Services>, call: Call, input: MemoryId) -> Result<Answer<Deleted>, Error> {
    let id = Memories::id(&input.id)?;
    Ok(Deleted::from(services.memories.delete(&call, &Operation::place("deleteMemory"), id).await?).into())
}
