//! UltraDNS by a client of our own. The library's cannot log in: UltraDNS answers each field of a token under two names
//! (`accessToken` and `access_token`; response examples in the vendor's `UDNS.postman_collection.json`), which it takes for the same
//! field given twice. It also makes sets with PUT, which "updates an existing" one there; POST "creates a new" one.

use std::time::{Duration, Instant};

use dns_vendors::{Call, Error, Given, Set, Type, What};
use reqwest::{Client, Method, Response, StatusCode, Url, header::CONTENT_TYPE};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::sync::Mutex;

use super::wire::{Listed, Wire};
use crate::api::http;

const BASE: &str = "https://api.ultradns.com";
/// There is no such set, in a zone that is there: "Data not found" where it is read, "Cannot find resource record data" where it is
/// deleted (the vendor's Go client, `pkg/record/service_test.go` of December 2021).
const NO_SET: [i64; 2] = [70002, 56001];

pub(super) struct UltraDns {
    http: Client,
    base: String,
    username: String,
    password: SecretString,
    token: Mutex<Option<Token>>,
}

/// Shows no secret.
impl std::fmt::Debug for UltraDns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UltraDns").field("base", &self.base).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct Token {
    text: SecretString,
    until: Instant,
}

/// A set of records as it is answered.
#[derive(Debug, Deserialize)]
struct Standing {
    #[serde(default)]
    ttl: u32,
    #[serde(default)]
    rdata: Vec<String>,
    /// Of a pool: its answers are more than a list of values.
    #[serde(default)]
    profile: Option<Json>,
}

impl UltraDns {
    pub(super) fn new(given: &Given) -> Result<Self, Error> {
        let base = given.optional("base_url").unwrap_or(BASE).to_owned();
        let made = http::client("base_url", base);
        let (http, base) = made.map_err(|error| Error::new(What::Setting, error.to_string()))?;
        let username = given.required("username")?.to_owned();
        let password = given.required("password")?.into();
        Ok(Self { http, base, username, password, token: Mutex::default() })
    }

    /// A token that is good for a while; another one than `refused`.
    async fn token(&self, refused: Option<&SecretString>) -> Result<SecretString, Error> {
        let mut held = self.token.lock().await;
        let is_refused =
            |token: &Token| refused.is_some_and(|text| text.expose_secret() == token.text.expose_secret());
        if let Some(token) = held.as_ref().filter(|token| token.until > Instant::now() && !is_refused(token))
        {
            return Ok(token.text.clone());
        }
        let mut form = Url::parse("form:").map_err(|error| Error::new(What::Setting, error.to_string()))?;
        form.query_pairs_mut()
            .append_pair("grant_type", "password")
            .append_pair("username", &self.username)
            .append_pair("password", self.password.expose_secret());
        let request = self
            .http
            .post(format!("{}authorization/token", self.base))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.query().unwrap_or_default().to_owned());
        let answer = request.send().await.map_err(unreachable)?;
        let (status, body) = read(answer).await?;
        if !status.is_success() {
            return Err(refusal(status, &body));
        }
        // Nothing of this answer is repeated.
        let unreadable = || Error::new(What::Unreadable, "the answer to the login holds no token");
        let answer: Json = serde_json::from_slice(&body.bytes).map_err(|_| unreadable())?;
        let text = answer.get("access_token").or_else(|| answer.get("accessToken"));
        let text: SecretString = text.and_then(Json::as_str).ok_or_else(unreadable)?.into();
        // An hour, as the vendor says; a minute less, for the way.
        let lifetime = answer.get("expires_in").and_then(Json::as_str).and_then(|text| text.parse().ok());
        let lifetime = Duration::from_secs(lifetime.unwrap_or(3600_u64).clamp(120, 3600) - 60);
        *held = Some(Token { text: text.clone(), until: Instant::now() + lifetime });
        Ok(text)
    }

    /// Sends a request about a set; `None` where there is no such set.
    async fn send(&self, method: Method, set: Set<'_>, body: Option<&Json>) -> Result<Option<Body>, Error> {
        let kind = match set.of {
            Type::Txt => "TXT",
            Type::Cname => "CNAME",
            Type::Ns => "NS",
        };
        let url = format!("{}zones/{}./rrsets/{kind}/{}.", self.base, set.zone, set.name);
        let mut refused = None;
        loop {
            let token = self.token(refused.as_ref()).await?;
            let mut request = self.http.request(method.clone(), &url).bearer_auth(token.expose_secret());
            if let Some(body) = body {
                request = request.json(body);
            }
            let (status, body) = read(request.send().await.map_err(unreachable)?).await?;
            if status == StatusCode::UNAUTHORIZED && refused.is_none() {
                // Tokens end with their hour, and with a change of the user.
                refused = Some(token);
                continue;
            }
            if status == StatusCode::NOT_FOUND && body.code().is_some_and(|code| NO_SET.contains(&code)) {
                return Ok(None);
            }
            return if status.is_success() { Ok(Some(body)) } else { Err(refusal(status, &body)) };
        }
    }

    async fn standing(&self, set: Set<'_>) -> Result<Option<Standing>, Error> {
        let Some(body) = self.send(Method::GET, set, None).await? else { return Ok(None) };
        let unreadable = |error: serde_json::Error| Error::new(What::Unreadable, error.to_string());
        let mut answer: Json = serde_json::from_slice(&body.bytes).map_err(unreadable)?;
        let sets = answer.get_mut("rrSets").map(Json::take).unwrap_or_default();
        let sets: Vec<Standing> = serde_json::from_value(sets).map_err(unreadable)?;
        Ok(sets.into_iter().next().filter(|standing| !standing.rdata.is_empty()))
    }

    /// The set for a change: no pool.
    async fn for_change(&self, set: Set<'_>) -> Result<Option<Standing>, Error> {
        let standing = self.standing(set).await?;
        if standing.as_ref().is_some_and(|standing| standing.profile.is_some()) {
            return Err(Error::new(
                What::Unsupported,
                "a pool stands there, which is no plain list of values",
            ));
        }
        Ok(standing)
    }

    async fn write(&self, set: Set<'_>, exists: bool, ttl: u32, values: &[String]) -> Result<(), Error> {
        let body = json!({ "ttl": ttl, "rdata": values });
        let (method, body) = match (values, exists) {
            ([], false) => return Ok(()),
            ([], true) => (Method::DELETE, None),
            (_, true) => (Method::PUT, Some(&body)),
            (_, false) => (Method::POST, Some(&body)),
        };
        let is_removal = method == Method::DELETE;
        match self.send(method, set, body).await? {
            None if !is_removal => Err(Error::new(What::Status(409), "the set went in between")),
            _ => Ok(()),
        }
    }
}

