//! Chains: what is read of one, and what is handed to it.

use axum::http::StatusCode;
use ethers::types::transaction::eip2718::TypedTransaction;
use ethers::types::{Address, Eip1559TransactionRequest};
use ethers_signers::{LocalWallet, Signer};
use serde_json::json;
use support::anvil::{Anvil, AnvilOptions};

use super::{get, post};
use crate::graphql::server::Server;

const TO: Address = Address::repeat_byte(0x70);

#[tokio::test]
async fn a_chain_is_read_and_a_signed_transaction_is_sent_to_it() {
    let anvil = Anvil::start(AnvilOptions::default()).await;
    let nodes = format!("anvil={}", anvil.url());
    let server = Server::start_with(&[("RATE_LIMITS", "off"), ("EVM_RPC_URLS", &nodes)]).await;
    let chains = get(&server, "/v1/chains", None).await.json();
    let over_graphql = server.anonymous("{ chains { id name symbol decimals confirmations filters } }").await.data();
    assert_eq!(chains, json!({ "items": over_graphql["chains"] }));

    let account = ethers::utils::to_checksum(&anvil.accounts()[1].address, None);
    let balance = get(&server, &format!("/v1/chains/anvil/balances/{account}"), None).await;
    assert_eq!((balance.status, &balance.json()["amount"]["value"]), (StatusCode::OK, &json!("10000")), "{balance:?}");
    let query = format!(
        "{{ balance(chain: \"anvil\", address: \"{account}\") \
         {{ chain address token amount {{ units decimals symbol value }} block }} }}"
    );
    assert_eq!(balance.json(), server.anonymous(&query).await.data()["balance"]);

    let draft = json!({ "from": account, "to": format!("{TO:?}"), "value": "5" });
    let fee = post(&server, "/v1/chains/anvil/fee-estimates", "ada", &draft).await;
    assert_eq!((fee.status, &fee.json()["units"]), (StatusCode::OK, &json!("21000")), "{fee:?}");
    let twice = json!({ "chain": "anvil", "to": format!("{TO:?}") });
    let twice = post(&server, "/v1/chains/anvil/fee-estimates", "ada", &twice).await;
    assert_eq!(twice.code(), "BAD_USER_INPUT", "the path says which chain");

    let payment: TypedTransaction = Eip1559TransactionRequest::new()
        .to(TO)
        .value(5_u64)
        .nonce(0_u64)
        .gas(100_000)
        .max_fee_per_gas(10_000_000_000_u64)
        .max_priority_fee_per_gas(1_000_000_000)
        .chain_id(31_337)
        .into();
    let wallet = LocalWallet::from_bytes(anvil.accounts()[1].key.as_bytes()).unwrap().with_chain_id(31_337_u64);
    let signature = wallet.sign_transaction(&payment).await.unwrap();
    let signed = json!({ "signed": payment.rlp_signed(&signature).to_string() });
    let sent = post(&server, "/v1/chains/anvil/transactions", "ada", &signed).await;
    assert_eq!(sent.status, StatusCode::ACCEPTED, "{sent:?}");
    let path = format!("/v1/chains/anvil/transactions/{}", sent.json()["hash"].as_str().unwrap());
    assert_eq!(sent.header("location"), Some(path.as_str()));
    // Handed in again, it is the same one.
    let again = post(&server, "/v1/chains/anvil/transactions", "ada", &signed).await;
    assert_eq!((again.status, &again.json()["hash"]), (StatusCode::ACCEPTED, &sent.json()["hash"]));
    anvil.mined().await;
    let found = get(&server, &path, None).await;
    assert_eq!((found.status, &found.json()["from"]), (StatusCode::OK, &json!(account)), "{found:?}");

    let unknown = get(&server, &format!("/v1/chains/anvil/transactions/0x{}", "ab".repeat(32)), None).await;
    assert_eq!((unknown.status, unknown.code().as_str()), (StatusCode::NOT_FOUND, "NOT_FOUND"));
    let nowhere = get(&server, &format!("/v1/chains/atlantis/balances/{account}"), None).await;
    assert_eq!((nowhere.status, nowhere.code().as_str()), (StatusCode::BAD_REQUEST, "BAD_USER_INPUT"));
}
