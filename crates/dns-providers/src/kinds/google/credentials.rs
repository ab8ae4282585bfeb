//! Who we are to Google: a service account's key, a workload of another identity provider, or the machine we run on.

use std::{fmt, io::Read as _, path::PathBuf, time::Duration};

use async_trait::async_trait;
use reqwest::{Client, RequestBuilder, Url};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::json;

use crate::{
    Class, Error, Extent, Secret,
    api::{
        http,
        jwt::{self, Algorithm},
        oauth::{self, Issuer, Token, Tokens},
    },
};

/// Reads and writes Cloud DNS, and nothing else of Google's.
const SCOPE: &str = "https://www.googleapis.com/auth/ndev.clouddns.readwrite";
/// The longest that Google lets an assertion last.
const ASSERTION_SECONDS: u64 = 3600;
/// A token of another identity provider is a few kilobytes.
const MAX_SUBJECT: u64 = 64 * 1024;
/// RFC 8693 section 2.1.
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// The tokens of an account, whose credentials are read anew for each.
pub(super) fn tokens(credentials: Option<Secret>, metadata: String) -> Result<Tokens, Error> {
    let issuer: Box<dyn Issuer> = match credentials {
        Some(secret) => Box::new(Given(secret)),
        None => {
            let (http, base) = http::client_of_machine("metadata_endpoint", metadata)?;
            Box::new(Machine { http, base })
        }
    };
    Ok(Tokens::new(issuer))
}

/// What Google gives out as JSON.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Document {
    ServiceAccount(Key),
    ExternalAccount(Workload),
    #[serde(other)]
    Other,
}

/// A service account's key (<https://developers.google.com/identity/protocols/oauth2/service-account#httprest>).
#[derive(Deserialize)]
struct Key {
    client_email: String,
    #[serde(default)]
    private_key_id: String,
    private_key: String,
    token_uri: String,
}

/// A workload identity federation (<https://google.aip.dev/auth/4117>).
#[derive(Deserialize)]
struct Workload {
    audience: String,
    subject_token_type: String,
    token_url: String,
    credential_source: Source,
    service_account_impersonation_url: Option<String>,
}

/// Where the other provider's token is. Of what may stand here, files alone are supported.
#[derive(Deserialize)]
struct Source {
    file: Option<PathBuf>,
    #[serde(default)]
    format: Format,
}

#[derive(Default, Deserialize)]
struct Format {
    /// "json" where the token is a field of an object.
    #[serde(default, rename = "type")]
    kind: String,
    subject_token_field_name: Option<String>,
}

/// Credentials by reference.
#[derive(Debug)]
struct Given(Secret);

fn setup(text: impl Into<String>) -> Error {
    Error::new(Class::Setup, "bad-credentials", text).of(Extent::Provider)
}

impl Given {
    fn read(&self) -> Result<Document, Error> {
        let secret = self.0.secret().map_err(setup)?;
        // What the parser says may repeat a part of the key.
        match serde_json::from_str(secret.expose_secret()) {
            Ok(Document::Other) => Err(setup(
                "credentials are JSON of Google's, but of a type that no program can use alone",
            )
            .hint("give a service account's key, or the configuration of a workload identity federation")),
            Ok(document) => Ok(document),
            Err(_) => Err(setup(
                "credentials hold neither a service account's key nor a workload identity federation",
            )
            .hint("they are the whole JSON file, as downloaded, with \"type\" and all the rest")),
        }
    }
}

#[async_trait]
impl Issuer for Given {
    fn check(&self) -> Result<(), Error> {
        match self.read()? {
            Document::ServiceAccount(key) => key.sign().map(drop),
            Document::ExternalAccount(workload) => workload.subject().map(drop),
            Document::Other => Ok(()),
        }
    }

    async fn issue(&self) -> Result<Token, Error> {
        match self.read()? {
            Document::ServiceAccount(key) => key.issue().await,
            Document::ExternalAccount(workload) => workload.issue().await,
            Document::Other => Err(setup("credentials are of a type that is not supported")),
        }
    }
}

