//! The one crate that calls `dns-update`, and the only one that has to know its types.
//!
//! `dns-update` is an enum of some seventy vendors with generic methods, so that all vendors are compiled anew into
//! whichever crate calls one of them, for every combination of argument types. Optimised, that takes longer than all the rest
//! of the agent. So it is called from here alone, with one concrete type for each argument, and this crate is never optimised
//! (`[profile.release.package.dns-vendors]`); what it does is wait for servers.
//!
//! For the same reason no method here is an `async fn`: the body of one is compiled where it is awaited, which is outside the
//! wall, and behind a boxed [`Call`] it is compiled here.
//!
//! A vendor is a line in `vendors.rs`: its name and what its constructor takes. What is true of a vendor, and what a caller
//! has to do about it, is known elsewhere.

mod error;
mod given;
#[cfg(feature = "in-memory")]
pub mod memory;
mod vendors;

use std::{fmt, pin::Pin, time::Duration};

use dns_update::{DnsRecord, DnsRecordType, DnsUpdater};

pub use self::{
    error::{Error, What},
    given::Given,
    vendors::VENDORS,
};

/// What is asked for at a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Texts.
    Txt,
    /// The alias.
    Cname,
    /// Name servers, which are only listed: a zone without any at its apex is none.
    Ns,
}

impl Type {
    const fn of_library(self) -> DnsRecordType {
        match self {
            Self::Txt => DnsRecordType::TXT,
            Self::Cname => DnsRecordType::CNAME,
            Self::Ns => DnsRecordType::NS,
        }
    }

    fn record(self, value: &str) -> DnsRecord {
        match self {
            Self::Txt => DnsRecord::TXT(value.to_owned()),
            Self::Cname => DnsRecord::CNAME(value.to_owned()),
            Self::Ns => DnsRecord::NS(value.to_owned()),
        }
    }
}

/// A set of records: its owner name and its zone, both without the final dot, and its type.
#[derive(Clone, Copy, Debug)]
pub struct Set<'a> {
    /// The owner name.
    pub name: &'a str,
    /// The zone's apex.
    pub zone: &'a str,
    /// What stands there.
    pub of: Type,
}

/// A call under way.
pub type Call<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// One account at one vendor. Its secrets are those it was built with.
pub struct Updater(Inner);

enum Inner {
    Vendor(Box<DnsUpdater>),
    #[cfg(feature = "in-memory")]
    Memory(memory::Records, Box<DnsUpdater>),
}

/// Shows nothing: secrets are within.
impl fmt::Debug for Updater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Updater").finish_non_exhaustive()
    }
}

impl Updater {
    /// The account that the settings describe, at a vendor of [`VENDORS`]. Connects to nothing yet. No request takes longer
    /// than `timeout`; a call is several of them, and waits between them where it is throttled.
    ///
    /// # Errors
    /// A setting that is missing or cannot be used, or a system without certificate authorities.
    pub fn new(vendor: &str, given: &Given, timeout: Duration) -> Result<Self, Error> {
        // dns-update falls back to a client that panics where none can be made.
        reqwest::Client::builder().build().map_err(|error| Error::new(What::NoClient, error.to_string()))?;
        let updater = vendors::build(vendor, given, timeout)?;
        Ok(Self(Inner::Vendor(Box::new(updater))))
    }

    fn library(&self) -> &DnsUpdater {
        match &self.0 {
            Inner::Vendor(updater) => updater,
            #[cfg(feature = "in-memory")]
            Inner::Memory(_, updater) => updater,
        }
    }

    /// The values of a set, as the vendor's part of the library reads them; none where there is no set.
    ///
    /// # Errors
    /// Whatever the vendor or the way to it says.
    pub fn list<'a>(&'a self, set: Set<'a>) -> Call<'a, Vec<String>> {
        Box::pin(async move {
            #[cfg(feature = "in-memory")]
            if let Inner::Memory(records, _) = &self.0 {
                return Ok(memory::list(records, set));
            }
            let listed = self.library().list_rrset(set.name, set.of.of_library(), set.zone).await;
            Ok(listed.map_err(Error::from_library)?.iter().map(ToString::to_string).collect())
        })
    }

    /// Adds values beside those that stand there. One that stands there is left as it is. Whether the set keeps its time to
    /// live is the vendor's part's affair.
    ///
    /// # Errors
    /// Whatever the vendor or the way to it says.
    pub fn add<'a>(&'a self, set: Set<'a>, values: &[String], ttl: u32) -> Call<'a, ()> {
        let records = values.iter().map(|value| set.of.record(value)).collect::<Vec<_>>();
        #[cfg(feature = "in-memory")]
        if let Inner::Memory(held, _) = &self.0 {
            held.before_adding(set, ttl);
        }
        Box::pin(async move {
            let kind = set.of.of_library();
            let added = self.library().add_to_rrset(set.name, kind, ttl, records, set.zone).await;
            added.map_err(Error::from_library)
        })
    }

    /// Removes values, spelled as [`Updater::list`] spells them, and leaves all others.
    ///
    /// # Errors
    /// Whatever the vendor or the way to it says.
    pub fn remove<'a>(&'a self, set: Set<'a>, values: &[String]) -> Call<'a, ()> {
        let records = values.iter().map(|value| set.of.record(value)).collect::<Vec<_>>();
        #[cfg(feature = "in-memory")]
        let records = match &self.0 {
            Inner::Memory(held, _) => memory::as_kept(held, records),
            Inner::Vendor(_) => records,
        };
        Box::pin(async move {
            let kind = set.of.of_library();
            let removed = self.library().remove_from_rrset(set.name, kind, records, set.zone).await;
            removed.map_err(Error::from_library)
        })
    }

    /// Puts values in the place of all that stand there, in one request where the vendor can. For an alias, of which there is
    /// one at most, and for a set that is not there.
    ///
    /// # Errors
    /// Whatever the vendor or the way to it says.
    pub fn replace<'a>(&'a self, set: Set<'a>, values: &[String], ttl: u32) -> Call<'a, ()> {
        let records = values.iter().map(|value| set.of.record(value)).collect::<Vec<_>>();
        #[cfg(feature = "in-memory")]
        if let Inner::Memory(held, _) = &self.0 {
            held.note(ttl);
        }
        Box::pin(async move {
            let kind = set.of.of_library();
            let replaced = self.library().set_rrset(set.name, kind, ttl, records, set.zone).await;
            replaced.map_err(Error::from_library)
        })
    }
}
