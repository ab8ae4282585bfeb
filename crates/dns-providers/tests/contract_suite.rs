//! The suite itself: a provider that keeps the contract passes, and each way to break it is found. Without this a suite
//! that checks nothing would look like one that everybody passes.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use dcv_core::{Change, DomainName, RecordData, Site};
use dns_providers::{
    Class, DnsProvider, Error, Probe, Receipt, RecordSet, Zone,
    contract::{Bench, Neighbour, live::Examination},
};
use futures_util::FutureExt as _;

/// A record as a zone file writes it: type, data, time to live.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    kind: String,
    data: String,
    ttl: u32,
}

type Records = BTreeMap<DomainName, Vec<Record>>;

/// How the contract is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    DoesNothing,
    ReadsNothing,
    TakesStrangeNames,
    ProbeWrites,
    AddsTwice,
    AddingReplaces,
    RemovingClears,
    RemovingClearsTheName,
    AbsentIsAnError,
    HalfABatch,
    LosesARace,
    CutsLongValues,
    ChangesTtl,
    ForgetsTtl,
    ListsNoTtl,
    MangledSiblings,
    KeepsTheOldAlias,
    RemovesAnyAlias,
    AliasBesideText,
    AliasReplacesAlias,
    LowersAliases,
    KeepsWrongCapitals,
    HidesTheName,
}

/// A zone in memory.
#[derive(Debug)]
struct Memory {
    records: Mutex<Records>,
    flaw: Flaw,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap()
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn change(&self, held: &mut Vec<Record>, change: &Change) -> Result<(), Error> {
        match change {
            Change::Add { site, data, ttl } => self.add(held, site, data, ttl.as_secs()),
            Change::Remove { data, .. } => self.remove(held, data),
        }
    }

    fn add(&self, held: &mut Vec<Record>, site: &Site, data: &RecordData, ttl: u32) -> Result<(), Error> {
        let mut record = Record { kind: data.kind().to_owned(), data: written(data), ttl };
        if held.iter().any(|one| one.kind == record.kind && one.data == record.data)
            && !self.has(Flaw::AddsTwice)
        {
            return Ok(());
        }
        let is_alias = matches!(data, RecordData::Cname(_));
        if is_alias && self.has(Flaw::LowersAliases) {
            record.data = record.data.to_lowercase();
        }
        if is_alias && !self.has(Flaw::KeepsWrongCapitals) {
            held.retain(|one| !(one.kind == "CNAME" && one.data.eq_ignore_ascii_case(&record.data)));
        }
        let alias = |one: &Record| one.kind == "CNAME";
        if self.has(Flaw::AliasReplacesAlias) && is_alias && held.iter().all(alias) {
            held.clear();
        }
        let clash = if is_alias { !held.is_empty() } else { held.iter().any(alias) };
        if clash && !self.has(Flaw::AliasBesideText) {
            let name = if self.has(Flaw::HidesTheName) { String::new() } else { site.to_string() };
            return Err(Error::new(
                Class::Blocked,
                "collision",
                format!("an alias is alone at its name {name}"),
            ));
        }
        if let Some(standing) = held.iter_mut().find(|one| one.kind == record.kind) {
            match self.flaw {
                Flaw::ChangesTtl => standing.ttl = ttl,
                Flaw::MangledSiblings => standing.data = standing.data.replace("\" \"", ""),
                Flaw::ForgetsTtl => {}
                _ => record.ttl = standing.ttl,
            }
        }
        match self.flaw {
            Flaw::AddingReplaces => held.retain(|one| one.kind != record.kind),
            Flaw::CutsLongValues => record.data.truncate(200),
            _ => {}
        }
        held.push(record);
        Ok(())
    }

    fn remove(&self, held: &mut Vec<Record>, data: &RecordData) -> Result<(), Error> {
        let before = held.len();
        let any = (self.has(Flaw::RemovingClears) && data.kind() == "TXT")
            || (self.has(Flaw::RemovesAnyAlias) && data.kind() == "CNAME");
        if self.has(Flaw::KeepsTheOldAlias) && data.kind() == "CNAME" {
            return Ok(());
        }
        let gone = |one: &Record| match data {
            RecordData::Txt(_) => one.data == written(data),
            RecordData::Cname(_) => one.data.eq_ignore_ascii_case(&written(data)),
        };
        held.retain(|one| !(one.kind == data.kind() && (any || gone(one))));
        if held.len() < before && self.has(Flaw::RemovingClearsTheName) {
            held.clear();
        }
        if held.len() == before && self.has(Flaw::AbsentIsAnError) {
            return Err(Error::new(Class::Later, "absent", "there is no such value"));
        }
        Ok(())
    }
}

