//! The vendors of the table: that it agrees with the library, that each keeps the contract over the library's records in
//! memory, and what a person reads who mistypes a setting.
#![cfg(feature = "vendors")]
#![expect(clippy::unwrap_used, reason = "the functions around the tests belong to them")]

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use dcv_core::{Change, DomainName, Guarded, Lookup, RandomValue, RecordData, Site, Ttl};
use dns_providers::{
    DnsProvider, Error, Fixed, KINDS, Probe, Receipt, RecordSet, Secret, Settings, Zone,
    contract::{Bench, Neighbour},
    kinds::vendors::{
        self, Vendors,
        vendor::{By, Text},
    },
};
use dns_vendors::{VENDORS, memory::Records};
use serde_json::{Value as Json, json};

/// What a row names is what the library has, and every vendor can be configured.
#[tokio::test]
async fn the_table_and_the_library_have_the_same_vendors() {
    let rows: BTreeSet<&str> = vendors::all().iter().map(|vendor| vendor.kind).collect();
    let by_library =
        vendors::all().iter().filter(|vendor| vendor.by == By::Library).map(|vendor| vendor.kind);
    assert_eq!(by_library.collect::<BTreeSet<_>>(), VENDORS.iter().copied().collect());
    assert_eq!(rows.len(), vendors::all().len(), "a vendor has two rows");
    assert!(rows.iter().all(|kind| KINDS.contains(kind)));
    let key = Command::new("openssl").args(["genrsa", "2048"]).output().expect("openssl is missing");
    let key = String::from_utf8(key.stdout).unwrap();
    for vendor in vendors::all() {
        let mut given = serde_json::Map::new();
        for setting in vendor.settings.iter().filter(|setting| setting.required) {
            let value = if setting.address { "https://dns.example" } else { "value" };
            given.insert(setting.name.to_owned(), json!(value));
        }
        // Either of two ways to log in.
        match vendor.kind {
            "joker" => drop(given.insert("api_key".to_owned(), json!("value"))),
            "cloudns" => drop(given.insert("auth_id".to_owned(), json!(1))),
            _ => {}
        }
        let settings = read(vendor.kind, &Json::Object(given)).unwrap();
        let settings = settings.map_secrets(|secret| -> Secret {
            let secret = if secret == "value" && ["oraclecloud", "transip"].contains(&vendor.kind) {
                key.clone()
            } else {
                secret
            };
            Arc::new(Fixed(secret.into()))
        });
        let provider = dns_providers::build("vendor", settings).await.unwrap();
        provider.check().unwrap_or_else(|error| panic!("{}: {error}", vendor.kind));
    }
}

fn read(kind: &str, given: &Json) -> Result<Settings<String>, serde_json::Error> {
    serde_json::from_value(json!({ kind: given }))
}

/// A key that nobody knows is told with those there are, and what is missing is named: the configuration adds file and line.
#[test]
fn a_mistyped_setting_is_told() {
    for (kind, given, told) in [
        ("ns1", json!({ "api-key": "x" }), "unknown field `api-key`, expected one of `api_key`"),
        ("ns1", json!({}), "missing field `api_key`"),
        ("ns1", json!({ "api_key": "x", "keep_ttl": 60 }), "unknown field `keep_ttl`"),
        ("inwx", json!({ "username": [], "password": "x" }), "invalid type: sequence"),
        ("constellix", json!({ "api_key": "a", "secret_key": "b", "keep_ttl": "x" }), "invalid type: string"),
        ("ns2", json!({}), "unknown variant `ns2`"),
    ] {
        let error = read(kind, &given).map(drop).unwrap_err().to_string();
        assert!(error.contains(told), "{kind} {given}: {error}");
    }
    // From the environment everything is a text, and a number may be one of an account.
    let flags = json!({ "username": 123_456, "password": "x", "sandbox": "true" });
    assert!(read("inwx", &flags).is_ok());
    assert!(read("inwx", &json!({ "username": "u", "password": "x", "sandbox": true })).is_ok());
}

