//! Feature flags: something that is there for all, for none, or for a part of the callers.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// For how many of a hundred callers something is there. Which ones follows from the flag's name and the caller alone: each
/// caller meets the same everywhere and at all times, a higher percentage only adds callers, and two flags have their callers
/// drawn apart from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rollout {
    flag: &'static str,
    percent: u8,
}

/// What a rollout is written as.
pub const EXPECTED: &str = "on, off, or a percentage of callers such as 25%";

impl Rollout {
    /// Reads `on`, `off` or `25%`; `None` is what is none of them.
    pub fn parse(flag: &'static str, text: &str) -> Option<Self> {
        Some(Self { flag, percent: text.parse::<Percent>().ok()?.0 })
    }

    /// There for everyone.
    pub fn on(flag: &'static str) -> Self {
        Self { flag, percent: 100 }
    }

    /// Whether it is there for nobody.
    pub fn is_off(self) -> bool {
        self.percent == 0
    }

    /// Whether it is there for everyone.
    pub fn is_on(self) -> bool {
        self.percent >= 100
    }

    /// Whether it is there for `caller`: any name that is the same whenever the caller comes.
    pub fn admits(self, caller: &str) -> bool {
        // The first 64 bits of the hash are a place on a line of 2^64; the callers in front of the percentage are in.
        let hash = Sha256::new().chain_update(self.flag).chain_update([0]).chain_update(caller).finalize();
        let place = hash.iter().take(8).fold(0_u128, |place, byte| (place << 8) | u128::from(*byte));
        place * 100 < u128::from(self.percent) << 64
    }
}

impl fmt::Display for Rollout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.percent {
            0 => f.write_str("off"),
            100.. => f.write_str("on"),
            percent => write!(f, "{percent}%"),
        }
    }
}

struct Percent(u8);

impl FromStr for Percent {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "on" | "true" | "1" => Ok(Self(100)),
            "off" | "false" | "0" => Ok(Self(0)),
            text => {
                let digits = text.strip_suffix('%').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
                let percent = digits.and_then(|digits| digits.parse().ok()).filter(|percent| *percent <= 100);
                percent.map(Self).ok_or(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FLAG: &str = "GRAPHQL_ENABLED";

    fn of(percent: u8) -> Rollout {
        Rollout { flag: FLAG, percent }
    }

    #[test]
    fn it_is_on_off_or_a_percentage() {
        for (text, percent) in [("on", 100), ("ON", 100), ("off", 0), ("0%", 0), ("25%", 25), ("100%", 100)] {
            assert_eq!(Rollout::parse(FLAG, text), Some(of(percent)), "{text}");
            assert_eq!(Rollout::parse(FLAG, &of(percent).to_string()), Some(of(percent)), "{text}");
        }
        for wrong in ["", "maybe", "101%", "-1%", "+5%", "2.5%", "25", "%", "25 %", "25%%", "1000%"] {
            assert_eq!(Rollout::parse(FLAG, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn about_as_many_are_admitted_as_it_says() {
        for percent in [0, 1, 25, 50, 99, 100] {
            let admitted = (0..10_000).filter(|n| of(percent).admits(&format!("user:{n}"))).count();
            let wanted = usize::from(percent) * 100;
            // Four standard deviations of so many draws are 200.
            assert!(
                admitted.abs_diff(wanted) <= if matches!(percent, 0 | 100) { 0 } else { 200 },
                "{percent}: {admitted}"
            );
        }
    }

    #[test]
    fn who_is_admitted_does_not_change_with_a_release() {
        let admitted: Vec<_> = (0..12).filter(|n| of(50).admits(&format!("user:{n}"))).collect();
        assert_eq!(admitted, ADMITTED);
    }

    /// Worked out with python: `sha256(b"GRAPHQL_ENABLED\0user:N")[:8] < 2^63`.
    const ADMITTED: [i32; 8] = [2, 5, 6, 7, 8, 9, 10, 11];

    #[test]
    fn two_flags_are_drawn_apart() {
        let other = Rollout { flag: "ANOTHER", percent: 50 };
        let alike = (0..1000).map(|n| format!("user:{n}")).filter(|it| of(50).admits(it) == other.admits(it)).count();
        assert!((400..600).contains(&alike), "{alike}");
    }

    proptest! {
        #[test]
        fn a_higher_percentage_only_adds_callers(caller in ".*", low in 0..=100_u8, more in 0..=100_u8) {
            let (low, high) = (of(low), of(low.saturating_add(more).min(100)));
            prop_assert!(!low.admits(&caller) || high.admits(&caller));
            prop_assert!(of(100).admits(&caller) && !of(0).admits(&caller));
        }
    }
}
