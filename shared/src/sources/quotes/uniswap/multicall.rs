//! Uniswap's `UniswapInterfaceMulticall`: many calls in one, each with its own limit of gas and its own outcome.

use ethers::abi::{ParamType, Token as Value, decode};
use ethers::types::Address;

use crate::sources::SourceError;
use crate::sources::chains::evm::contract::{call, source_error};
use crate::sources::chains::evm::{EthCall, EvmClient};

/// A call within the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) target: Address,
    pub(super) gas: u64,
    pub(super) data: Vec<u8>,
}

/// What a call answers, or what it reverts with. Where there is no contract, the answer is empty.
pub(super) type Answer = Result<Vec<u8>, Vec<u8>>;

/// What each of `calls` answers, all at one block.
///
/// # Errors
/// [`SourceError`], where no node answers, or there is no such contract at `multicall`.
pub(super) async fn ask(client: &EvmClient, multicall: Address, calls: &[Call]) -> Result<Vec<Answer>, SourceError> {
    let mut answers = client.call_all(&[EthCall::new(multicall, encode(calls))]).await.map_err(source_error)?;
    let malformed = |what: &str| SourceError::Malformed(format!("the multicall at {multicall:?} {what}"));
    match answers.pop() {
        Some(Ok(answer)) => {
            answers_of(&answer).filter(|answers| answers.len() == calls.len()).ok_or_else(|| malformed("is none"))
        }
        Some(Err(revert)) => Err(malformed(&format!("fails: {}", revert.message))),
        None => Err(malformed("is not answered for")),
    }
}

fn encode(calls: &[Call]) -> Vec<u8> {
    let tuple = |call: &Call| {
        Value::Tuple(vec![Value::Address(call.target), Value::Uint(call.gas.into()), Value::Bytes(call.data.clone())])
    };
    call("multicall((address,uint256,bytes)[])", &[Value::Array(calls.iter().map(tuple).collect())])
}

fn answers_of(answer: &[u8]) -> Option<Vec<Answer>> {
    let result = ParamType::Tuple(vec![ParamType::Bool, ParamType::Uint(256), ParamType::Bytes]);
    let values = decode(&[ParamType::Uint(256), ParamType::Array(Box::new(result))], answer).ok()?;
    let [_block, results] = <[Value; 2]>::try_from(values).ok()?;
    let answer = |result: Value| {
        let [success, _gas, data] = <[Value; 3]>::try_from(result.into_tuple()?).ok()?;
        let data = data.into_bytes()?;
        Some(if success.into_bool()? { Ok(data) } else { Err(data) })
    };
    results.into_array()?.into_iter().map(answer).collect()
}

/// The other side, for fakes: what `data` asks, and how `outcomes` are answered.
#[cfg(test)]
pub(super) mod server {
    use ethers::types::U256;

    use super::*;

    pub(in super::super) fn calls(data: &[u8]) -> Option<Vec<Call>> {
        let data = data.strip_prefix(&encode(&[])[..4])?;
        let call = ParamType::Tuple(vec![ParamType::Address, ParamType::Uint(256), ParamType::Bytes]);
        let values = decode(&[ParamType::Array(Box::new(call))], data).ok()?;
        let call = |value: Value| {
            let [target, gas, data] = <[Value; 3]>::try_from(value.into_tuple()?).ok()?;
            Some(Call { target: target.into_address()?, gas: gas.into_uint()?.as_u64(), data: data.into_bytes()? })
        };
        values.into_iter().next()?.into_array()?.into_iter().map(call).collect()
    }

    pub(in super::super) fn answer(outcomes: Vec<Answer>) -> Vec<u8> {
        let result = |outcome: Answer| {
            let success = Value::Bool(outcome.is_ok());
            let data = outcome.unwrap_or_else(|data| data);
            Value::Tuple(vec![success, Value::Uint(1.into()), Value::Bytes(data)])
        };
        let results = outcomes.into_iter().map(result).collect();
        ethers::abi::encode(&[Value::Uint(U256::one()), Value::Array(results)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_and_answered_is_read_back() {
        let calls = vec![
            Call { target: Address::repeat_byte(1), gas: 7, data: vec![1, 2, 3] },
            Call { target: Address::repeat_byte(2), gas: 8, data: vec![] },
        ];
        assert_eq!(encode(&calls)[..4], [0x17, 0x49, 0xe1, 0xe3]);
        assert_eq!(server::calls(&encode(&calls)), Some(calls));
        let outcomes = vec![Ok(vec![9; 40]), Err(vec![7]), Ok(vec![])];
        assert_eq!(answers_of(&server::answer(outcomes.clone())), Some(outcomes));
        assert_eq!(answers_of(&[]), None);
    }
}
