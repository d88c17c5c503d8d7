//! Version 3: pools, swaps and the quoter.

use ethers::abi::Token;
use ethers::types::{Address, Bytes, I256, U256, U512};

use crate::anvil::{Anvil, call_data};

use super::{Swap, Uniswap, as_address, execute, owner, read};

/// A pool to make, or liquidity to add to one that there is.
#[derive(Clone, Copy, Debug)]
pub struct V3Pool {
    /// In any order.
    pub tokens: (Address, Address),
    /// In hundredths of a basis point: 100, 500, 3000 or 10000.
    pub fee: u32,
    /// At most this much of each, in the order of `tokens`.
    pub amounts: (U256, U256),
    /// The pool's first price, as [`sqrt_price_x96`] makes it of the tokens sorted by address. `None`: as the amounts say.
    pub sqrt_price_x96: Option<U256>,
    /// Where the liquidity is, in multiples of the tick spacing, of the tokens sorted by address. `None`: everywhere.
    pub ticks: Option<(i32, i32)>,
}

/// The square root of the price of the first of two tokens (sorted by address) in the second, times 2^96.
pub fn sqrt_price_x96(amount0: U256, amount1: U256) -> U256 {
    let ratio = (U512::from(amount1) << 192) / U512::from(amount0);
    ratio.integer_sqrt().try_into().expect("a price is below 2^128")
}

impl Uniswap {
    /// Makes the pool unless it is there, and adds the liquidity. Returns its address.
    pub async fn v3_pool(&self, anvil: &Anvil, pool: V3Pool) -> Address {
        for token in [pool.tokens.0, pool.tokens.1] {
            self.approve(anvil, token, self.position_manager).await;
        }
        let ((token0, amount0), (token1, amount1)) = sorted(&pool);
        let tokens = [Token::Address(token0), Token::Address(token1), Token::Uint(pool.fee.into())];
        let price = pool.sqrt_price_x96.unwrap_or_else(|| sqrt_price_x96(amount0, amount1));
        let function = "createAndInitializePoolIfNecessary(address,address,uint24,uint160)";
        execute(anvil, self.position_manager, function, &[&tokens[..], &[Token::Uint(price)]].concat()).await;
        let (lower, upper) = pool.ticks.unwrap_or_else(|| everywhere(pool.fee));
        let ticks = [lower, upper].map(|tick| Token::Int(I256::from(tick).into_raw()));
        let amounts = [amount0, amount1, U256::zero(), U256::zero()].map(Token::Uint);
        let end = [Token::Address(owner(anvil)), Token::Uint(U256::MAX)];
        let position = Token::Tuple([&tokens[..], &ticks, &amounts, &end].concat());
        let function = "mint((address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,address,uint256))";
        execute(anvil, self.position_manager, function, &[position]).await;
        as_address(read(anvil, self.v3_factory, "getPool(address,address,uint24)", &tokens, 0).await)
    }

    /// What `to` would really get for `amount_in` of the first token, hop by hop: the swap is made, measured and undone.
    /// `fees` are those of the pools between the tokens of `path`.
    pub async fn v3_swap(&self, anvil: &Anvil, path: &[Address], fees: &[u32], amount_in: U256, to: Address) -> U256 {
        self.rehearse(anvil, &self.v3_sale(path, fees, amount_in, to), to, path[fees.len()]).await
    }

    /// The same, for good: it moves the price.
    pub async fn v3_swap_and_keep(
        &self,
        anvil: &Anvil,
        path: &[Address],
        fees: &[u32],
        amount_in: U256,
        to: Address,
    ) -> U256 {
        self.perform(anvil, &self.v3_sale(path, fees, amount_in, to), to, path[fees.len()]).await
    }

    /// What the quoter says of the same swap.
    pub async fn v3_quote(&self, anvil: &Anvil, path: &[Address], fees: &[u32], amount_in: U256) -> U256 {
        let arguments = [Token::Bytes(v3_path(path, fees).to_vec()), Token::Uint(amount_in)];
        let answer = anvil.call(self.quoter_v2, call_data("quoteExactInput(bytes,uint256)", &arguments)).await;
        U256::from_big_endian(&answer[..32])
    }

    fn v3_sale(&self, path: &[Address], fees: &[u32], amount_in: U256, to: Address) -> Swap {
        let arguments = Token::Tuple(vec![
            Token::Bytes(v3_path(path, fees).to_vec()),
            Token::Address(to),
            Token::Uint(U256::MAX),
            Token::Uint(amount_in),
            Token::Uint(U256::zero()),
        ]);
        Swap {
            router: self.v3_router,
            sold: path[0],
            function: "exactInput((bytes,address,uint256,uint256,uint256))",
            arguments: vec![arguments],
        }
    }
}

/// Token, fee in three bytes, token, and so on.
fn v3_path(path: &[Address], fees: &[u32]) -> Bytes {
    assert_eq!(path.len(), fees.len() + 1, "a fee for each hop");
    let hops = fees.iter().zip(&path[1..]);
    let rest = hops.flat_map(|(fee, token)| [&fee.to_be_bytes()[1..], token.as_bytes()].concat());
    path[0].as_bytes().iter().copied().chain(rest).collect::<Vec<_>>().into()
}

type Side = (Address, U256);

fn sorted(pool: &V3Pool) -> (Side, Side) {
    let (a, b) = ((pool.tokens.0, pool.amounts.0), (pool.tokens.1, pool.amounts.1));
    if a.0 < b.0 { (a, b) } else { (b, a) }
}

/// The widest range of a fee's tick spacing.
fn everywhere(fee: u32) -> (i32, i32) {
    let spacing = match fee {
        100 => 1,
        500 => 10,
        3_000 => 60,
        10_000 => 200,
        _ => panic!("no pool has a fee of {fee}"),
    };
    let most = 887_272 / spacing * spacing;
    (-most, most)
}
