//! What Uniswap's contracts are told, and what they answer. Where there is a choice of routers, see `transactions`.

use ethers::abi::{ParamType, Token as Value, decode};
use ethers::types::{Address, U256};

use crate::sources::chains::evm::contract::{call, word};

/// What a pool's contract calls its place in the order of two tokens: the lower address is `token0`.
pub(super) fn sorted(one: Address, other: Address) -> (Address, Address) {
    if one < other { (one, other) } else { (other, one) }
}

/// ERC-20: how much `owner` has.
pub(super) fn balance_of(owner: Address) -> Vec<u8> {
    call("balanceOf(address)", &[Value::Address(owner)])
}

/// V2's pair: how much it holds of each token.
pub(super) fn get_reserves() -> Vec<u8> {
    call("getReserves()", &[])
}

/// The reserves of `token0` and `token1`.
pub(super) fn reserves(answer: &[u8]) -> Option<(U256, U256)> {
    // The third word is when they last changed: without it, it is no pair.
    word(answer, 2)?;
    Some((word(answer, 0)?, word(answer, 1)?))
}

/// V2's pair: pays out, calls `to` back with `data`, and only then wants to be paid.
pub(super) fn v2_swap(amount0: U256, amount1: U256, to: Address, data: Vec<u8>) -> Vec<u8> {
    let arguments = [Value::Uint(amount0), Value::Uint(amount1), Value::Address(to), Value::Bytes(data)];
    call("swap(uint256,uint256,address,bytes)", &arguments)
}

/// V3's pool: where its price is.
pub(super) fn slot0() -> Vec<u8> {
    call("slot0()", &[])
}

/// The square root of the price of `token0` in `token1`, times 2^96; `None` where there is no price yet.
pub(super) fn sqrt_price(answer: &[u8]) -> Option<U256> {
    word(answer, 6)?;
    word(answer, 0).filter(|price| !price.is_zero() && price.bits() <= 160)
}

/// V3's pool: lends, calls the caller back, and only then wants it returned.
pub(super) fn v3_flash(recipient: Address, amount0: U256, amount1: U256, data: Vec<u8>) -> Vec<u8> {
    let arguments = [Value::Address(recipient), Value::Uint(amount0), Value::Uint(amount1), Value::Bytes(data)];
    call("flash(address,uint256,uint256,bytes)", &arguments)
}

/// V3's `QuoterV2`: what one pool pays.
pub(super) fn quote_single(from: Address, to: Address, amount: U256, fee: u32) -> Vec<u8> {
    let arguments =
        [Value::Address(from), Value::Address(to), Value::Uint(amount), Value::Uint(fee.into()), Value::Uint(0.into())];
    call("quoteExactInputSingle((address,address,uint256,uint24,uint160))", &arguments)
}

/// V3's `QuoterV2`: what several pools pay, one after the other.
pub(super) fn quote_path(path: Vec<u8>, amount: U256) -> Vec<u8> {
    call("quoteExactInput(bytes,uint256)", &[Value::Bytes(path), Value::Uint(amount)])
}

/// A way through V3's pools: tokens of 20 bytes, between them fees of 3.
pub(super) fn path(first: Address, further: impl IntoIterator<Item = (u32, Address)>) -> Vec<u8> {
    let mut path = first.as_bytes().to_vec();
    for (fee, token) in further {
        path.extend_from_slice(&fee.to_be_bytes()[1..]);
        path.extend_from_slice(token.as_bytes());
    }
    path
}

/// What `QuoterV2` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Quoted {
    pub(super) amount_out: U256,
    /// Where each pool's price would be afterwards.
    pub(super) prices_after: Vec<U256>,
    /// The work of the pools, without that of the transaction around them.
    pub(super) gas: U256,
}

/// The answer to [`quote_single`].
pub(super) fn quoted_single(answer: &[u8]) -> Option<Quoted> {
    Some(Quoted { amount_out: word(answer, 0)?, prices_after: vec![word(answer, 1)?], gas: word(answer, 3)? })
}

/// The answer to [`quote_path`].
pub(super) fn quoted_path(answer: &[u8]) -> Option<Quoted> {
    let numbers = |bits| ParamType::Array(Box::new(ParamType::Uint(bits)));
    let values = decode(&[ParamType::Uint(256), numbers(160), numbers(32), ParamType::Uint(256)], answer).ok()?;
    let [amount, prices, _, gas] = <[Value; 4]>::try_from(values).ok()?;
    let prices_after = prices.into_array()?.into_iter().map(Value::into_uint).collect::<Option<_>>()?;
    Some(Quoted { amount_out: amount.into_uint()?, prices_after, gas: gas.into_uint()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(byte: u8) -> Address {
        Address::repeat_byte(byte)
    }

    fn selector(call: &[u8]) -> String {
        call[..4].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn selectors_are_those_of_the_contracts() {
        let (one, zero) = (U256::one(), U256::zero());
        assert_eq!(selector(&get_reserves()), "0902f1ac");
        assert_eq!(selector(&slot0()), "3850c7bd");
        assert_eq!(selector(&v2_swap(one, zero, address(1), vec![0])), "022c0d9f");
        assert_eq!(selector(&v3_flash(address(1), one, zero, vec![0])), "490e6cbc");
        assert_eq!(selector(&quote_single(address(1), address(2), one, 500)), "c6a5026a");
        assert_eq!(selector(&quote_path(vec![], one)), "cdca1753");
    }

    #[test]
    fn a_path_is_packed() {
        let path = path(address(1), [(500, address(2)), (10_000, address(3))]);
        assert_eq!(path.len(), 66);
        assert_eq!(path[20..23], [0, 1, 0xf4]);
        assert_eq!(path[43..46], [0, 0x27, 0x10]);
    }

    #[test]
    fn answers_are_read_or_not_at_all() {
        let words = |words: &[u64]| {
            words.iter().flat_map(|word| ethers::abi::encode(&[Value::Uint((*word).into())])).collect::<Vec<_>>()
        };
        assert_eq!(reserves(&words(&[5, 6, 7])), Some((5.into(), 6.into())));
        assert_eq!(reserves(&words(&[5, 6])), None);
        assert_eq!(sqrt_price(&words(&[9, 0, 0, 0, 0, 0, 1])), Some(9.into()));
        assert_eq!(sqrt_price(&words(&[0, 0, 0, 0, 0, 0, 1])), None);
        let quoted = Quoted { amount_out: 1.into(), prices_after: vec![2.into()], gas: 4.into() };
        assert_eq!(quoted_single(&words(&[1, 2, 3, 4])), Some(quoted));
        let quoted = Quoted { amount_out: 1.into(), prices_after: vec![8.into(), 9.into()], gas: 4.into() };
        let answer = words(&[1, 128, 224, 4, 2, 8, 9, 2, 0, 0]);
        assert_eq!(quoted_path(&answer), Some(quoted));
        assert_eq!(quoted_path(&answer[..200]), None);
        assert_eq!(quoted_path(&[]), None);
    }
}