/// Credentials travel to an address of the operator's.
#[tokio::test]
async fn credentials_do_not_travel_in_the_clear() {
    for (address, good) in
        [("https://bam.example", true), ("http://127.0.0.1:1", true), ("http://bam.example", false)]
    {
        let given = json!({ "server_url": address, "username": "u", "password": "p", "configuration": "c", "view": "v" });
        let settings = read("bluecat", &given).unwrap();
        let settings = settings.map_secrets(|secret| -> Secret { Arc::new(Fixed(secret.into())) });
        assert_eq!(dns_providers::build("bam", settings).await.is_ok(), good, "{address}");
    }
    let given =
        json!({ "host": "http://a.example", "client_token": "t", "client_secret": "s", "access_token": "a" });
    let settings = read("edgedns", &given).unwrap();
    let settings = settings.map_secrets(|secret| -> Secret { Arc::new(Fixed(secret.into())) });
    assert!(dns_providers::build("edge", settings).await.is_err(), "a host with http:// is taken");
}

/// Records in memory behind a vendor's row, and somebody else who edits them. The library's part has no times to live: they
/// are made up here, and what the suite says of them is proven elsewhere.
#[derive(Debug)]
struct Memory {
    vendors: Vendors,
    records: Records,
    /// By name and type.
    ttls: Mutex<BTreeMap<(String, String), u32>>,
    /// Texts as a zone file has them, by their plain form.
    written: Mutex<BTreeMap<String, String>>,
}

impl Memory {
    fn of(vendor: &'static vendors::vendor::Vendor) -> Arc<Self> {
        let records = match vendor.text {
            Text::AnsweredInQuotes => Records::answered_in_quotes(),
            Text::Same | Text::ZoneFile => Records::default(),
        };
        let vendors = Vendors::over(vendor, records.updater());
        Arc::new(Self { vendors, records, ttls: Mutex::default(), written: Mutex::default() })
    }

    fn ttl(&self, name: &str, kind: &str, new: u32) -> u32 {
        *self.ttls.lock().unwrap().entry((name.to_owned(), kind.to_owned())).or_insert(new)
    }
}

#[async_trait]
impl DnsProvider for Memory {
    async fn probe(&self, zone: &Zone) -> Result<Probe, Error> {
        self.records.put(zone.name.as_str(), "NS", "ns.example");
        self.vendors.probe(zone).await.or_else(|_| Ok(Probe::new("")))
    }

    async fn read(&self, zone: &Zone, site: &Site) -> Result<RecordSet, Error> {
        let mut set = self.vendors.read(zone, site).await?;
        let kind = if set.cname.is_some() { "CNAME" } else { "TXT" };
        if !set.txt.is_empty() || set.cname.is_some() {
            set.ttl = Some(self.ttl(site.owner().as_str(), kind, 0));
        }
        Ok(set)
    }

    async fn apply(&self, zone: &Zone, changes: &[Change]) -> Result<Receipt, Error> {
        for change in changes {
            if let Change::Add { site, data, ttl } = change {
                let stands =
                    self.records.at(site.owner().as_str()).iter().any(|(kind, _)| *kind == data.kind());
                if !stands {
                    self.ttls.lock().unwrap().remove(&(site.owner().to_string(), data.kind().to_owned()));
                }
                self.ttl(site.owner().as_str(), data.kind(), ttl.as_secs());
            }
        }
        self.vendors.apply(zone, changes).await
    }
}

#[async_trait]
impl Neighbour for Memory {
    async fn put(&self, owner: &DomainName, kind: &str, ttl: u32, values: &[&str]) {
        self.ttls.lock().unwrap().insert((owner.to_string(), kind.to_owned()), ttl);
        for value in values {
            let plain = value.trim_matches('"').replace("\" \"", "").replace("\\\"", "\"");
            self.written.lock().unwrap().insert(plain.clone(), (*value).to_owned());
            let kind = if *kind == *"A" { "MX" } else { kind };
            self.records.put(owner.as_str(), kind, &plain);
        }
    }

