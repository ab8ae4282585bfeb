//! Where a database is: `postgres://USER@HOST[:PORT][,HOST[:PORT]…]/DATABASE[?sslmode=…&sslrootcert=…]`.
//!
//! Several hosts are a primary and its standbys, as for libpq: the one that can be written to is used. A socket's folder is
//! given as `?host=/run/postgresql`. Without `sslmode`, `verify-full` is meant for any other host than this one.

use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

/// PostgreSQL's own port.
const PORT: u16 = 5432;
/// More hosts than a cluster has.
const MOST_HOSTS: usize = 8;
const FORM: &str = "postgres://user@host/database";

/// Where a database is. Holds no password.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    text: String,
    user: String,
    hosts: Vec<Host>,
    database: String,
    tls: Tls,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    At(String, u16),
    /// The folder of a socket.
    Socket(PathBuf, u16),
}

/// How connections are protected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tls {
    mode: Option<String>,
    root: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

/// As it was given.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Address {
    /// What is wrong, in one sentence.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text
            .strip_prefix("postgres://")
            .or_else(|| text.strip_prefix("postgresql://"))
            .ok_or_else(|| format!("is not of the form {FORM}"))?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (login, listed) = authority.rsplit_once('@').unwrap_or(("", authority));
        if login.contains(':') {
            return Err("holds a password; name it in agent.state_password instead".into());
        }
        // What is left of it is a URL with the first host, read as such.
        let first = listed.split(',').next().filter(|first| !first.is_empty()).unwrap_or("localhost");
        let url = Url::parse(&format!(
            "postgres://{login}{}{first}{path}",
            if login.is_empty() { "" } else { "@" }
        ))
        .map_err(|error| format!("is not of the form {FORM}: {error}"))?;
        let user = decoded(url.username())?;
        if user.is_empty() {
            return Err(format!("names no user; write {FORM}"));
        }
        let database = decoded(url.path().trim_start_matches('/'))?;
        if database.is_empty() || database.contains('/') {
            return Err(format!("names no database; write {FORM}"));
        }
        let (mut tls, mut socket) = (Tls::default(), None);
        for (key, value) in url.query_pairs() {
            let path = || Some(PathBuf::from(&*value));
            match &*key {
                "sslmode" => {
                    tls.mode = Some(value.parse::<PgSslMode>().map(|_| value.to_string()).map_err(|_| {
                        format!(
                            "sslmode {value:?} is none of disable, prefer, require, verify-ca, verify-full"
                        )
                    })?)
                }
                "sslrootcert" => tls.root = path(),
                "sslcert" => tls.certificate = path(),
                "sslkey" => tls.key = path(),
                "host" if value.starts_with('/') => socket = path(),
                "password" => return Err("holds a password; name it in agent.state_password instead".into()),
                _ => {
                    return Err(format!(
                        "has the parameter {key:?}; known: sslmode, sslrootcert, sslcert, sslkey, host (a socket's folder)"
                    ));
                }
            }
        }
        if tls.certificate.is_some() != tls.key.is_some() {
            return Err("gives one of sslcert and sslkey; a certificate and its key go together".into());
        }
        let hosts = match socket {
            Some(folder) => vec![Host::Socket(folder, url.port().unwrap_or(PORT))],
            None => listed.split(',').map(host).collect::<Result<Vec<_>, _>>()?,
        };
        if hosts.len() > MOST_HOSTS {
            return Err(format!("names more than {MOST_HOSTS} hosts"));
        }
        Ok(Self { text: text.to_owned(), user, hosts, database, tls })
    }
}

fn host(text: &str) -> Result<Host, String> {
    let url = Url::parse(&format!("postgres://{text}/"))
        .ok()
        .filter(|url| url.username().is_empty() && url.path() == "/" && url.query().is_none());
    let url = url.ok_or_else(|| format!("{text:?} is no host"))?;
    let name = url.host_str().filter(|name| !name.is_empty());
    let name =
        name.ok_or_else(|| format!("names no host; write {FORM}, or ?host=/run/postgresql for a socket"))?;
    Ok(Host::At(name.to_owned(), url.port().unwrap_or(PORT)))
}

fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| format!("{text:?} is not text"))
}