impl Wire for UltraDns {
    fn list<'a>(&'a self, set: Set<'a>) -> Call<'a, Listed> {
        Box::pin(async move {
            let standing = self.standing(set).await?;
            let listed = standing.map(|Standing { ttl, rdata, .. }| Listed { values: rdata, ttl: Some(ttl) });
            Ok(listed.unwrap_or_default())
        })
    }

    fn add<'a>(&'a self, set: Set<'a>, values: &'a [String], ttl: u32) -> Call<'a, ()> {
        Box::pin(async move {
            let standing = self.for_change(set).await?;
            let exists = standing.is_some();
            let (ttl, mut rdata) =
                standing.map_or((ttl, Vec::new()), |standing| (standing.ttl, standing.rdata));
            let new: Vec<&String> = values.iter().filter(|value| !rdata.contains(value)).collect();
            if new.is_empty() {
                return Ok(());
            }
            rdata.extend(new.into_iter().cloned());
            self.write(set, exists, ttl, &rdata).await
        })
    }

    fn remove<'a>(&'a self, set: Set<'a>, values: &'a [String]) -> Call<'a, ()> {
        Box::pin(async move {
            let Some(Standing { ttl, mut rdata, .. }) = self.for_change(set).await? else { return Ok(()) };
            rdata.retain(|value| !values.contains(value));
            self.write(set, true, ttl, &rdata).await
        })
    }

    fn replace<'a>(&'a self, set: Set<'a>, values: &'a [String], ttl: u32) -> Call<'a, ()> {
        Box::pin(async move {
            let exists = self.for_change(set).await?.is_some();
            self.write(set, exists, ttl, values).await
        })
    }
}

/// An answer's body, and when to ask again.
struct Body {
    bytes: Vec<u8>,
    retry_after: Option<Duration>,
}

impl Body {
    /// The complaint: `{"errorCode":…,"errorMessage":"…"}`, alone or in a list.
    fn complaint(&self) -> Option<Json> {
        match serde_json::from_slice(&self.bytes).ok()? {
            Json::Array(list) => list.into_iter().next(),
            other => Some(other),
        }
    }

    fn code(&self) -> Option<i64> {
        self.complaint()?.get("errorCode")?.as_i64()
    }
}

async fn read(answer: Response) -> Result<(StatusCode, Body), Error> {
    let (status, retry_after) = (answer.status(), http::retry_after(answer.headers()));
    let lost = |error: reqwest::Error| crate::Error::new(crate::Class::Later, "lost", error.to_string());
    let bytes = http::body(answer, "a set", http::MAX_BODY, lost).await.map_err(|error| {
        let what = if error.class() == crate::Class::Later { What::Unreachable } else { What::Unreadable };
        Error::new(what, error.to_string())
    })?;
    Ok((status, Body { bytes, retry_after }))
}

fn refusal(status: StatusCode, body: &Body) -> Error {
    let complaint = body.complaint();
    let text = complaint.as_ref().and_then(|complaint| complaint.get("errorMessage")?.as_str());
    let what = match status {
        StatusCode::UNAUTHORIZED => What::Unauthorized,
        StatusCode::NOT_FOUND => What::NotFound,
        status => What::Status(status.as_u16()),
    };
    Error::new(what, text.unwrap_or_default()).after(body.retry_after)
}

fn unreachable(error: reqwest::Error) -> Error {
    Error::new(What::Unreachable, error.without_url().to_string())
}
