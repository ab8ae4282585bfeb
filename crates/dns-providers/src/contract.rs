//! The suite that every provider kind passes, and that a new one can be run against.
//!
//! Each check panics with what it protects when the contract is broken. A zone is needed that the provider may edit
//! (its apex too), names in it that nothing else uses, and a [`Neighbour`] who is not the provider: what others have at
//! a name is put there, and looked at, past the code under test. [`live`] is for an account where nobody else can be played.

pub mod live;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use dcv_core::{AliasTarget, Change, DomainName, Guarded, Label, Lookup, RandomValue, RecordData, Site, Ttl};

use crate::{Class, DnsProvider, Error, Probe, Receipt, RecordSet, Zone};

/// Somebody else who edits the same zone, by other means than the provider.
#[async_trait]
pub trait Neighbour: fmt::Debug + Send + Sync {
    /// Puts a record set at a name that has none of its type; type and values are written as in a zone file.
    async fn put(&self, owner: &DomainName, kind: &str, ttl: u32, values: &[&str]);

    /// Every record at the name as the server or vendor keeps it, one a line, `TTL TYPE DATA`, sorted. What changes by
    /// itself, as the serial of a SOA, is left out.
    async fn everything(&self, owner: &DomainName) -> Vec<String>;
}

/// What a domain's TXT set holds: a value in several strings whose border matters to nobody but a careless reader, and
/// one with an escape.
const STANDING: [&str; 3] = [
    r#""v=spf1 include:a.example" " include:b.example -all""#,
    r#""site-verification=a b""#,
    r#""say \"x\"""#,
];
/// Unlike the time to live of our own additions.
const STANDING_TTL: u32 = 900;

/// A place to publish in and a provider to do it.
#[derive(Clone, Debug)]
pub struct Bench {
    /// The provider under test.
    pub provider: Arc<dyn DnsProvider>,
    /// A zone that it may edit.
    pub zone: Zone,
    /// Who else edits it.
    pub neighbour: Arc<dyn Neighbour>,
    /// A label below which all names of the suite lie, for a zone that is in use. The suite's bare names include the zone's
    /// apex all the same.
    pub below: Option<String>,
}

impl Bench {
    /// Runs every check, one after the other, each at a name of its own.
    ///
    /// # Panics
    /// When the contract is broken.
    pub async fn run(&self) {
        self.run_where_capitals_are_lost().await;
        self.an_alias_keeps_its_capitals().await;
    }

    /// The same, before a vendor that gives a whole set the time to live of what is added, where the provider is told which one
    /// sets of others have: 900 s.
    ///
    /// # Panics
    /// When the contract is broken.
    pub async fn run_where_ttls_are_given(&self) {
        self.run_first().await;
        self.run_most().await;
        self.an_alias_keeps_its_capitals().await;
    }

    /// The same, before a server that knows names in lower case only, as Knot does: no provider can keep the capitals of
    /// an alias there.
    ///
    /// # Panics
    /// When the contract is broken.
    pub async fn run_where_capitals_are_lost(&self) {
        self.run_first().await;
        self.a_sibling_keeps_its_ttl().await;
        self.run_most().await;
    }

    async fn run_first(&self) {
        self.a_name_outside_the_zone_is_refused().await;
        self.probing_changes_nothing().await;
        self.adding_twice_leaves_one_value().await;
    }

    async fn run_most(&self) {
        self.siblings_survive().await;
        self.removing_what_is_absent_succeeds().await;
        self.a_batch_is_applied_whole().await;
        self.two_writers_at_one_name_both_survive().await;
        self.long_values_round_trip().await;
        self.an_alias_is_replaced_in_one_change().await;
        self.an_alias_and_a_text_exclude_each_other().await;
        self.two_writers_of_an_alias_do_not_replace_each_other().await;
        let (apex, host) = (self.bare(None), self.bare(Some("host")));
        self.furnish(&apex, &[("MX", &["10 mail.example."]), ("TXT", &STANDING)]).await;
        self.furnish(&host, &[("A", &["192.0.2.1"]), ("MX", &["10 mail.example."]), ("TXT", &STANDING)])
            .await;
        for site in [&apex, &host] {
            self.what_stands_at_a_bare_name_survives(site).await;
            self.two_writers_at_a_bare_name_survive(site).await;
        }
        self.a_bare_name_without_texts_is_left_as_it_was().await;
        self.an_alias_at_a_bare_name_blocks_a_text().await;
    }

