//! A domain's random value and its check.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use crate::answer::excerpt;
use crate::call::{Call, Reply};
use crate::client::Client;
use crate::dcv::CheckOutcome;
use crate::error::Error;
use crate::ids::DomainId;
use crate::method::DcvMethod;
use crate::value::is_publishable;
use crate::wire;

/// A domain's random value. All of it may be absent where the method has no value, or the CA gave none along.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DomainValue {
    /// What to publish.
    pub value: Option<String>,
    /// `pending` until a check has succeeded, then `active`; other words may come.
    pub status: Option<String>,
    /// Until when the CA accepts it, if it said so legibly.
    pub expires: Option<Timestamp>,
    /// The expiry as the CA wrote it.
    pub expires_raw: Option<String>,
    /// For [`DcvMethod::DnsCname`]: in 2018 the target's suffix, today unknown. Only a text that begins with the
    /// value can be the whole target.
    pub verification_value: Option<String>,
    /// For the HTTP methods: where the CA looks for the file.
    pub http_token_url: Option<String>,
}

/// What a check of a domain found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DomainCheck {
    /// Whether control of the domain is proven.
    pub outcome: CheckOutcome,
    /// The domain's value, if the CA repeated it. The proof may have been another value, such as an order's.
    pub value: Option<String>,
    /// The CA's word for that value: `active` when done.
    pub status: Option<String>,
}

impl Client {
    /// Submits a domain for validation, also to renew one: `POST /domain/{domain}/validation`.
    ///
    /// `kinds` are the kinds of validation, such as those of
    /// [`Domain::validations`](crate::Domain::validations). It may be done at any time; the former validation stays
    /// in force until the new one succeeds. It restarts the CA's own polling. Where the answer has no value, read
    /// the domain.
    ///
    /// Source: DigiCert's Services API, [Submit for validation].
    ///
    /// # Errors
    /// Any. [`Error::Undecodable`] for a value that could not be published as it stands.
    ///
    /// [Submit for validation]: https://dev.digicert.com/certcentral-apis/services-api/domains/submit-for-validation.html
    pub async fn submit_domain(
        &self,
        domain: DomainId,
        kinds: &[&str],
        method: &DcvMethod,
    ) -> Result<DomainValue, Error> {
        let kinds: Vec<_> = kinds.iter().map(|kind| json!({ "type": kind })).collect();
        let body = json!({ "validations": kinds, "dcv_method": method.as_str() });
        self.value_call(Call::post(format!("domain/{domain}/validation")).json(body)).await
    }

    /// Makes a new random value for a domain: `POST /domain/{domain}/dcv/token`.
    ///
    /// **This invalidates the domain's former value, every time.** What is published of it is worthless from then
    /// on, and so is a call that was repeated because its answer got lost: read the domain first
    /// ([`domain`](Self::domain)) and call this only if its value has expired or is about to. This is unlike
    /// [`random_value`](Self::random_value), which may be repeated at will. Values of orders are not touched.
    ///
    /// Source: DigiCert's Services API, [Generate DCV token].
    ///
    /// # Errors
    /// Any. [`Error::Misconfigured`] (`invalid_dcv_method`) where the domain's method has no value;
    /// [`Error::Undecodable`] for a value that could not be published as it stands. After an error other than a
    /// refusal the former value may be invalid or not.
    ///
    /// [Generate DCV token]: https://dev.digicert.com/certcentral-apis/services-api/domains/generate-dcv-token.html
    pub async fn new_domain_value(&self, domain: DomainId) -> Result<DomainValue, Error> {
        // The documented body is ignored; an empty object pleases a reader that insists on one.
        self.value_call(Call::post(format!("domain/{domain}/dcv/token")).json(json!({}))).await
    }

