use super::super::fake::{COIN, USDC, WRAPPED, chain, clients, deployments, node, swap, token, words};
use super::*;
use crate::domain::chain::ChainId;
use crate::platform::clock::SystemClock;
use crate::sources::chains::evm::Revert;
use crate::sources::chains::evm::fake_contracts::FakeContracts;
use crate::sources::quotes::Token;

fn pair(one: Address, other: Address) -> Address {
    Leg::v2(&deployments().on(&chain().id).unwrap().v2.unwrap(), one, other).pool
}

/// Pairs that hold so much of their two tokens, in their order; `lend` is what their `swap` does.
async fn pairs(
    known: &[(Address, Address, u64, u64)],
    lend: impl Fn(&[u8]) -> Revert + Send + Sync + 'static,
) -> (UniswapV2, FakeContracts) {
    let known: HashMap<_, _> = known
        .iter()
        .map(|(one, other, held, other_held)| {
            let (held, other_held) = (U256::from(*held), U256::from(*other_held));
            (pair(*one, *other), if one < other { (held, other_held) } else { (other_held, held) })
        })
        .collect();
    let node = node(move |to, data| match known.get(&to) {
        None => Ok(vec![]),
        Some((reserve0, reserve1)) if data == abi::get_reserves() => Ok(words(&[*reserve0, *reserve1, 1.into()])),
        Some(_) => Err(lend(data)),
    })
    .await;
    (UniswapV2::new(clients(&node), deployments(), Arc::new(SystemClock)), node)
}

/// A token without a fee: what was lent is what stands in the call.
fn honest(data: &[u8]) -> Revert {
    let amount = crate::sources::chains::evm::contract::word;
    let lent = amount(&data[4..], 0).unwrap() + amount(&data[4..], 1).unwrap();
    super::super::fake::without_fee(lent)
}

fn silent(_data: &[u8]) -> Revert {
    Revert { message: "execution reverted".to_owned(), data: vec![] }
}

async fn refusal(source: &UniswapV2, swap: Swap) -> String {
    match source.quote(&swap).await {
        Err(QuoteError::NoRoute(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_pair_is_quoted_to_the_unit() {
    let (source, node) = pairs(&[(COIN, USDC, 1_000_000, 2_000_000)], honest).await;
    let quote = source.quote(&swap(token(COIN), token(USDC), 1000)).await.unwrap();
    assert_eq!(quote.amount_out, 1992.into());
    // 1,994 without moving the price.
    assert_eq!(quote.price_impact_bps, Some(11));
    assert_eq!(quote.gas, Some(120_000));
    assert_eq!((quote.route.len(), quote.transaction.is_none()), (1, true));
    assert_eq!(quote.route[0].pool.as_deref().map(str::to_ascii_lowercase), Some(format!("{:?}", pair(COIN, USDC))));
    let batches = node.batches.lock().unwrap();
    assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2]);
    assert!(batches[1].iter().all(|params| params[2].is_object()));
}

#[tokio::test]
async fn the_better_of_two_routes_is_taken() {
    let known = [
        (COIN, USDC, 1_000_000, 1_000_000),
        (COIN, WRAPPED, 1_000_000, 1_000_000),
        (WRAPPED, USDC, 1_000_000, 3_000_000),
    ];
    let (source, _node) = pairs(&known, honest).await;
    let quote = source.quote(&swap(token(COIN), token(USDC), 1000)).await.unwrap();
    assert_eq!(quote.amount_out, 2976.into());
    assert_eq!((quote.route.len(), quote.gas), (2, Some(190_000)));
    assert_eq!(quote.route[0].to, quote.route[1].from);
}

#[tokio::test]
async fn what_cannot_be_swapped_is_told_apart() {
    let (source, node) = pairs(&[(COIN, USDC, 1_000_000, 10)], silent).await;
    let refused = [
        (token(WRAPPED), token(USDC), 1, "no pool trades these"),
        (token(COIN), token(USDC), 1000, "no pool pays anything for so little"),
        (token(COIN), token(COIN), 1, "these are the same token"),
        (Token::Native, token(WRAPPED), 1, "these are the same token"),
    ];
    for (from, to, amount, reason) in refused {
        assert_eq!(refusal(&source, swap(from, to, amount)).await, reason);
    }
    let too_much = Swap { amount: U256::one() << 112, ..swap(token(COIN), token(USDC), 1) };
    assert_eq!(refusal(&source, too_much).await, "no pool can take so much");
    assert_eq!(node.batches.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_fee_on_transfer_is_no_quote() {
    let taxed = |data: &[u8]| {
        let mut revert = honest(data);
        revert.data[..32].copy_from_slice(&words(&[90.into()]));
        revert
    };
    let (source, _node) = pairs(&[(COIN, WRAPPED, 1_000_000, 1_000_000)], taxed).await;
    let reason = refusal(&source, swap(token(COIN), Token::Native, 100)).await;
    assert!(reason.contains("takes a fee of about 1000 bps"), "{reason}");
}

#[tokio::test]
async fn a_node_that_assumes_no_state_still_quotes() {
    let (source, _node) = pairs(&[(COIN, USDC, 1_000_000, 2_000_000)], silent).await;
    assert!(source.quote(&swap(token(COIN), token(USDC), 1000)).await.is_ok());
}

#[tokio::test]
async fn a_transaction_is_made_for_whom_it_pays() {
    let (source, _node) = pairs(&[(COIN, WRAPPED, 1_000_000, 2_000_000)], honest).await;
    let recipient = Some("0x00000000000000000000000000000000000000aa".to_owned());
    let made = async |from, to| {
        let swap = Swap { recipient: recipient.clone(), ..swap(from, to, 1000) };
        source.quote(&swap).await.unwrap().transaction.unwrap()
    };
    let (sells, buys) = (made(token(COIN), Token::Native).await, made(Token::Native, token(COIN)).await);
    let plain = made(token(COIN), token(WRAPPED)).await;
    assert!(sells.data.starts_with("0x18cbafe5") && buys.data.starts_with("0x7ff36ab5"));
    assert!(plain.data.starts_with("0x38ed1739"));
    // The least, where 1,992 were quoted.
    assert!(plain.data.contains(&format!("{:064x}", 1982)));
    assert_eq!((sells.value, buys.value), (0.into(), 1000.into()));
    assert_eq!((sells.spender, buys.spender), (sells.to, None));
    let nobody = Some(format!("{:?}", Address::zero()));
    let reason = refusal(&source, Swap { recipient: nobody, ..swap(token(COIN), Token::Native, 1000) }).await;
    assert!(reason.contains("cannot receive"), "{reason}");
}

#[tokio::test]
async fn only_what_is_deployed_is_served() {
    let (source, _node) = pairs(&[], silent).await;
    assert!(source.serves(&chain()));
    assert!(!source.serves(&Chain { id: ChainId::evm(1), ..chain() }));
}
