//! Who we are to Azure: an application with a secret, a certificate or another provider's token, or the machine's identity.

use std::fmt;

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use reqwest::{Client, Url};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::{AzureSettings, Cloud};
use crate::{
    Class, Error, Extent, Secret,
    api::{
        http,
        jwt::{self, Algorithm},
        oauth::{self, Issuer, Token, Tokens},
    },
};

/// Where a virtual machine asks, of itself.
const IMDS: &str = "http://169.254.169.254/metadata/identity/oauth2/token";
/// "Keep it short - 5-10 minutes".
const ASSERTION_SECONDS: u64 = 300;
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The tokens of an account, whose credentials are read anew for each.
pub(super) fn tokens(settings: AzureSettings<Secret>) -> Result<Tokens, Error> {
    let proofs = [&settings.client_secret, &settings.client_certificate, &settings.federated_token];
    let given = proofs.iter().filter(|proof| proof.is_some()).count();
    let of_machine = settings.identity_endpoint.is_some() || settings.identity_header.is_some();
    if given > 1 || (given == 1 && of_machine) {
        return Err(bad("there are several credentials")
            .hint("keep one of client_secret, client_certificate, federated_token, identity_endpoint"));
    }
    let issuer: Box<dyn Issuer> =
        if given == 1 { Box::new(Application::new(settings)?) } else { Box::new(Machine::new(settings)?) };
    Ok(Tokens::new(issuer))
}

fn bad(text: impl Into<String>) -> Error {
    Error::new(Class::Setup, "bad-setting", text)
}

fn setup(text: impl Into<String>) -> Error {
    Error::new(Class::Setup, "bad-credentials", text).of(Extent::Provider)
}

/// How an application shows that it is one.
#[derive(Debug)]
enum Proof {
    Secret(Secret),
    Certificate(Secret),
    Federated(Secret),
}

/// The client credentials flow
/// (<https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>).
struct Application {
    http: Client,
    /// `…/<tenant>/oauth2/v2.0/token`.
    token_url: Url,
    /// What an assertion is made out to: the address of the cloud, whichever address is asked.
    audience: String,
    scope: String,
    client_id: String,
    proof: Proof,
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application")
            .field("client_id", &self.client_id)
            .field("proof", &self.proof)
            .finish_non_exhaustive()
    }
}

impl Application {
    fn new(settings: AzureSettings<Secret>) -> Result<Self, Error> {
        let AzureSettings {
            tenant,
            client_id,
            client_secret,
            client_certificate,
            federated_token,
            cloud,
            ..
        } = settings;
        let (Some(tenant), Some(client_id)) = (tenant, client_id) else {
            return Err(bad("an application needs tenant and client_id")
                .hint("both are ids on the application's overview page"));
        };
        let proof = match (client_secret, client_certificate, federated_token) {
            (Some(secret), None, None) => Proof::Secret(secret),
            (None, Some(pem), None) => Proof::Certificate(pem),
            (None, None, Some(token)) => Proof::Federated(token),
            _ => return Err(bad("there are several credentials")),
        };
        let login = settings.login_endpoint.unwrap_or_else(|| cloud.login().to_owned());
        let (http, base) = http::client("login_endpoint", login)?;
        let part = tenant.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
        if !part || tenant.trim_matches('.').is_empty() {
            return Err(
                bad("tenant is neither an id nor a domain").hint("`az account show` shows it as tenantId")
            );
        }
        let token_url = Url::parse(&base).and_then(|base| base.join(&format!("{tenant}/oauth2/v2.0/token")));
        let token_url =
            token_url.map_err(|error| bad("login_endpoint is not an address").caused_by(error))?;
        Ok(Self {
            http,
            token_url,
            audience: format!("{}{tenant}/oauth2/v2.0/token", cloud.login()),
            scope: format!("{}.default", cloud.endpoint()),
            client_id,
            proof,
        })
    }

    /// The assertion of whoever has the certificate's key
    /// (<https://learn.microsoft.com/entra/identity-platform/certificate-credentials>).
    fn assertion(&self, pem: &str) -> Result<String, Error> {
        let wrong = |what: &str| {
            setup(format!("client_certificate cannot be used: {what}"))
                .hint("it is one PEM text with the certificate (-----BEGIN CERTIFICATE-----) and its RSA key, unencrypted")
        };
        let key = jwt::key(pem).map_err(wrong)?;
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| wrong("it holds no certificate in PEM"))?;
        let print = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, &certificate));
        let now = jwt::now();
        let mut id = [0_u8; 16];
        aws_lc_rs::rand::fill(&mut id).map_err(|_| wrong("there is no chance to draw an id from"))?;
        let header = json!({ "alg": Algorithm::Ps256.name(), "typ": "JWT", "x5t#S256": print });
        let claims = json!({
            "aud": self.audience, "iss": self.client_id, "sub": self.client_id,
            "jti": BASE64_URL_SAFE_NO_PAD.encode(id), "nbf": now, "iat": now, "exp": now + ASSERTION_SECONDS,
        });
        jwt::sign(&key, Algorithm::Ps256, &header, &claims).map_err(wrong)
    }

    /// The form's field that proves who asks.
    fn proof(&self) -> Result<(&'static str, SecretString), Error> {
        let read = |secret: &Secret| secret.secret().map_err(setup);
        let trimmed = |secret: SecretString| SecretString::from(secret.expose_secret().trim().to_owned());
        let (field, proof) = match &self.proof {
            Proof::Secret(secret) => ("client_secret", trimmed(read(secret)?)),
            Proof::Certificate(pem) => {
                ("client_assertion", self.assertion(read(pem)?.expose_secret())?.into())
            }
            Proof::Federated(token) => ("client_assertion", trimmed(read(token)?)),
        };
        if proof.expose_secret().is_empty() {
            return Err(setup("the credential is empty"));
        }
        Ok((field, proof))
    }
}

