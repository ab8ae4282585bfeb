//! The four calls behind which a vendor is.

use dns_vendors::{Call, Set, Updater};

/// What is listed of a set.
#[derive(Clone, Debug, Default)]
pub(super) struct Listed {
    pub(super) values: Vec<String>,
    /// In seconds, where it is listed.
    pub(super) ttl: Option<u32>,
}

/// Lists, adds to, removes from and replaces one set of records. Values are spelled as they are listed.
pub(super) trait Wire: std::fmt::Debug + Send + Sync {
    fn list<'a>(&'a self, set: Set<'a>) -> Call<'a, Listed>;
    fn add<'a>(&'a self, set: Set<'a>, values: &'a [String], ttl: u32) -> Call<'a, ()>;
    fn remove<'a>(&'a self, set: Set<'a>, values: &'a [String]) -> Call<'a, ()>;
    fn replace<'a>(&'a self, set: Set<'a>, values: &'a [String], ttl: u32) -> Call<'a, ()>;
}

impl Wire for Updater {
    fn list<'a>(&'a self, set: Set<'a>) -> Call<'a, Listed> {
        Box::pin(async move { Ok(Listed { values: self.list(set).await?, ttl: None }) })
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
