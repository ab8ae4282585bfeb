//! The simulator's own eyes: plain DNS questions to the configured authorities.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use hickory_net::{
    NetError,
    runtime::TokioRuntimeProvider,
    tcp::TcpClientStream,
    udp::UdpClientStream,
    xfer::{DnsExchange, DnsHandle as _, FirstAnswer as _},
};
use hickory_proto::{
    op::{DnsRequestOptions, DnsResponse, Query, ResponseCode},
    rr::{Name, RData, Record, RecordType},
};

use super::scope;

/// How many aliases are followed before a chain counts as endless.
const MAX_ALIASES: usize = 8;
/// RFC 6672.
const DNAME: u16 = 39;

/// Where to look. Each address of a zone is one perspective.
pub(super) struct Eyes {
    authorities: BTreeMap<String, Vec<SocketAddr>>,
    /// Owns the tasks behind TCP questions, so it must live as long as they do.
    runtime: TokioRuntimeProvider,
    questions: AtomicU64,
}

/// How hard to look.
#[derive(Clone, Debug)]
pub(super) struct Look {
    /// For one question, repeats and the change to TCP included.
    pub(super) timeout: Duration,
    /// Addresses that see nothing.
    pub(super) blind: Vec<SocketAddr>,
    /// How many addresses of a zone may disagree.
    pub(super) tolerated_misses: usize,
    /// An answer in which a DNAME record takes part shows nothing.
    pub(super) refuses_dname: bool,
}

/// What one address showed.
enum Sight {
    Wanted,
    Alias(String),
    Nothing,
}

impl Eyes {
    pub(super) fn new(authorities: &BTreeMap<String, Vec<SocketAddr>>) -> Self {
        let authorities = authorities.iter().map(|(zone, at)| (scope::canonical(zone), at.clone())).collect();
        Self { authorities, runtime: TokioRuntimeProvider::default(), questions: AtomicU64::new(0) }
    }

    /// The zones with configured authorities.
    pub(super) fn zones(&self) -> impl Iterator<Item = &str> + Clone {
        self.authorities.keys().map(String::as_str)
    }

    /// Questions asked so far.
    pub(super) fn questions(&self) -> u64 {
        self.questions.load(Ordering::Relaxed)
    }

    /// Whether every address of the zone shows wanted data at `owner`, or aliases that lead to it.
    ///
    /// Aliases are followed into other configured zones; there, too, every address must agree.
    pub(super) async fn see(
        &self,
        owner: &str,
        kind: RecordType,
        wanted: impl Fn(&RData) -> bool,
        look: &Look,
    ) -> bool {
        let mut names = BTreeSet::from([owner.to_owned()]);
        for _ in 0..=MAX_ALIASES {
            let mut aliases = BTreeSet::new();
            for name in &names {
                let Some(zone) = scope::closest(self.zones(), name) else { return false };
                let mut misses = 0;
                for &address in &self.authorities[zone] {
                    match self.sight(address, name, kind, &wanted, look).await {
                        Sight::Wanted => {}
                        Sight::Alias(target) => {
                            aliases.insert(target);
                        }
                        Sight::Nothing => misses += 1,
                    }
                }
                if misses > look.tolerated_misses || misses == self.authorities[zone].len() {
                    return false;
                }
            }
            if aliases.is_empty() {
                return true;
            }
            names = aliases;
        }
        false
    }

    async fn sight(
        &self,
        address: SocketAddr,
        owner: &str,
        kind: RecordType,
        wanted: impl Fn(&RData) -> bool,
        look: &Look,
    ) -> Sight {
        let Ok(mut name) = Name::from_ascii(owner) else { return Sight::Nothing };
        name.set_fqdn(true);
        if look.blind.contains(&address) {
            return Sight::Nothing;
        }
        self.questions.fetch_add(1, Ordering::Relaxed);
        let asked = tokio::time::timeout(look.timeout, self.ask(address, &name, kind, look.timeout)).await;
        let response = match asked {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                tracing::debug!(%address, owner, %error, "the CA's question failed");
                return Sight::Nothing;
            }
            Err(_) => return Sight::Nothing,
        };
        let is_dname = |record: &Record| u16::from(record.record_type()) == DNAME;
        if response.response_code != ResponseCode::NoError
            || look.refuses_dname && response.answers.iter().any(is_dname)
        {
            return Sight::Nothing;
        }
        if response.answers.iter().any(|record| record.record_type() == kind && wanted(&record.data)) {
            return Sight::Wanted;
        }
        if kind != RecordType::CNAME && response.answers.iter().any(|record| record.record_type() == kind) {
            return Sight::Nothing;
        }
        match last_alias(&response, name) {
            Some(target) => Sight::Alias(scope::canonical(&target.to_ascii())),
            None => Sight::Nothing,
        }
    }

    async fn ask(
        &self,
        address: SocketAddr,
        name: &Name,
        kind: RecordType,
        timeout: Duration,
    ) -> Result<DnsResponse, NetError> {
        let mut options = DnsRequestOptions::default();
        options.recursion_desired = false;
        let query = Query::query(name.clone(), kind);
        let udp: DnsExchange<TokioRuntimeProvider> =
            UdpClientStream::builder(address, self.runtime.clone()).with_timeout(Some(timeout)).exchange();
        let response = udp.lookup(query.clone(), options).first_answer().await?;
        if !response.truncation {
            return Ok(response);
        }
        let tcp = TcpClientStream::exchange(address, None, timeout, None, self.runtime.clone()).await?;
        tcp.lookup(query, options).first_answer().await
    }
}

/// The end of the chain of aliases that begins at `name`, within one response.
fn last_alias(response: &DnsResponse, name: Name) -> Option<Name> {
    let step = |from: &Name| {
        response.answers.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if &record.name == from => Some(target.0.clone()),
            _ => None,
        })
    };
    let mut end = step(&name)?;
    for _ in 0..MAX_ALIASES {
        match step(&end) {
            Some(next) => end = next,
            None => return Some(end),
        }
    }
    None
}