    /// Runs the checks that hold for a provider which can only be told TXT values, a script for one: what came of it is
    /// seen by the neighbour. Aliases and times to live are not promised there.
    ///
    /// # Panics
    /// When the contract is broken.
    pub async fn run_told(&self) {
        let seen = Seen { told: Arc::clone(&self.provider), neighbour: Arc::clone(&self.neighbour) };
        let bench = Self {
            provider: Arc::new(seen),
            zone: self.zone.clone(),
            neighbour: Arc::clone(&self.neighbour),
            below: self.below.clone(),
        };
        bench.a_name_outside_the_zone_is_refused().await;
        bench.probing_changes_nothing().await;
        bench.adding_twice_leaves_one_value().await;
        bench.siblings_survive().await;
        bench.removing_what_is_absent_succeeds().await;
        bench.a_batch_is_applied_whole().await;
        bench.two_writers_at_one_name_both_survive().await;
        bench.long_values_round_trip().await;
    }

    /// The site for a label of the test's own.
    ///
    /// # Panics
    /// When the label makes no name.
    #[must_use]
    pub fn site(&self, label: &str) -> Site {
        let below = self.below.as_ref().map(|label| format!("{label}.")).unwrap_or_default();
        let scope: DomainName =
            format!("{label}.{below}{}", self.zone.name).parse().expect("a label of the suite is a name");
        Guarded::direct(&Lookup::dnsauth(scope), self.zone.name.clone()).expect("the name lies in the zone")
    }

    /// The site at a bare name: a host of the test's own, or the zone's apex.
    ///
    /// # Panics
    /// When the label makes no name.
    #[must_use]
    pub fn bare(&self, label: Option<&str>) -> Site {
        let zone = &self.zone.name;
        let domain = label.map_or_else(
            || zone.clone(),
            |label| format!("{label}.{zone}").parse().expect("a label of the suite is a name"),
        );
        Guarded::direct(&Lookup { domain, label: Label::Bare }, zone.clone())
            .expect("the name lies in the zone")
    }

    async fn furnish(&self, site: &Site, sets: &[(&str, &[&str])]) {
        for (kind, values) in sets {
            self.neighbour.put(site.owner(), kind, STANDING_TTL, values).await;
        }
        let there = self.neighbour.everything(site.owner()).await;
        for (kind, values) in sets {
            for value in *values {
                let line = format!("{STANDING_TTL} {kind} {value}");
                assert!(
                    there.contains(&line),
                    "the neighbour's own record is not there: {line} in {there:?}"
                );
            }
        }
    }

    /// What a neighbour sees once these values of ours have joined what stands there.
    async fn joined_by(&self, site: &Site, before: &[String], ours: &[&str]) {
        let mut wanted = before.to_vec();
        wanted.extend(ours.iter().map(|value| format!("{STANDING_TTL} TXT \"{value}\"")));
        wanted.sort();
        assert_eq!(
            self.neighbour.everything(site.owner()).await,
            wanted,
            "more or less than ours changed at {site}"
        );
    }

    async fn what_stands_at_a_bare_name_survives(&self, site: &Site) {
        let below = Guarded::direct(&Lookup::dnsauth(site.owner().clone()), self.zone.name.clone())
            .expect("the name lies in the zone");
        let before = self.neighbour.everything(site.owner()).await;
        for _ in 0..2 {
            // As an order has it whose values go to both of its names.
            self.apply(&[add(&below, "ours"), add(site, "ours")]).await;
            self.joined_by(site, &before, &["ours"]).await;
        }
        let held = self.provider.read(&self.zone, site).await.expect("a bare name can be read");
        assert!(held.holds(&text("ours")), "what was added at {site} is not read: {held:?}");
        assert_eq!((held.txt.len(), held.ttl), (STANDING.len() + 1, Some(STANDING_TTL)), "{site} is misread");
        for _ in 0..2 {
            self.apply(&[remove(&below, "ours"), remove(site, "ours")]).await;
            self.joined_by(site, &before, &[]).await;
        }
    }

    async fn two_writers_at_a_bare_name_survive(&self, site: &Site) {
        let before = self.neighbour.everything(site.owner()).await;
        for _ in 0..2 {
            let (ones, twos) = ([add(site, "one")], [add(site, "two")]);
            tokio::join!(self.apply(&ones), self.apply(&twos));
            self.joined_by(site, &before, &["one", "two"]).await;
            let (ones, twos) = ([remove(site, "one")], [remove(site, "two")]);
            tokio::join!(self.apply(&ones), self.apply(&twos));
            self.joined_by(site, &before, &[]).await;
        }
    }

