//! What can be read of chains: which there are, balances, transactions, fees.

use axum::http::StatusCode;
use ethers::types::{Address, Bytes, U256};
use serde_json::{Value, json};
use support::anvil::{Anvil, AnvilOptions, call_data};
use support::rpc_proxy::{Mode, RpcProxy};
use support::solana::SolanaNode;
use support::uniswap::test_token;

use super::server::Server;

const UNUSED: &str = "0x7070707070707070707070707070707070707070";

struct Chain {
    anvil: Anvil,
    provider: RpcProxy,
    server: Server,
}

async fn chain() -> Chain {
    let anvil = Anvil::start(AnvilOptions::default()).await;
    let provider = RpcProxy::before(&anvil.url()).await;
    let nodes = format!("anvil={}", provider.url());
    let server = Server::start_with(&[("RATE_LIMITS", "off"), ("EVM_RPC_URLS", &nodes)]).await;
    Chain { anvil, provider, server }
}

impl Chain {
    /// What a query says is wrong.
    async fn refusal(&self, query: &str) -> (String, String) {
        let answer = self.server.anonymous(query).await;
        (answer.code(), answer.json()["errors"][0]["message"].as_str().unwrap_or_default().to_owned())
    }

    fn account(&self, number: usize) -> String {
        ethers::utils::to_checksum(&self.anvil.accounts()[number].address, None)
    }
}

