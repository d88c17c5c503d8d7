//! Version 2: pairs and swaps.

use ethers::abi::Token;
use ethers::types::{Address, U256};

use crate::anvil::Anvil;

use super::{Swap, Uniswap, as_address, execute, owner, read};

impl Uniswap {
    /// A pair with these amounts, as a liquidity provider adds them through the router.
    pub async fn v2_pool(&self, anvil: &Anvil, a: Address, b: Address, amount_a: U256, amount_b: U256) -> Address {
        for token in [a, b] {
            self.approve(anvil, token, self.v2_router).await;
        }
        let tokens = [a, b].map(Token::Address);
        let amounts = [amount_a, amount_b, U256::zero(), U256::zero()].map(Token::Uint);
        let arguments = [&tokens[..], &amounts, &[Token::Address(owner(anvil)), Token::Uint(U256::MAX)]].concat();
        let function = "addLiquidity(address,address,uint256,uint256,uint256,uint256,address,uint256)";
        execute(anvil, self.v2_router, function, &arguments).await;
        self.v2_pair(anvil, a, b).await
    }

    /// A pair with any reserves below 2^112, be they a single unit: transferred and made known by `sync`. Nobody holds
    /// liquidity of it, since a pair mints none below its minimum of 1000.
    pub async fn v2_pool_raw(&self, anvil: &Anvil, a: Address, b: Address, amount_a: U256, amount_b: U256) -> Address {
        execute(anvil, self.v2_factory, "createPair(address,address)", &[a, b].map(Token::Address)).await;
        let pair = self.v2_pair(anvil, a, b).await;
        for (token, amount) in [(a, amount_a), (b, amount_b)] {
            self.transfer(anvil, token, pair, amount).await;
        }
        execute(anvil, pair, "sync()", &[]).await;
        pair
    }

    /// The pair of two tokens as the factory knows it; zero if there is none.
    pub async fn v2_pair(&self, anvil: &Anvil, a: Address, b: Address) -> Address {
        let pair = read(anvil, self.v2_factory, "getPair(address,address)", &[a, b].map(Token::Address), 0).await;
        as_address(pair)
    }

    /// What the pair believes that it has of `a` and of `b`.
    pub async fn v2_reserves(&self, anvil: &Anvil, a: Address, b: Address) -> (U256, U256) {
        let pair = self.v2_pair(anvil, a, b).await;
        let first = read(anvil, pair, "getReserves()", &[], 0).await;
        let second = read(anvil, pair, "getReserves()", &[], 1).await;
        if a < b { (first, second) } else { (second, first) }
    }

    /// What `to` would really get of the last token for `amount_in` of the first: the swap is made, measured and undone.
    pub async fn v2_swap(&self, anvil: &Anvil, path: &[Address], amount_in: U256, to: Address) -> U256 {
        self.rehearse(anvil, &self.v2_sale(path, amount_in, to), to, last(path)).await
    }

    /// The same, for good: it moves the price.
    pub async fn v2_swap_and_keep(&self, anvil: &Anvil, path: &[Address], amount_in: U256, to: Address) -> U256 {
        self.perform(anvil, &self.v2_sale(path, amount_in, to), to, last(path)).await
    }

    /// By the function that takes tokens with a fee on transfer as well.
    fn v2_sale(&self, path: &[Address], amount_in: U256, to: Address) -> Swap {
        Swap {
            router: self.v2_router,
            sold: path[0],
            function: "swapExactTokensForTokensSupportingFeeOnTransferTokens(uint256,uint256,address[],address,uint256)",
            arguments: vec![
                Token::Uint(amount_in),
                Token::Uint(U256::zero()),
                Token::Array(path.iter().copied().map(Token::Address).collect()),
                Token::Address(to),
                Token::Uint(U256::MAX),
            ],
        }
    }
}

fn last(path: &[Address]) -> Address {
    *path.last().expect("a path has tokens")
}
