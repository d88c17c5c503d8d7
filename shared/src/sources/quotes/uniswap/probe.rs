//! Whether a token takes a fee when it is transferred. What a pool says that it pays is then not what arrives, and
//! nobody but the token knows how much less.
//!
//! A pool is made to lend some of the token to a contract that does not exist: the node is asked to assume its code
//! (a state override of `eth_call`). That contract gives all it got back to the pool, and reverts with what it saw, so that
//! nothing has happened, and nothing need be paid. V2's pairs lend in `swap`, V3's pools in `flash`. Where less arrives
//! than was sent, in either direction, there is a fee. All is seen within one call, so at one block.
//!
//! Not told: fees that depend on who transfers, on how much, or on when.

use ethers::types::{Address, U256};
use serde_json::json;
use uuid::Uuid;

use super::abi::{v2_swap, v3_flash};
use super::legs::Leg;
use crate::domain::swap::impact_bps;
use crate::platform::ids::new_id;
use crate::sources::chains::evm::contract::{checksummed, word};
use crate::sources::chains::evm::{EthCall, EvmClient, Revert};
use crate::sources::quotes::QuoteError;

/// Where the contract is assumed to be: another place each time, or a token could treat that one better than all others.
fn somewhere() -> Address {
    let random = [new_id(), new_id()].map(Uuid::into_bytes);
    // What of an id is not the time.
    Address::from_slice(&[&random[0][6..], &random[1][6..]].concat())
}

/// Which version a pool is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V2,
    V3,
}

/// A pool that is asked for some of a token that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Loan {
    version: Version,
    pool: Address,
    token: Address,
    /// Whether the token is the pool's `token0`.
    first: bool,
    amount: U256,
}

/// What came of a loan.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Finding {
    /// All that was sent arrived.
    NoFee,
    /// So much of a transfer did not arrive, in hundredths of a percent: at least 1.
    Fee(i32),
    /// The token did not let itself be transferred.
    Stuck,
    /// The node does not tell, or the pool does not lend.
    Unknown(String),
}

impl Loan {
    /// Of what is sold to `leg`'s pool, which holds `held` of it: no more than is sold. `None` where there is nothing.
    pub(super) fn of_sold(version: Version, leg: &Leg, sold: U256, held: U256) -> Option<Self> {
        Self::new(version, leg, leg.from, sold.min(held / 10), held)
    }

    /// Of what is bought from `leg`'s pool, which would pay `bought` of it.
    pub(super) fn of_bought(version: Version, leg: &Leg, bought: U256, held: U256) -> Option<Self> {
        Self::new(version, leg, leg.to, bought.min(held / 10), held)
    }

    fn new(version: Version, leg: &Leg, token: Address, amount: U256, held: U256) -> Option<Self> {
        let amount = amount.max(U256::one());
        let first = (token == leg.from) == leg.sells_first();
        // A pair must keep something.
        (amount < held).then_some(Self { version, pool: leg.pool, token, first, amount })
    }

    fn call(&self) -> EthCall {
        let (amount0, amount1) = if self.first { (self.amount, U256::zero()) } else { (U256::zero(), self.amount) };
        let probe = somewhere();
        let data = match self.version {
            Version::V2 => v2_swap(amount0, amount1, probe, vec![0]),
            Version::V3 => v3_flash(probe, amount0, amount1, vec![0]),
        };
        let code = ethers::types::Bytes::from(code(self.token));
        EthCall {
            // V3's pools call back whoever calls them.
            from: Some(probe),
            overrides: Some(json!({ format!("{probe:?}"): { "code": code } })),
            ..EthCall::new(self.pool, data)
        }
    }

    fn finding(&self, answer: &Result<ethers::types::Bytes, Revert>) -> Finding {
        let Err(revert) = answer else {
            return Finding::Unknown("the node did not assume the contract".to_owned());
        };
        let transfer_failed = |text: &str| revert.message.contains(text) || contains(&revert.data, text.as_bytes());
        // An error with words has four bytes more than whole words: it is never mistaken for what the contract saw.
        let seen = (revert.data.len() == 4 * 32).then(|| [0, 1, 2, 3].map(|place| word(&revert.data, place)));
        match seen {
            Some([Some(received), Some(before), Some(after), Some(went)]) => {
                let returned = after.saturating_sub(before);
                if went.is_zero() {
                    Finding::Stuck
                } else if received >= self.amount && returned >= received {
                    Finding::NoFee
                } else {
                    Finding::Fee(impact_bps(received, self.amount).max(impact_bps(returned, received)))
                }
            }
            // V2's words, and V3's.
            _ if transfer_failed("UniswapV2: TRANSFER_FAILED") || ends_with_tf(revert) => Finding::Stuck,
            _ => Finding::Unknown(revert.message.clone()),
        }
    }
}

