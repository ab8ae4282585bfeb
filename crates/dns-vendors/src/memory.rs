//! Records in memory, as `dns-update` has them for tests. Its part lists nothing, so that is done here.

use std::sync::{Arc, Mutex, PoisonError};

use dns_update::{DnsRecord, DnsUpdater, NamedDnsRecord};

use crate::{Inner, Set, Updater};

/// The records, shared with whoever looks at them.
#[derive(Clone, Debug, Default)]
pub struct Records(Arc<Mutex<Vec<NamedDnsRecord>>>);

impl Records {
    /// An updater of these records.
    #[must_use]
    pub fn updater(&self) -> Updater {
        let library = DnsUpdater::new_in_memory(Arc::clone(&self.0));
        Updater(Inner::Memory(self.clone(), Box::new(library)))
    }

    /// Type and value of every record at a name, which has no final dot.
    #[must_use]
    pub fn at(&self, name: &str) -> Vec<(&'static str, String)> {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let here = records.iter().filter(|one| one.name.trim_end_matches('.').eq_ignore_ascii_case(name));
        here.map(|one| (one.record.as_type().as_str(), one.record.to_string())).collect()
    }

    /// Puts a text there, as somebody else would.
    pub fn put(&self, name: &str, text: &str) {
        let record = NamedDnsRecord { name: format!("{name}."), record: DnsRecord::TXT(text.to_owned()) };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(record);
    }
}

pub(crate) fn list(records: &Records, set: Set<'_>) -> Vec<String> {
    let wanted = set.of.of_library().as_str();
    let here = records.at(set.name).into_iter();
    here.filter(|(kind, _)| *kind == wanted).map(|(_, value)| value).collect()
}
