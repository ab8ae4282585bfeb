//! The suite against a real account: at names below a random label, without a neighbour, and with all of it removed again.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use dcv_core::{Change, DomainName, Guarded, RecordData, Site};
use tokio::task::{JoinError, JoinSet};

use super::{Bench, Neighbour};
use crate::{Class, DnsProvider, Error, Probe, Receipt, RecordSet, Zone};

/// What came of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is promised.
    pub promise: &'static str,
    /// How it is broken, if it is.
    pub breach: Option<String>,
}

/// A provider under examination.
#[derive(Debug)]
pub struct Examination {
    bench: Bench,
    recorder: Arc<Recorder>,
    lists_ttl: bool,
}

/// Runs the named checks, each as a task of its own so that a breach, which is a panic, ends it alone.
macro_rules! run {
    ($bench:expr, $told:expr, $($promise:literal => $check:ident,)+) => {{
        let mut findings = Vec::new();
        $(
            $told($promise);
            let bench = $bench.clone();
            let mut task = JoinSet::new();
            task.spawn(async move { bench.$check().await });
            let breach = task.join_next().await.and_then(Result::err).map(words);
            findings.push(Finding { promise: $promise, breach });
        )+
        findings
    }};
}

impl Examination {
    /// Of a provider, in a zone that it may edit, at names below a label that nobody uses: `_dnsauth.….<label>.<zone>`.
    #[must_use]
    pub fn new(provider: Arc<dyn DnsProvider>, zone: Zone, label: &str) -> Self {
        let nobody = Nobody { provider: Arc::clone(&provider), zone: zone.clone() };
        let recorder = Arc::new(Recorder { provider, added: Mutex::default() });
        let bench = Bench {
            provider: Arc::<Recorder>::clone(&recorder),
            zone,
            neighbour: Arc::new(nobody),
            below: Some(label.to_owned()),
        };
        Self { bench, recorder, lists_ttl: true }
    }

    /// Whether the provider lists times to live. Where it does not, it is not examined whether those of others stay.
    #[must_use]
    pub const fn lists_ttl(mut self, lists: bool) -> Self {
        self.lists_ttl = lists;
        self
    }

    /// Whether what stands at a name can be asked, without which nothing can be examined.
    ///
    /// # Errors
    /// Why not.
    pub async fn can_be_read(&self) -> Result<(), Error> {
        self.bench.provider.read(&self.bench.zone, &self.bench.site("first")).await.map(drop)
    }

    /// Runs every check that needs no neighbour. `begun` is told which is under way.
    pub async fn run(&self, mut begun: impl FnMut(&'static str)) -> Vec<Finding> {
        let mut findings = run! { self.bench, begun,
            "a name outside the zone is refused" => a_name_outside_the_zone_is_refused,
            "probing changes nothing" => probing_changes_nothing,
            "adding twice leaves one value" => adding_twice_leaves_one_value,
            "values of others survive" => siblings_survive,
            "removing what is absent succeeds" => removing_what_is_absent_succeeds,
            "a batch is applied whole" => a_batch_is_applied_whole,
            "two writers at one name both survive" => two_writers_at_one_name_both_survive,
            "long values come back as they are" => long_values_round_trip,
            "an alias is replaced in one change" => an_alias_is_replaced_in_one_change,
            "an alias keeps its capitals" => an_alias_keeps_its_capitals,
            "an alias and a text exclude each other" => an_alias_and_a_text_exclude_each_other,
            "two writers of an alias do not replace each other" => two_writers_of_an_alias_do_not_replace_each_other,
        };
        findings.extend(if self.lists_ttl {
            run! { self.bench, begun, "the time to live of others stays" => a_sibling_keeps_its_ttl, }
        } else {
            run! { self.bench, begun,
                "the time to live of others stays, as far as it is listed" => a_sibling_keeps_its_ttl_as_far_as_listed,
            }
        });
        findings
    }

    /// Removes whatever was ever added, and looks whether it is gone; also after a run that was broken off.
    ///
    /// # Errors
    /// What is left, or why that cannot be told.
    pub async fn clean_up(&self) -> Result<(), Error> {
        let (provider, zone) = (&self.recorder.provider, &self.bench.zone);
        let mut added = self.recorder.added().clone();
        added.sort_by(|(a, _), (b, _)| a.cmp(b));
        let removal =
            |(site, data): &(Site, RecordData)| Change::Remove { site: site.clone(), data: data.clone() };
        let removals: Vec<Change> = added.iter().map(removal).collect();
        for part in removals.chunks(provider.at_once().clamp(1, 100)) {
            provider.apply(zone, part).await?;
        }
        for value in &added {
            let (site, data) = value;
            if !provider.read(zone, site).await?.holds(data) {
                continue;
            }
            // One by one, for a provider that breaks the promise of batches.
            provider.apply(zone, &[removal(value)]).await?;
            if provider.read(zone, site).await?.holds(data) {
                let text = format!("a {} record of the examination is left at {site}", data.kind());
                return Err(Error::new(Class::Bug, "left-behind", text).hint("remove it by hand"));
            }
        }
        Ok(())
    }
}

/// The sentence of a breach.
fn words(ended: JoinError) -> String {
    let Ok(panic) = ended.try_into_panic() else { return "the check was broken off".to_owned() };
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "the check failed without a word".to_owned())
}

/// Passes everything on and remembers what was added.
#[derive(Debug)]
struct Recorder {
    provider: Arc<dyn DnsProvider>,
    added: Mutex<Vec<(Site, RecordData)>>,
}

impl Recorder {
    fn added(&self) -> std::sync::MutexGuard<'_, Vec<(Site, RecordData)>> {
        self.added.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl DnsProvider for Recorder {
    fn check(&self) -> Result<(), Error> {
        self.provider.check()
    }

    fn at_once(&self) -> usize {
        self.provider.at_once()
    }

    async fn probe(&self, zone: &Zone) -> Result<Probe, Error> {
        self.provider.probe(zone).await
    }

    async fn read(&self, zone: &Zone, site: &Site) -> Result<RecordSet, Error> {
        self.provider.read(zone, site).await
    }

    async fn apply(&self, zone: &Zone, changes: &[Change]) -> Result<Receipt, Error> {
        for change in changes.iter().filter(|change| change.site().owner().is_within(&zone.name)) {
            if let Change::Add { site, data, .. } = change {
                let value = (site.clone(), data.clone());
                let mut added = self.added();
                if !added.contains(&value) {
                    added.push(value);
                }
            }
        }
        self.provider.apply(zone, changes).await
    }

    async fn settled(&self, receipt: &Receipt) -> Result<bool, Error> {
        self.provider.settled(receipt).await
    }
}

/// Of a real account nobody else can be played: what stands there is what the provider reads.
#[derive(Debug)]
struct Nobody {
    provider: Arc<dyn DnsProvider>,
    zone: Zone,
}

#[async_trait]
impl Neighbour for Nobody {
    async fn put(&self, _: &DomainName, _: &str, _: u32, _: &[&str]) {}

    async fn everything(&self, owner: &DomainName) -> Vec<String> {
        let Ok(site) = Guarded::recorded(owner.clone(), self.zone.name.clone()) else { return Vec::new() };
        let Ok(set) = self.provider.read(&self.zone, &site).await else { return Vec::new() };
        let ttl = set.ttl.unwrap_or_default();
        let texts = set.txt.iter().map(|text| format!("{ttl} TXT \"{text}\""));
        let alias = set.cname.iter().map(|target| format!("{ttl} CNAME {target}"));
        texts.chain(alias).collect()
    }
}