impl Key {
    fn sign(&self) -> Result<String, Error> {
        let wrong = |what: &str| {
            setup(format!("the key of {} cannot be used: {what}", self.client_email))
                .hint("private_key is a PEM text in the JSON; download the file again, or make a new key")
        };
        let key = jwt::key(&self.private_key).map_err(wrong)?;
        let now = jwt::now();
        let header = json!({ "alg": Algorithm::Rs256.name(), "typ": "JWT", "kid": self.private_key_id });
        let claims = json!({
            "iss": self.client_email, "scope": SCOPE, "aud": self.token_uri, "iat": now, "exp": now + ASSERTION_SECONDS,
        });
        jwt::sign(&key, Algorithm::Rs256, &header, &claims).map_err(wrong)
    }

    async fn issue(&self) -> Result<Token, Error> {
        let assertion = self.sign()?;
        let form = [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", &assertion)];
        let request = post("token_uri", &self.token_uri)?.form(&form);
        oauth::grant(
            request,
            "Google's token server",
            "the key is deleted or the account disabled, or this host's clock is off",
        )
        .await
    }
}

impl Workload {
    /// The token by which the other identity provider names us.
    fn subject(&self) -> Result<String, Error> {
        let Some(path) = &self.credential_source.file else {
            return Err(setup("credential_source names no file, which is the only source that is supported")
                .hint("make the configuration with `gcloud iam workload-identity-pools create-cred-config --credential-source-file`"));
        };
        let unread = |error: std::io::Error| {
            setup(format!("{}, which credential_source names, cannot be read", path.display()))
                .caused_by(error)
        };
        // A pipe would be waited for.
        if !std::fs::metadata(path).map_err(unread)?.is_file() {
            return Err(setup(format!(
                "{}, which credential_source names, is no regular file",
                path.display()
            )));
        }
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(unread)?;
        file.take(MAX_SUBJECT).read_to_string(&mut text).map_err(unread)?;
        let format = &self.credential_source.format;
        let token = if format.kind == "json" {
            let field = format.subject_token_field_name.as_deref().unwrap_or("access_token");
            let object: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            object.get(field).and_then(|token| token.as_str()).unwrap_or_default().trim().to_owned()
        } else {
            text.trim().to_owned()
        };
        if token.is_empty() {
            return Err(setup(format!("{}, which credential_source names, holds no token", path.display()))
                .hint("compare credential_source.format with the file"));
        }
        Ok(token)
    }