    /// Changes how control of a domain is proven: `PUT /domain/{domain}/dcv/method`.
    ///
    /// It restarts the CA's own polling. Where the answer has no value, read the domain.
    ///
    /// Source: DigiCert's Services API, [Change DCV method].
    ///
    /// # Errors
    /// Any. [`Error::Undecodable`] for a value that could not be published as it stands.
    ///
    /// [Change DCV method]: https://dev.digicert.com/certcentral-apis/services-api/domains/change-dcv-method.html
    pub async fn change_domain_method(
        &self,
        domain: DomainId,
        method: &DcvMethod,
    ) -> Result<DomainValue, Error> {
        let body = json!({ "dcv_method": method.as_str() });
        self.value_call(Call::put(format!("domain/{domain}/dcv/method")).json(body)).await
    }

    /// Has the CA look for a valid value, of the domain or of an order: `PUT /domain/{domain}/dcv/validate-token`.
    ///
    /// A success may come without a word. The CA's own polling is not restarted by it.
    ///
    /// Source: DigiCert's Services API, [Check DCV].
    ///
    /// # Errors
    /// Any, but not for a miss. [`Error::Misconfigured`] when the domain's method cannot be checked so.
    ///
    /// [Check DCV]: https://dev.digicert.com/certcentral-apis/services-api/domains/check-dcv.html
    pub async fn check_domain(&self, domain: DomainId) -> Result<DomainCheck, Error> {
        let reply = match self.call(Call::put(format!("domain/{domain}/dcv/validate-token"))).await {
            // As with orders: the code for a missed CNAME is unknown, so every such refusal counts as a miss.
            Err(Error::Declined { answer }) if answer.status() == 400 => {
                let outcome = CheckOutcome::NotYet { reason: answer.to_string() };
                return Ok(DomainCheck { outcome, value: None, status: None });
            }
            other => other?,
        };
        let WireToken { token, status, .. } = reply.read_or_default::<WireReply>()?.into_token();
        let outcome = match status.as_deref() {
            // Not documented, but a success that calls the value pending is none to tidy up after.
            Some(word) if word.eq_ignore_ascii_case("pending") => CheckOutcome::NotYet {
                reason: "the CA found nothing wrong, but calls the value pending".to_owned(),
            },
            _ => CheckOutcome::Validated,
        };
        Ok(DomainCheck { outcome, value: token, status })
    }

    async fn value_call(&self, call: Call) -> Result<DomainValue, Error> {
        let reply = self.call(call).await?;
        let token = reply.read_or_default::<WireReply>()?.into_token();
        Ok(token.into_value(&reply)?.unwrap_or_default())
    }
}

/// The value comes bare or as `dcv_token`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireReply {
    #[serde(deserialize_with = "wire::object")]
    dcv_token: WireToken,
    #[serde(flatten)]
    bare: WireToken,
}

impl WireReply {
    fn into_token(self) -> WireToken {
        if self.dcv_token.is_empty() { self.bare } else { self.dcv_token }
    }
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct WireToken {
    #[serde(deserialize_with = "wire::text")]
    token: Option<String>,
    #[serde(deserialize_with = "wire::text")]
    status: Option<String>,
    #[serde(deserialize_with = "wire::text")]
    expiration_date: Option<String>,
    #[serde(deserialize_with = "wire::text")]
    verification_value: Option<String>,
    #[serde(deserialize_with = "wire::text")]
    http_token_url: Option<String>,
}

impl WireToken {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The value, or `None` where there is nothing at all.
    pub(super) fn into_value(self, reply: &Reply) -> Result<Option<DomainValue>, Error> {
        if self.is_empty() {
            return Ok(None);
        }
        if self.token.as_deref().is_some_and(|value| !is_publishable(value)) {
            return Err(reply.undecodable("its random value is unfit for DNS"));
        }
        let expires = self.expiration_date.as_deref().and_then(wire::timestamp_of);
        if let (None, Some(raw)) = (expires, &self.expiration_date) {
            tracing::warn!(raw = %excerpt(raw, None), "the value's expiry cannot be read");
        }
        Ok(Some(DomainValue {
            value: self.token,
            status: self.status,
            expires,
            expires_raw: self.expiration_date,
            verification_value: self.verification_value,
            http_token_url: self.http_token_url,
        }))
    }
}