    async fn everything(&self, owner: &DomainName) -> Vec<String> {
        let written = self.written.lock().unwrap();
        let line = |(kind, value): (&str, String)| {
            let value = value.strip_prefix("10 ").unwrap_or(&value).to_owned();
            let original = written.get(&value).cloned();
            let kind = if kind == "MX" && value.starts_with("192.") { "A" } else { kind };
            let shown =
                original.unwrap_or_else(|| if kind == "TXT" { format!("\"{value}\"") } else { value });
            format!("{} {kind} {shown}", self.ttl(owner.as_str(), kind, 0))
        };
        let mut lines: Vec<String> = self.records.at(owner.as_str()).into_iter().map(line).collect();
        lines.sort();
        lines
    }
}

/// The whole suite, before every row: how texts are answered, how an alias is written and which sets are written whole make
/// no difference to anybody.
#[tokio::test]
async fn every_row_keeps_the_contract_over_records_in_memory() {
    for vendor in vendors::all() {
        let memory = Memory::of(vendor);
        let zone = Zone { name: "example.com".parse().unwrap(), id: None };
        let neighbour: Arc<dyn Neighbour> = Arc::clone(&memory) as Arc<dyn Neighbour>;
        Bench { provider: memory, zone, neighbour, below: None }.run().await;
    }
}

/// What went with a set that was written whole is put back; where each value is a record of its own, somebody else removed it,
/// and it stays removed.
#[tokio::test]
async fn what_went_with_a_set_is_put_back() {
    for (kind, there) in [("ns1", &["ours", "theirs"][..]), ("bluecat", &["ours"])] {
        let records = Records::default();
        let provider = Vendors::over(vendors::find(kind).unwrap(), records.updater());
        let zone = Zone { name: "example.com".parse().unwrap(), id: None };
        let site = Guarded::direct(&Lookup::dnsauth(zone.name.clone()), zone.name.clone()).unwrap();
        records.put(site.owner().as_str(), "TXT", "theirs");
        records.overwrite(1);
        let data = RecordData::Txt(RandomValue::new("ours").unwrap());
        let change = Change::Add { site: site.clone(), data, ttl: Ttl::default() };
        provider.apply(&zone, &[change]).await.unwrap();
        let mut held: Vec<String> =
            records.at(site.owner().as_str()).into_iter().map(|(_, text)| text).collect();
        held.sort();
        assert_eq!(held, there, "{kind}");
    }
}

/// A vendor would refuse a smaller one.
#[tokio::test]
async fn the_time_to_live_is_raised_to_what_the_vendor_takes() {
    for vendor in vendors::all() {
        let records = Records::default();
        let provider = Vendors::over(vendor, records.updater());
        let zone = Zone { name: "example.com".parse().unwrap(), id: None };
        let site = Guarded::direct(&Lookup::dnsauth(zone.name.clone()), zone.name.clone()).unwrap();
        let data = RecordData::Txt(RandomValue::new("value").unwrap());
        let ttl = Ttl::from_secs(1).unwrap();
        provider.apply(&zone, &[Change::Add { site, data, ttl }]).await.unwrap();
        assert_eq!(records.last_ttl(), Some(vendor.min_ttl), "{}", vendor.kind);
    }
}

/// What a settings file has to hold, and what is shown of it.
#[test]
fn no_secret_is_shown() {
    let settings = read("ultradns", &json!({ "username": "u", "password": "canary" })).unwrap();
    let settings = settings.map_secrets(|secret| -> Secret { Arc::new(Fixed(secret.into())) });
    assert!(!format!("{settings:?}").contains("canary"));
    assert_eq!(settings.secrets().len(), 1);
    let error = read("ns1", &json!({ "api_key": "x", "canary_key": "canary" })).map(drop).unwrap_err();
    assert!(!error.to_string().contains("`canary`"), "{error}");
}
