//! Uniswap on an [`Anvil`], from the bytecode that Uniswap published on npm. The node's first account deploys all of it and
//! owns every token that there is.

mod tokens;
mod v2;
mod v3;

pub use tokens::test_token;
pub use v3::{V3Pool, sqrt_price_x96};

use ethers::abi::Token;
use ethers::types::{Address, Bytes, H256, U256};
use ethers::utils::{hex, keccak256};
use serde_json::Value;

use crate::anvil::{Anvil, call_data};
use crate::chains::installed;

const WETH: &str = "@uniswap/v2-periphery/build/WETH9.json";
const V2_FACTORY: &str = "@uniswap/v2-core/build/UniswapV2Factory.json";
const V2_PAIR: &str = "@uniswap/v2-core/build/UniswapV2Pair.json";
const V2_ROUTER: &str = "@uniswap/v2-periphery/build/UniswapV2Router02.json";
const V3_FACTORY: &str = "@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json";
const V3_POOL: &str = "@uniswap/v3-core/artifacts/contracts/UniswapV3Pool.sol/UniswapV3Pool.json";

/// Where everything is.
#[derive(Clone, Copy, Debug)]
pub struct Uniswap {
    /// Wrapped ether (WETH9).
    pub weth: Address,
    /// V2's factory.
    pub v2_factory: Address,
    /// V2's second router.
    pub v2_router: Address,
    /// V3's factory, with the fees of 100, 500, 3000 and 10000 hundredths of a basis point, as on mainnet.
    pub v3_factory: Address,
    /// V3's positions. It describes none: what describes them is left out.
    pub position_manager: Address,
    /// V3's first router.
    pub v3_router: Address,
    /// V3's second quoter.
    pub quoter_v2: Address,
    /// The lens that reads ticks.
    pub tick_lens: Address,
    /// Uniswap's multicall: `multicall((address,uint256,bytes)[])`.
    pub multicall: Address,
}

impl Uniswap {
    /// Deploys it, in some ten blocks.
    pub async fn deploy(anvil: &Anvil) -> Self {
        let owner = Token::Address(owner(anvil));
        let weth = anvil.deploy(&bytecode(WETH), &[]).await;
        let v2_factory = anvil.deploy(&bytecode(V2_FACTORY), std::slice::from_ref(&owner)).await;
        let v2 = [Token::Address(v2_factory), Token::Address(weth)];
        let v2_router = anvil.deploy(&bytecode(V2_ROUTER), &v2).await;
        let v3_factory = anvil.deploy(&bytecode(V3_FACTORY), &[]).await;
        let v3 = [Token::Address(v3_factory), Token::Address(weth)];
        let positions = [&v3[..], &[Token::Address(Address::zero())]].concat();
        let uniswap = Self {
            weth,
            v2_factory,
            v2_router,
            v3_factory,
            position_manager: anvil.deploy(&periphery("NonfungiblePositionManager"), &positions).await,
            v3_router: anvil.deploy(&periphery("SwapRouter"), &v3).await,
            quoter_v2: anvil.deploy(&periphery("lens/QuoterV2"), &v3).await,
            tick_lens: anvil.deploy(&periphery("lens/TickLens"), &[]).await,
            multicall: anvil.deploy(&periphery("lens/UniswapInterfaceMulticall"), &[]).await,
        };
        // On mainnet this fee came later, by a vote.
        let fee = [Token::Uint(100.into()), Token::Int(1.into())];
        execute(anvil, v3_factory, "enableFeeAmount(uint24,int24)", &fee).await;
        uniswap
    }

    /// What the address of a V2 pair is made from, beside its factory and tokens: the hash of the pair's bytecode.
    pub fn v2_init_code_hash() -> H256 {
        keccak256(bytecode(V2_PAIR)).into()
    }

    /// The same for a V3 pool.
    pub fn v3_init_code_hash() -> H256 {
        keccak256(bytecode(V3_POOL)).into()
    }

    /// What `to` gets by doing `function` of `contract`, in units of `token`. It is undone afterwards: for other clients the
    /// chain went a few blocks ahead and came back.
    async fn rehearse(&self, anvil: &Anvil, swap: &Swap, to: Address, token: Address) -> U256 {
        let snapshot = anvil.snapshot().await;
        let received = self.perform(anvil, swap, to, token).await;
        anvil.revert(snapshot).await;
        received
    }

    /// The same, for good.
    async fn perform(&self, anvil: &Anvil, swap: &Swap, to: Address, token: Address) -> U256 {
        let before = self.balance_of(anvil, token, to).await;
        self.approve(anvil, swap.sold, swap.router).await;
        execute(anvil, swap.router, swap.function, &swap.arguments).await;
        self.balance_of(anvil, token, to).await - before
    }
}

/// A router's call that sells `sold`.
struct Swap {
    router: Address,
    sold: Address,
    function: &'static str,
    arguments: Vec<Token>,
}

/// Who deploys and owns everything.
pub fn owner(anvil: &Anvil) -> Address {
    anvil.accounts()[0].address
}

/// The owner does it.
async fn execute(anvil: &Anvil, contract: Address, function: &str, arguments: &[Token]) {
    anvil.send(owner(anvil), contract, call_data(function, arguments), U256::zero()).await;
}

/// The `index`th word of what a function answers.
async fn read(anvil: &Anvil, contract: Address, function: &str, arguments: &[Token], index: usize) -> U256 {
    let answer = anvil.call(contract, call_data(function, arguments)).await;
    let word = answer.get(index * 32..(index + 1) * 32);
    U256::from_big_endian(word.unwrap_or_else(|| panic!("{function} answers more than {} bytes", answer.len())))
}

/// A word that is an address.
fn as_address(word: U256) -> Address {
    let mut bytes = [0; 32];
    word.to_big_endian(&mut bytes);
    Address::from_slice(&bytes[12..])
}

fn periphery(contract: &str) -> Bytes {
    let name = contract.rsplit('/').next().unwrap_or(contract);
    bytecode(&format!("@uniswap/v3-periphery/artifacts/contracts/{contract}.sol/{name}.json"))
}

/// What a published artifact creates its contract with.
fn bytecode(artifact: &str) -> Bytes {
    let text = std::fs::read_to_string(installed(artifact)).expect("an artifact can be read");
    let artifact: Value = serde_json::from_str(&text).expect("it is JSON");
    let code = artifact["bytecode"].as_str().expect("it has bytecode");
    hex::decode(code).expect("it is hex, with nothing to link").into()
}
