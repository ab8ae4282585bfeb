//! The servers that take updates, tried in turn.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hickory_net::NetError;
use serde::{Deserialize, Deserializer};
use tokio::time::Instant;

use crate::{Class, Error, Extent};

/// For how long connections alone are used, where datagrams are not answered.
const SILENCE: Duration = Duration::from_secs(5 * 60);

/// Labels of the errors after which another server is tried: nobody answered.
const UNREACHABLE: &str = "server-unreachable";
const UNRESOLVED: &str = "server-unresolved";

/// Primaries of the same zones.
#[derive(Debug)]
pub(super) struct Servers {
    names: Vec<String>,
    /// The one that answered last, so that one which is down is not waited for each time.
    preferred: AtomicUsize,
    /// Until when datagrams are not tried at an address, since none was answered there and a connection was.
    silent: Mutex<HashMap<SocketAddr, Instant>>,
}

/// One address of one server.
#[derive(Clone, Debug)]
pub(super) struct At {
    pub(super) server: String,
    pub(super) address: SocketAddr,
    index: usize,
}

impl Servers {
    pub(super) fn new(names: Vec<String>) -> Result<Self, Error> {
        let bad = |text: String| {
            Error::new(Class::Setup, "bad-setting", text)
                .hint("write for example \"192.0.2.53:53\" or \"[2001:db8::53]:53\"")
        };
        if names.is_empty() {
            return Err(bad("server is empty".to_owned()));
        }
        for name in &names {
            let port = name.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
            let is_address = name.parse::<SocketAddr>().is_ok();
            let is_name =
                name.matches(':').count() == 1 && port.is_some_and(|port| port.parse::<u16>().is_ok());
            if !is_address && !is_name {
                return Err(bad(format!("server {name:?} is not address:port")));
            }
        }
        Ok(Self { names, preferred: AtomicUsize::new(0), silent: Mutex::default() })
    }

    /// Every address of every server, in the order in which they are tried.
    pub(super) async fn turns(&self) -> Result<Vec<At>, Error> {
        let first = self.preferred.load(Ordering::Relaxed) % self.names.len().max(1);
        let mut turns = Vec::new();
        let mut unresolved = None;
        for (index, server) in self.names.iter().enumerate().cycle().skip(first).take(self.names.len()) {
            match resolve(server).await {
                Ok(addresses) => turns.extend(addresses.into_iter().map(|address| At {
                    server: server.clone(),
                    address,
                    index,
                })),
                Err(error) => unresolved = Some(error),
            }
        }
        match (turns.is_empty(), unresolved) {
            (true, Some(error)) => Err(error),
            _ => Ok(turns),
        }
    }

    /// Whether a datagram is worth its time-out: where a firewall drops them, each name would pay it.
    pub(super) fn answers_datagrams(&self, at: &At) -> bool {
        let silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        silent.get(&at.address).is_none_or(|until| Instant::now() >= *until)
    }

    /// A connection was answered; where a datagram was not, that is remembered for a while.
    pub(super) fn note_silence(&self, at: &At, is_silent: bool) {
        if is_silent {
            let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
            // A name may have ever new addresses.
            silent.retain(|_, until| Instant::now() < *until);
            silent.insert(at.address, Instant::now() + SILENCE);
        }
    }

    /// Remembers whom to ask first from now on.
    pub(super) fn prefer(&self, at: &At) {
        self.preferred.store(at.index, Ordering::Relaxed);
    }
}

/// Whether another server may be asked: this one did not answer.
pub(super) fn is_silence(error: &Error) -> bool {
    matches!(error.label(), UNREACHABLE | UNRESOLVED)
}

impl At {
    pub(super) fn unreachable(&self, error: NetError) -> Error {
        Error::new(Class::Later, UNREACHABLE, format!("the name server {} does not answer", self.server))
            .of(Extent::Provider)
            .hint("check `server`, that it runs, and that UDP and TCP port 53 to it are open")
            .caused_by(error)
    }
}

async fn resolve(server: &str) -> Result<Vec<SocketAddr>, Error> {
    if let Ok(address) = server.parse() {
        return Ok(vec![address]);
    }
    let unresolved = |why: &str| {
        Error::new(Class::Later, UNRESOLVED, format!("the name server {server} {why}")).of(Extent::Provider)
    };
    let found = tokio::net::lookup_host(server)
        .await
        .map_err(|error| unresolved("cannot be resolved").caused_by(error))?
        .collect::<Vec<_>>();
    if found.is_empty() { Err(unresolved("has no address")) } else { Ok(found) }
}

/// A text, or a list of texts; by hand, so that what else stands there is told well.
pub(super) fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Either;
    impl<'de> serde::de::Visitor<'de> for Either {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("\"address:port\", or a list of them")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<String>, E> {
            Ok(vec![text.to_owned()])
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, list: A) -> Result<Vec<String>, A::Error> {
            Vec::deserialize(serde::de::value::SeqAccessDeserializer::new(list))
        }
    }
    deserializer.deserialize_any(Either)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What cannot be a server is told before anything is sent to it.
    #[test]
    fn servers_have_a_port() {
        for good in ["192.0.2.53:53", "[2001:db8::53]:53", "ns.example.com:5353"] {
            assert!(Servers::new(vec![good.to_owned()]).is_ok(), "{good}");
        }
        for bad in ["192.0.2.53", "2001:db8::53", ":53", "ns.example.com:", "ns:99999", "", "[2001:db8::53]"]
        {
            assert!(Servers::new(vec![bad.to_owned()]).is_err(), "{bad}");
        }
        assert!(Servers::new(Vec::new()).is_err());
    }

    #[tokio::test]
    async fn the_one_that_answered_last_is_asked_first() {
        let names = ["192.0.2.1:53", "[2001:db8::2]:53", "192.0.2.3:53"].map(str::to_owned);
        let servers = Servers::new(names.to_vec()).unwrap();
        let order = |turns: &[At]| turns.iter().map(|at| at.server.clone()).collect::<Vec<_>>();
        let turns = servers.turns().await.unwrap();
        assert_eq!(order(&turns), names);
        servers.prefer(&turns[1]);
        let turns = servers.turns().await.unwrap();
        assert_eq!(order(&turns), [&names[1], &names[2], &names[0]].map(Clone::clone));
    }
}
