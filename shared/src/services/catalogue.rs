//! What an agent can use and be: the tools and personas, as data. The one list that every face shows.

use serde_json::{Value, json};

use crate::domain::emotion::{BOUND, Modifiers};
use crate::domain::memory::MAX_CONTENT;

/// A tool: a thing that an agent can do through this backend.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Its name, as an agent calls it.
    pub name: &'static str,
    /// Its name for a person.
    pub title: &'static str,
    /// What it does.
    pub description: &'static str,
    /// The JSON Schema of its input.
    pub input_schema: Value,
}

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

/// Every tool.
pub fn tools() -> Vec<Tool> {
    let coins = json!({
        "type": "array", "items": { "type": "string" }, "minItems": 1, "maxItems": 250,
        "description": "CoinGecko ids, such as bitcoin",
    });
    vec![
        Tool {
            name: "crypto_prices",
            title: "Prices",
            description: "Prices of coins in US dollars, with the change over 24 hours and the market capitalisation.",
            input_schema: object(&json!({ "coins": coins }), &["coins"]),
        },
        Tool {
            name: "price_history",
            title: "Price history",
            description: "Past prices of a coin, newest first.",
            input_schema: object(
                &json!({
                    "coin": { "type": "string" },
                    "first": { "type": "integer", "minimum": 1, "maximum": 1000 },
                    "after": { "type": "string" },
                }),
                &["coin"],
            ),
        },
        Tool {
            name: "emotion",
            title: "Emotion",
            description: "How the caller's agent feels, and how to tune an answer to it.",
            input_schema: object(&json!({}), &[]),
        },
        Tool {
            name: "update_emotion",
            title: "Give feedback",
            description: "Tells the caller's agent how its last answer was.",
            input_schema: object(
                &json!({ "feedback": { "type": "integer", "minimum": -BOUND, "maximum": BOUND } }),
                &["feedback"],
            ),
        },
        Tool {
            name: "memories",
            title: "Memories",
            description: "What the caller's agent remembers, newest first, searched by words.",
            input_schema: object(
                &json!({
                    "first": { "type": "integer", "minimum": 1, "maximum": 100 },
                    "after": { "type": "string" },
                    "search": { "type": "string" },
                }),
                &[],
            ),
        },
        Tool {
            name: "add_memory",
            title: "Remember",
            description: "Makes the caller's agent remember something.",
            input_schema: object(
                &json!({ "content": { "type": "string", "minLength": 1, "maxLength": MAX_CONTENT } }),
                &["content"],
            ),
        },
        Tool {
            name: "delete_memory",
            title: "Forget",
            description: "Makes the caller's agent forget a memory.",
            input_schema: object(&json!({ "id": { "type": "string", "format": "uuid" } }), &["id"]),
        },
    ]
    .into_iter()
    .chain(chain_tools())
    .collect()
}

/// Those that are about chains.
fn chain_tools() -> Vec<Tool> {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let chain = text("A chain's name or CAIP-2 id, such as ethereum or eip155:1");
    let units = json!({ "type": "string", "pattern": "^[0-9]{1,78}$", "description": "An integer in base units" });
    vec![
        Tool {
            name: "chains",
            title: "Chains",
            description: "The chains that can be asked, and what is watched on them.",
            input_schema: object(&json!({}), &[]),
        },
        Tool {
            name: "balance",
            title: "Balance",
            description: "What an address has of a token, or of the chain's own coin.",
            input_schema: object(
                &json!({ "chain": chain, "address": { "type": "string" }, "token": text("A contract or mint") }),
                &["chain", "address"],
            ),
        },
        Tool {
            name: "transaction",
            title: "Transaction",
            description: "What became of a transaction.",
            input_schema: object(&json!({ "chain": chain, "hash": { "type": "string" } }), &["chain", "hash"]),
        },
        Tool {
            name: "estimate_fee",
            title: "Estimate a fee",
            description: "What a transaction would cost, at three speeds.",
            input_schema: object(
                &json!({
                    "chain": chain,
                    "transaction": {
                        "type": "object",
                        "properties": {
                            "from": { "type": "string" },
                            "to": { "type": "string" },
                            "value": units,
                            "data": text("Hexadecimal with 0x (EVM)"),
                            "message": text("The serialised message in base64 (Solana)"),
                        },
                        "additionalProperties": false,
                    },
                }),
                &["chain", "transaction"],
            ),
        },
        Tool {
            name: "send_transaction",
            title: "Send a transaction",
            description: "Hands a signed transaction to a chain. To hand one in again is safe.",
            input_schema: object(
                &json!({ "chain": chain, "signed": text("Hexadecimal with 0x (EVM), or base64 (Solana)") }),
                &["chain", "signed"],
            ),
        },
        Tool {
            name: "defi_swap_quote",
            title: "Swap quote",
            description: "The best of all quotes for a swap, after what its transaction costs, and that transaction to sign.",
            input_schema: object(
                &json!({
                    "chain": chain,
                    "fromToken": text("An address, or a symbol that is known on the chain"),
                    "toToken": text("An address, or a symbol that is known on the chain"),
                    "amount": units,
                    "slippageBps": { "type": "integer", "minimum": 0, "maximum": 10_000 },
                    "recipient": text("Who would sign and receive; without them there is no transaction"),
                }),
                &["chain", "fromToken", "toToken", "amount"],
            ),
        },
    ]
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

fn object(properties: &Value, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}
