//! Every type of transaction that the node takes.

use ethers::types::transaction::eip2930::{AccessList, AccessListItem};
use ethers::types::{Address, H256, Signature, TransactionRequest};
use ethers::utils::keccak256;
use ethers::utils::rlp::RlpStream;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::Scene;
use super::scene::TO;

const BLOB: usize = 131_072;
const CELLS: usize = 128;
/// Of a blob of zeros, the commitment and every proof: the point at infinity.
const INFINITY: [u8; 48] = {
    let mut point = [0; 48];
    point[0] = 0xc0;
    point
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn types_0_to_2_are_sent() {
    let scene = Scene::new().await;
    let legacy =
        TransactionRequest::new().to(TO).value(1).nonce(0).gas(100_000).gas_price(10_000_000_000_u64).chain_id(31_337);
    let item = AccessListItem { address: TO, storage_keys: vec![H256::zero()] };
    let list = legacy.clone().nonce(1).with_access_list(AccessList(vec![item]));
    for signed in [scene.sign(1, legacy).await, scene.sign(1, list).await, scene.payment(1, 2, 1).await] {
        arrives(&scene, &signed).await;
    }
    assert_eq!(scene.paid().await, 3.into());
}

/// EIP-7702: an account lets a contract's code be its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn type_4_is_sent() {
    let scene = Scene::new().await;
    let (authority, code) = (scene.anvil.accounts()[2].address, Address::repeat_byte(0x11));
    let mut authorisation = RlpStream::new_list(3);
    authorisation.append(&31_337_u64).append(&code).append(&0_u64);
    let granted =
        scene.wallet(2).sign_hash(keccak256([&[0x05], authorisation.out().as_ref()].concat()).into()).unwrap();
    let fields = |stream: &mut RlpStream| {
        stream.append(&31_337_u64).append(&0_u64).append(&1_000_000_000_u64).append(&10_000_000_000_u64);
        stream.append(&200_000_u64).append(&TO).append(&7_u64).append_empty_data().begin_list(0);
        stream.begin_list(1).begin_list(6).append(&31_337_u64).append(&code).append(&0_u64);
        append_signature(stream, &granted);
    };
    let signed = sign(&scene, 1, 0x04, 10, fields);
    arrives(&scene, &format!("0x{}", hex(&signed))).await;
    assert_eq!(scene.paid().await, 7.into());
    let delegated = scene.anvil.code(authority).await;
    assert!(delegated.starts_with(&[0xef, 0x01, 0x00]) && delegated.ends_with(code.as_bytes()), "{delegated}");
}

/// EIP-4844: the blob is handed in beside the transaction, and is no part of its hash.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn type_3_is_sent_with_its_blob() {
    let scene = Scene::new().await;
    let mut versioned: [u8; 32] = Sha256::digest(INFINITY).into();
    versioned[0] = 0x01;
    let fields = |stream: &mut RlpStream| {
        stream.append(&31_337_u64).append(&0_u64).append(&1_000_000_000_u64).append(&10_000_000_000_u64);
        stream.append(&200_000_u64).append(&TO).append(&9_u64).append_empty_data().begin_list(0);
        stream.append(&10_000_000_000_u64);
        stream.begin_list(1).append(&H256(versioned));
    };
    // The node's first blob takes it a while, longer than is waited for here: that is somebody else's.
    let other = with_blob(&sign(&scene, 2, 0x03, 11, fields));
    scene.anvil.rpc("eth_sendRawTransaction", json!([other])).await;
    let signed = sign(&scene, 1, 0x03, 11, fields);
    let hash = arrives(&scene, &with_blob(&signed)).await;
    assert_eq!(hash, format!("0x{}", hex(&keccak256(&signed))));
    assert_eq!(scene.paid().await, 18.into());
}

/// The transaction and an empty blob, with the proofs of its cells (EIP-7594), as since Osaka.
fn with_blob(signed: &[u8]) -> String {
    let mut wrapped = RlpStream::new_list(5);
    wrapped.append_raw(&signed[1..], 1).append(&1_u8);
    wrapped.begin_list(1).append(&vec![0_u8; BLOB]);
    wrapped.begin_list(1).append(&INFINITY.to_vec());
    wrapped.begin_list(CELLS);
    for _ in 0..CELLS {
        wrapped.append(&INFINITY.to_vec());
    }
    format!("0x03{}", hex(&wrapped.out()))
}

/// It is accepted under its hash, and succeeds.
async fn arrives(scene: &Scene, signed: &str) -> String {
    let answer = scene.send(signed).await;
    assert_eq!(answer.sent()["state"], "ACCEPTED");
    let from = ethers::utils::to_checksum(&scene.anvil.accounts()[1].address, None);
    assert_eq!(answer.sent()["from"], from);
    let hash = answer.sent()["hash"].as_str().unwrap();
    let receipt = scene.receipt(hash).await;
    assert_eq!(receipt["status"], "0x1", "{receipt}");
    let again = scene.send(signed).await;
    assert_eq!(again.sent()["hash"], hash);
    hash.to_owned()
}

/// A transaction of a type that ethers does not know, with so many fields, signed by an account.
fn sign(scene: &Scene, account: usize, kind: u8, fields: usize, append: impl Fn(&mut RlpStream)) -> Vec<u8> {
    let mut unsigned = RlpStream::new_list(fields);
    append(&mut unsigned);
    let hash = keccak256([&[kind], unsigned.out().as_ref()].concat());
    let signature = scene.wallet(account).sign_hash(hash.into()).unwrap();
    let mut signed = RlpStream::new_list(fields + 3);
    append(&mut signed);
    append_signature(&mut signed, &signature);
    [&[kind], signed.out().as_ref()].concat()
}

fn append_signature(stream: &mut RlpStream, signature: &Signature) {
    stream.append(&(signature.v - 27)).append(&signature.r).append(&signature.s);
}

fn hex(bytes: &[u8]) -> String {
    ethers::utils::hex::encode(bytes)
}