#[tokio::test]
async fn chains_are_listed_with_what_is_watched_on_them() {
    let filters = json!([
        { "name": "one", "chain": "anvil" },
        { "name": "two", "chain": "eip155:31337", "addresses": [UNUSED] },
        { "name": "three", "chain": "solana", "addresses": ["11111111111111111111111111111111"] },
    ]);
    let server = Server::start_with(&[
        ("RATE_LIMITS", "off"),
        ("EVM_RPC_URLS", "anvil=http://127.0.0.1:1/KEY;eip155:7777=http://127.0.0.1:1;base=http://127.0.0.1:1"),
        ("SOLANA_RPC_URLS", "solana=http://127.0.0.1:1"),
        ("CHAIN_FILTERS", &filters.to_string()),
    ])
    .await;
    let answer = server.anonymous("{ chains { id name symbol decimals confirmations filters } }").await;
    let chain = |id: &str, name: &str, symbol: &str, decimals: u8, confirmations: u64, filters: Value| {
        json!({ "id": id, "name": name, "symbol": symbol, "decimals": decimals, "confirmations": confirmations,
            "filters": filters })
    };
    let wanted = json!([
        chain("eip155:31337", "anvil", "ETH", 18, 0, json!(["one", "two"])),
        chain("eip155:7777", "eip155:7777", "native", 18, 20, json!([])),
        chain("eip155:8453", "base", "ETH", 18, 20, json!([])),
        chain("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "solana", "SOL", 9, 32, json!(["three"])),
    ]);
    assert_eq!(answer.data()["chains"], wanted);
}

#[tokio::test]
async fn a_balance_is_of_the_coin_or_of_a_token() {
    let it = chain().await;
    let token = test_token(&it.anvil, 1_500_000_000_000_000_000_u64.into()).await;
    let (owner, contract) = (it.account(0), ethers::utils::to_checksum(&token, None));
    let query = format!(
        "{{ coin: balance(chain: \"anvil\", address: \"{}\") {{ chain address token amount {{ units decimals symbol value }} block }} \
           token: balance(chain: \"eip155:31337\", address: \"{}\", token: \"{token:?}\") {{ address token amount {{ units value }} }} }}",
        it.account(1),
        owner.to_lowercase(),
    );
    let data = it.server.anonymous(&query).await.data();
    let units = "10000000000000000000000";
    assert_eq!(data["coin"]["amount"], json!({ "units": units, "decimals": 18, "symbol": "ETH", "value": "10000" }));
    let coin = &data["coin"];
    assert_eq!((&coin["chain"], &coin["token"], &coin["block"]), (&json!("eip155:31337"), &Value::Null, &json!("1")));
    let wanted =
        json!({ "address": owner, "token": contract, "amount": { "units": "1500000000000000000", "value": "1.5" } });
    assert_eq!(data["token"], wanted, "addresses as the chain writes them");
}

#[tokio::test]
async fn what_is_no_address_no_token_or_no_chain_is_said() {
    let it = chain().await;
    let balance = |chain: &str, address: &str, token: &str| {
        format!("{{ balance(chain: \"{chain}\", address: \"{address}\"{token}) {{ block }} }}")
    };
    let wrong_checksum = it.account(1).replace('d', "D").replace('e', "E");
    for (query, problem) in [
        (balance("etherium", UNUSED, ""), "unsupported chain \"etherium\"; supported: anvil"),
        (balance("", UNUSED, ""), "unsupported chain"),
        (balance("anvil", "0x12", ""), "address"),
        (balance("anvil", "11111111111111111111111111111111", ""), "address"),
        (balance("anvil", &wrong_checksum, ""), "checksum"),
        (balance("anvil", UNUSED, ", token: \"vitalik.eth\""), "address"),
        (balance("anvil", UNUSED, &format!(", token: \"{UNUSED}\"")), "there is no token at that address"),
    ] {
        let (code, message) = it.refusal(&query).await;
        assert_eq!(code, "BAD_USER_INPUT", "{query}: {message}");
        assert!(message.contains(problem), "{query}: {message}");
    }
}

#[tokio::test]
async fn a_hundred_balances_are_two_requests_to_the_node() {
    let it = chain().await;
    it.server.anonymous(&format!("{{ balance(chain: \"anvil\", address: \"{UNUSED}\") {{ block }} }}")).await.data();
    it.provider.forget();
    let aliases: String = (0..100_u64)
        .map(|n| {
            let address = Address::from_low_u64_be(n + 1000);
            format!("b{n}: balance(chain: \"anvil\", address: \"{address:?}\") {{ amount {{ units }} block }} ")
        })
        .collect();
    let data = it.server.anonymous(&format!("{{ {aliases} }}")).await.data();
    assert_eq!(data.as_object().map(serde_json::Map::len), Some(100));
    assert!(it.provider.requests() <= 2, "{} requests: {:?}", it.provider.requests(), it.provider.calls());
    // Asked twice at once, it is asked for once.
    it.provider.forget();
    let same: String =
        (0..50).map(|n| format!("b{n}: balance(chain: \"anvil\", address: \"{UNUSED}\") {{ block }} ")).collect();
    it.server.anonymous(&format!("{{ {same} }}")).await.data();
    assert_eq!(it.provider.calls().iter().filter(|call| *call == "eth_getBalance").count(), 1);
}

#[tokio::test]
async fn a_transaction_is_found_by_its_hash_from_its_sending_on() {
    let it = chain().await;
    let (from, to) = (it.anvil.accounts()[1].address, UNUSED.parse::<Address>().unwrap());
    let fields = "status block blockHash confirmations settled timestamp from to value { value symbol } fee { units } nonce error";
    let ask = async |hash: &str| {
        let query = format!("{{ transaction(chain: \"anvil\", hash: \"{hash}\") {{ {fields} }} }}");
        it.server.anonymous(&query).await.data()["transaction"].clone()
    };
    it.anvil.rpc("evm_setAutomine", json!([false])).await;
    let waiting = json!([{ "from": from, "to": to, "value": "0xde0b6b3a7640000" }]);
    let hash = it.anvil.rpc("eth_sendTransaction", waiting).await.as_str().unwrap().to_owned();
    let pending = ask(&hash).await;
    assert_eq!((&pending["status"], &pending["settled"]), (&json!("PENDING"), &json!(false)), "{pending}");
    assert!(pending["block"].is_null() && pending["fee"].is_null());
    it.anvil.mine(2).await;
    let found = ask(&hash.to_uppercase().replacen("0X", "0x", 1)).await;
    assert_eq!((&found["status"], &found["settled"]), (&json!("SUCCEEDED"), &json!(true)), "{found}");
    assert_eq!((&found["block"], &found["confirmations"]), (&json!("1"), &json!(2)));
    assert_eq!(found["blockHash"], it.anvil.block(1).await["hash"]);
    assert_eq!((&found["from"], &found["nonce"]), (&json!(it.account(1)), &json!("0")));
    assert_eq!(found["value"], json!({ "value": "1", "symbol": "ETH" }));
    it.anvil.rpc("evm_setAutomine", json!([true])).await;
    let token = test_token(&it.anvil, U256::one()).await;
    let data =
        call_data("transfer(address,uint256)", &[ethers::abi::Token::Address(to), ethers::abi::Token::Uint(5.into())]);
    let reverted = it.anvil.try_send(from, token, data, U256::zero()).await;
    let failed = ask(&format!("{:?}", reverted.transaction_hash)).await;
    assert!(failed["status"] == "FAILED" && failed["error"].is_string(), "{failed}");
    let (code, message) =
        it.refusal(&format!("{{ transaction(chain: \"anvil\", hash: \"0x{}\") {{ status }} }}", "ab".repeat(32))).await;
    assert!(code == "NOT_FOUND" && message.contains("no node of anvil knows transaction"), "{message}");
    assert_eq!(it.refusal("{ transaction(chain: \"anvil\", hash: \"0x12\") { status } }").await.0, "BAD_USER_INPUT");
}

#[tokio::test]
async fn a_fee_is_estimated_at_three_speeds() {
    let it = chain().await;
    for wei in 1..=5_u64 {
        it.anvil.send(it.anvil.accounts()[0].address, UNUSED.parse().unwrap(), Bytes::new(), wei.into()).await;
    }
    let token = test_token(&it.anvil, U256::one()).await;
    let fee = |transaction: &str| {
        format!(
            "{{ estimateFee(chain: \"anvil\", transaction: {{ {transaction} }}) \
             {{ units slow {{ maxPrice total {{ units symbol }} }} normal {{ maxPrice }} fast {{ maxPrice priority }} }} }}"
        )
    };
    let payment = format!("from: \"{}\", to: \"{UNUSED}\", value: \"5\"", it.account(1));
    let estimate = it.server.anonymous(&fee(&payment)).await.data()["estimateFee"].clone();
    assert_eq!((&estimate["units"], &estimate["slow"]["total"]["symbol"]), (&json!("21000"), &json!("ETH")));
    let price = |speed: &str| estimate[speed]["maxPrice"].as_str().unwrap().parse::<u128>().unwrap();
    assert!(price("slow") > 0 && price("slow") <= price("normal") && price("normal") <= price("fast"), "{estimate}");
    let data = call_data(
        "transfer(address,uint256)",
        &[ethers::abi::Token::Address(token), ethers::abi::Token::Uint(5.into())],
    );
    for (transaction, problem) in [
        (format!("from: \"{}\", to: \"{token:?}\", data: \"{data}\"", it.account(1)), "revert"),
        (format!("from: \"{UNUSED}\", to: \"{token:?}\", value: \"5\""), ""),
        (format!("{payment}, data: \"0xabc\""), "data must be hexadecimal"),
        (payment.replace("\"5\"", "\"1.5\""), "value must be a whole number"),
        (payment.replace(UNUSED, "0x12"), "address"),
    ] {
        let (code, message) = it.refusal(&fee(&transaction)).await;
        assert!(code == "BAD_USER_INPUT" && message.contains(problem), "{transaction}: {code} {message}");
    }
}

#[tokio::test]
async fn a_node_that_does_not_answer_is_an_upstream_that_is_unavailable() {
    let it = chain().await;
    it.provider.behave(Mode::Refuse).await;
    let hash = "ab".repeat(32);
    for query in [
        format!("{{ balance(chain: \"anvil\", address: \"{UNUSED}\") {{ block }} }}"),
        format!("{{ transaction(chain: \"anvil\", hash: \"0x{hash}\") {{ status }} }}"),
        format!("{{ estimateFee(chain: \"anvil\", transaction: {{ to: \"{UNUSED}\" }}) {{ units }} }}"),
    ] {
        let answer = it.server.anonymous(&query).await;
        let error = &answer.json()["errors"][0];
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "UPSTREAM_UNAVAILABLE"));
        assert_eq!(
            (&error["message"], &error["extensions"]["service"]),
            (&json!("anvil is unavailable"), &json!("anvil"))
        );
    }
    it.provider.behave(Mode::WrongChain(5)).await;
    let other = it.refusal(&format!("{{ balance(chain: \"anvil\", address: \"{UNUSED}\") {{ block }} }}")).await;
    assert_eq!(other.0, "UPSTREAM_UNAVAILABLE");
}