/// Makes the loans, in one request.
///
/// # Errors
/// [`QuoteError::NoRoute`], where a token takes a fee or cannot be transferred. That nothing can be told is no error.
pub(super) async fn check(client: &EvmClient, loans: &[Loan]) -> Result<(), QuoteError> {
    if loans.is_empty() {
        return Ok(());
    }
    let calls: Vec<_> = loans.iter().map(Loan::call).collect();
    let answers = match client.call_all(&calls).await {
        Ok(answers) => answers,
        Err(error) => {
            tracing::debug!(%error, "fees on transfer cannot be told");
            return Ok(());
        }
    };
    for (loan, answer) in loans.iter().zip(&answers) {
        let token = checksummed(loan.token);
        match loan.finding(answer) {
            Finding::NoFee => {}
            Finding::Fee(bps) => {
                return Err(QuoteError::NoRoute(format!(
                    "{token} takes a fee of about {bps} bps on transfer: what a pool pays for it cannot be told to the unit"
                )));
            }
            Finding::Stuck => return Err(QuoteError::NoRoute(format!("{token} cannot be transferred"))),
            Finding::Unknown(reason) => {
                tracing::debug!(token, pool = ?loan.pool, reason, "fees on transfer cannot be told");
            }
        }
    }
    Ok(())
}

fn contains(data: &[u8], text: &[u8]) -> bool {
    data.windows(text.len()).any(|part| part == text)
}

/// V3's `TransferHelper` says only that: as the whole of an `Error(string)`.
fn ends_with_tf(revert: &Revert) -> bool {
    // Selector, offset and length: 4 + 32 + 32 bytes, then the text.
    let text = revert.data.get(4 + 64..4 + 96).map(|text| &text[..3]);
    text == Some(b"TF\0") || (revert.data.is_empty() && revert.message.trim_end().ends_with(": TF"))
}

/// The contract's code, for one token. Whatever it is called with, it does the same. Its memory: 0x00 a call's data,
/// 0x80 what it received, 0xa0 what the caller has then, 0xc0 what the caller has at the end, 0xe0 whether the transfer
/// went well.
fn code(token: Address) -> Vec<u8> {
    let mut code = vec![];
    code.extend(balance(token, 0x30, 0x80)); //   of ADDRESS: what was received
    code.extend(balance(token, 0x33, 0xa0)); //   of CALLER: the pool
    code.extend([0x63, 0xa9, 0x05, 0x9c, 0xbb]); // PUSH4 transfer(address,uint256)
    code.extend([0x60, 0xe0, 0x1b]); //           PUSH1 0xe0  SHL
    code.extend([0x60, 0x00, 0x52]); //           PUSH1 0x00  MSTORE
    code.extend([0x33, 0x60, 0x04, 0x52]); //     CALLER  PUSH1 0x04  MSTORE: to whom
    code.extend([0x60, 0x80, 0x51]); //           PUSH1 0x80  MLOAD
    code.extend([0x60, 0x24, 0x52]); //           PUSH1 0x24  MSTORE: all of it
    code.extend([0x60, 0x01, 0x60, 0xe0, 0x52]); // PUSH1 1  PUSH1 0xe0  MSTORE: some tokens answer nothing
    code.extend([0x60, 0x20, 0x60, 0xe0]); //     PUSH1 0x20  PUSH1 0xe0: the answer's length and place
    code.extend([0x60, 0x44, 0x60, 0x00]); //     PUSH1 0x44  PUSH1 0x00: the data's
    code.extend([0x60, 0x00]); //                 PUSH1 0: no coins
    code.push(0x73); //                           PUSH20 the token
    code.extend(token.as_bytes());
    code.extend([0x5a, 0xf1]); //                 GAS  CALL: 1 where it did not revert
    code.extend([0x60, 0xe0, 0x51, 0x16]); //     PUSH1 0xe0  MLOAD  AND: and did not answer `false`
    code.extend([0x60, 0xe0, 0x52]); //           PUSH1 0xe0  MSTORE
    code.extend(balance(token, 0x33, 0xc0));
    code.extend([0x60, 0x80, 0x60, 0x80, 0xfd]); // PUSH1 0x80  PUSH1 0x80  REVERT: four words
    code
}

