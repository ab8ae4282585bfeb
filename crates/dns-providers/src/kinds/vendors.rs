//! Some sixty vendors by the library `dns-update`, each a kind of its own.
//!
//! What is true of a vendor is a row of `table`, and there is no code for any single one. The library lists the texts and
//! the alias at a name, adds and removes values and replaces an alias; what it has no word for is made up for here:
//!
//! - A name is listed before it is written, and a value is removed as it is listed, since vendors answer values in other ways
//!   than they were sent.
//! - A name is listed again after it was written. What somebody else overwrote of ours is written once more; values of
//!   others that went with a set that was written whole are put back, and told where that fails.
//! - Changes of a provider take turns, for most vendors take whole sets without a precondition.
//! - Errors are texts for the most part: one table makes classes of them (`classes`).
//! - One vendor's login cannot be read by it: for that one there is a client of our own behind the same four calls (`wire`).
//! - Secrets are given once: the library's client is made anew when one has changed.
//! - A time to live is not listed. Which vendors keep it is data (`SetTtl`), and where the whole set would get ours,
//!   `keep_ttl` says what it has.

mod classes;
mod client;
mod plan;
mod settings;
mod table;
mod ultradns;
pub mod vendor;
mod wire;

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use dcv_core::{Change, DomainName, RecordData, Site};
use dns_vendors::{Type, Updater};
use tokio::{sync::Mutex, time::Instant};

pub use self::settings::{VendorSeed, VendorSettings};
use self::{
    client::{Client, Current, Ttls, set},
    plan::{Held, Plan},
    settings::Account,
    ultradns::UltraDns,
    vendor::{By, FoundBy, SetTtl, Vendor, Writes},
    wire::Wire,
};
use crate::{
    Class, DnsProvider, Error, Extent, Probe, Receipt, RecordSet, Secret, Zone,
    api::{
        endpoint,
        replan::{self, OVERTAKEN},
        throttle::Throttle,
    },
    policy::{Grant, Policy, needs},
};

/// Label of the error that says: there is no zone of that name.
const NO_ZONE: &str = "no-such-zone";
/// Longest single request of the library.
const REQUEST: Duration = Duration::from_secs(15);
/// Longest batch, so that this error is told and not the caller's own.
const BATCH: Duration = Duration::from_secs(55);
/// Changes at once: a name takes some eight requests.
const AT_ONCE: usize = 8;

/// Every vendor, in the order of the alphabet.
#[must_use]
pub fn all() -> &'static [Vendor] {
    static ROWS: [Vendor; table::COUNT] = table::ROWS;
    &ROWS
}

/// The names of all vendors, for a list that is made while compiling.
pub(super) const NAMES: [&str; table::COUNT] = {
    let mut names = [""; table::COUNT];
    let mut at = 0;
    while at < table::COUNT {
        names[at] = table::ROWS[at].kind;
        at += 1;
    }
    names
};

/// The vendor of that kind.
#[must_use]
pub fn find(kind: &str) -> Option<&'static Vendor> {
    all().iter().find(|vendor| vendor.kind == kind)
}

/// An account at a vendor.
pub struct Vendors {
    name: String,
    vendor: &'static Vendor,
    account: Account,
    /// What sets with values of others have, where the library would give them ours.
    keep_ttl: Option<u32>,
    current: std::sync::Mutex<Option<Current>>,
    /// Of all clients that are made for the account.
    throttle: Arc<Throttle>,
    /// Sets, and zones, are read and written whole: changes of ours take turns.
    turn: Mutex<()>,
}

impl std::fmt::Debug for Vendors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vendors")
            .field("name", &self.name)
            .field("vendor", &self.vendor.kind)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// Calls go as they come until the vendor throttles: each is a few requests, and takes its turn after the others anyway.
fn throttle() -> Arc<Throttle> {
    Arc::new(Throttle::unlimited())
}

fn batch_end() -> Instant {
    Instant::now() + BATCH
}

impl Vendors {
    /// An account as configured; connects to nothing yet.
    ///
    /// # Errors
    /// When a setting cannot be used, or an address would carry credentials in the clear.
    pub fn new(name: &str, settings: VendorSettings<Secret>) -> Result<Self, Error> {
        let (vendor, keep_ttl) = (settings.vendor(), settings.keep_ttl());
        let account = settings.into_account();
        for setting in vendor.settings {
            // A host may be written as an address, too.
            let address = account.word(setting.name).filter(|word| setting.address || word.contains("://"));
            if let Some(address) = address {
                endpoint::check(setting.name, address)?;
            }
        }
        Ok(Self {
            name: name.to_owned(),
            vendor,
            account,
            keep_ttl,
            current: Default::default(),
            throttle: throttle(),
            turn: Mutex::default(),
        })
    }

