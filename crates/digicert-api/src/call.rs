//! A call before it is sent, and its success.

use http::{HeaderMap, Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::answer::excerpt;
use crate::error::Error;
use crate::key::Key;
use crate::wire;

/// What to ask.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
    query: Vec<(String, String)>,
}

impl Call {
    fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), body: None, query: Vec::new() }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn put(path: impl Into<String>) -> Self {
        Self::new(Method::PUT, path)
    }

    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    pub(crate) fn query(self, query: Vec<(String, String)>) -> Self {
        Self { query, ..self }
    }

    pub(crate) fn json(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    pub(crate) fn url(&self, base: &Url) -> Url {
        let mut url = base.clone();
        url.set_path(&format!("{}/{}", base.path().trim_end_matches('/'), self.path));
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        url
    }
}

/// A success.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) key: Key,
}

impl Reply {
    pub(crate) fn is_empty(&self) -> bool {
        self.body.trim_ascii().is_empty()
    }

    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        wire::read(&self.body).map_err(|misread| self.misread(misread))
    }

    /// As [`read`](Self::read), for calls whose success may say nothing.
    pub(crate) fn read_or_default<T: DeserializeOwned + Default>(&self) -> Result<T, Error> {
        if self.is_empty() { Ok(T::default()) } else { self.read() }
    }

    pub(crate) fn undecodable(&self, problem: &'static str) -> Error {
        self.misread(wire::Misread { problem, source: None })
    }

    fn misread(&self, misread: wire::Misread) -> Error {
        Error::Undecodable {
            status: self.status.as_u16(),
            problem: misread.problem,
            excerpt: excerpt(&String::from_utf8_lossy(&self.body), Some(self.key.expose())),
            source: misread.source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Protects addresses: a base URL works with and without a slash at its end, and filters are encoded.
    #[test]
    fn urls_are_the_base_and_the_path() {
        for base in ["https://ca.example/services/v2", "https://ca.example/services/v2/"] {
            let base = Url::parse(base).expect("url");
            assert_eq!(Call::get("user/me").url(&base).as_str(), "https://ca.example/services/v2/user/me");
        }
        let query = vec![("filters[search]".to_owned(), "%a b".to_owned())];
        let url = Call::get("x").query(query).url(&Url::parse("http://localhost").expect("url"));
        assert_eq!(url.as_str(), "http://localhost/x?filters%5Bsearch%5D=%25a+b");
    }
}
