//! Where Uniswap's contracts are, and tokens by their symbols. From <https://docs.uniswap.org/contracts/v2/reference/smart-contracts/v2-deployments>,
//! <https://docs.uniswap.org/contracts/v3/reference/deployments/>, and the SDK's `sdk-core/src/addresses.ts`.

/// The hash of the code that creates a pair of V2: the same wherever it was deployed from its own package.
pub(super) const V2_INIT_CODE_HASH: [u8; 32] = hash("96e8ac4277198ff8b6f785478aa9a39f403cb768dd02cbee326c3e7da348845f");
/// Likewise for a pool of V3.
pub(super) const V3_INIT_CODE_HASH: [u8; 32] = hash("e34f199b19b2b4f47f68442619d555527d244f78a3297ea89325f843f87b8b54");

/// What is where on one chain.
pub(super) struct BuiltIn {
    pub(super) name: &'static str,
    pub(super) chain: u64,
    pub(super) multicall: &'static str,
    /// By symbol; the first is the wrapped coin.
    pub(super) tokens: &'static [(&'static str, &'static str)],
    pub(super) v2_factory: &'static str,
    pub(super) v2_router: &'static str,
    pub(super) v3_factory: &'static str,
    /// `QuoterV2`.
    pub(super) v3_quoter: &'static str,
    pub(super) v3_router: Router,
}

