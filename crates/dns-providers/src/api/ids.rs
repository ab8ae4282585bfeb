//! The ids by which a vendor knows zones.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{Error, Zone};

/// Label of the error that says: there is no zone of that name or id.
pub(crate) const NO_ZONE: &str = "no-such-zone";

/// Ids of zones, each asked for once and remembered until the vendor no longer knows it.
#[derive(Debug, Default)]
pub(crate) struct Ids(Mutex<HashMap<Zone, String>>);

impl Ids {
    /// The zone's id; `find` asks the vendor, and is polled only where the id is not known.
    pub(crate) async fn of(
        &self,
        zone: &Zone,
        find: impl Future<Output = Result<String, Error>>,
    ) -> Result<String, Error> {
        if let Some(id) = self.remembered().get(zone) {
            return Ok(id.clone());
        }
        let id = find.await?;
        self.remembered().insert(zone.clone(), id.clone());
        Ok(id)
    }

    /// Passes an error on, and forgets the id where it is no longer one: a zone that was removed and made again has
    /// another.
    pub(crate) fn forget_if_gone(&self, zone: &Zone, error: Error) -> Error {
        if error.label() == NO_ZONE {
            self.remembered().remove(zone);
        }
        error
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<Zone, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;
    use crate::Class;

    #[tokio::test]
    async fn an_id_is_kept_until_the_zone_is_gone() {
        let (ids, zone) = (Ids::default(), Zone { name: "example.com".parse().unwrap(), id: None });
        let found = |id: &str| ready(Ok(id.to_owned()));
        assert_eq!(ids.of(&zone, found("one")).await.unwrap(), "one");
        assert_eq!(ids.of(&zone, found("two")).await.unwrap(), "one", "it was asked for again");
        ids.forget_if_gone(&zone, Error::new(Class::Later, "unreachable", "no answer"));
        assert_eq!(ids.of(&zone, found("two")).await.unwrap(), "one");
        let gone = ids.forget_if_gone(&zone, Error::new(Class::Setup, NO_ZONE, "no such zone"));
        assert_eq!(gone.label(), NO_ZONE);
        assert_eq!(ids.of(&zone, found("two")).await.unwrap(), "two", "the old id was kept");
    }

    #[tokio::test]
    async fn what_was_not_found_is_asked_for_again() {
        let (ids, zone) = (Ids::default(), Zone { name: "example.com".parse().unwrap(), id: None });
        let failed = ready(Err(Error::new(Class::Later, "unreachable", "no answer")));
        assert!(ids.of(&zone, failed).await.is_err());
        assert_eq!(ids.of(&zone, ready(Ok("one".to_owned()))).await.unwrap(), "one");
    }
}
