//! What both versions need before they can ask: the chain's nodes and contracts, and what the swap means there.

use std::collections::HashMap;
use std::sync::Arc;

use ethers::types::{Address, U256};

use super::deployments::{Deployment, Deployments};
use crate::domain::chain::ChainId;
use crate::platform::clock::Clock;
use crate::sources::SourceError;
use crate::sources::chains::Chain;
use crate::sources::chains::evm::EvmClient;
use crate::sources::quotes::{QuoteError, Swap, Token};

/// How long a transaction may wait before it must not happen any more, in seconds.
const DEADLINE: i64 = 20 * 60;

/// The chains' nodes and contracts.
pub(super) struct Ground {
    clients: HashMap<ChainId, EvmClient>,
    deployments: Arc<Deployments>,
    clock: Arc<dyn Clock>,
}

/// A swap, in the words of a chain's contracts.
pub(super) struct Plan<'a> {
    pub(super) client: &'a EvmClient,
    pub(super) deployment: &'a Deployment,
    /// The wrapped coin stands for the chain's own.
    pub(super) from: Address,
    pub(super) to: Address,
    pub(super) from_native: bool,
    pub(super) to_native: bool,
    pub(super) amount: U256,
    pub(super) slippage_bps: u16,
    pub(super) recipient: Option<Address>,
    /// When a transaction must have happened, in seconds since 1970.
    pub(super) deadline: U256,
}

impl Ground {
    pub(super) fn new(
        clients: HashMap<ChainId, EvmClient>,
        deployments: Arc<Deployments>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { clients, deployments, clock }
    }

    /// The nodes of `chain`, and what is deployed there.
    pub(super) fn on(&self, chain: &Chain) -> Option<(&EvmClient, &Deployment)> {
        Some((self.clients.get(&chain.id)?, self.deployments.on(&chain.id)?))
    }

    /// What `swap` means.
    ///
    /// # Errors
    /// [`QuoteError::NoRoute`] for what is no swap; [`SourceError::Malformed`] for a chain that is not served.
    pub(super) fn plan(&self, swap: &Swap) -> Result<Plan<'_>, QuoteError> {
        let (client, deployment) = self.on(&swap.chain).ok_or_else(|| not_there(&swap.chain))?;
        let (from, from_native) = token(&swap.from, deployment)?;
        let (to, to_native) = token(&swap.to, deployment)?;
        if from == to {
            return Err(QuoteError::NoRoute("these are the same token".to_owned()));
        }
        if swap.amount.is_zero() {
            return Err(QuoteError::NoRoute("nothing is sold".to_owned()));
        }
        let recipient = swap.recipient.as_deref().map(recipient).transpose()?;
        let deadline = u64::try_from(self.clock.now().timestamp() + DEADLINE).unwrap_or_default().into();
        let (amount, slippage_bps) = (swap.amount, swap.slippage_bps);
        Ok(Plan { client, deployment, from, to, from_native, to_native, amount, slippage_bps, recipient, deadline })
    }
}

/// Nobody should have asked.
pub(super) fn not_there(chain: &Chain) -> QuoteError {
    SourceError::Malformed(format!("it is not known where Uniswap is on {}", chain.name)).into()
}

fn token(token: &Token, deployment: &Deployment) -> Result<(Address, bool), QuoteError> {
    match token {
        Token::Native => Ok((deployment.wrapped, true)),
        Token::Contract(text) => {
            let address = text.parse().map_err(|_| QuoteError::NoRoute(format!("{text:?} is no token's address")))?;
            Ok((address, false))
        }
    }
}

/// Who receives. Routers take the lowest addresses for themselves or for who calls them.
fn recipient(text: &str) -> Result<Address, QuoteError> {
    let address: Option<Address> = text.parse().ok();
    address
        .filter(|address| *address > Address::from_low_u64_be(2))
        .ok_or_else(|| QuoteError::NoRoute(format!("{text:?} cannot receive anything")))
}
