//! What goes into operations. A member that is not known is refused: it would be a wish that nobody hears.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Number;

use crate::services::chains::FeeRequest;
use crate::services::quotes::SwapRequest;

/// Nothing.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Coins {
    /// CoinGecko's ids, such as `bitcoin`.
    #[schemars(length(min = 1, max = 250), inner(regex(pattern = r"^\s*[A-Za-z0-9_.-]{1,64}\s*$")))]
    pub(super) coins: Vec<String>,
}

/// The same, each of which may be no coin at all.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AnyCoins {
    /// CoinGecko's ids, such as `bitcoin`.
    #[schemars(length(min = 1, max = 250), inner(length(min = 1)))]
    pub(super) coins: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct History {
    /// CoinGecko's id of the coin, such as `bitcoin`.
    #[schemars(regex(pattern = r"^\s*[A-Za-z0-9_.-]{1,64}\s*$"))]
    pub(super) coin: String,
    /// How many points.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 1000))]
    pub(super) first: i32,
    /// The `endCursor` of the page before.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    pub(super) after: Option<String>,
    /// Not before this time.
    pub(super) from: Option<DateTime<Utc>>,
    /// Before this time.
    pub(super) to: Option<DateTime<Utc>>,
}

fn hundred() -> i32 {
    100
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Swap {
    /// The chain's name or CAIP-2 id.
    #[schemars(length(min = 1))]
    chain: String,
    /// The token to sell: its address, or a symbol that is known on the chain.
    from_token: String,
    /// The token to buy.
    to_token: String,
    /// How much to sell, in base units.
    #[schemars(regex(pattern = r"^[0-9]{1,78}$"))]
    amount: String,
    /// The slippage to allow for, in hundredths of a percent.
    #[serde(default = "fifty")]
    #[schemars(range(min = 0, max = 10_000))]
    slippage_bps: i32,
    /// Who would sign, and receive what is bought. Without them there is no transaction to sign.
    recipient: Option<String>,
}

fn fifty() -> i32 {
    50
}

impl From<Swap> for SwapRequest {
    fn from(input: Swap) -> Self {
        let Swap { chain, from_token, to_token, amount, slippage_bps, recipient } = input;
        Self { chain, from_token, to_token, amount, slippage_bps, recipient }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Feedback {
    /// How the agent's last answer was.
    #[serde(deserialize_with = "whole")]
    #[schemars(range(min = -100, max = 100))]
    pub(super) feedback: i32,
}

/// A whole number, also where it is written with a point, as JSON Schema has it: -3.0 is one.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    let number = Number::deserialize(deserializer)?;
    let text = number.to_string();
    let digits = text.strip_suffix(".0").unwrap_or(&text);
    digits.parse().map_err(|_| D::Error::custom(format!("{text} is no whole number of 32 bits")))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MemoryPage {
    /// How many.
    #[serde(default = "twenty")]
    #[schemars(range(min = 1, max = 100))]
    pub(super) first: i32,
    /// The `endCursor` of the page before.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    pub(super) after: Option<String>,
    /// Words that each memory holds.
    #[schemars(length(max = 256))]
    pub(super) search: Option<String>,
}

fn twenty() -> i32 {
    20
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Content {
    /// What to remember.
    #[schemars(length(min = 1, max = 10_000), regex(pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$"))]
    pub(super) content: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MemoryId {
    /// The memory's id.
    #[schemars(extend("format" = "uuid"))]
    pub(super) id: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolName {
    /// The one tool to show.
    pub(super) tool: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Owner {
    /// The chain's name or CAIP-2 id, such as `ethereum` or `eip155:1`.
    #[schemars(length(min = 1))]
    pub(super) chain: String,
    /// Whose balance.
    #[schemars(length(min = 1))]
    pub(super) address: String,
    /// The token's contract or mint; the chain's own coin without.
    pub(super) token: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Hash {
    /// The chain's name or CAIP-2 id, such as `ethereum` or `eip155:1`.
    #[schemars(length(min = 1))]
    pub(super) chain: String,
    /// The transaction's hash; its signature on Solana.
    #[schemars(length(min = 1))]
    pub(super) hash: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Draft {
    /// The chain's name or CAIP-2 id, such as `ethereum` or `eip155:1`.
    #[schemars(length(min = 1))]
    pub(super) chain: String,
    /// Who would sign.
    from: Option<String>,
    /// Whom it calls or pays.
    to: Option<String>,
    /// How much of the chain's own coin, in base units.
    #[schemars(regex(pattern = r"^[0-9]{1,78}$"))]
    value: Option<String>,
    /// What the call says, hexadecimal with 0x (EVM).
    data: Option<String>,
    /// The whole serialised message in base64 (Solana).
    message: Option<String>,
}

impl Draft {
    pub(super) fn into_request(self) -> (String, FeeRequest) {
        let Self { chain, from, to, value, data, message } = self;
        (chain, FeeRequest { from, to, value, data, message })
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Signed {
    /// The chain's name or CAIP-2 id, such as `ethereum` or `eip155:1`.
    #[schemars(length(min = 1))]
    pub(super) chain: String,
    /// The signed transaction: hexadecimal with 0x (EVM), or base64 (Solana).
    #[schemars(length(min = 1))]
    pub(super) signed: String,
}