    async fn issue(&self) -> Result<Token, Error> {
        const HINT: &str =
            "compare audience and the pool's provider with the token's issuer, audience and subject";
        let subject = self.subject()?;
        // Who stands for a service account afterwards needs the platform's scope for it.
        let scope = if self.service_account_impersonation_url.is_some() {
            "https://www.googleapis.com/auth/cloud-platform"
        } else {
            SCOPE
        };
        let form = [
            ("grant_type", EXCHANGE),
            ("audience", &self.audience),
            ("scope", scope),
            ("requested_token_type", ACCESS_TOKEN),
            ("subject_token_type", &self.subject_token_type),
            ("subject_token", &subject),
        ];
        let token =
            oauth::grant(post("token_url", &self.token_url)?.form(&form), "Google's token exchange", HINT)
                .await?;
        match &self.service_account_impersonation_url {
            None => Ok(token),
            Some(url) => impersonate(url, &token).await,
        }
    }
}

#[derive(Deserialize)]
struct Impersonated {
    #[serde(rename = "accessToken")]
    access_token: String,
}

/// A token of the service account that the workload may stand for.
async fn impersonate(url: &str, token: &Token) -> Result<Token, Error> {
    const LASTS: Duration = Duration::from_secs(3600);
    let whom = "Google's service that impersonates accounts";
    let lost = |error: reqwest::Error| {
        Error::new(Class::Later, "unreachable", format!("{whom} does not answer"))
            .of(Extent::Provider)
            .caused_by(error)
    };
    let body = json!({ "scope": [SCOPE], "lifetime": format!("{}s", LASTS.as_secs()) });
    let request = post("service_account_impersonation_url", url)?
        .header(reqwest::header::AUTHORIZATION, token.bearer()?)
        .json(&body);
    let answer = http::exchange(request, "an access token", http::MAX_BODY, lost).await?;
    let status = answer.status;
    if status.is_success() {
        let answered: Result<Impersonated, _> = serde_json::from_slice(&answer.body);
        let strange = || {
            Error::new(Class::Bug, "unexpected-answer", format!("{whom} answers with no token"))
                .of(Extent::Provider)
        };
        return answered.map(|told| Token::new(told.access_token, LASTS)).map_err(|_| strange());
    }
    let text = format!("{whom} refuses: {status}");
    if status.is_server_error() || status == reqwest::StatusCode::TOO_MANY_REQUESTS {
        return Err(Error::new(Class::Later, "server-error", text).of(Extent::Provider).after(answer.wait));
    }
    Err(setup(text).hint("give the workload roles/iam.workloadIdentityUser on the service account, and enable iamcredentials.googleapis.com"))
}

/// A request to an address that the credentials name.
fn post(field: &str, address: &str) -> Result<RequestBuilder, Error> {
    let wrong = |error: Error| {
        error.of(Extent::Provider).hint(format!("{field} is an address in the credentials' JSON"))
    };
    let (http, _) = http::client(field, address.to_owned()).map_err(wrong)?;
    Ok(http.post(address))
}

/// The metadata server of a machine (<https://cloud.google.com/compute/docs/access/authenticate-workloads>).
struct Machine {
    http: Client,
    base: String,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").field("base", &self.base).finish_non_exhaustive()
    }
}

#[async_trait]
impl Issuer for Machine {
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn issue(&self) -> Result<Token, Error> {
        let path = "computeMetadata/v1/instance/service-accounts/default/token";
        let url = Url::parse(&self.base).and_then(|base| base.join(path));
        let mut url = url.map_err(|error| setup("metadata_endpoint is not an address").caused_by(error))?;
        url.query_pairs_mut().append_pair("scopes", SCOPE);
        let request = self.http.get(url).header("Metadata-Flavor", "Google");
        let hint = "this machine has no service account, or the account's scopes leave Cloud DNS out; or set credentials";
        oauth::grant(request, "Google's metadata server", hint).await.map_err(|error| match error.class() {
            Class::Later => error.hint("outside Google Cloud there is none: set credentials"),
            Class::Blocked | Class::Setup | Class::Bug => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::Fixed;

    /// Whoever pastes the wrong thing is told so before anything is sent, and the thing is not repeated.
    #[test]
    fn credentials_that_are_none_are_told() {
        let key = |private: &str| {
            json!({ "type": "service_account", "client_email": "dcv@p.example", "private_key": private, "token_uri": "https://oauth2.googleapis.com/token" }).to_string()
        };
        let workload = |source: serde_json::Value| {
            json!({ "type": "external_account", "audience": "a", "subject_token_type": "t", "token_url": "https://sts.googleapis.com/v1/token", "credential_source": source }).to_string()
        };
        for (text, told) in [
            ("secret-text".to_owned(), "neither a service account's key"),
            (r#"{"type":"service_account"}"#.to_owned(), "neither a service account's key"),
            (
                r#"{"type":"authorized_user","refresh_token":"secret-text"}"#.to_owned(),
                "no program can use alone",
            ),
            (key("secret-text"), "holds no private key in PEM"),
            (workload(json!({ "url": "http://169.254.169.254/secret-text" })), "names no file"),
            (workload(json!({ "file": "/nowhere/token" })), "/nowhere/token"),
            (workload(json!({ "file": "/dev/null" })), "is no regular file"),
        ] {
            let given = Given(Arc::new(Fixed(text.clone().into())));
            let error = given.check().unwrap_err();
            assert!(error.to_string().contains(told), "{text}: {error}");
            assert_eq!(error.class(), Class::Setup);
            assert!(!format!("{error:?}").contains("secret-text"), "{error:?}");
        }
    }
}
