//! Resources: `price://{coin}` and `memory://{id}`.

use rmcp::model::{ReadResourceResult, Resource, ResourceContents, ResourceTemplate};
use serde::Serialize;

use crate::faces::graphql::Services;
use crate::faces::views::{Memory, Price};
use crate::services::memory::{Memories, MemoryFilter};
use crate::services::prices::Prices;
use crate::services::{Call, Error};

/// What a price's URI begins with.
pub(super) const PRICE: &str = "price://";
/// What a memory's URI begins with.
pub(super) const MEMORY: &str = "memory://";

const JSON: &str = "application/json";
/// How many of the caller's memories are listed.
const LISTED: i32 = 20;
/// How much of a memory names it, in characters.
const TITLE: usize = 60;

/// The prices that are followed, and the caller's newest memories.
pub(super) async fn list(services: &Services, call: &Call) -> Result<Vec<Resource>, Error> {
    let price = |coin: &crate::domain::coin::Coin| {
        let description = format!("The price of {coin} in US dollars");
        Resource::new(format!("{PRICE}{coin}"), coin.as_str()).with_description(description).with_mime_type(JSON)
    };
    let mut listed: Vec<_> = services.context.market().iter().map(price).collect();
    if let Ok(user_id) = call.user_id() {
        let filter = MemoryFilter { first: LISTED, ..MemoryFilter::default() };
        listed.extend(services.memories.list(user_id, &filter).await?.items.into_iter().map(|item| {
            let title: String = item.node.content.chars().take(TITLE).collect();
            Resource::new(format!("{MEMORY}{}", item.node.id), item.node.id).with_title(title).with_mime_type(JSON)
        }));
    }
    Ok(listed)
}

pub(super) fn templates() -> Vec<ResourceTemplate> {
    let template = |uri: &str, name: &str, description: &str| {
        ResourceTemplate::new(uri, name).with_description(description).with_mime_type(JSON)
    };
    vec![
        template("price://{coin}", "price", "The price of a coin in US dollars, by CoinGecko's id of the coin"),
        template("memory://{id}", "memory", "A memory of the caller's"),
    ]
}

/// What is at a URI.
pub(super) async fn read(services: &Services, call: &Call, uri: &str) -> Result<ReadResourceResult, Error> {
    if let Some(coin) = uri.strip_prefix(PRICE) {
        let price = services.prices.prices(&[Prices::coin(coin)?]).await?.into_iter().next();
        let price = price.ok_or_else(|| Error::Internal("there is no price for one coin".to_owned()))?;
        return contents(uri, &Price::from(price));
    }
    if let Some(id) = uri.strip_prefix(MEMORY) {
        return contents(uri, &Memory::from(services.memories.get(call.user_id()?, Memories::id(id)?).await?));
    }
    let uri: String = uri.chars().take(80).collect();
    Err(Error::NotFound(format!("there is no resource {uri:?}")))
}

fn contents(uri: &str, value: &impl Serialize) -> Result<ReadResourceResult, Error> {
    let text = serde_json::to_string(value).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(ReadResourceResult::new(vec![ResourceContents::text(text, uri).with_mime_type(JSON)]))
}
