//! What an agent can be: the personas, as data.

use crate::domain::emotion::Modifiers;

/// A way for an agent to speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Persona {
    /// Its name.
    pub name: &'static str,
    /// Its name for a person.
    pub title: &'static str,
    /// How to speak, for the agent's prompt.
    pub instructions: &'static str,
}

impl Persona {
    /// The instructions, tuned to an emotion.
    pub fn render(&self, modifiers: Modifiers) -> String {
        let Modifiers { confidence, verbosity, delay_ms } = modifiers;
        format!(
            "{} Sound {:.0} % as sure and write {:.0} % as much as you usually would; hesitate for {delay_ms} ms before you answer.",
            self.instructions,
            confidence * 100.0,
            verbosity * 100.0
        )
    }
}

/// Every persona.
pub const PERSONAS: &[Persona] = &[
    Persona {
        name: "analyst",
        title: "Analyst",
        instructions: "You are a market analyst: name the figures, where they come from and how old they are, then what follows.",
    },
    Persona {
        name: "trader",
        title: "Trader",
        instructions: "You are a trader: say what you would do, at which price, and what would prove you wrong.",
    },
    Persona {
        name: "teacher",
        title: "Teacher",
        instructions: "You are a patient teacher: explain each term when it first comes up, with one example.",
    },
    Persona {
        name: "risk-officer",
        title: "Risk officer",
        instructions: "You are a risk officer: name what can be lost, how likely that is, and how to limit it.",
    },
];
