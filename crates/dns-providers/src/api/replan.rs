//! A change is planned from what was read. When somebody else has changed that before it could be written, the vendor
//! refuses, and it is read and planned again.

use std::time::Duration;

use super::pause::jittered;
use crate::{Error, Zone};

/// Label of the error that says: what is held is not what was read.
pub(crate) const OVERTAKEN: &str = "changed-meanwhile";

/// How often a change is planned.
const TRIES: u32 = 8;

/// Reads, plans and writes; again when somebody else was faster. `attempt` is told how often that has happened.
pub(crate) async fn until_written<T, F>(
    provider: &str,
    zone: &Zone,
    mut attempt: impl FnMut(u32) -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut overtaken = 0;
    loop {
        match attempt(overtaken).await {
            Err(error) if error.label() == OVERTAKEN && overtaken + 1 < TRIES => {
                overtaken += 1;
                tracing::debug!(%provider, zone = %zone.name, %error, "somebody else changed a record; reading again");
                tokio::time::sleep(jittered(Duration::from_millis(100), overtaken)).await;
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Class;

    /// How often a change is attempted that fails so many times, and how it ends.
    async fn attempts(label: &'static str, failures: u32) -> (u32, bool) {
        let zone = Zone { name: "example.com".parse().unwrap(), id: None };
        let mut tried = 0;
        let done = until_written("test", &zone, |overtaken| {
            assert_eq!(overtaken, tried, "what was told is not what happened");
            tried += 1;
            let outcome =
                if overtaken < failures { Err(Error::new(Class::Later, label, "refused")) } else { Ok(()) };
            std::future::ready(outcome)
        })
        .await;
        (tried, done.is_ok())
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_was_overtaken_is_tried_again_and_not_for_ever() {
        assert_eq!(attempts(OVERTAKEN, 0).await, (1, true));
        assert_eq!(attempts(OVERTAKEN, 3).await, (4, true));
        assert_eq!(attempts(OVERTAKEN, 7).await, (8, true));
        assert_eq!(attempts(OVERTAKEN, 99).await, (8, false));
        assert_eq!(attempts("throttled", 1).await, (1, false));
    }
}
