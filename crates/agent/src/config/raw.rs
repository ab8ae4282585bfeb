//! The configuration as written, before it is checked. Every key is optional here: what is missing is the check's to say.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use serde::{
    Deserialize, Deserializer,
    de::{
        self, DeserializeOwned, MapAccess, Visitor,
        value::{MapAccessDeserializer, StringDeserializer},
    },
};

use dcv_core::Owner;

use super::SecretRef;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    pub(super) agent: RawAgent,
    pub(super) accounts: BTreeMap<String, RawAccount>,
    pub(super) providers: BTreeMap<String, RawProvider>,
    pub(super) records: RawRecords,
    pub(super) http: RawHttp,
    pub(super) verify: RawVerify,
    pub(super) ledger: RawLedger,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAgent {
    pub(super) state: Option<String>,
    pub(super) state_password: Option<SecretRef>,
    pub(super) takeover_seconds: Option<u64>,
    pub(super) listen: Option<String>,
    pub(super) hosts: Vec<String>,
    pub(super) concurrency: Option<usize>,
    #[serde(deserialize_with = "word")]
    pub(super) mode: Option<Acting>,
    pub(super) log: RawLog,
}

/// Whether anything is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Acting {
    /// What is decided is done.
    #[default]
    Act,
    /// What is decided is said: nothing is written at DigiCert, in DNS, on web servers or in the ledger.
    Watch,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLog {
    pub(super) level: Option<String>,
    #[serde(deserialize_with = "word")]
    pub(super) format: Option<LogFormat>,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAccount {
    #[serde(deserialize_with = "word")]
    pub(super) platform: Option<Platform>,
    pub(super) base_url: Option<String>,
    pub(super) insecure_http: bool,
    pub(super) api_key: Option<SecretRef>,
    pub(super) orders: Vec<RawOrder>,
    pub(super) discover: Option<RawDiscover>,
    pub(super) domains: Option<RawDomains>,
    pub(super) cname_suffix: Option<String>,
    #[serde(deserialize_with = "word")]
    pub(super) switch_method: Option<RawSwitch>,
    pub(super) rate: RawRate,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) proxy: Option<String>,
    pub(super) proxy_password: Option<SecretRef>,
    pub(super) timeout_seconds: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum RawSwitch {
    #[serde(rename = "dns-txt-token")]
    DnsTxt,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawDiscover {
    pub(super) statuses: Option<Vec<String>>,
    pub(super) only: Vec<String>,
    pub(super) except: Vec<String>,
    pub(super) every_seconds: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawDomains {
    pub(super) only: Vec<String>,
    pub(super) except: Vec<String>,
    pub(super) every_seconds: Option<u64>,
    pub(super) window_percent: Option<u8>,
}

/// How files of `http-token` reach the CA.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawHttp {
    pub(super) listen: Option<String>,
    pub(super) hosts: Option<Vec<String>>,
    pub(super) webroots: BTreeMap<String, PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Platform {
    Us,
    Eu,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRate {
    pub(super) short: Option<String>,
    pub(super) long: Option<String>,
}

#[derive(Debug)]
pub(super) struct RawOrder {
    pub(super) id: u64,
    pub(super) scopes: Vec<String>,
}

impl<'de> Deserialize<'de> for RawOrder {
    /// A number, or a table; by hand, so that a wrong key in the table is named.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            id: u64,
            #[serde(default)]
            scopes: Vec<String>,
        }
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = RawOrder;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an order number, or { id = 112233, scopes = [\"example.com\"] }")
            }

            fn visit_u64<E: de::Error>(self, id: u64) -> Result<RawOrder, E> {
                Ok(RawOrder { id, scopes: Vec::new() })
            }

            fn visit_i64<E: de::Error>(self, id: i64) -> Result<RawOrder, E> {
                u64::try_from(id)
                    .map_err(|_| E::custom("an order number is positive"))
                    .and_then(|id| self.visit_u64(id))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<RawOrder, E> {
                let id = text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))?;
                self.visit_u64(id)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawOrder, A::Error> {
                let Table { id, scopes } = Table::deserialize(MapAccessDeserializer::new(map))?;
                Ok(RawOrder { id, scopes })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawProvider {
    pub(super) zones: Vec<RawZone>,
    /// The kind's own keys; their unknown ones are found when the kind reads them.
    #[serde(flatten)]
    pub(super) settings: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug)]
pub(super) struct RawZone {
    pub(super) name: String,
    pub(super) id: Option<String>,
    pub(super) owner: Option<Owner>,
}

impl<'de> Deserialize<'de> for RawZone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            name: String,
            id: Option<String>,
            #[serde(default, deserialize_with = "word")]
            owner: Option<Owner>,
        }
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = RawZone;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a zone's name, or { name = \"example.com\", id = \"…\" }")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<RawZone, E> {
                Ok(RawZone { name: name.to_owned(), id: None, owner: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawZone, A::Error> {
                let Table { name, id, owner } = Table::deserialize(MapAccessDeserializer::new(map))?;
                Ok(RawZone { name, id, owner })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRecords {
    pub(super) ttl: Option<u32>,
    #[serde(deserialize_with = "word")]
    pub(super) owner: Option<Owner>,
    pub(super) over_wildcards: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLedger {
    pub(super) folder: Option<PathBuf>,
    pub(super) rotate_mib: Option<u64>,
    pub(super) keep: Option<usize>,
    pub(super) required: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawVerify {
    pub(super) resolvers: Option<Vec<RawResolver>>,
    pub(super) discovery_resolvers: Option<Vec<RawResolver>>,
    pub(super) authorities: BTreeMap<String, Vec<String>>,
    pub(super) web: BTreeMap<String, Vec<String>>,
    pub(super) web_tls: BTreeMap<String, Vec<String>>,
    pub(super) zones: BTreeMap<String, RawView>,
    pub(super) tolerate_failed: Option<usize>,
    pub(super) max_qps: Option<u32>,
    #[serde(deserialize_with = "word")]
    pub(super) quorum: Option<RawQuorum>,
    #[serde(deserialize_with = "word")]
    pub(super) web_as: Option<RawWebAs>,
    #[serde(deserialize_with = "word")]
    pub(super) dnssec: Option<RawDnssec>,
    pub(super) trust_anchor: Option<PathBuf>,
    pub(super) proxy: Option<String>,
    pub(super) proxy_password: Option<SecretRef>,
    pub(super) ca_file: Option<PathBuf>,
}

/// What differs at and below one domain.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawView {
    pub(super) resolvers: Option<Vec<RawResolver>>,
    pub(super) discovery_resolvers: Option<Vec<RawResolver>>,
}

/// One way to a resolver, or several ways to the same one.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a resolver such as \"192.0.2.1\", or a list of ways to one resolver")]
pub(super) enum RawResolver {
    One(String),
    Several(Vec<String>),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawQuorum {
    All,
    Mpic,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawWebAs {
    Strict,
    Library,
    Http,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawDnssec {
    Enforce,
    Warn,
    Off,
}

/// One of a few words. The layers' own message for another one does not say which there are.
fn word<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| T::deserialize(StringDeserializer::<D::Error>::new(text))).transpose()
}