#[tokio::test]
async fn where_no_chain_is_configured_each_field_says_so() {
    let server = Server::start().await;
    assert_eq!(server.anonymous("{ chains { id } }").await.data(), json!({ "chains": [] }));
    for query in [
        format!("{{ balance(chain: \"ethereum\", address: \"{UNUSED}\") {{ block }} }}"),
        "{ transaction(chain: \"ethereum\", hash: \"0x12\") { status } }".to_owned(),
        "{ estimateFee(chain: \"ethereum\", transaction: {}) { units } }".to_owned(),
        "mutation { sendTransaction(chain: \"ethereum\", signed: \"0x02\") { hash } }".to_owned(),
    ] {
        let answer = server.user("ada", &query).await;
        let message = "unsupported chain \"ethereum\"; supported: there are none here";
        assert_eq!(
            (answer.code().as_str(), &answer.json()["errors"][0]["message"]),
            ("BAD_USER_INPUT", &json!(message))
        );
    }
}

#[tokio::test]
async fn solana_is_read_the_same_way() {
    let node = SolanaNode::start().await;
    let genesis = node.rpc("getGenesisHash", json!([])).await;
    let chain = format!("solana:{}", &genesis.as_str().unwrap()[..32]);
    let nodes = format!("{chain}={}", node.url());
    let server = Server::start_with(&[("RATE_LIMITS", "off"), ("SOLANA_RPC_URLS", &nodes)]).await;
    let (from, to) = (node.keys_with(5_000_000_000).await, node.keys().await.address);
    let mint = node.create_mint(6).await;
    node.mint_to(&mint, &to, 2_500_000).await;
    let signature = node.transfer(&from, &to, 1_000_000_000).await;
    let query = format!(
        "{{ coin: balance(chain: \"{chain}\", address: \"{to}\") {{ amount {{ value symbol }} }} \
           token: balance(chain: \"{chain}\", address: \"{to}\", token: \"{mint}\") {{ amount {{ units decimals value }} }} \
           transaction(chain: \"{chain}\", hash: \"{signature}\") {{ status settled from to value {{ value }} }} }}"
    );
    let data = server.anonymous(&query).await.data();
    assert_eq!(data["coin"]["amount"], json!({ "value": "1", "symbol": "SOL" }));
    assert_eq!(data["token"]["amount"], json!({ "units": "2500000", "decimals": 6, "value": "2.5" }));
    let transaction =
        json!({ "status": "SUCCEEDED", "settled": false, "from": from.address, "to": to, "value": { "value": "1" } });
    assert_eq!(data["transaction"], transaction);
    node.advance(40).await;
    let settled = format!("{{ transaction(chain: \"{chain}\", hash: \"{signature}\") {{ settled }} }}");
    assert_eq!(server.anonymous(&settled).await.data()["transaction"]["settled"], true);
}
