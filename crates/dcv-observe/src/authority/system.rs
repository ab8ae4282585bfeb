//! The host's own resolvers: read anew whenever somebody is asked, for they change with every network that the host joins, and
//! may come only after the agent has started.

use std::{
    collections::HashMap,
    io::Read as _,
    net::Ipv6Addr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use hickory_resolver::{
    Resolver,
    config::{NameServerConfig, ResolverConfig},
};
use resolv_conf::{Config, ScopedIp};

use crate::{Error, error::cause, network::Wire};

/// A file longer than this is none of resolvers.
const LONGEST: u64 = 65_536;

/// Makes a resolver for these servers over this way to them.
type Make = dyn Fn(ResolverConfig, Scopes) -> Result<Resolver<Wire>, Error> + Send + Sync;

/// The interfaces of link-local servers (RFC 4007 section 11).
pub(crate) type Scopes = HashMap<Ipv6Addr, u32>;

/// Resolvers as a file names them at the moment.
pub(super) struct System {
    file: PathBuf,
    make: Box<Make>,
    known: Mutex<Option<Known>>,
}

/// A text of the file, and the resolver that was made of it.
struct Known {
    text: Vec<u8>,
    resolver: Arc<Resolver<Wire>>,
}

impl System {
    pub(super) fn new(file: PathBuf, make: Box<Make>) -> Self {
        Self { file, make, known: Mutex::default() }
    }

    /// The resolver for what the file says now.
    ///
    /// # Errors
    /// When it cannot be read or names no server that can be asked, which time may mend.
    pub(super) fn resolver(&self) -> Result<Arc<Resolver<Wire>>, Error> {
        let unusable = |error: std::io::Error| Error::SystemResolvers { source: cause(error) };
        let text = read(&self.file).map_err(unusable)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref().filter(|known| known.text == text) {
            return Ok(Arc::clone(&known.resolver));
        }
        let (servers, scopes) = servers(&text)
            .map_err(|why| unusable(std::io::Error::other(format!("{}: {why}", self.file.display()))))?;
        let resolver = Arc::new((self.make)(ResolverConfig::from_name_servers(servers), scopes)?);
        *known = Some(Known { text, resolver: Arc::clone(&resolver) });
        Ok(resolver)
    }
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    std::fs::File::open(file)?.take(LONGEST).read_to_end(&mut text)?;
    Ok(text)
}

/// The servers that a file names, and over which interface each link-local one is asked.
fn servers(text: &[u8]) -> Result<(Vec<NameServerConfig>, Scopes), String> {
    let (config, _) = Config::parse_with_errors(text);
    let (mut servers, mut scopes, mut lost) = (Vec::new(), Scopes::new(), Vec::new());
    for server in config.nameservers {
        if let ScopedIp::V6(ip, Some(scope)) = &server {
            match interface(scope) {
                Some(index) => drop(scopes.insert(*ip, index)),
                None => {
                    lost.push(format!("the interface {scope:?} of {ip} is not there"));
                    continue;
                }
            }
        }
        servers.push(NameServerConfig::udp_and_tcp((&server).into()));
    }
    match (servers.is_empty(), lost.as_slice()) {
        (false, _) => Ok((servers, scopes)),
        (true, []) => Err("it names no server".to_owned()),
        (true, lost) => Err(lost.join("; ")),
    }
}

/// The index of an interface, by its name or as it stands.
fn interface(scope: &str) -> Option<u32> {
    if let Ok(index) = scope.parse() {
        return Some(index);
    }
    let is_name = !scope.is_empty() && !scope.contains(['/', '\0']) && !matches!(scope, "." | "..");
    let file = is_name.then(|| Path::new("/sys/class/net").join(scope).join("ifindex"))?;
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The interface of a link-local server is kept, and a server whose interface is not there is not asked over another.
    #[test]
    fn servers_as_the_host_names_them() {
        let read = |text: &str| {
            servers(text.as_bytes()).map(|(servers, scopes)| {
                let ips: Vec<_> = servers.iter().map(|server| server.ip.to_string()).collect();
                (ips.join(" "), scopes.into_values().collect::<Vec<_>>())
            })
        };
        let found = |ips: &str, scopes: &[u32]| Ok((ips.to_owned(), scopes.to_vec()));
        assert_eq!(
            read("nameserver 192.0.2.1\nnameserver 2001:db8::1\n"),
            found("192.0.2.1 2001:db8::1", &[])
        );
        assert_eq!(read("nameserver fe80::1%7\n"), found("fe80::1", &[7]));
        assert_eq!(read("nameserver fe80::1%lo\n"), found("fe80::1", &[1]));
        assert_eq!(read("nameserver fe80::1%gone0\nnameserver 192.0.2.1\n"), found("192.0.2.1", &[]));
        assert_eq!(
            read("nameserver fe80::1%gone0\n"),
            Err("the interface \"gone0\" of fe80::1 is not there".to_owned())
        );
        for text in ["", "search example.com\n", "nonsense\0\n"] {
            assert_eq!(read(text), Err("it names no server".to_owned()), "{text:?}");
        }
    }
}
