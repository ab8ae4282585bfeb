//! A proxy, whose password is a secret like any other.

use std::fmt;

use dns_providers::SecretSource as _;
use secrecy::ExposeSecret as _;
use url::Url;

use super::{found::Found, secret::SecretRef};

/// An HTTP or HTTPS proxy. Neither its `Debug` nor an error shows a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    url: Url,
    password: Option<SecretRef>,
}

impl Proxy {
    /// The address with the password in it, for the client that goes through it.
    ///
    /// # Errors
    /// When the password cannot be read.
    pub fn url(&self) -> Result<Url, String> {
        let mut url = self.url.clone();
        if let Some(password) = &self.password {
            let password = password.secret().map_err(|error| format!("the proxy's password: {error}"))?;
            // Fails for addresses without a host only, which none is.
            let _ = url.set_password(Some(password.expose_secret()));
        }
        Ok(url)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.host_str().unwrap_or_default();
        write!(f, "{}://{host}:{}", self.url.scheme(), self.url.port_or_known_default().unwrap_or_default())
    }
}

/// Checks `proxy` and `proxy_password` below `key`. Nothing of what stands there is repeated but the scheme.
pub(super) fn check_proxy(
    key: &str,
    text: Option<String>,
    password: Option<SecretRef>,
    found: &mut Found,
) -> Option<Proxy> {
    let Some(text) = text else {
        if password.is_some() {
            found.push((format!("{key}.proxy_password"), "there is no proxy that it belongs to".into()));
        }
        return None;
    };
    let key = format!("{key}.proxy");
    let url = match Url::parse(&text) {
        Ok(url) => url,
        Err(error) => {
            found.push((key, format!("is not a URL such as \"http://proxy.example.com:3128\": {error}")));
            return None;
        }
    };
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        let what = format!(
            "proxies are spoken to by http:// and https://, and not by {}://; give one of these with its host",
            url.scheme()
        );
        found.push((key, what));
        return None;
    }
    if password.is_some() && url.username().is_empty() {
        found.push((key, "names no user for proxy_password; write \"http://user@host:port\"".into()));
        return None;
    }
    if password.is_some() && url.password().is_some() {
        found.push((key, "holds a password beside proxy_password; keep the reference".into()));
        return None;
    }
    Some(Proxy { url, password })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str, password: Option<SecretRef>) -> String {
        let mut found = Found::new();
        check_proxy("accounts.main", Some(text.to_owned()), password, &mut found);
        found.into_iter().map(|(key, what)| format!("{key}: {what}")).collect()
    }

    /// What the build cannot do is refused when the file is read; whatever is wrong, the password is not repeated.
    #[test]
    fn a_proxy_that_cannot_be_used_is_refused_without_its_password() {
        for (text, told) in [
            ("socks5h://user:hunter2@proxy:1080", "socks5h://"),
            ("htp://user:hunter2@proxy:3128", "htp://"),
            ("user:hunter2@proxy:3128", "user://"),
            ("http://user:hunter2@pro xy:3128", "is not a URL"),
            ("http://user:hunter2@:3128", "is not a URL"),
            ("http://user:hunter2@proxy:99999", "is not a URL"),
        ] {
            let problems = problems(text, None);
            assert!(problems.starts_with("accounts.main.proxy: ") && problems.contains(told), "{problems}");
            assert!(!problems.contains("hunter2"), "{problems}");
        }
        assert_eq!(problems("http://user:hunter2@proxy:3128", None), "");
        let reference = || Some(SecretRef::default());
        assert!(problems("http://proxy:3128", reference()).contains("names no user"));
        assert!(problems("http://user:hunter2@proxy:3128", reference()).contains("keep the reference"));
    }

    #[test]
    fn a_proxys_password_is_not_shown() {
        let proxy = check_proxy("a", Some("http://user:hunter2@proxy:3128".into()), None, &mut Found::new());
        assert_eq!(format!("{:?}", proxy.unwrap()), "http://proxy:3128");
    }
}
