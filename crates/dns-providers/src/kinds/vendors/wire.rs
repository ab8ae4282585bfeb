//! The four calls behind which a vendor is.

use dns_vendors::{Call, Set, Updater};

/// Lists, adds to, removes from and replaces one set of records. Values are spelled as they are listed.
pub(super) trait Wire: std::fmt::Debug + Send + Sync {
    fn list<'a>(&'a self, set: Set<'a>) -> Call<'a, Vec<String>>;
    fn add<'a>(&'a self, set: Set<'a>, values: &'a [String], ttl: u32) -> Call<'a, ()>;
    fn remove<'a>(&'a self, set: Set<'a>, values: &'a [String]) -> Call<'a, ()>;
    fn replace<'a>(&'a self, set: Set<'a>, values: &'a [String], ttl: u32) -> Call<'a, ()>;
}

impl Wire for Updater {
    fn list<'a>(&'a self, set: Set<'a>) -> Call<'a, Vec<String>> {
        self.list(set)
    }

    fn add<'a>(&'a self, set: Set<'a>, values: &'a [String], ttl: u32) -> Call<'a, ()> {
        self.add(set, values, ttl)
    }

    fn remove<'a>(&'a self, set: Set<'a>, values: &'a [String]) -> Call<'a, ()> {
        self.remove(set, values)
    }

    fn replace<'a>(&'a self, set: Set<'a>, values: &'a [String], ttl: u32) -> Call<'a, ()> {
        self.replace(set, values, ttl)
    }
}
