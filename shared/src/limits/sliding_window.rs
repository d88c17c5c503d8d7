//! The arithmetic of the limits: a sliding window made of slots, in integer microseconds, without I/O.
//!
//! A window of length W is divided into [`SLOTS`] slots of W/60, aligned to the epoch. A quota's state is how many
//! units were taken in each slot; a charge passes if the units of the current slot and of the 60 before it, plus its
//! cost, are within the limit.
//!
//! **Never over quota.** Take any window (t-W, t] and the last unit admitted in it, at u <= t in slot k. Then all other
//! units of the window were admitted after t-W >= u-W, which lies in slot k-60 or later; the check at u counted every
//! one of them. So no window of length W, wherever it starts, holds more than `limit` units. GCRA with a burst of
//! `limit` would allow nearly twice as many, and with a burst of half of it, half the rate.
//!
//! **Precision.** A unit counts for W to W + W/60, never less than W: a caller who asks steadily gets at least 60/61 of
//! the limit. **Memory.** At most 61 pairs of numbers a quota and caller, only for slots that were used; a log of
//! timestamps, the exact alternative, needs one for each unit.
//!
//! The idea of counters in sixtieths of the window, kept in a Redis hash, is from Figma Engineering, "An alternative
//! approach to rate limiting" (2017).
//!
//! **Clocks set back.** A slot that lies in the future belongs to units that were taken before now: they are moved into
//! the current slot. They count at least as long as they should, and a clock that had run far ahead locks nobody out.

use std::time::Duration;

use super::{Charge, Decision, Quota};

/// The slots of a window. The current slot and this many before it count.
pub(super) const SLOTS: i64 = 60;

/// Windows end here (some 35 years), so that all sums stay exact, in a Lua script's doubles too.
const LONGEST_WINDOW_MICROS: i64 = 1 << 50;

/// The length of a slot in microseconds, rounded up: 60 of them are never shorter than the window.
pub(super) fn slot_width(quota: &Quota) -> i64 {
    let window = i64::try_from(quota.window.as_micros()).unwrap_or(LONGEST_WINDOW_MICROS);
    (window.clamp(1, LONGEST_WINDOW_MICROS) + SLOTS - 1) / SLOTS
}

/// The units that a caller took from a quota, by slot, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Window(Vec<(i64, u32)>);

impl Window {
    /// The state that a store holds, settled by it.
    #[cfg(feature = "redis")]
    pub(super) fn from_slots(mut slots: Vec<(i64, u32)>) -> Self {
        slots.sort_unstable();
        Self(slots)
    }

    /// Forgets the slots that no longer count at `now`, and moves those of the future into the current one. Returns
    /// whether there were such: then the store must note it at once, or they would be moved again later.
    pub(super) fn settle(&mut self, width: i64, now: i64) -> bool {
        let current = now.div_euclid(width);
        self.0.retain(|(slot, _)| *slot >= current - SLOTS);
        let ahead = self.0.partition_point(|(slot, _)| *slot <= current);
        let moved = self.0.drain(ahead..).fold(0_u32, |sum, (_, units)| sum.saturating_add(units));
        self.add(width, now, moved);
        moved > 0
    }

    /// Takes `units` at `now`; the window was settled at the same time.
    pub(super) fn add(&mut self, width: i64, now: i64, units: u32) {
        let current = now.div_euclid(width);
        match self.0.last_mut() {
            _ if units == 0 => {}
            Some((slot, taken)) if *slot == current => *taken = taken.saturating_add(units),
            _ => self.0.push((current, units)),
        }
    }

    /// The units that count.
    pub(super) fn used(&self) -> u64 {
        self.0.iter().map(|(_, units)| u64::from(*units)).sum()
    }

    /// Whether a charge passes now.
    pub(super) fn admits(&self, charge: &Charge) -> bool {
        self.used() + u64::from(charge.cost) <= u64::from(charge.quota.limit)
    }

    /// When nothing counts any more.
    pub(super) fn empty_at(&self, width: i64) -> Option<i64> {
        self.0.last().map(|(slot, _)| leaves_at(*slot, width))
    }

    /// When a charge would pass if nothing else happened: `now` at the earliest, `None` if it never can.
    fn admits_at(&self, charge: &Charge, width: i64, now: i64) -> Option<i64> {
        let limit = u64::from(charge.quota.limit);
        let mut needed = self.used() + u64::from(charge.cost);
        let mut at = now;
        let mut slots = self.0.iter();
        while needed > limit {
            let (slot, units) = slots.next()?;
            needed -= u64::from(*units);
            at = leaves_at(*slot, width);
        }
        Some(at)
    }
}

/// When the units of a slot stop counting.
fn leaves_at(slot: i64, width: i64) -> i64 {
    (slot + SLOTS + 1) * width
}

