//! What Azure's refusals mean.

use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;

use super::plan::collision;
use crate::{
    Class, Error, Extent,
    api::{ids::NO_ZONE, replan::OVERTAKEN, throttle::THROTTLED},
};

/// Label of the error that says: there is no such record set.
pub(super) const NO_SET: &str = "no-such-set";
/// Label of the error that says: the credentials may not do this.
pub(super) const DENIED: &str = "denied";

/// Resource Manager puts its complaint into `error`, Azure DNS itself does not.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Complaint {
    code: String,
    message: String,
    error: Option<Inner>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Inner {
    code: String,
    message: String,
}

/// The error that an answer stands for, about what was asked.
pub(super) fn explain(status: StatusCode, wait: Option<Duration>, body: &[u8], what: &str) -> Error {
    let complaint: Complaint = serde_json::from_slice(body).unwrap_or_default();
    let (code, message) = match complaint.error {
        Some(inner) => (inner.code, inner.message),
        None => (complaint.code, complaint.message),
    };
    let said: String = message.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect();
    let text = format!("Azure refuses {what}: {status} {code} {said}")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let of = |class, label: &'static str| Error::new(class, label, text.clone());
    let all = |class, label: &'static str| of(class, label).of(Extent::Provider).after(wait);
    let is = |name: &str| code.eq_ignore_ascii_case(name);
    match status {
        StatusCode::UNAUTHORIZED => all(Class::Setup, "bad-credentials")
            .hint("the token is of another tenant or cloud, or this host's clock is off; check tenant and cloud"),
        StatusCode::TOO_MANY_REQUESTS => {
            all(Class::Later, THROTTLED).hint("the subscription's limits are shared with whatever else uses it")
        }
        StatusCode::FORBIDDEN if !code.is_empty() => of(Class::Setup, DENIED)
            .of(Extent::Zone)
            .hint("give these credentials the role that `dcv-agent policy` prints, on this zone"),
        StatusCode::PRECONDITION_FAILED => {
            of(Class::Later, OVERTAKEN).hint("something else writes the same records; see who")
        }
        StatusCode::NOT_FOUND if is("SubscriptionNotFound") => {
            all(Class::Setup, "no-such-subscription").hint("check subscription")
        }
        // Azure DNS says it by itself; Resource Manager in its place would name the set.
        StatusCode::NOT_FOUND
            if is("NotFound") || is("ResourceNotFound") && (said.contains("/TXT/") || said.contains("/CNAME/")) =>
        {
            of(Class::Later, NO_SET)
        }
        StatusCode::NOT_FOUND if is("ParentResourceNotFound") || is("ResourceGroupNotFound") || is("ResourceNotFound") => {
            of(Class::Setup, NO_ZONE)
                .of(Extent::Zone)
                .hint("check the zone, resource_group and subscription: `az network dns zone list` shows them")
        }
        StatusCode::CONFLICT if is("ScopeLocked") => of(Class::Setup, "locked")
            .of(Extent::Zone)
            .hint("a lock on the zone, its resource group or subscription forbids it; a value that cannot be removed must not be added"),
        StatusCode::CONFLICT | StatusCode::BAD_REQUEST if said.contains("same name") => collision(text),
        StatusCode::CONFLICT if !code.is_empty() => {
            of(Class::Later, OVERTAKEN).hint("something else changes the same records; see who")
        }
        _ if status.is_server_error() => all(Class::Later, "server-error"),
        _ if status.is_redirection() => all(Class::Setup, "redirected")
            .hint("redirects are not followed, since they would carry the token elsewhere; check endpoint and cloud"),
        _ if !code.is_empty() => of(Class::Bug, "refused"),
        // It says nothing of the credentials, so they are not what is to be mended.
        _ => all(Class::Later, "gateway")
            .hint("look at what stands between this host and Azure: proxy, firewall; and check endpoint"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Each refusal as Azure words it, and what comes next.
    #[test]
    fn refusals_are_told_apart() {
        let arm = |code: &str| json!({ "error": { "code": code, "message": "said" } }).to_string();
        let dns = |code: &str, message: &str| json!({ "code": code, "message": message }).to_string();
        for (status, body, class, label) in [
            (
                412,
                dns("PreconditionFailed", "The condition in the request is not met."),
                Class::Later,
                OVERTAKEN,
            ),
            (
                409,
                dns(
                    "Conflict",
                    "The record could not be created because a CNAME record with the same name already exists in this zone.",
                ),
                Class::Blocked,
                "collision",
            ),
            (
                400,
                dns(
                    "BadRequest",
                    "The CNAME record could not be created because another record with the same name already exists in this zone.",
                ),
                Class::Blocked,
                "collision",
            ),
            (409, arm("ScopeLocked"), Class::Setup, "locked"),
            (409, arm("AnotherOperationInProgress"), Class::Later, OVERTAKEN),
            (404, dns("NotFound", "The resource record '_dnsauth' does not exist"), Class::Later, NO_SET),
            (404, json!({ "error": { "code": "ResourceNotFound", "message": "The Resource 'Microsoft.Network/dnszones/example.com/TXT/a' was not found." } }).to_string(), Class::Later, NO_SET),
            (404, arm("ResourceNotFound"), Class::Setup, NO_ZONE),
            (404, arm("ParentResourceNotFound"), Class::Setup, NO_ZONE),
            (404, arm("ResourceGroupNotFound"), Class::Setup, NO_ZONE),
            (404, arm("SubscriptionNotFound"), Class::Setup, "no-such-subscription"),
            (403, arm("AuthorizationFailed"), Class::Setup, DENIED),
            (401, arm("ExpiredAuthenticationToken"), Class::Setup, "bad-credentials"),
            (429, arm("TooManyRequests"), Class::Later, THROTTLED),
            (400, dns("BadRequest", "The domain name is invalid."), Class::Bug, "refused"),
            (502, "<html>".to_owned(), Class::Later, "server-error"),
            (404, "<html>".to_owned(), Class::Later, "gateway"),
            (403, String::new(), Class::Later, "gateway"),
            (307, String::new(), Class::Setup, "redirected"),
        ] {
            let error =
                explain(StatusCode::from_u16(status).unwrap(), None, body.as_bytes(), "a.example.com TXT");
            assert_eq!((error.class(), error.label()), (class, label), "{status} {body}: {error}");
            assert!(error.to_string().contains("a.example.com"), "{error}");
        }
    }
}
