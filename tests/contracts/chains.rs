//! What every chain's adapter promises, against a node of each kind of chain: an EVM node, and Solana's virtual machine.

mod addresses;
mod balances;
mod double;
mod doubles;
mod events;
mod evm;
mod fees;
mod ground;
mod send;
mod signed;
mod solana;
mod transactions;

use ground::{Ground, OnChain, Wallet};

/// Makes each promise a test on each kind of chain.
macro_rules! chain_contract {
    ($($promise:ident),* $(,)?) => {
        mod evm {
            $(
                #[tokio::test]
                async fn $promise() {
                    use $crate::contracts::chains::{evm::EvmGround, ground::OnChain};
                    super::$promise(OnChain::<EvmGround>::start().await).await;
                }
            )*
        }

        mod solana {
            $(
                #[tokio::test]
                async fn $promise() {
                    use $crate::contracts::chains::{ground::OnChain, solana::SolanaGround};
                    super::$promise(OnChain::<SolanaGround>::start().await).await;
                }
            )*
        }
    };
}
use chain_contract;
