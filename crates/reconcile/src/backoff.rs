//! How long to wait after a failure.

use std::time::Duration;

/// Exponential waiting: `first`, twice that, four times that ... up to `cap`. Without jitter: keys fail at their own
/// times, and one process does all the calling, so there is no herd to spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure, and the shortest one even when news comes meanwhile.
    pub first: Duration,
    /// The longest wait: how late a repaired world may be noticed.
    pub cap: Duration,
}

impl Default for Backoff {
    /// 50 ms: a lost race is over by then. 30 s: what waits for a user's hand need not be asked more often, and who
    /// repaired it does not wait noticeably longer than for AWS.
    fn default() -> Self {
        Self { first: Duration::from_millis(50), cap: Duration::from_secs(30) }
    }
}

impl Backoff {
    /// The wait after `failures` failures in a row; none after no failure.
    pub fn delay(&self, failures: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else {
            return Duration::ZERO;
        };
        let factor = 1u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.first.checked_mul(factor).map_or(self.cap, |delay| delay.min(self.cap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap() {
        let backoff = Backoff { first: Duration::from_millis(100), cap: Duration::from_secs(1) };
        let delays: Vec<u128> = (0..7).map(|failures| backoff.delay(failures).as_millis()).collect();
        assert_eq!(delays, [0, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!(backoff.delay(u32::MAX), backoff.cap, "no overflow however long it fails");
    }
}
