//! Records in memory, as `dns-update` has them for tests. Its part lists nothing, so that is done here. What is removed in
//! quotes is the text without them, as a vendor has it that answers so.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use dns_update::{DnsRecord, DnsUpdater, MXRecord, NamedDnsRecord};

use crate::{Inner, Set, Type, Updater};

/// The records, shared with whoever looks at them.
#[derive(Clone, Debug, Default)]
pub struct Records {
    records: Arc<Mutex<Vec<NamedDnsRecord>>>,
    /// Times to live that were asked for, which the library's part forgets.
    ttls: Arc<Mutex<Vec<u32>>>,
    in_quotes: bool,
    /// How many of the next additions overwrite what stands there.
    overwriting: Arc<AtomicU32>,
}

impl Records {
    /// Records whose texts are answered in quotes, as a zone file has them.
    #[must_use]
    pub fn answered_in_quotes() -> Self {
        Self { in_quotes: true, ..Self::default() }
    }

    /// The next additions overwrite the texts that stand there, as those of somebody who had read an older set.
    pub fn overwrite(&self, additions: u32) {
        self.overwriting.store(additions, Ordering::SeqCst);
    }

    /// Called before an addition to a set.
    pub(crate) fn before_adding(&self, set: Set<'_>, ttl: u32) {
        self.note(ttl);
        let one_less = |left: u32| left.checked_sub(1);
        if self.overwriting.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
            let is_there = |one: &NamedDnsRecord| one.name.trim_end_matches('.') == set.name;
            let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
            records.retain(|one| !(is_there(one) && one.record.as_type() == set.of.of_library()));
        }
    }

    /// An updater of these records.
    #[must_use]
    pub fn updater(&self) -> Updater {
        let library = DnsUpdater::new_in_memory(Arc::clone(&self.records));
        Updater(Inner::Memory(self.clone(), Box::new(library)))
    }

    /// Type and value of every record at a name, which has no final dot.
    #[must_use]
    pub fn at(&self, name: &str) -> Vec<(&'static str, String)> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let here = records.iter().filter(|one| one.name.trim_end_matches('.').eq_ignore_ascii_case(name));
        here.map(|one| (one.record.as_type().as_str(), one.record.to_string())).collect()
    }

    /// The time to live that was asked for last, in seconds.
    #[must_use]
    pub fn last_ttl(&self) -> Option<u32> {
        self.ttls.lock().unwrap_or_else(PoisonError::into_inner).last().copied()
    }

    pub(crate) fn note(&self, ttl: u32) {
        self.ttls.lock().unwrap_or_else(PoisonError::into_inner).push(ttl);
    }

    /// Puts a record there, as somebody else would: a `TXT` or `CNAME`, and anything else as a mail server.
    pub fn put(&self, name: &str, kind: &str, value: &str) {
        let record = match kind {
            "TXT" => DnsRecord::TXT(value.to_owned()),
            "CNAME" => DnsRecord::CNAME(value.to_owned()),
            _ => DnsRecord::MX(MXRecord { exchange: value.to_owned(), priority: 10 }),
        };
        let record = NamedDnsRecord { name: format!("{name}."), record };
        self.records.lock().unwrap_or_else(PoisonError::into_inner).push(record);
    }
}

pub(crate) fn list(records: &Records, set: Set<'_>) -> Vec<String> {
    let wanted = set.of.of_library().as_str();
    let here = records.at(set.name).into_iter();
    let listed = |value: String| match set.of {
        Type::Txt if records.in_quotes => format!("\"{value}\""),
        _ => value,
    };
    here.filter(|(kind, _)| *kind == wanted).map(|(_, value)| listed(value)).collect()
}

/// What is removed in quotes is kept without them.
pub(crate) fn as_kept(records: &Records, mut removed: Vec<DnsRecord>) -> Vec<DnsRecord> {
    for record in &mut removed {
        if let (DnsRecord::TXT(text), true) = (&mut *record, records.in_quotes) {
            *text = text.trim_matches('"').to_owned();
        }
    }
    removed
}
