//! Tokens. Test tokens are those of Uniswap's own tests: "Test Token", and one that takes a part of each transfer.

use ethers::abi::Token;
use ethers::types::{Address, U256};
use ethers::utils::hex;
use serde_json::json;

use crate::anvil::{Anvil, call_data};

use super::{Uniswap, bytecode, execute, owner, read};

const ERC20: &str = "@uniswap/v2-periphery/build/ERC20.json";
const DEFLATING: &str = "@uniswap/v2-periphery/build/DeflatingERC20.json";

/// A token of 18 decimals, on a chain that needs nothing else of Uniswap; the owner has all of it.
pub async fn test_token(anvil: &Anvil, supply: U256) -> Address {
    anvil.deploy(&bytecode(ERC20), &[Token::Uint(supply)]).await
}

impl Uniswap {
    /// A token of 18 decimals; the owner has all of it.
    pub async fn token(&self, anvil: &Anvil, supply: U256) -> Address {
        test_token(anvil, supply).await
    }

    /// A token of other decimals.
    pub async fn token_with_decimals(&self, anvil: &Anvil, supply: U256, decimals: u8) -> Address {
        let token = self.token(anvil, supply).await;
        // Where the contract pushes what `decimals()` returns: JUMPDEST, PUSH1 18, DUP2, JUMP.
        let code = hex::encode(anvil.code(token).await);
        let patched = code.replacen("5b60128156", &format!("5b60{decimals:02x}8156"), 1);
        anvil.rpc("anvil_setCode", json!([token, format!("0x{patched}")])).await;
        assert_eq!(read(anvil, token, "decimals()", &[], 0).await, decimals.into(), "the token was patched");
        token
    }

    /// A token that burns a hundredth of each transfer; 18 decimals.
    pub async fn deflating_token(&self, anvil: &Anvil, supply: U256) -> Address {
        anvil.deploy(&bytecode(DEFLATING), &[Token::Uint(supply)]).await
    }

    /// Wraps this much of the owner's ether.
    pub async fn wrap(&self, anvil: &Anvil, wei: U256) {
        anvil.send(owner(anvil), self.weth, call_data("deposit()", &[]), wei).await;
    }

    /// Moves the owner's tokens.
    pub async fn transfer(&self, anvil: &Anvil, token: Address, to: Address, amount: U256) {
        let arguments = [Token::Address(to), Token::Uint(amount)];
        execute(anvil, token, "transfer(address,uint256)", &arguments).await;
    }

    /// Lets `spender` move all that the owner has.
    pub async fn approve(&self, anvil: &Anvil, token: Address, spender: Address) {
        let arguments = [Token::Address(spender), Token::Uint(U256::MAX)];
        execute(anvil, token, "approve(address,uint256)", &arguments).await;
    }

    /// What an account has of a token.
    pub async fn balance_of(&self, anvil: &Anvil, token: Address, account: Address) -> U256 {
        read(anvil, token, "balanceOf(address)", &[Token::Address(account)], 0).await
    }
}