impl Address {
    /// How to connect to each host, the first one first.
    pub(super) fn options(&self) -> impl Iterator<Item = PgConnectOptions> {
        self.hosts.iter().map(|host| {
            let (options, is_here) = match host {
                Host::At(name, port) => {
                    let options = PgConnectOptions::new_without_pgpass().host(name).port(*port);
                    (options, is_loopback(name))
                }
                Host::Socket(folder, port) => {
                    (PgConnectOptions::new_without_pgpass().socket(folder).port(*port), true)
                }
            };
            let usual = if is_here { PgSslMode::Prefer } else { PgSslMode::VerifyFull };
            let mode = self.tls.mode.as_ref().and_then(|mode| mode.parse().ok()).unwrap_or(usual);
            let mut options = options.username(&self.user).database(&self.database).ssl_mode(mode);
            if let Some(root) = &self.tls.root {
                options = options.ssl_root_cert(root);
            }
            if let (Some(certificate), Some(key)) = (&self.tls.certificate, &self.tls.key) {
                options = options.ssl_client_cert(certificate).ssl_client_key(key);
            }
            options
        })
    }

    /// Whether a stranger on the way could read along or change what is said, because the operator chose so.
    #[must_use]
    pub fn is_open_to_strangers(&self) -> bool {
        let weak = matches!(self.tls.mode.as_deref(), Some("disable" | "allow" | "prefer" | "require"));
        weak && self.hosts.iter().any(|host| matches!(host, Host::At(name, _) if !is_loopback(name)))
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_given_is_read() {
        let of = |text: &str| text.parse::<Address>().unwrap();
        let modes = |text: &str| of(text).options().map(|options| options.get_ssl_mode()).collect::<Vec<_>>();
        let several = of("postgres://dcv@db1.example.com,db2.example.com:6432/dcv?sslrootcert=/etc/ca.pem");
        let hosts: Vec<_> =
            several.options().map(|options| (options.get_host().to_owned(), options.get_port())).collect();
        assert_eq!(hosts, [("db1.example.com".to_owned(), 5432), ("db2.example.com".to_owned(), 6432)]);
        let socket = of("postgresql://dcv@/dcv?host=/run/postgresql");
        let folders: Vec<_> = socket.options().map(|options| options.get_socket().cloned()).collect();
        assert_eq!(folders, [Some("/run/postgresql".into())]);
        assert!(matches!(modes("postgres://dcv@db.example.com/dcv")[..], [PgSslMode::VerifyFull]));
        assert!(matches!(modes("postgres://dcv@127.0.0.1/dcv")[..], [PgSslMode::Prefer]));
        assert!(matches!(modes("postgres://dcv@db/dcv?sslmode=require")[..], [PgSslMode::Require]));
        for (text, open) in [
            ("postgres://dcv@db/dcv", false),
            ("postgres://dcv@db/dcv?sslmode=verify-ca", false),
            ("postgres://dcv@db/dcv?sslmode=require", true),
            ("postgres://dcv@[::1]/dcv?sslmode=disable", false),
        ] {
            assert_eq!(of(text).is_open_to_strangers(), open, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_in_a_sentence_without_the_password() {
        for (text, expected) in [
            ("mysql://dcv@db/dcv", "form"),
            ("postgres://dcv:hunter2@db/dcv", "agent.state_password"),
            ("postgres://dcv@db/dcv?password=hunter2", "agent.state_password"),
            ("postgres://db/dcv", "user"),
            ("postgres://dcv@db", "database"),
            ("postgres://dcv@db/", "database"),
            ("postgres://dcv@/dcv", "host"),
            ("postgres://dcv@db,/dcv", "host"),
            ("postgres://dcv@db:port/dcv", "form"),
            ("postgres://dcv@db/dcv?sslmode=maybe", "sslmode"),
            ("postgres://dcv@db/dcv?sslrotcert=/a", "sslrotcert"),
            ("postgres://dcv@db/dcv?sslcert=/a", "sslkey"),
        ] {
            let told = text.parse::<Address>().unwrap_err();
            assert!(told.contains(expected) && !told.contains("hunter2"), "{text}: {told}");
        }
    }
}
