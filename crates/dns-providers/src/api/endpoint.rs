//! Addresses that an operator may give.

use crate::{Class, Error};

/// Credentials travel to it: https, or plain http to this very machine.
pub(crate) fn check(setting: &str, url: &str) -> Result<(), Error> {
    if url.strip_prefix("https://").is_some_and(|rest| !host(rest).is_empty()) {
        return Ok(());
    }
    let loopback = url.strip_prefix("http://").is_some_and(is_loopback);
    if loopback {
        return Ok(());
    }
    Err(Error::new(
        Class::Setup,
        "bad-setting",
        format!("{setting} must be an https:// address (http:// for loopback only)"),
    ))
}

/// A cloud gives credentials to its machines at addresses that exist on the machine only, or on its own link, where there is
/// no TLS; such an address is fine as well.
#[cfg(feature = "oauth")]
pub(crate) fn check_of_machine(setting: &str, url: &str) -> Result<(), Error> {
    let of_link = |rest: &str| {
        let host = host(rest);
        let link_local = host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_link_local());
        link_local || host == "metadata.google.internal"
    };
    if url.strip_prefix("http://").is_some_and(of_link) {
        return Ok(());
    }
    check(setting, url)
}

/// Whether what follows the scheme names this machine.
pub(crate) fn is_loopback(rest: &str) -> bool {
    let host = host(rest);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn host(rest: &str) -> &str {
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    if authority.contains('@') {
        // A credential in an address would end up in logs.
        return "";
    }
    match authority.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[cfg(feature = "oauth")]
    #[test]
    fn a_machine_asks_its_own_cloud_and_nobody_else_in_the_clear() {
        use super::check_of_machine;
        for good in [
            "http://169.254.169.254/",
            "http://metadata.google.internal/x",
            "http://127.0.0.1:41741/msi",
            "https://x.example/",
        ] {
            assert!(check_of_machine("endpoint", good).is_ok(), "{good}");
        }
        for bad in [
            "http://10.0.0.1/",
            "http://metadata.google.internal.example/",
            "http://169.254.169.254@evil.example/",
            "",
        ] {
            assert!(check_of_machine("endpoint", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn credentials_do_not_travel_in_the_clear() {
        for good in
            ["https://api.example.com/v4/", "http://127.0.0.1:4566", "http://[::1]:1/", "http://localhost/x"]
        {
            assert!(check("endpoint", good).is_ok(), "{good}");
        }
        for bad in [
            "http://example.com",
            "http://127.0.0.1.example.com/",
            "ftp://x",
            "",
            "https://",
            "http://a@127.0.0.1/",
            "https://u:p@h/",
        ] {
            assert!(check("endpoint", bad).is_err(), "{bad}");
        }
    }
}
