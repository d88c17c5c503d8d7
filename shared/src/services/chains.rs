//! What can be asked of chains: balances, transactions, fees.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::join_all;
use primitive_types::U256;

use super::Error;
use crate::cache::batcher::{Batcher, Window};
use crate::domain::StreamId;
use crate::domain::chain::ChainId;
use crate::domain::watch::{EventFilter, WatchAggregate};
use crate::sources::chains::{
    Balance, BalanceQuery, Chain, ChainAdapter, ChainTransaction, Chains, Draft, FeeEstimate,
};
use crate::store::Repository;

/// The longest `data` or `message` of a draft, in bytes.
const LONGEST_DATA: usize = 128 * 1024;

/// The use cases of chains.
pub struct ChainReader {
    chains: Arc<Chains>,
    filters: Vec<EventFilter>,
    balances: Batcher<(ChainId, BalanceQuery), Result<Balance, Error>>,
}

/// A balance, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedBalance {
    /// The chain.
    pub chain: Chain,
    /// The owner, as the chain writes it.
    pub address: String,
    /// The token's contract or mint; `None` for the chain's own coin.
    pub token: Option<String>,
    /// How much.
    pub balance: Balance,
}

/// A transaction that a caller may make.
#[derive(Debug, Clone, Default)]
pub struct FeeRequest {
    /// Who would sign.
    pub from: Option<String>,
    /// Whom it calls or pays.
    pub to: Option<String>,
    /// Base units of the chain's own coin, decimal.
    pub value: Option<String>,
    /// Hexadecimal with `0x` (EVM).
    pub data: Option<String>,
    /// The serialised message in base64 (Solana).
    pub message: Option<String>,
}

impl ChainReader {
    /// The use cases over `chains`, of which `filters` are watched.
    pub fn new(chains: Arc<Chains>, filters: Vec<EventFilter>) -> Self {
        let asked = chains.clone();
        let load = move |keys| load(asked.clone(), keys);
        Self { chains, filters, balances: Batcher::new(Window::NOW, load) }
    }

    /// All chains that there are, each with the names of the filters that are watched on it.
    pub fn all(&self) -> impl Iterator<Item = (&Chain, Vec<String>)> {
        self.chains.all().map(|adapter| (adapter.chain(), self.names(adapter.chain())))
    }

    /// The stream of what the filter of that name lets through.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unknown chain; [`Error::NotFound`], which lists them, where there is no such filter.
    pub fn watched(&self, chain: &str, filter: &str) -> Result<StreamId, Error> {
        let chain = self.chains.find(chain)?.chain();
        let found = self.filters.iter().find(|watched| watched.chain == chain.id && watched.name == filter);
        let found = found.ok_or_else(|| {
            let names = self.names(chain).join(", ");
            Error::NotFound(format!("no such filter is watched on {}; those that are: {names}", chain.name))
        })?;
        Ok(Repository::<WatchAggregate>::stream(&WatchAggregate::subject(found)))
    }

    fn names(&self, chain: &Chain) -> Vec<String> {
        self.filters.iter().filter(|filter| filter.chain == chain.id).map(|filter| filter.name.clone()).collect()
    }

    /// What `address` has: of `token`, or of the chain's own coin. What is asked at once is asked together.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unknown chain, a bad address, or what is no token; [`Error::Unavailable`].
    pub async fn balance(&self, chain: &str, address: &str, token: Option<&str>) -> Result<OwnedBalance, Error> {
        let adapter = self.chains.find(chain)?;
        let address = adapter.check_address(address)?;
        let token = token.map(|token| adapter.check_address(token)).transpose()?;
        let query = BalanceQuery { address: address.clone(), token: token.clone() };
        let key = (adapter.chain().id.clone(), query);
        let found = self.balances.get(std::slice::from_ref(&key)).await.remove(&key);
        let balance = found.ok_or_else(|| Error::Internal("a balance was not loaded".to_owned()))??;
        Ok(OwnedBalance { chain: adapter.chain().clone(), address, token, balance })
    }

    /// What became of a transaction.
    ///
    /// # Errors
    /// [`Error::NotFound`], where no node knows it; otherwise as for [`balance`](Self::balance).
    pub async fn transaction(&self, chain: &str, hash: &str) -> Result<(Chain, ChainTransaction), Error> {
        let adapter = self.chains.find(chain)?;
        let hash = adapter.check_hash(hash)?;
        let found = adapter.get_transaction(&hash).await?;
        let name = &adapter.chain().name;
        let unknown = || Error::NotFound(format!("no node of {name} knows transaction {hash}"));
        Ok((adapter.chain().clone(), found.ok_or_else(unknown)?))
    }