/// The data as a zone file has it.
fn written(data: &RecordData) -> String {
    match data {
        RecordData::Txt(value) => format!("\"{}\"", value.as_str()),
        RecordData::Cname(target) => format!("{target}."),
    }
}

/// A text as DNS answers it.
fn text(data: &str) -> String {
    data.trim_matches('"').replace("\" \"", "").replace("\\\"", "\"")
}

#[async_trait]
impl DnsProvider for Memory {
    async fn probe(&self, zone: &Zone) -> Result<Probe, Error> {
        if self.has(Flaw::ProbeWrites) {
            let name = format!("_dnsauth.probe.{}", zone.name).parse().unwrap();
            let record = Record { kind: "TXT".to_owned(), data: "\"probe\"".to_owned(), ttl: 60 };
            self.lock().insert(name, vec![record]);
        }
        Ok(Probe::new("it is in memory"))
    }

    async fn read(&self, _zone: &Zone, site: &Site) -> Result<RecordSet, Error> {
        let held = self.lock().get(site.owner()).cloned().unwrap_or_default();
        let of = |kind: &'static str| held.iter().filter(move |one| one.kind == kind);
        if self.has(Flaw::ReadsNothing) {
            return Ok(RecordSet::default());
        }
        Ok(RecordSet {
            txt: of("TXT").map(|one| text(&one.data)).collect(),
            cname: of("CNAME").next().map(|one| one.data.parse().unwrap()),
            ttl: of("TXT")
                .chain(of("CNAME"))
                .next()
                .map(|one| one.ttl)
                .filter(|_| !self.has(Flaw::ListsNoTtl)),
        })
    }

    async fn apply(&self, zone: &Zone, changes: &[Change]) -> Result<Receipt, Error> {
        if !self.has(Flaw::TakesStrangeNames) {
            zone.encloses(changes)?;
        }
        let taken = match self.flaw {
            Flaw::DoesNothing => 0,
            Flaw::HalfABatch if changes.len() > 2 => changes.len() / 2,
            _ => changes.len(),
        };
        let mut records = self.lock().clone();
        if self.has(Flaw::LosesARace) {
            tokio::task::yield_now().await;
        } else {
            records.clone_from(&self.lock());
        }
        for change in &changes[..taken] {
            let held = records.entry(change.site().owner().clone()).or_default();
            self.change(held, change)?;
        }
        *self.lock() = records;
        Ok(Receipt::default())
    }
}

#[async_trait]
impl Neighbour for Memory {
    async fn put(&self, owner: &DomainName, kind: &str, ttl: u32, values: &[&str]) {
        let record = |data: &&str| Record { kind: kind.to_owned(), data: (*data).to_owned(), ttl };
        self.lock().entry(owner.clone()).or_default().extend(values.iter().map(record));
    }

    async fn everything(&self, owner: &DomainName) -> Vec<String> {
        let held = self.lock().get(owner).cloned().unwrap_or_default();
        let mut lines: Vec<_> =
            held.iter().map(|one| format!("{} {} {}", one.ttl, one.kind, one.data)).collect();
        lines.sort();
        lines
    }
}

/// What the suite says of a provider with this flaw; nothing if it passes.
async fn complaint(flaw: Flaw) -> Option<String> {
    let bench = bench(flaw);
    said(bench.run()).await
}

fn bench(flaw: Flaw) -> Bench {
    let memory = Arc::new(Memory { records: Mutex::default(), flaw });
    let zone = Zone { name: "example.com".parse().unwrap(), id: None };
    Bench { below: None, provider: Arc::<Memory>::clone(&memory), zone, neighbour: memory }
}

async fn said(run: impl Future<Output = ()>) -> Option<String> {
    let panic = AssertUnwindSafe(run).catch_unwind().await.err()?;
    let text = panic.downcast_ref::<String>().cloned();
    Some(text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default())
}

#[tokio::test]
async fn what_keeps_the_contract_passes() {
    assert_eq!(complaint(Flaw::None).await, None);
}

