//! The history of a price, page by page, newest first.

use super::Prices;
use crate::domain::coin::Coin;
use crate::platform::clock::Timestamp;
use crate::services::Error;
use crate::services::page::{Item, Page, check_first, decode_cursor};
use crate::store::{HistoryQuery, PricePoint};

/// The most points of one page.
pub const MAX_POINTS: i32 = 1000;

/// What a caller asks of a history.
#[derive(Debug, Clone)]
pub struct HistoryFilter {
    /// The coin.
    pub coin: Coin,
    /// Not before this time.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
    /// How many points; 1 to [`MAX_POINTS`].
    pub first: i32,
    /// Only points after (older than) the one with this cursor.
    pub after: Option<String>,
}

impl Prices {
    /// A page of the history of a coin; empty for a coin that was never polled.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a size, cursor or time range that makes no sense; [`Error::Unavailable`].
    pub async fn history(&self, filter: &HistoryFilter) -> Result<Page<Item<PricePoint>>, Error> {
        let first = check_first(filter.first, MAX_POINTS)?;
        if filter.from.zip(filter.to).is_some_and(|(from, to)| from >= to) {
            return Err(Error::Invalid("from must be before to".to_owned()));
        }
        let query = HistoryQuery {
            coin: filter.coin.clone(),
            from: filter.from,
            to: filter.to,
            before_version: filter.after.as_deref().map(decode_cursor).transpose()?,
            // One more, to know whether there is one.
            limit: first + 1,
        };
        let points = self.read_models.price_history(&query).await?;
        Ok(Page::of(points, first).map(|point| (point.version, point)))
    }
}