/// Asks the token for the balance of whom `owner`, an opcode, puts on the stack, and leaves it at `place`.
fn balance(token: Address, owner: u8, place: u8) -> Vec<u8> {
    let mut code = vec![];
    code.extend([0x63, 0x70, 0xa0, 0x82, 0x31]); // PUSH4 balanceOf(address)
    code.extend([0x60, 0xe0, 0x1b]); //           PUSH1 0xe0  SHL
    code.extend([0x60, 0x00, 0x52]); //           PUSH1 0x00  MSTORE
    code.extend([owner, 0x60, 0x04, 0x52]); //    ADDRESS or CALLER  PUSH1 0x04  MSTORE
    code.extend([0x60, 0x20, 0x60, place]); //    PUSH1 0x20  PUSH1 place: the answer's length and place
    code.extend([0x60, 0x24, 0x60, 0x00]); //     PUSH1 0x24  PUSH1 0x00: the data's
    code.push(0x73); //                           PUSH20 the token
    code.extend(token.as_bytes());
    code.extend([0x5a, 0xfa, 0x50]); //           GAS  STATICCALL  POP
    code
}

#[cfg(test)]
mod tests {
    use ethers::abi::{Token as Value, encode};

    use super::*;

    fn leg() -> Leg {
        let [from, to, pool] = [1, 2, 3].map(Address::repeat_byte);
        Leg { from, to, pool, fee: 3000 }
    }

    fn loan() -> Loan {
        Loan::of_sold(Version::V2, &leg(), 1000.into(), 100_000.into()).unwrap()
    }

    fn reverted(data: Vec<u8>) -> Result<ethers::types::Bytes, Revert> {
        Err(Revert { message: "execution reverted".to_owned(), data })
    }

    fn seen(words: [u64; 4]) -> Result<ethers::types::Bytes, Revert> {
        reverted(encode(&words.map(|word| Value::Uint(word.into()))))
    }

    fn error(text: &str) -> Result<ethers::types::Bytes, Revert> {
        let words = encode(&[Value::String(text.to_owned())]);
        reverted([&[0x08, 0xc3, 0x79, 0xa0], &words[..]].concat())
    }

    #[test]
    fn a_loan_is_modest() {
        assert_eq!(loan().amount, 1000.into());
        let loan = |sold: u64, held: u64| Loan::of_sold(Version::V3, &leg(), sold.into(), held.into());
        assert_eq!(loan(1000, 500).unwrap().amount, 50.into());
        assert_eq!(loan(1000, 5).unwrap().amount, 1.into());
        assert_eq!(loan(1000, 1), None);
        let bought = Loan::of_bought(Version::V3, &leg(), 7.into(), 500.into()).unwrap();
        assert_eq!((bought.token, bought.first, bought.amount), (leg().to, false, 7.into()));
    }

    #[test]
    fn what_does_not_arrive_is_a_fee() {
        let finding = |answer| loan().finding(&answer);
        assert_eq!(finding(seen([1000, 50, 1050, 1])), Finding::NoFee);
        assert_eq!(finding(seen([990, 50, 1031, 1])), Finding::Fee(100));
        assert_eq!(finding(seen([1000, 50, 1045, 1])), Finding::Fee(50));
        assert_eq!(finding(seen([999, 50, 1049, 1])), Finding::Fee(10));
    }

    #[test]
    fn a_token_that_cannot_be_moved_is_told_from_a_node_that_cannot_tell() {
        let finding = |answer| loan().finding(&answer);
        assert_eq!(finding(seen([1000, 50, 50, 0])), Finding::Stuck);
        assert_eq!(finding(error("UniswapV2: TRANSFER_FAILED")), Finding::Stuck);
        assert_eq!(finding(error("TF")), Finding::Stuck);
        for answer in [error("UniswapV2: LOCKED"), error("L"), reverted(vec![]), reverted(vec![0; 32])] {
            assert!(matches!(finding(answer), Finding::Unknown(_)));
        }
        assert!(matches!(finding(Ok(vec![].into())), Finding::Unknown(_)));
    }

    #[test]
    fn the_contract_is_told_of_its_token() {
        let token = Address::repeat_byte(0xab);
        let code = code(token);
        assert_eq!(code.windows(21).filter(|part| part[0] == 0x73 && part[1..] == token.0).count(), 4);
        assert_eq!(code.last(), Some(&0xfd));
    }
}