/// Which router of V3 there is.
pub(super) enum Router {
    /// `SwapRouter`.
    First(&'static str),
    /// `SwapRouter02`.
    Second(&'static str),
}

const FACTORY: &str = "0x1F98431c8aD98523631AE4a59f267346ea31F984";
const QUOTER: &str = "0x61fFE014bA17989E743c5F6cB21bF9697530B21e";
const ROUTER: Router = Router::First("0xE592427A0AEce92De3Edee1F18E0157C05861564");
const MULTICALL: &str = "0x1F98415757620B543A52E61c46B32eB19261F984";

pub(super) const BUILT_IN: &[BuiltIn] = &[
    BuiltIn {
        name: "ethereum",
        chain: 1,
        multicall: MULTICALL,
        tokens: &[
            ("WETH", "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"),
            ("USDC", "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"),
            ("USDT", "0xdAC17F958D2ee523a2206206994597C13D831ec7"),
            ("DAI", "0x6B175474E89094C44Da98b954EedeAC495271d0F"),
            ("WBTC", "0x2260FAC5E5542a773Aa44fBCfeDf7C193bc2C599"),
        ],
        v2_factory: "0x5C69bEe701ef814a2B6a3EDD4B1652CB9cc5aA6f",
        v2_router: "0x7a250d5630B4cF539739dF2C5dAcb4c659F2488D",
        v3_factory: FACTORY,
        v3_quoter: QUOTER,
        v3_router: ROUTER,
    },
    BuiltIn {
        name: "base",
        chain: 8453,
        multicall: "0x091e99cb1C49331a94dD62755D168E941AbD0693",
        tokens: &[
            ("WETH", "0x4200000000000000000000000000000000000006"),
            ("USDC", "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"),
            ("USDT", "0xfde4C96c8593536E31F229EA8f37b2ADa2699bb2"),
            ("DAI", "0x50c5725949A6F0c72E6C4a641F24049A917DB0Cb"),
            ("WBTC", "0x0555E30da8f98308EdB960aa94C0Db47230d2B9c"),
        ],
        v2_factory: "0x8909Dc15e40173Ff4699343b6eB8132c65e18eC6",
        v2_router: "0x4752ba5DBc23f44D87826276BF6Fd6b1C372aD24",
        v3_factory: "0x33128a8fC17869897dcE68Ed026d694621f6FDfD",
        v3_quoter: "0x3d4e44Eb1374240CE5F1B871ab261CD16335B76a",
        v3_router: Router::Second("0x2626664c2603336E57B271c5C0b26F421741e481"),
    },
    BuiltIn {
        name: "arbitrum",
        chain: 42_161,
        multicall: "0xadF885960B47eA2CD9B55E6DAc6B42b7Cb2806dB",
        tokens: &[
            ("WETH", "0x82aF49447D8a07e3bd95BD0d56f35241523fBab1"),
            ("USDC", "0xaf88d065e77c8cC2239327C5EDb3A432268e5831"),
            ("USDT", "0xFd086bC7CD5C481DCC9C85ebE478A1C0b69FCbb9"),
            ("DAI", "0xDA10009cBd5D07dd0CeCc66161FC93D7c9000da1"),
            ("WBTC", "0x2f2a2543B76A4166549F7aaB2e75Bef0aefC5B0f"),
        ],
        v2_factory: "0xf1D7CC64Fb4452F05c498126312eBE29f30Fbcf9",
        v2_router: "0x4752ba5DBc23f44D87826276BF6Fd6b1C372aD24",
        v3_factory: FACTORY,
        v3_quoter: QUOTER,
        v3_router: ROUTER,
    },
    BuiltIn {
        name: "optimism",
        chain: 10,
        multicall: MULTICALL,
        tokens: &[
            ("WETH", "0x4200000000000000000000000000000000000006"),
            ("USDC", "0x0b2C639c533813f4Aa9D7837CAf62653d097Ff85"),
            ("USDT", "0x94b008aA00579c1307B0EF2c499aD98a8ce58e58"),
            ("DAI", "0xDA10009cBd5D07dd0CeCc66161FC93D7c9000da1"),
            ("WBTC", "0x68f180fcCe6836688e9084f035309E29Bf0A2095"),
        ],
        v2_factory: "0x0c3c1c532F1e39EdF36BE9Fe0bE1410313E074Bf",
        v2_router: "0x4A7b5Da61326A6379179b40d00F57E5bbDC962c2",
        v3_factory: FACTORY,
        v3_quoter: QUOTER,
        v3_router: ROUTER,
    },
    BuiltIn {
        name: "polygon",
        chain: 137,
        multicall: MULTICALL,
        tokens: &[
            ("WPOL", "0x0d500B1d8E8eF31E21C99d1Db9A6444d3ADf1270"),
            ("WMATIC", "0x0d500B1d8E8eF31E21C99d1Db9A6444d3ADf1270"),
            ("USDC", "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359"),
            ("USDT", "0xc2132D05D31c914a87C6611C10748AEb04B58e8F"),
            ("DAI", "0x8f3Cf7ad23Cd3CaDbD9735AFf958023239c6A063"),
            ("WETH", "0x7ceB23fD6bC0adD59E62ac25578270cFf1b9f619"),
            ("WBTC", "0x1BFD67037B42Cf73acF2047067bd4F2C47D9BfD6"),
        ],
        v2_factory: "0x9e5A52f57b3038F1B8EeE45F28b3C1967e22799C",
        v2_router: "0xedf6066a2b290C185783862C7F4776A2C8077AD1",
        v3_factory: FACTORY,
        v3_quoter: QUOTER,
        v3_router: ROUTER,
    },
    BuiltIn {
        name: "bsc",
        chain: 56,
        multicall: "0x963Df249eD09c358A4819E39d9Cd5736c3087184",
        tokens: &[
            ("WBNB", "0xbb4CdB9CBd36B01bD1cBaEBF2De08d9173bc095c"),
            ("USDC", "0x8AC76a51cc950d9822D68b83fE1Ad97B32Cd580d"),
            ("USDT", "0x55d398326f99059fF775485246999027B3197955"),
            // Not the chain's own coin there, but a token that calls itself so.
            ("ETH", "0x2170Ed0880ac9A755fd29B2688956BD959F933F8"),
        ],
        v2_factory: "0x8909Dc15e40173Ff4699343b6eB8132c65e18eC6",
        v2_router: "0x4752ba5DBc23f44D87826276BF6Fd6b1C372aD24",
        v3_factory: "0xdB1d10011AD0Ff90774D0C6Bb92e5C5c8b4461F7",
        v3_quoter: "0x78D78E420Da98ad378D7799bE8f4AF69033EB077",
        v3_router: Router::Second("0xB971eF87ede563556b2ED4b1C0b0019111Dd85d2"),
    },
];

const fn hash(digits: &str) -> [u8; 32] {
    let digits = digits.as_bytes();
    let mut bytes = [0; 32];
    let mut place = 0;
    while place < 32 {
        bytes[place] = digit(digits[2 * place]) << 4 | digit(digits[2 * place + 1]);
        place += 1;
    }
    bytes
}

const fn digit(character: u8) -> u8 {
    if character.is_ascii_digit() { character - b'0' } else { character - b'a' + 10 }
}

#[cfg(test)]
mod tests {
    use ethers::utils::parse_checksummed;

    use super::*;

    #[test]
    fn every_address_bears_its_checksum() {
        for chain in BUILT_IN {
            let (Router::First(router) | Router::Second(router)) = &chain.v3_router;
            let contracts =
                [chain.multicall, chain.v2_factory, chain.v2_router, chain.v3_factory, chain.v3_quoter, router];
            for address in chain.tokens.iter().map(|(_, address)| *address).chain(contracts) {
                assert!(parse_checksummed(address, None).is_ok(), "{}: {address}", chain.name);
            }
        }
    }
}
