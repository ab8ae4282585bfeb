//! `[providers.<name>]` of a vendor: the keys that its row has, and no others.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use dns_vendors::Given;
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed, MapAccess, Visitor},
};

use super::vendor::{SetTtl, Vendor};
use crate::{Class, Error, Extent, Secret};

/// The key that vendors have whose sets get the time to live of what is added.
const KEEP_TTL: &str = "keep_ttl";

/// `[providers.<name>]` of a vendor, its secrets of type `S`.
#[derive(Clone, Debug)]
pub struct VendorSettings<S> {
    vendor: &'static Vendor,
    words: BTreeMap<&'static str, String>,
    secrets: BTreeMap<&'static str, S>,
    keep_ttl: Option<u32>,
}

impl<S> VendorSettings<S> {
    /// Whose settings these are.
    #[must_use]
    pub const fn vendor(&self) -> &'static Vendor {
        self.vendor
    }

    pub(super) const fn keep_ttl(&self) -> Option<u32> {
        self.keep_ttl
    }

    pub(crate) fn map_secrets<T>(self, secret: impl Fn(S) -> T) -> VendorSettings<T> {
        let secrets = self.secrets.into_iter().map(|(name, reference)| (name, secret(reference))).collect();
        VendorSettings { vendor: self.vendor, words: self.words, secrets, keep_ttl: self.keep_ttl }
    }

    pub(crate) fn secrets(&self) -> Vec<&S> {
        self.secrets.values().collect()
    }
}

impl VendorSettings<Secret> {
    pub(super) fn into_account(self) -> Account {
        Account { words: self.words, secrets: self.secrets }
    }
}

impl Vendor {
    /// The keys of its secrets.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &'static str> {
        self.settings.iter().filter(|setting| setting.secret).map(|setting| setting.name)
    }
}

/// What an account was configured with; secrets are read when they are needed.
#[derive(Debug, Default)]
pub(super) struct Account {
    words: BTreeMap<&'static str, String>,
    secrets: BTreeMap<&'static str, Secret>,
}

impl Account {
    pub(super) fn word(&self, name: &str) -> Option<&str> {
        self.words.get(name).map(String::as_str)
    }

    /// Words and secrets as they are now.
    pub(super) fn given(&self) -> Result<Given, Error> {
        let mut given = Given::default();
        for (name, word) in &self.words {
            given = given.with(name, word.as_str().into());
        }
        for (name, secret) in &self.secrets {
            let secret = secret.secret().map_err(|why| {
                Error::new(Class::Setup, "no-secret", format!("{name} cannot be read: {why}"))
                    .of(Extent::Provider)
            })?;
            given = given.with(name, secret);
        }
        Ok(given)
    }
}

/// Reads a vendor's settings.
#[derive(Clone, Copy, Debug)]
pub struct VendorSeed<S> {
    vendor: &'static Vendor,
    secrets: PhantomData<S>,
}

impl<S> VendorSeed<S> {
    /// For the settings of a vendor.
    #[must_use]
    pub const fn new(vendor: &'static Vendor) -> Self {
        Self { vendor, secrets: PhantomData }
    }

    fn known(&self) -> Vec<&'static str> {
        let own = self.vendor.settings.iter().map(|setting| setting.name);
        own.chain((self.vendor.set_ttl == SetTtl::Replaced).then_some(KEEP_TTL)).collect()
    }
}

impl<'de, S: Deserialize<'de>> DeserializeSeed<'de> for VendorSeed<S> {
    type Value = VendorSettings<S>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<VendorSettings<S>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, S: Deserialize<'de>> Visitor<'de> for VendorSeed<S> {
    type Value = VendorSettings<S>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the settings of {}", self.vendor.kind)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<VendorSettings<S>, A::Error> {
        let mut settings = VendorSettings {
            vendor: self.vendor,
            words: BTreeMap::new(),
            secrets: BTreeMap::new(),
            keep_ttl: None,
        };
        while let Some(key) = map.next_key::<String>()? {
            match self.vendor.setting(&key) {
                Some(setting) if setting.secret => {
                    settings.secrets.insert(setting.name, map.next_value()?);
                }
                Some(setting) => {
                    settings.words.insert(setting.name, map.next_value::<Word>()?.0);
                }
                None if key == KEEP_TTL && self.vendor.set_ttl == SetTtl::Replaced => {
                    settings.keep_ttl = Some(map.next_value()?);
                }
                // In the words of serde, from which the configuration takes the key and those there are.
                None => {
                    let known = self.known().join("`, `");
                    return Err(de::Error::custom(format!(
                        "unknown field `{key}`, expected one of `{known}`"
                    )));
                }
            }
        }
        let lacks = |name: &str| !settings.words.contains_key(name) && !settings.secrets.contains_key(name);
        match self.vendor.settings.iter().find(|setting| setting.required && lacks(setting.name)) {
            Some(setting) => Err(de::Error::missing_field(setting.name)),
            None => Ok(settings),
        }
    }
}

/// A word, however it is written: the environment knows texts only, and an account may be a number.
struct Word(String);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Word;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number, true or false")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Word, E> {
                Ok(Word(text.to_owned()))
            }

            fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Word, E> {
                Ok(Word(flag.to_string()))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Word, E> {
                Ok(Word(number.to_string()))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Word, E> {
                Ok(Word(number.to_string()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}