    /// An account at a vendor by a client that is there already, whatever its secrets.
    #[must_use]
    pub fn over(vendor: &'static Vendor, updater: Updater) -> Self {
        let current =
            Current { given: dns_vendors::Given::default(), wire: Arc::new(updater), taken: Arc::default() };
        Self {
            name: "memory".to_owned(),
            vendor,
            account: Account::default(),
            keep_ttl: None,
            current: std::sync::Mutex::new(Some(current)),
            throttle: throttle(),
            turn: Mutex::default(),
        }
    }

    /// The client for the secrets as they are now, for a batch that has to have ended by then.
    fn client(&self, until: Instant) -> Result<Client, Error> {
        let given = self.account.given()?;
        let mut held = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(current) = held.as_ref().filter(|current| current.given.is_same(&given)) {
            return Ok(self.client_of(current.clone(), until));
        }
        let built: Result<Arc<dyn Wire>, dns_vendors::Error> = match self.vendor.by {
            By::Library => {
                Updater::new(self.vendor.kind, &given, REQUEST).map(|updater| Arc::new(updater) as _)
            }
            By::UltraDns => UltraDns::new(&given).map(|client| Arc::new(client) as _),
        };
        let wire = built.map_err(|error| classes::explain(self.vendor, "its settings", &given, &error))?;
        let current = Current { given, wire, taken: Arc::default() };
        *held = Some(current.clone());
        Ok(self.client_of(current, until))
    }

    fn client_of(&self, current: Current, until: Instant) -> Client {
        Client { vendor: self.vendor, current, throttle: Arc::clone(&self.throttle), until }
    }

    /// Whether this may be the end of a session, which some parts of the library keep beyond it: the client is made anew then,
    /// and logs in again.
    fn has_ended(&self, client: &Client, error: &Error) -> bool {
        let ended = error.label() == classes::BAD_KEY_LABEL && client.current.taken.load(Ordering::Relaxed);
        if ended {
            *self.current.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        ended
    }

    /// Changes one name until the change is to be seen.
    async fn change_until_seen(
        &self,
        client: &Client,
        zone: &Zone,
        owner: &DomainName,
        changes: &[&Change],
    ) -> Result<(), Error> {
        replan::until_written(&self.name, zone, |tried| self.change(client, zone, owner, changes, tried))
            .await
    }

    /// Changes one name: lists, plans, writes and lists again.
    async fn change(
        &self,
        client: &Client,
        zone: &Zone,
        owner: &DomainName,
        changes: &[&Change],
        tried: u32,
    ) -> Result<(), Error> {
        let held = client.held(zone, owner).await?;
        let plan = plan::plan(self.vendor, owner, &held, changes)?;
        if plan.is_nothing() {
            return Ok(());
        }
        let ttls = self.ttls(owner, &held, &plan, changes);
        client.write(zone, owner, &held, &plan, ttls, tried == 0).await?;
        let now = client.held(zone, owner).await?;
        self.put_back(client, zone, owner, plan::lost(&held, &plan, &now)).await?;
        if plan::is_met(changes, &now) {
            return Ok(());
        }
        let text = format!("{} took a change at {owner}, and does not list it", self.vendor.title);
        Err(Error::new(Class::Later, OVERTAKEN, text)
            .hint("something else writes the same records, or the vendor shows changes late"))
    }

    fn ttls(&self, owner: &DomainName, held: &Held, plan: &Plan, changes: &[&Change]) -> Ttls {
        let asked = |alias: bool| {
            let of = |change: &&&Change| matches!(change.data(), RecordData::Cname(_)) == alias;
            let ttls = changes.iter().filter(of).filter_map(|change| match change {
                Change::Add { ttl, .. } => Some(ttl.as_secs()),
                Change::Remove { .. } => None,
            });
            ttls.max().unwrap_or_default().max(self.vendor.min_ttl)
        };
        let mut texts = asked(false);
        let others = held.texts.len().saturating_sub(plan.remove.len());
        if others > 0 && !plan.add.is_empty() && self.vendor.set_ttl == SetTtl::Replaced {
            match self.keep_ttl {
                Some(ttl) => texts = ttl,
                None => tracing::warn!(
                    provider = %self.name, name = %owner, ttl = texts,
                    "the {others} other texts at this name get this time to live as well, which {} keeps for the whole set; keep_ttl of \
                     the provider says another", self.vendor.title
                ),
            }
        }
        Ttls { texts, alias: asked(true) }
    }

    /// Puts back what went with a set that was written whole. Where each value is a record of its own, somebody removed it.
    async fn put_back(
        &self,
        client: &Client,
        zone: &Zone,
        owner: &DomainName,
        lost: Vec<String>,
    ) -> Result<(), Error> {
        if lost.is_empty() || self.vendor.writes == Writes::Record {
            return Ok(());
        }
        tracing::warn!(
            provider = %self.name, name = %owner, values = lost.len(),
            "values of others went when the set was written; they are put back"
        );
        let ttl = self.keep_ttl.unwrap_or(3600).max(self.vendor.min_ttl);
        let added = client.current.wire.add(set(zone, owner, Type::Txt), &lost, ttl);
        client.call(&format!("values of others at {owner}"), added).await?;
        let now = client.held(zone, owner).await?;
        let gone = lost.iter().filter(|value| !now.texts.contains(value)).count();
        if gone == 0 {
            return Ok(());
        }
        let text = format!(
            "{gone} texts of others at {owner} changed or went when {} wrote the set",
            self.vendor.title
        );
        Err(Error::new(Class::Blocked, "values-lost", text)
            .hint("compare the name with a copy of the zone, and delegate it to a zone of its own"))
    }
}

/// What the settings of all kinds can be asked, for a vendor's.
impl<S> VendorSettings<S> {
    /// The least that the credential has to be allowed for these, as text to copy.
    pub(crate) fn policies(&self, grants: &[Grant]) -> Vec<Policy> {
        let vendor = self.vendor();
        let text = format!("{}\n{}", vendor.least_privilege, needs(grants));
        vec![Policy::new(format!("{}: {}", vendor.title, vendor.docs), text)]
    }
}

#[async_trait]
impl DnsProvider for Vendors {
    fn check(&self) -> Result<(), Error> {
        self.client(batch_end()).map(drop)
    }

