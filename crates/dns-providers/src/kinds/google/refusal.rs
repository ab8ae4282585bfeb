//! What Google's refusals mean.

use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;

use crate::{
    Class, Error, Extent,
    api::{ids::NO_ZONE, replan::OVERTAKEN, throttle::THROTTLED},
};

/// Label of the error that says: the credentials may not do this.
const DENIED: &str = "denied";

#[derive(Default, Deserialize)]
struct Refusal {
    error: Complaint,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Complaint {
    message: String,
    errors: Vec<Reason>,
    status: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reason {
    reason: String,
}

/// The error that an answer stands for, about what was asked.
pub(super) fn explain(status: StatusCode, wait: Option<Duration>, body: &[u8], what: &str) -> Error {
    let Refusal { error } = serde_json::from_slice(body).unwrap_or_default();
    let said: String =
        error.message.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect();
    let text = format!("Cloud DNS refuses {what}: {status} {said}").trim_end().to_owned();
    let any = |reasons: &[&str]| error.errors.iter().any(|one| reasons.contains(&one.reason.as_str()));
    let of = |class, label: &'static str| Error::new(class, label, text.clone());
    let all = |class, label: &'static str| of(class, label).of(Extent::Provider).after(wait);
    let is_google = !error.message.is_empty();
    match status {
        StatusCode::UNAUTHORIZED => all(Class::Setup, "bad-credentials")
            .hint("the credentials are revoked or expired, or this host's clock is off"),
        _ if status == StatusCode::TOO_MANY_REQUESTS
            || any(&["rateLimitExceeded", "userRateLimitExceeded"]) =>
        {
            all(Class::Later, THROTTLED)
                .hint("the project's quota is shared with whatever else uses its Cloud DNS")
        }
        StatusCode::FORBIDDEN
            if any(&["accessNotConfigured"]) || said.contains("has not been used in project") =>
        {
            all(Class::Setup, "api-disabled").hint("gcloud services enable dns.googleapis.com")
        }
        StatusCode::FORBIDDEN if is_google => of(Class::Setup, DENIED)
            .of(Extent::Zone)
            .hint("give these credentials the role that `dcv-agent policy` prints, on this zone"),
        StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT => overtaken(text),
        StatusCode::NOT_FOUND if said.contains("entity.change") => overtaken(text),
        StatusCode::NOT_FOUND if said.contains("parameters.project") => {
            all(Class::Setup, "no-such-project").hint("check project, which is the project's id")
        }
        StatusCode::NOT_FOUND if is_google => of(Class::Setup, NO_ZONE)
            .of(Extent::Zone)
            .hint("check project and the zone's id, which is its name in Cloud DNS, not the domain"),
        StatusCode::BAD_REQUEST if any(&["cnameResourceRecordSetConflict"]) || said.contains("CNAME") => {
            of(Class::Blocked, "collision")
                .hint("a CNAME and another record cannot share a name: remove one, or delegate the name")
        }
        StatusCode::PAYLOAD_TOO_LARGE => of(Class::Blocked, "quota")
            .hint("Cloud DNS takes 100 values a name, or the project's quota of record sets is used up"),
        _ if status.is_server_error() => all(Class::Later, "server-error"),
        _ if status.is_redirection() => all(Class::Setup, "redirected")
            .hint("redirects are not followed, since they would carry the token elsewhere; check endpoint"),
        _ if is_google => of(Class::Bug, "refused"),
        // It says nothing of the credentials, so they are not what is to be mended.
        _ => all(Class::Later, "gateway").hint(
            "look at what stands between this host and Google's API: proxy, firewall; and check endpoint",
        ),
    }
}

fn overtaken(text: String) -> Error {
    Error::new(Class::Later, OVERTAKEN, text).hint("something else writes the same records; see who")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each refusal, the class that says what comes next, and whose trouble it is.
    #[test]
    fn refusals_are_told_apart() {
        let body = |reason: &str, message: &str| {
            serde_json::json!({ "error": { "message": message, "errors": [{ "reason": reason }] } })
                .to_string()
        };
        for (status, body, class, label) in [
            (
                409,
                body(
                    "alreadyExists",
                    "The resource 'entity.change.additions[0]' named 'a. (TXT)' already exists",
                ),
                Class::Later,
                OVERTAKEN,
            ),
            (
                412,
                body("conditionNotMet", "Precondition not met for 'entity.change.deletions[0]'"),
                Class::Later,
                OVERTAKEN,
            ),
            (
                404,
                body(
                    "notFound",
                    "The 'entity.change.deletions[0]' resource named 'a. (TXT)' does not exist.",
                ),
                Class::Later,
                OVERTAKEN,
            ),
            (
                404,
                body("notFound", "The 'parameters.managedZone' resource named 'x' does not exist."),
                Class::Setup,
                NO_ZONE,
            ),
            (
                404,
                body("notFound", "The 'parameters.project' resource named 'x' does not exist."),
                Class::Setup,
                "no-such-project",
            ),
            (403, body("forbidden", "Forbidden"), Class::Setup, DENIED),
            (403, body("rateLimitExceeded", "Quota exceeded"), Class::Later, THROTTLED),
            (
                403,
                body("accessNotConfigured", "Cloud DNS API has not been used in project 1 before"),
                Class::Setup,
                "api-disabled",
            ),
            (
                400,
                body("cnameResourceRecordSetConflict", "The resource record set is invalid"),
                Class::Blocked,
                "collision",
            ),
            (
                413,
                body("quotaExceeded", "The quota for 'resourceRecordsPerRrset' is exceeded"),
                Class::Blocked,
                "quota",
            ),
            (401, body("authError", "Invalid Credentials"), Class::Setup, "bad-credentials"),
            (400, body("invalid", "Invalid value"), Class::Bug, "refused"),
            (503, "<html>".to_owned(), Class::Later, "server-error"),
            (404, "<html>".to_owned(), Class::Later, "gateway"),
            (403, "{}".to_owned(), Class::Later, "gateway"),
            (302, String::new(), Class::Setup, "redirected"),
        ] {
            let error =
                explain(StatusCode::from_u16(status).unwrap(), None, body.as_bytes(), "a.example.com");
            assert_eq!((error.class(), error.label()), (class, label), "{status} {body}: {error}");
            assert!(
                error.to_string().contains("a.example.com")
                    && error.next_action().is_some() == (label != "refused" && label != "server-error"),
                "{error}"
            );
        }
    }
}
