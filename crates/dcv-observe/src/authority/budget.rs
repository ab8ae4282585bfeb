//! How many datagrams a server may see.

use std::time::Duration;

use tokio::time::Instant;

/// Below the lowest limit in use (BIND's manual suggests 5 to 10 identical answers a second).
pub(super) const UDP_PER_SECOND: f64 = 5.0;

/// Datagrams that may still be sent to one server.
pub(super) struct Budget {
    per_second: f64,
    left: f64,
    at: Instant,
}

impl Budget {
    /// As many as may be sent in a second, and from then on as many a second.
    pub(super) fn of(per_second: f64) -> Self {
        Self { per_second, left: per_second, at: Instant::now() }
    }

    /// Takes one, or says how long until there is one.
    pub(super) fn take(&mut self) -> Result<(), Duration> {
        let now = Instant::now();
        let earned = now.duration_since(self.at).as_secs_f64() * self.per_second;
        self.left = (self.left + earned).min(self.per_second);
        self.at = now;
        if self.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.left) / self.per_second));
        }
        self.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_sees_no_more_datagrams_than_rate_limits_allow() {
        let mut budget = Budget::of(UDP_PER_SECOND);
        let start = Instant::now();
        let mut sent = 0;
        while start.elapsed() < Duration::from_secs(60) {
            match budget.take() {
                Ok(()) => sent += 1,
                Err(wait) => tokio::time::sleep(wait).await,
            }
        }
        assert!((300..=306).contains(&sent), "{sent} datagrams in a minute");
    }
}
