//! Access tokens (OAuth 2.0, RFC 6749): asked for once, kept while they last, and asked for again when they are refused.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use reqwest::{
    RequestBuilder, StatusCode,
    header::{AUTHORIZATION, HeaderValue},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::{sync::Mutex, time::Instant};

use super::{
    http::{self, Answer},
    jwt,
    throttle::THROTTLED,
};
use crate::{Class, Error, Extent};

/// What is left of a token's time when it is replaced, so that none runs out on its way; of one that lasts briefly a quarter.
const EARLY: Duration = Duration::from_secs(300);
/// An answer with a token is a few kilobytes.
const MAX_ANSWER: usize = 256 * 1024;
/// A vendor's sentence is repeated to here.
const SAID: usize = 300;

/// A token, and when it ends.
pub(crate) struct Token {
    value: SecretString,
    until: Instant,
    renewed_from: Instant,
}

impl Token {
    pub(crate) fn new(value: String, lasts: Duration) -> Self {
        // Much longer is said of none; a number beyond time itself must not panic.
        let lasts = lasts.min(Duration::from_secs(86_400));
        let until = Instant::now() + lasts;
        Self { value: value.into(), until, renewed_from: until - EARLY.min(lasts / 4) }
    }

    pub(crate) fn bearer(&self) -> Result<HeaderValue, Error> {
        let value = HeaderValue::from_str(&format!("Bearer {}", self.value.expose_secret()));
        let mut value = value.map_err(|_| {
            Error::new(
                Class::Bug,
                "unexpected-answer",
                "the token that was issued has characters that no header may have",
            )
            .of(Extent::Provider)
        })?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// Who issues tokens.
#[async_trait]
pub(crate) trait Issuer: fmt::Debug + Send + Sync {
    /// Whether the secrets can be what they should, without asking anybody.
    fn check(&self) -> Result<(), Error>;

    /// A new token, for credentials that are read anew.
    async fn issue(&self) -> Result<Token, Error>;
}

/// The token of one account.
pub(crate) struct Tokens {
    issuer: Box<dyn Issuer>,
    /// Held while one is asked for, so that many who need one ask once.
    held: Mutex<Option<Token>>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl Tokens {
    pub(crate) fn new(issuer: Box<dyn Issuer>) -> Self {
        Self { issuer, held: Mutex::default() }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        self.issuer.check()
    }

    /// Sends a request with a token; once more with a new one, where the one at hand was refused. What else is answered is the
    /// caller's to read, as for [`http::exchange`].
    ///
    /// # Errors
    /// When there is no token, or no answer.
    pub(crate) async fn exchange(
        &self,
        request: RequestBuilder,
        what: &str,
        lost: impl Fn(reqwest::Error) -> Error,
    ) -> Result<Answer, Error> {
        let mut renewed = false;
        loop {
            let bearer = self.bearer().await?;
            let one = request
                .try_clone()
                .ok_or_else(|| Error::new(Class::Bug, "encoding", "a request cannot be repeated"))?;
            let one = one.header(AUTHORIZATION, bearer.clone());
            let answer = http::exchange(one, what, http::MAX_BODY, &lost).await?;
            if answer.status == StatusCode::UNAUTHORIZED {
                self.refused(&bearer).await;
                if !renewed {
                    renewed = true;
                    continue;
                }
            }
            return Ok(answer);
        }
    }

    /// The header that shows the token.
    async fn bearer(&self) -> Result<HeaderValue, Error> {
        let mut held = self.held.lock().await;
        let now = Instant::now();
        if let Some(token) = held.as_ref().filter(|token| now < token.renewed_from) {
            return token.bearer();
        }
        match self.issuer.issue().await {
            Ok(token) => held.insert(token).bearer(),
            // What is still good is used while its issuer is away.
            Err(error) => {
                match held.as_ref().filter(|token| token.until > now && error.class() == Class::Later) {
                    Some(token) => token.bearer(),
                    None => Err(error),
                }
            }
        }
    }

    /// Forgets the token that was refused, unless another has taken its place.
    async fn refused(&self, bearer: &HeaderValue) {
        let mut held = self.held.lock().await;
        match held.as_ref().map(Token::bearer) {
            Some(Ok(ours)) if ours == *bearer => *held = None,
            Some(_) | None => {}
        }
    }
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    /// Seconds; some issuers write them as a text.
    expires_in: Option<Seconds>,
    /// Seconds since 1970: what Azure's App Service says instead.
    expires_on: Option<Seconds>,
}

impl Granted {
    fn lasts(&self) -> Option<Duration> {
        let until = || self.expires_on.as_ref()?.read()?.checked_sub(Duration::from_secs(jwt::now()));
        self.expires_in.as_ref().map_or_else(until, Seconds::read)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(u64),
    Text(String),
}

impl Seconds {
    fn read(&self) -> Option<Duration> {
        let seconds = match self {
            Self::Number(seconds) => *seconds,
            Self::Text(text) => text.trim().parse().ok()?,
        };
        Some(Duration::from_secs(seconds))
    }
}

/// RFC 6749 section 5.2.
#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

/// Asks an issuer for a token. `whom` names the issuer in a sentence, `hint` says what to mend where it refuses.
pub(crate) async fn grant(request: RequestBuilder, whom: &str, hint: &str) -> Result<Token, Error> {
    let lost = |error: reqwest::Error| {
        Error::new(Class::Later, "unreachable", format!("{whom} does not answer"))
            .of(Extent::Provider)
            .hint("check that the way to it is open, and the proxy settings")
            .caused_by(error)
    };
    let answer = http::exchange(request, "an access token", MAX_ANSWER, lost).await?;
    if !answer.status.is_success() {
        return Err(refusal(&answer, whom, hint));
    }
    // The body holds the token, so nothing of it is repeated, nor what the parser says of it.
    let strange = || {
        Error::new(
            Class::Bug,
            "unexpected-answer",
            format!("{whom} answers with something that is no access token"),
        )
        .of(Extent::Provider)
        .hint("something else may stand at that address")
    };
    let granted: Granted = serde_json::from_slice(&answer.body).map_err(|_| strange())?;
    let lasts = granted.lasts().ok_or_else(strange)?;
    if granted.access_token.is_empty() {
        return Err(strange());
    }
    Ok(Token::new(granted.access_token, lasts))
}

fn refusal(answer: &Answer, whom: &str, hint: &str) -> Error {
    let Refusal { error, error_description } = serde_json::from_slice(&answer.body).unwrap_or_default();
    let said = format!("{error} {error_description}");
    let said: String = said.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SAID).collect();
    let status = answer.status;
    let text = format!("{whom} refuses an access token: {status} {said}").trim_end().to_owned();
    let of = |class, label| Error::new(class, label, text.clone()).of(Extent::Provider).after(answer.wait);
    match status {
        StatusCode::TOO_MANY_REQUESTS => of(Class::Later, THROTTLED),
        _ if status.is_server_error() || error == "temporarily_unavailable" => {
            of(Class::Later, "server-error")
        }
        _ if status.is_redirection() => of(Class::Setup, "redirected")
            .hint("redirects are not followed, since they would carry credentials elsewhere"),
        _ => of(Class::Setup, "bad-credentials").hint(hint),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Issues `one`, `two` …, each for so many seconds; fails while it has been told to.
    #[derive(Debug)]
    struct Counting(AtomicU32, u64, std::sync::atomic::AtomicBool);

    #[async_trait]
    impl Issuer for std::sync::Arc<Counting> {
        fn check(&self) -> Result<(), Error> {
            Ok(())
        }

        async fn issue(&self) -> Result<Token, Error> {
            if self.2.load(Ordering::Relaxed) {
                return Err(Error::new(Class::Later, "unreachable", "away"));
            }
            let nth = self.0.fetch_add(1, Ordering::Relaxed) + 1;
            Ok(Token::new(nth.to_string(), Duration::from_secs(self.1)))
        }
    }

    fn tokens(seconds: u64) -> (std::sync::Arc<Counting>, Tokens) {
        let counting = std::sync::Arc::new(Counting(AtomicU32::new(0), seconds, false.into()));
        let issuer = std::sync::Arc::clone(&counting);
        (counting, Tokens::new(Box::new(issuer)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_kept_while_it_lasts_and_asked_for_once_by_many() {
        let (_, tokens) = tokens(3600);
        let (one, two) = tokio::join!(tokens.bearer(), tokens.bearer());
        assert_eq!([one.unwrap(), two.unwrap()], ["Bearer 1", "Bearer 1"]);
        tokio::time::advance(Duration::from_secs(3200)).await;
        assert_eq!(tokens.bearer().await.unwrap(), "Bearer 1");
        tokio::time::advance(Duration::from_secs(200)).await;
        assert_eq!(tokens.bearer().await.unwrap(), "Bearer 2", "it runs out on the way");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_token_is_replaced_and_its_successor_is_not() {
        let (_, tokens) = tokens(3600);
        let one = tokens.bearer().await.unwrap();
        tokens.refused(&one).await;
        assert_eq!(tokens.bearer().await.unwrap(), "Bearer 2");
        tokens.refused(&one).await;
        assert_eq!(tokens.bearer().await.unwrap(), "Bearer 2", "somebody's old refusal costs nobody a token");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_good_is_used_while_its_issuer_is_away() {
        let (counting, tokens) = tokens(3600);
        tokens.bearer().await.unwrap();
        counting.2.store(true, Ordering::Relaxed);
        tokio::time::advance(Duration::from_secs(3400)).await;
        assert_eq!(tokens.bearer().await.unwrap(), "Bearer 1");
        tokio::time::advance(Duration::from_secs(300)).await;
        assert_eq!(tokens.bearer().await.unwrap_err().label(), "unreachable");
    }

    #[test]
    fn no_token_is_shown_and_none_lasts_for_ever() {
        let token = Token::new("secret".to_owned(), Duration::MAX);
        assert!(!format!("{:?}", token.bearer().unwrap()).contains("secret"));
        assert!(Token::new("bad\n".to_owned(), EARLY).bearer().is_err());
    }
}