#[async_trait]
impl Issuer for Application {
    fn check(&self) -> Result<(), Error> {
        self.proof().map(drop)
    }

    async fn issue(&self) -> Result<Token, Error> {
        let (field, proof) = self.proof()?;
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", self.client_id.as_str()),
            ("scope", self.scope.as_str()),
            (field, proof.expose_secret()),
        ];
        if field == "client_assertion" {
            form.push(("client_assertion_type", ASSERTION_TYPE));
        }
        let hint = match self.proof {
            Proof::Secret(_) => {
                "check tenant and client_id; client_secret is the secret's value, not its id, and may have expired"
            }
            Proof::Certificate(_) => {
                "check tenant and client_id, that the certificate is registered with the application, and this host's clock"
            }
            Proof::Federated(_) => {
                "check tenant and client_id, and the application's federated credential: issuer, subject, audience"
            }
        };
        oauth::grant(self.http.post(self.token_url.clone()).form(&form), "Microsoft's login", hint).await
    }
}

/// A managed identity (<https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>).
struct Machine {
    http: Client,
    url: Url,
    /// Of App Service and its like: what shows that the caller is the application itself.
    header: Option<Secret>,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("host", &self.url.host_str())
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

impl Machine {
    fn new(settings: AzureSettings<Secret>) -> Result<Self, Error> {
        let AzureSettings { client_id, identity_endpoint, identity_header, cloud, .. } = settings;
        let version = if identity_header.is_some() { "2019-08-01" } else { "2018-02-01" };
        let address = identity_endpoint.unwrap_or_else(|| IMDS.to_owned());
        let (http, _) = http::client_of_machine("identity_endpoint", address.clone())?;
        let mut url = Url::parse(&address)
            .map_err(|error| bad("identity_endpoint is not an address").caused_by(error))?;
        url.query_pairs_mut()
            .append_pair("api-version", version)
            .append_pair("resource", Cloud::endpoint(cloud));
        if let Some(client_id) = client_id {
            url.query_pairs_mut().append_pair("client_id", &client_id);
        }
        Ok(Self { http, url, header: identity_header })
    }

    fn header(&self) -> Result<Option<reqwest::header::HeaderValue>, Error> {
        let Some(secret) = &self.header else { return Ok(None) };
        let secret = secret.secret().map_err(setup)?;
        let mut value = reqwest::header::HeaderValue::from_str(secret.expose_secret().trim())
            .map_err(|_| setup("identity_header has characters that no header may have"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

#[async_trait]
impl Issuer for Machine {
    fn check(&self) -> Result<(), Error> {
        self.header().map(drop)
    }

    async fn issue(&self) -> Result<Token, Error> {
        let request = self.http.get(self.url.clone());
        let request = match self.header()? {
            Some(header) => request.header("X-IDENTITY-HEADER", header),
            None => request.header("Metadata", "true"),
        };
        let hint = "this machine has no managed identity, or several: set client_id; or give an application's credentials";
        oauth::grant(request, "Azure's service for managed identities", hint).await.map_err(|error| {
            match error.class() {
                Class::Later => error.hint(
                    "outside Azure there is none: set client_secret, client_certificate or federated_token",
                ),
                Class::Blocked | Class::Setup | Class::Bug => error,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::Fixed;

    fn settings(json: &str) -> AzureSettings<Secret> {
        let settings: AzureSettings<String> = serde_json::from_str(json).unwrap();
        <super::super::Azure as crate::kinds::Kind>::map_secrets(settings, |text| {
            Arc::new(Fixed(text.into())) as Secret
        })
    }

    #[test]
    fn what_contradicts_itself_is_told_before_anything_is_sent() {
        for (more, told) in [
            (r#""client_secret": "s", "client_certificate": "c""#, "several credentials"),
            (r#""client_secret": "s", "identity_endpoint": "http://127.0.0.1/""#, "several credentials"),
            (r#""client_secret": "s""#, "needs tenant and client_id"),
            (r#""client_secret": "s", "client_id": "c", "tenant": "../x""#, "tenant is neither"),
            (r#""client_secret": "s", "client_id": "c", "tenant": "..""#, "tenant is neither"),
            (
                r#""client_secret": "s", "client_id": "c", "tenant": "t", "login_endpoint": "http://login.example/""#,
                "https://",
            ),
            (r#""identity_endpoint": "http://10.0.0.1/""#, "https://"),
        ] {
            let error = tokens(settings(&format!(r#"{{ "subscription": "s", {more} }}"#))).unwrap_err();
            assert_eq!(error.class(), Class::Setup);
            assert!(error.to_string().contains(told), "{more}: {error}");
        }
        let certificate = r#"{ "subscription": "s", "tenant": "t", "client_id": "c", "client_certificate": "secret-text" }"#;
        let error = tokens(settings(certificate)).unwrap().check().unwrap_err();
        assert!(
            error.to_string().contains("no private key") && !format!("{error:?}").contains("secret-text"),
            "{error:?}"
        );
    }
}
