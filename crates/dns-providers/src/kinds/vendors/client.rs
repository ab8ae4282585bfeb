//! The calls of one batch: their time, their errors, and what a change of one name is made of.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use dcv_core::DomainName;
use dns_vendors::{Call, Set, Type};
use tokio::time::Instant;

use super::{
    NO_ZONE, classes,
    plan::{AliasStep, Held, Plan},
    vendor::{Absent, Vendor},
    wire::{Listed, Wire},
};
use crate::{Class, Error, Extent, Zone, api::throttle::Throttle};

/// Longest call of the library: several requests, and its waiting where it is throttled.
const CALL: Duration = Duration::from_secs(40);

/// The library's client, and what it was made of.
#[derive(Clone)]
pub(super) struct Current {
    pub(super) given: dns_vendors::Given,
    pub(super) wire: Arc<dyn Wire>,
    /// Whether the vendor has taken the credentials once: who refuses them later may have ended a session.
    pub(super) taken: Arc<AtomicBool>,
}

/// The library's client, and the secrets that no text may show.
pub(super) struct Client {
    pub(super) vendor: &'static Vendor,
    pub(super) current: Current,
    /// Holds calls back while the vendor wants none.
    pub(super) throttle: Arc<Throttle>,
    /// When the batch has to have ended.
    pub(super) until: Instant,
}

impl Client {
    /// Carries a call out, about something that a sentence can name.
    pub(super) async fn call<T>(&self, what: &str, call: Call<'_, T>) -> Result<T, Error> {
        let left = self.until.saturating_duration_since(Instant::now()).min(CALL);
        let explained = async {
            call.await.map_err(|error| classes::explain(self.vendor, what, &self.current.given, &error))
        };
        match tokio::time::timeout(left, self.throttle.run(explained)).await {
            Ok(Ok(done)) => {
                self.current.taken.store(true, Ordering::Relaxed);
                Ok(done)
            }
            Ok(Err(error)) => Err(error),
            Err(_) => {
                let text = format!("{} did not do {what} in time", self.vendor.title);
                Err(Error::new(Class::Later, "timeout", text)
                    .of(Extent::Provider)
                    .hint("it is slow, or throttles and is waited for"))
            }
        }
    }

    pub(super) async fn held(&self, zone: &Zone, owner: &DomainName) -> Result<Held, Error> {
        let wire = &self.current.wire;
        let what = format!("a listing of {owner}");
        let texts = self.call(&what, wire.list(set(zone, owner, Type::Txt))).await;
        let aliases = self.call(&what, wire.list(set(zone, owner, Type::Cname))).await;
        let (texts, aliases) = (self.or_absent(texts)?, self.or_absent(aliases)?);
        Ok(Held { ttl: texts.ttl.or(aliases.ttl), texts: texts.values, aliases: aliases.values })
    }

    /// Nothing, where that is how the vendor answers about what is not there.
    fn or_absent(&self, listed: Result<Listed, Error>) -> Result<Listed, Error> {
        match listed {
            Err(error) if self.vendor.absent == Absent::NotFound && error.label() == NO_ZONE => {
                Ok(Listed::default())
            }
            listed => listed,
        }
    }

    /// Adds values to a set: the first ones as a whole set, where the library cannot add to none.
    async fn add(
        &self,
        what: &str,
        to: Set<'_>,
        values: &[String],
        ttl: u32,
        is_first: bool,
    ) -> Result<(), Error> {
        let wire = &self.current.wire;
        if is_first && self.vendor.absent == Absent::NotFound {
            return self.call(what, wire.replace(to, values, ttl)).await;
        }
        self.call(what, wire.add(to, values, ttl)).await
    }

    /// Carries out what was planned; the name never has less than it needs for longer than a request.
    pub(super) async fn write(
        &self,
        zone: &Zone,
        owner: &DomainName,
        held: &Held,
        plan: &Plan,
        ttls: Ttls,
        is_first_try: bool,
    ) -> Result<(), Error> {
        let wire = &self.current.wire;
        let (texts, alias) = (set(zone, owner, Type::Txt), set(zone, owner, Type::Cname));
        let what = format!("a change at {owner}");
        // Some vendors answer an alias in another form than they were sent, by which their part of the library does not find it
        // again: then the whole set is emptied.
        match &plan.alias {
            AliasStep::Remove(standing) if is_first_try => {
                self.call(&what, wire.remove(alias, standing)).await?;
            }
            AliasStep::Remove(_) => self.call(&what, wire.replace(alias, &[], ttls.alias)).await?,
            AliasStep::Replace(_) if !is_first_try => {
                self.call(&what, wire.replace(alias, &[], ttls.alias)).await?;
            }
            AliasStep::Stays | AliasStep::Add(_) | AliasStep::Replace(_) => {}
        }
        if !plan.add.is_empty() {
            self.add(&what, texts, &plan.add, ttls.texts, held.texts.is_empty()).await?;
        }
        if !plan.remove.is_empty() {
            self.call(&what, wire.remove(texts, &plan.remove)).await?;
        }
        match &plan.alias {
            AliasStep::Replace(target) if is_first_try => {
                self.call(&what, wire.replace(alias, std::slice::from_ref(target), ttls.alias)).await
            }
            AliasStep::Add(target) | AliasStep::Replace(target) => {
                self.add(&what, alias, std::slice::from_ref(target), ttls.alias, true).await
            }
            AliasStep::Stays | AliasStep::Remove(_) => Ok(()),
        }
    }
}

/// Times to live of what is added, in seconds.
#[derive(Clone, Copy)]
pub(super) struct Ttls {
    pub(super) texts: u32,
    pub(super) alias: u32,
}

pub(super) fn set<'a>(zone: &'a Zone, owner: &'a DomainName, of: Type) -> Set<'a> {
    Set { name: owner.as_str(), zone: zone.name.as_str(), of }
}