#[tokio::test]
async fn each_breach_is_named() {
    for (flaw, words) in [
        (Flaw::DoesNothing, "a value was added twice"),
        (Flaw::ReadsNothing, "a value was added twice"),
        (Flaw::TakesStrangeNames, "a change outside the zone was accepted"),
        (Flaw::ProbeWrites, "a probe changed something"),
        (Flaw::AddsTwice, "a value was added twice"),
        (Flaw::AddingReplaces, "adding harmed a sibling"),
        (Flaw::RemovingClears, "removing harmed a sibling"),
        (Flaw::RemovingClearsTheName, "removing harmed a sibling"),
        (Flaw::AbsentIsAnError, "a batch of the suite is applied"),
        (Flaw::HalfABatch, "a batch was applied in part"),
        (Flaw::LosesARace, "of two writers one was lost"),
        (Flaw::CutsLongValues, "a long value did not come back as it was"),
        (Flaw::ChangesTtl, "a sibling's time to live was changed"),
        (Flaw::ForgetsTtl, "more or less than ours changed"),
        (Flaw::ListsNoTtl, "no time to live is listed"),
        (Flaw::MangledSiblings, "more or less than ours changed"),
        (Flaw::KeepsTheOldAlias, "a batch of the suite is applied"),
        (Flaw::RemovesAnyAlias, "another alias was removed"),
        (Flaw::AliasBesideText, "an alias and a text at one name were accepted"),
        (Flaw::AliasReplacesAlias, "a writer was told the wrong thing"),
        (Flaw::LowersAliases, "capitals were not replaced"),
        (Flaw::KeepsWrongCapitals, "a batch of the suite is applied"),
        (Flaw::HidesTheName, "the name is not told"),
    ] {
        let said = complaint(flaw).await.unwrap_or_else(|| panic!("{flaw:?} passes"));
        assert!(said.contains(words), "{flaw:?} is found, but for another reason: {said}");
    }
}

/// Of a provider that can only be told, what it left is looked at all the same.
#[tokio::test]
async fn a_breach_of_what_can_only_be_told_is_named() {
    for flaw in [Flaw::None, Flaw::ReadsNothing, Flaw::ChangesTtl, Flaw::AliasBesideText] {
        assert_eq!(said(bench(flaw).run_told()).await, None, "{flaw:?}");
    }
    for (flaw, words) in [
        (Flaw::DoesNothing, "a value was added twice"),
        (Flaw::TakesStrangeNames, "a change outside the zone was accepted"),
        (Flaw::ProbeWrites, "a probe changed something"),
        (Flaw::AddsTwice, "a value was added twice"),
        (Flaw::AddingReplaces, "adding harmed a sibling"),
        (Flaw::RemovingClears, "removing harmed a sibling"),
        (Flaw::AbsentIsAnError, "a batch of the suite is applied"),
        (Flaw::HalfABatch, "a batch was applied in part"),
        (Flaw::LosesARace, "of two writers one was lost"),
        (Flaw::CutsLongValues, "a long value did not come back as it was"),
    ] {
        let said = said(bench(flaw).run_told()).await.unwrap_or_else(|| panic!("{flaw:?} passes"));
        assert!(said.contains(words), "{flaw:?} is found, but for another reason: {said}");
    }
}

/// Against a real account each breach is told by its promise, the checks after it run all the same, and nothing is left behind.
#[tokio::test]
async fn a_real_account_is_examined_and_left_as_it_was() {
    for (flaw, broken) in [
        (Flaw::None, None),
        (Flaw::ListsNoTtl, Some("the time to live of others stays")),
        (Flaw::RemovingClears, Some("values of others survive")),
        (Flaw::AliasReplacesAlias, Some("two writers of an alias do not replace each other")),
        (Flaw::HalfABatch, Some("a batch is applied whole")),
    ] {
        let memory = Arc::new(Memory { records: Mutex::default(), flaw });
        let zone = Zone { name: "example.com".parse().unwrap(), id: None };
        let examination = Examination::new(Arc::<Memory>::clone(&memory), zone, "random");
        examination.can_be_read().await.unwrap();
        let mut begun = Vec::new();
        let findings = examination.run(|promise| begun.push(promise)).await;
        assert_eq!(findings.iter().map(|finding| finding.promise).collect::<Vec<_>>(), begun);
        let names: Vec<DomainName> = memory.lock().keys().cloned().collect();
        assert!(names.iter().all(|name| name.as_str().ends_with(".random.example.com")), "{names:?}");
        match broken {
            None => assert!(findings.iter().all(|finding| finding.breach.is_none()), "{findings:?}"),
            Some(promise) => {
                let finding = findings.iter().find(|finding| finding.promise == promise).unwrap();
                assert!(finding.breach.is_some(), "{flaw:?}: {findings:?}");
            }
        }
        let told = examination.lists_ttl(false);
        if flaw == Flaw::ListsNoTtl {
            let findings = told.run(|_| ()).await;
            assert!(findings.iter().all(|finding| finding.breach.is_none()), "{findings:?}");
        }
        told.clean_up().await.unwrap();
        let left: Vec<_> = memory.lock().values().flatten().cloned().collect();
        assert!(left.is_empty(), "{flaw:?} left {left:?}");
    }
}
