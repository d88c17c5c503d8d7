//! A node of another chain, by mistake in the same list.

use super::*;

#[tokio::test]
async fn a_node_of_another_chain_is_asked_for_its_id_alone() {
    let nodes = nodes::<2>().await;
    nodes[0].proxy.behave(Mode::WrongChain(56)).await;
    let chain = chain(&nodes, 1);
    for _ in 0..10 {
        answers(&*chain, &nodes).await;
    }
    let asked = nodes[0].proxy.calls();
    assert!(asked.iter().all(|method| ["eth_chainId", "eth_blockNumber"].contains(&method.as_str())), "{asked:?}");
    let told = health(&*chain, &nodes[0]);
    assert!(!told.usable && told.note.contains("eip155:56") && told.note.contains("eip155:31337"), "{told:?}");
}

#[tokio::test]
async fn where_all_nodes_are_of_another_chain_the_error_names_both() {
    let nodes = nodes::<1>().await;
    nodes[0].proxy.behave(Mode::WrongChain(56)).await;
    let chain = chain(&nodes, 1);
    let error = ask(&*chain, &nodes).await.unwrap_err().to_string();
    assert!(error.contains("eip155:56") && error.contains("eip155:31337"), "{error}");
    let hash = format!("{:#x}", ethers::types::H256::repeat_byte(7));
    assert!(matches!(chain.get_transaction(&hash).await, Err(ChainError::Unavailable { .. })));
    assert!(matches!(chain.head().await, Err(ChainError::Unavailable { .. })));
    assert!(!nodes[0].proxy.calls().contains(&"eth_getTransactionByHash".to_owned()));
}

#[tokio::test]
async fn a_newer_block_of_another_chain_leaves_nobody_behind() {
    let nodes = nodes::<2>().await;
    nodes[0].anvil.mine(1_000).await;
    nodes[0].proxy.behave(Mode::WrongChain(56)).await;
    let chain = chain(&nodes, 1);
    answers(&*chain, &nodes).await;
    assert!(health(&*chain, &nodes[1]).usable);
}