    async fn a_bare_name_without_texts_is_left_as_it_was(&self) {
        let site = self.bare(Some("silent"));
        self.furnish(&site, &[("A", &["192.0.2.1"])]).await;
        let before = self.neighbour.everything(site.owner()).await;
        self.apply(&[add(&site, "ours")]).await;
        let held = self.provider.read(&self.zone, &site).await.expect("a bare name can be read");
        assert_eq!((held.txt, held.ttl), (vec!["ours".to_owned()], Some(Ttl::default().as_secs())));
        self.apply(&[remove(&site, "ours")]).await;
        self.joined_by(&site, &before, &[]).await;
    }

    async fn an_alias_at_a_bare_name_blocks_a_text(&self) {
        let site = self.bare(Some("elsewhere"));
        self.furnish(&site, &[("CNAME", &["cdn.example."])]).await;
        let before = self.neighbour.everything(site.owner()).await;
        let refused = self.provider.apply(&self.zone, &[add(&site, "ours")]).await;
        let error = refused.expect_err("a text was accepted beside an alias");
        assert_eq!(error.class(), Class::Blocked, "an alias in the way needs a person: {error}");
        assert!(error.to_string().contains(site.owner().as_str()), "the name is not told: {error}");
        self.apply(&[remove(&site, "ours")]).await;
        self.joined_by(&site, &before, &[]).await;
    }

    async fn an_alias_is_replaced_in_one_change(&self) {
        let site = self.site("replaced");
        self.apply(&[add_alias(&site, "old")]).await;
        self.apply(&[add_alias(&site, "old")]).await;
        assert_eq!(self.read("replaced").await.cname, Some(target("old")));
        let remove = Change::Remove { site: site.clone(), data: RecordData::Cname(target("old")) };
        self.apply(&[remove, add_alias(&site, "new")]).await;
        assert_eq!(self.read("replaced").await.cname, Some(target("new")), "the alias was not replaced");
        // Somebody else's alias at the name is not ours to remove.
        let foreign = Change::Remove { site: site.clone(), data: RecordData::Cname(target("foreign")) };
        self.apply(&[foreign]).await;
        assert_eq!(self.read("replaced").await.cname, Some(target("new")), "another alias was removed");
        self.apply(&[Change::Remove { site, data: RecordData::Cname(target("new")) }]).await;
        assert_eq!(self.read("replaced").await, RecordSet::default(), "a removed alias stayed");
    }

    /// DigiCert compares the value letter for letter; DNS, and whoever compares names as DNS does, takes both for the same.
    async fn an_alias_keeps_its_capitals(&self) {
        let site = self.site("capitals");
        let gone =
            |label: &str| Change::Remove { site: site.clone(), data: RecordData::Cname(target(label)) };
        self.apply(&[add_alias(&site, "mixed")]).await;
        self.apply(&[gone("mixed"), add_alias(&site, "MiXed")]).await;
        assert_eq!(self.read("capitals").await.cname, Some(target("MiXed")), "capitals were not replaced");
        self.apply(&[add_alias(&site, "miXED")]).await;
        assert_eq!(self.read("capitals").await.cname, Some(target("miXED")), "capitals were not corrected");
        let line = |line: &String| line.trim_end_matches('.').ends_with(" CNAME miXED.dcv.digicert.com");
        let standing = self.neighbour.everything(site.owner()).await;
        assert!(standing.iter().any(line), "the server or vendor has other capitals: {standing:?}");
        self.apply(&[gone("MIXED")]).await;
        assert_eq!(self.read("capitals").await, RecordSet::default(), "an alias stayed for its capitals");
    }

    async fn two_writers_of_an_alias_do_not_replace_each_other(&self) {
        let site = self.site("raced");
        for round in 0..5 {
            let labels = [format!("one{round}"), format!("two{round}")];
            let changes = labels.each_ref().map(|label| [add_alias(&site, label)]);
            let [one, two] = changes.each_ref().map(|change| self.provider.apply(&self.zone, change));
            let (one, two) = tokio::join!(one, two);
            let standing = self.read("raced").await.cname.expect("one of two writers has its way");
            for (outcome, label) in [one, two].iter().zip(&labels) {
                assert_eq!(outcome.is_ok(), standing == target(label), "a writer was told the wrong thing");
            }
            self.apply(&[Change::Remove { site: site.clone(), data: RecordData::Cname(standing) }]).await;
        }
    }