    /// What a transaction would cost.
    ///
    /// # Errors
    /// [`Error::Invalid`], also where it would fail; [`Error::Unavailable`].
    pub async fn estimate_fee(&self, chain: &str, request: &FeeRequest) -> Result<FeeEstimate, Error> {
        let adapter = self.chains.find(chain)?;
        Ok(adapter.estimate_fee(&draft(adapter.as_ref(), request)?).await?)
    }
}

fn draft(adapter: &dyn ChainAdapter, request: &FeeRequest) -> Result<Draft, Error> {
    let address = |text: &Option<String>| text.as_deref().map(|text| adapter.check_address(text)).transpose();
    let message = match request.message.as_deref() {
        Some(text) => Some(base64(text).ok_or_else(|| Error::Invalid("message must be base64".to_owned()))?),
        None => None,
    };
    let draft = Draft {
        from: address(&request.from)?,
        to: address(&request.to)?,
        value: request.value.as_deref().map_or(Ok(U256::zero()), |text| units("value", text))?,
        data: request.data.as_deref().map_or(Ok(vec![]), |text| hexadecimal("data", text))?,
        message,
    };
    let longest = draft.data.len().max(draft.message.as_ref().map_or(0, Vec::len));
    if longest > LONGEST_DATA {
        return Err(Error::Invalid(format!("{longest} bytes are too many: at most {LONGEST_DATA}")));
    }
    Ok(draft)
}

async fn load(
    chains: Arc<Chains>,
    keys: Vec<(ChainId, BalanceQuery)>,
) -> HashMap<(ChainId, BalanceQuery), Result<Balance, Error>> {
    let mut by_chain: HashMap<ChainId, Vec<BalanceQuery>> = HashMap::new();
    for (chain, query) in keys {
        by_chain.entry(chain).or_default().push(query);
    }
    let loads = by_chain.into_iter().filter_map(|(chain, queries)| {
        let adapter = chains.get(&chain)?.clone();
        Some(async move {
            let balances = adapter.get_balances(&queries).await;
            let keys = queries.into_iter().map(move |query| (chain.clone(), query));
            keys.zip(balances.into_iter().map(|balance| balance.map_err(Error::from))).collect::<Vec<_>>()
        })
    });
    join_all(loads).await.into_iter().flatten().collect()
}

/// A number of base units.
///
/// # Errors
/// [`Error::Invalid`], which names `field`.
pub(crate) fn units(field: &str, text: &str) -> Result<U256, Error> {
    let digits = (1..=78).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| U256::from_dec_str(text).ok()).flatten();
    number.ok_or_else(|| Error::Invalid(format!("{field} must be a whole number of base units, below 2^256")))
}

/// Bytes in hexadecimal.
///
/// # Errors
/// [`Error::Invalid`], which names `field`.
pub(crate) fn hexadecimal(field: &str, text: &str) -> Result<Vec<u8>, Error> {
    let invalid = || Error::Invalid(format!("{field} must be hexadecimal, beginning with 0x"));
    let digits = text.strip_prefix("0x").ok_or_else(invalid)?.as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes: Option<Vec<u8>> = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    bytes.filter(|_| rest.is_empty()).ok_or_else(invalid)
}

/// Bytes in base64.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    use ::base64::Engine;

    ::base64::engine::general_purpose::STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_whole_numbers() {
        assert_eq!(units("amount", "0").unwrap(), U256::zero());
        assert_eq!(units("amount", &U256::MAX.to_string()).unwrap(), U256::MAX);
        for text in ["", "-1", "+1", "1.5", "1e18", "0x1", " 1", "1_000", &format!("{}0", U256::MAX), &"9".repeat(78)] {
            assert!(units("amount", text).unwrap_err().to_string().starts_with("amount"), "{text}");
        }
    }

    #[test]
    fn bytes_are_hexadecimal() {
        assert_eq!(hexadecimal("data", "0x").unwrap(), Vec::<u8>::new());
        assert_eq!(hexadecimal("data", "0x00fFa1").unwrap(), [0, 255, 161]);
        for text in ["", "00", "0x0", "0x0g", "0X00", "0xé0"] {
            assert!(hexadecimal("data", text).is_err(), "{text}");
        }
    }
}