/// What to tell the caller, of windows settled at `now` and charged if `allowed`. `None` for no charges.
pub(super) fn decide(windows: &[(&Charge, Window)], allowed: bool, now: i64) -> Option<Decision> {
    let views = windows.iter().map(|(charge, window)| View::of(charge, window, now));
    let view = if allowed {
        // The tightest: the least left, and of these the one that stays so for longest.
        views.min_by_key(|view| (view.remaining, std::cmp::Reverse(view.reset_after)))?
    } else {
        // The one that refuses for longest; never comes last.
        views.filter(|view| view.refuses).max_by_key(|view| (view.retry_after.is_none(), view.retry_after))?
    };
    Some(Decision {
        allowed,
        quota: view.quota.clone(),
        remaining: view.remaining,
        reset_after: view.reset_after,
        retry_after: view.retry_after.filter(|_| !allowed),
    })
}

/// One quota, as a [`Decision`] shows it.
struct View<'a> {
    quota: &'a Quota,
    refuses: bool,
    remaining: u32,
    reset_after: Duration,
    retry_after: Option<Duration>,
}

impl<'a> View<'a> {
    fn of(charge: &'a Charge, window: &Window, now: i64) -> Self {
        let width = slot_width(&charge.quota);
        let until = |at: i64| Duration::from_micros(u64::try_from(at - now).unwrap_or(0));
        let left = u64::from(charge.quota.limit).saturating_sub(window.used());
        Self {
            quota: &charge.quota,
            refuses: !window.admits(charge),
            remaining: u32::try_from(left).unwrap_or(u32::MAX),
            reset_after: window.empty_at(width).map(until).unwrap_or_default(),
            retry_after: window.admits_at(charge, width, now).map(until),
        }
    }
}

/// The charges with one entry a quota: a request that touches a quota twice pays for both at once.
pub(super) fn merged(charges: &[Charge]) -> Vec<Charge> {
    let mut merged: Vec<Charge> = Vec::with_capacity(charges.len());
    for charge in charges {
        match merged.iter_mut().find(|known| known.quota == charge.quota) {
            Some(known) => known.cost = known.cost.saturating_add(charge.cost),
            None => merged.push(charge.clone()),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn charge(limit: u32, cost: u32) -> Charge {
        Charge { quota: Quota { name: "request".to_owned(), limit, window: Duration::from_secs(60) }, cost }
    }

    #[test]
    fn sixty_slots_are_never_shorter_than_the_window() {
        for micros in [1, 59, 60, 61, 1_000_000, 60_000_001, 86_400_000_000] {
            let quota = Quota { name: String::new(), limit: 1, window: Duration::from_micros(micros) };
            let covered = u64::try_from(slot_width(&quota) * SLOTS).unwrap();
            assert!(covered >= micros && covered < micros + 60, "{micros}: {covered}");
        }
        let endless = Quota { name: String::new(), limit: 1, window: Duration::MAX };
        assert!(slot_width(&endless) > 0);
    }

    #[test]
    fn a_unit_counts_for_a_whole_window_and_at_most_a_slot_longer() {
        let mut window = Window::default();
        let taken = 10 * SECOND + SECOND / 2;
        window.add(SECOND, taken, 1);
        window.settle(SECOND, taken + 60 * SECOND);
        assert_eq!(window.used(), 1);
        window.settle(SECOND, taken + 61 * SECOND);
        assert_eq!(window.used(), 0);
    }

    #[test]
    fn units_of_the_future_count_from_now() {
        let mut window = Window::default();
        window.add(SECOND, 1_000 * SECOND, 3);
        window.settle(SECOND, 10 * SECOND);
        assert_eq!(window, Window(vec![(10, 3)]));
        window.settle(SECOND, 71 * SECOND);
        assert_eq!(window.used(), 0);
    }

    #[test]
    fn a_refusal_names_the_quota_that_refuses_for_longest() {
        let mut half = Window::default();
        half.add(SECOND, 0, 5);
        let mut full = Window::default();
        full.add(SECOND, 5 * SECOND, 10);
        let (loose, tight, never) = (charge(9, 5), charge(10, 1), charge(4, 5));
        let now = 6 * SECOND;

        let decision = decide(&[(&loose, half.clone()), (&tight, full.clone())], false, now).unwrap();
        assert_eq!((decision.quota.limit, decision.remaining), (10, 0));
        assert_eq!(decision.retry_after, Some(Duration::from_secs(60)));

        let decision = decide(&[(&tight, full), (&never, Window::default())], false, now).unwrap();
        assert_eq!((decision.quota.limit, decision.retry_after), (4, None));
    }

    #[test]
    fn an_answer_shows_the_tightest_quota() {
        let mut nearly = Window::default();
        nearly.add(SECOND, 0, 9);
        let (tight, loose) = (charge(10, 1), charge(100, 1));
        let decision = decide(&[(&loose, Window::default()), (&tight, nearly)], true, 0).unwrap();
        assert_eq!((decision.quota.limit, decision.remaining, decision.retry_after), (10, 1, None));
        assert_eq!(decision.reset_after, Duration::from_secs(61));
    }

    #[test]
    fn a_quota_touched_twice_is_charged_once_with_the_sum() {
        assert_eq!(merged(&[charge(10, 1), charge(20, 1), charge(10, 2)]), [charge(10, 3), charge(20, 1)]);
    }
}