    async fn an_alias_and_a_text_exclude_each_other(&self) {
        let (text, alias) = (self.site("exclusive-text"), self.site("exclusive-alias"));
        self.apply(&[add(&text, "value-1"), add_alias(&alias, "here")]).await;
        for (change, label) in
            [(add_alias(&text, "late"), "exclusive-text"), (add(&alias, "value-2"), "exclusive-alias")]
        {
            let before = self.read(label).await;
            let refused = self.provider.apply(&self.zone, &[change]).await;
            refused.expect_err("an alias and a text at one name were accepted");
            assert_eq!(self.read(label).await, before, "a refused change did something");
        }
        let gone = Change::Remove { site: alias, data: RecordData::Cname(target("here")) };
        self.apply(&[remove(&text, "value-1"), gone]).await;
    }

    async fn a_name_outside_the_zone_is_refused(&self) {
        let zone: DomainName = "elsewhere.example".parse().expect("a name");
        let stray = Guarded::direct(&Lookup::dnsauth(zone.clone()), zone).expect("the name lies in its zone");
        let changes = [add(&self.site("beside-stray"), "value-1"), add(&stray, "value-1")];
        let refused = self.provider.apply(&self.zone, &changes).await;
        let error = refused.expect_err("a change outside the zone was accepted");
        assert_eq!(error.class(), Class::Bug, "whoever asks for this is wrong, not the world: {error}");
        assert_eq!(self.read("beside-stray").await, RecordSet::default(), "a refused batch did something");
    }

    async fn probing_changes_nothing(&self) {
        let before = self.read("probe").await;
        self.provider.probe(&self.zone).await.expect("the zone can be probed");
        assert_eq!(self.read("probe").await, before, "a probe changed something");
    }

    async fn adding_twice_leaves_one_value(&self) {
        for _ in 0..2 {
            self.apply(&[add(&self.site("twice"), "value-1")]).await;
        }
        assert_eq!(self.read("twice").await.txt, ["value-1"], "a value was added twice");
        self.apply(&[remove(&self.site("twice"), "value-1")]).await;
        assert_eq!(self.read("twice").await, RecordSet::default(), "a removed value stayed");
    }

    async fn siblings_survive(&self) {
        let site = self.site("siblings");
        self.apply(&[add(&site, "somebody-elses")]).await;
        self.apply(&[add(&site, "ours")]).await;
        assert_eq!(
            sorted(self.read("siblings").await),
            ["ours", "somebody-elses"],
            "adding harmed a sibling"
        );
        self.apply(&[remove(&site, "ours")]).await;
        assert_eq!(self.read("siblings").await.txt, ["somebody-elses"], "removing harmed a sibling");
        self.apply(&[remove(&site, "somebody-elses")]).await;
    }

    async fn removing_what_is_absent_succeeds(&self) {
        let site = self.site("absent");
        self.apply(&[remove(&site, "never-was")]).await;
        self.apply(&[add(&site, "stays"), remove(&site, "never-was")]).await;
        assert_eq!(self.read("absent").await.txt, ["stays"], "removing an absent value harmed another");
        self.apply(&[remove(&site, "stays"), add(&site, "stays")]).await;
        assert_eq!(self.read("absent").await.txt, ["stays"], "a value was not put back");
        self.apply(&[remove(&site, "stays")]).await;
    }

    async fn a_batch_is_applied_whole(&self) {
        let sites: Vec<Site> = (0..20).map(|n| self.site(&format!("batch-{n}"))).collect();
        let adds: Vec<_> = sites.iter().flat_map(|site| [add(site, "first"), add(site, "second")]).collect();
        self.apply(&adds).await;
        let swap: Vec<_> =
            sites.iter().flat_map(|site| [remove(site, "first"), add(site, "third")]).collect();
        self.apply(&swap).await;
        for n in 0..20 {
            assert_eq!(
                sorted(self.read(&format!("batch-{n}")).await),
                ["second", "third"],
                "a batch was applied in part"
            );
        }
        let clear: Vec<_> =
            sites.iter().flat_map(|site| [remove(site, "second"), remove(site, "third")]).collect();
        self.apply(&clear).await;
    }

