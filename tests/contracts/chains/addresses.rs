use mcp_core::domain::watch::Trail;
use mcp_core::sources::chains::{BalanceQuery, ChainError};

use super::{Ground, OnChain, chain_contract};

chain_contract!(
    what_is_no_address_is_refused_before_anybody_is_asked,
    what_is_no_hash_is_refused_before_anybody_is_asked,
    addresses_and_hashes_have_one_form,
);

fn is_invalid<T>(outcome: Result<T, ChainError>) -> bool {
    matches!(outcome, Err(ChainError::Invalid(_)))
}

pub(super) async fn what_is_no_address_is_refused_before_anybody_is_asked<G: Ground>(on: OnChain<G>) {
    let filter = on.ground.watch().await;
    on.proxy.forget();
    for bad in G::BAD_ADDRESSES {
        assert!(is_invalid(on.adapter.check_address(bad)), "{bad:?}");
        let good = on.ground.nobody().await;
        let queries = [
            BalanceQuery { address: (*bad).to_owned(), token: None },
            BalanceQuery { address: good, token: Some((*bad).to_owned()) },
        ];
        let told = on.adapter.get_balances(&queries).await;
        assert!(told.into_iter().all(is_invalid), "{bad:?}");
        let mut filter = filter.clone();
        filter.addresses = vec![(*bad).to_owned()];
        assert!(is_invalid(on.adapter.events_after(&filter, &Trail::default()).await), "{bad:?}");
    }
    assert_eq!(on.proxy.calls(), [""; 0]);
}

pub(super) async fn what_is_no_hash_is_refused_before_anybody_is_asked<G: Ground>(on: OnChain<G>) {
    for bad in G::BAD_HASHES {
        assert!(is_invalid(on.adapter.check_hash(bad)), "{bad:?}");
        assert!(is_invalid(on.adapter.get_transaction(bad).await), "{bad:?}");
    }
    assert_eq!(on.proxy.calls(), [""; 0]);
}

pub(super) async fn addresses_and_hashes_have_one_form<G: Ground>(on: OnChain<G>) {
    let address = on.ground.rich().await.address;
    for text in [address.clone(), G::otherwise(&address)] {
        assert_eq!(on.adapter.check_address(&text).unwrap(), address);
    }
    for text in [G::UNKNOWN_HASH.to_owned(), G::otherwise(G::UNKNOWN_HASH)] {
        assert_eq!(on.adapter.check_hash(&text).unwrap(), G::UNKNOWN_HASH);
    }
}