    fn at_once(&self) -> usize {
        AT_ONCE
    }

    async fn probe(&self, zone: &Zone) -> Result<Probe, Error> {
        let client = self.client(batch_end())?;
        let of = match self.vendor.found_by {
            FoundBy::Texts => Type::Txt,
            FoundBy::NameServers => Type::Ns,
        };
        let listed = client.current.wire.list(set(zone, &zone.name, of));
        let listed = client.call(&format!("a listing of {}", zone.name), listed).await?;
        if of == Type::Ns && listed.values.is_empty() {
            let text = format!("{} has no zone {} for these credentials", self.vendor.title, zone.name);
            return Err(Error::new(Class::Setup, NO_ZONE, text)
                .of(Extent::Zone)
                .hint("check zones, and which zones the credentials may see"));
        }
        Ok(Probe::new(format!("{} lists {} to these credentials", self.vendor.title, zone.name)))
    }

    async fn read(&self, zone: &Zone, site: &Site) -> Result<RecordSet, Error> {
        let until = batch_end();
        let client = self.client(until)?;
        let mut held = client.held(zone, site.owner()).await;
        if held.as_ref().is_err_and(|error| self.has_ended(&client, error)) {
            held = self.client(until)?.held(zone, site.owner()).await;
        }
        Ok(plan::record_set(self.vendor, &held?))
    }

    async fn apply(&self, zone: &Zone, changes: &[Change]) -> Result<Receipt, Error> {
        zone.encloses(changes)?;
        let owners: BTreeSet<&DomainName> = changes.iter().map(|change| change.site().owner()).collect();
        let until = batch_end();
        let _turn = self.turn.lock().await;
        for owner in owners {
            let here: Vec<&Change> = changes.iter().filter(|change| change.site().owner() == owner).collect();
            let client = self.client(until)?;
            let mut changed = self.change_until_seen(&client, zone, owner, &here).await;
            if changed.as_ref().is_err_and(|error| self.has_ended(&client, error)) {
                changed = self.change_until_seen(&self.client(until)?, zone, owner, &here).await;
            }
            changed?;
        }
        Ok(Receipt::default())
    }
}