    async fn two_writers_at_one_name_both_survive(&self) {
        let site = self.site("writers");
        for round in 0..5 {
            let (one, two) = (format!("one-{round}"), format!("two-{round}"));
            let (ones, twos) = ([add(&site, &one)], [add(&site, &two)]);
            tokio::join!(self.apply(&ones), self.apply(&twos));
            assert_eq!(
                sorted(self.read("writers").await),
                [one.clone(), two.clone()],
                "of two writers one was lost"
            );
            let (ones, twos) = ([remove(&site, &one)], [remove(&site, &two)]);
            tokio::join!(self.apply(&ones), self.apply(&twos));
            assert_eq!(self.read("writers").await.txt, [""; 0], "of two removals one was lost");
        }
    }

    async fn long_values_round_trip(&self) {
        let site = self.site("long");
        let value = "x".repeat(255);
        self.apply(&[add(&site, &value)]).await;
        assert_eq!(self.read("long").await.txt, [value.as_str()], "a long value did not come back as it was");
        self.apply(&[remove(&site, &value)]).await;
    }

    /// What is listed after a value with another time to live was added.
    async fn ttl_of_a_sibling(&self) -> Option<u32> {
        let site = self.site("ttl");
        let slow = Change::Add {
            site: site.clone(),
            data: text("slow"),
            ttl: Ttl::from_secs(3600).expect("an hour"),
        };
        self.apply(&[slow]).await;
        self.apply(&[add(&site, "quick")]).await;
        let ttl = self.read("ttl").await.ttl;
        self.apply(&[remove(&site, "quick"), remove(&site, "slow")]).await;
        ttl
    }

    async fn a_sibling_keeps_its_ttl(&self) {
        let ttl = self.ttl_of_a_sibling().await;
        assert!(ttl.is_some(), "no time to live is listed");
        assert_eq!(ttl, Some(3600), "a sibling's time to live was changed");
    }

    /// The same where times to live may be unlisted, and nobody can look past the provider.
    async fn a_sibling_keeps_its_ttl_as_far_as_listed(&self) {
        let ttl = self.ttl_of_a_sibling().await;
        assert!(ttl.is_none_or(|ttl| ttl == 3600), "a sibling's time to live was changed: {ttl:?}");
    }

    async fn apply(&self, changes: &[Change]) {
        for part in changes.chunks(self.provider.at_once().max(1)) {
            self.provider.apply(&self.zone, part).await.expect("a batch of the suite is applied");
        }
    }

    async fn read(&self, label: &str) -> RecordSet {
        self.provider.read(&self.zone, &self.site(label)).await.expect("a name of the suite can be read")
    }
}

/// A provider that can only be told, with the neighbour's eyes.
#[derive(Debug)]
struct Seen {
    told: Arc<dyn DnsProvider>,
    neighbour: Arc<dyn Neighbour>,
}

#[async_trait]
impl DnsProvider for Seen {
    fn at_once(&self) -> usize {
        self.told.at_once()
    }

    async fn probe(&self, zone: &Zone) -> Result<Probe, Error> {
        self.told.probe(zone).await
    }

    async fn read(&self, _: &Zone, site: &Site) -> Result<RecordSet, Error> {
        let lines = self.neighbour.everything(site.owner()).await;
        let texts = lines.iter().filter_map(|line| line.split_once(" TXT "));
        let ttl = texts.clone().next().and_then(|(ttl, _)| ttl.parse().ok());
        // No value of these checks needs an escape.
        let txt = texts.map(|(_, data)| data.trim_matches('"').to_owned()).collect();
        Ok(RecordSet { txt, cname: None, ttl })
    }

    async fn apply(&self, zone: &Zone, changes: &[Change]) -> Result<Receipt, Error> {
        self.told.apply(zone, changes).await
    }
}

fn text(value: &str) -> RecordData {
    RecordData::Txt(RandomValue::new(value).expect("a value of the suite is one"))
}

fn target(label: &str) -> AliasTarget {
    format!("{label}.dcv.digicert.com").parse().expect("a label of the suite is a name")
}

fn add_alias(site: &Site, label: &str) -> Change {
    Change::Add { site: site.clone(), data: RecordData::Cname(target(label)), ttl: Ttl::default() }
}

fn add(site: &Site, value: &str) -> Change {
    Change::Add { site: site.clone(), data: text(value), ttl: Ttl::default() }
}

fn remove(site: &Site, value: &str) -> Change {
    Change::Remove { site: site.clone(), data: text(value) }
}

fn sorted(mut set: RecordSet) -> Vec<String> {
    set.txt.sort();
    set.txt
}
