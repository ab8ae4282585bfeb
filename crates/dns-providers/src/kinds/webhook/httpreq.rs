//! lego's `httpreq`: `POST …/present` and `…/cleanup`, one value each, success by status.

use dcv_core::{Change, RecordData};
use reqwest::{Method, header::ACCEPT};
use serde_json::json;

use super::api::{Api, content_type};
use crate::{Class, Error, Probe};

/// A path that no server of the protocol has.
const NO_PATH: &str = "dcv-agent-asks-whether-everything-is-answered";

/// How a value is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// `fqdn` and `value`.
    Value,
    /// `domain`, `token` and `keyAuth`; the server has to publish the last one as it is.
    Raw,
}

/// The protocol has no question; all that can be told is a server that answers just anything, which would take every value
/// without publishing it.
pub(super) async fn probe(api: &Api) -> Result<Probe, Error> {
    match api.send(api.request(Method::GET, NO_PATH)?, "a question for a path that it cannot have").await {
        Ok(_) => Err(Error::new(
            Class::Setup,
            "answers-everything",
            "the server reports success for any path, so it is hardly one that speaks httpreq",
        )
        .hint("check url: a proxy's or a web site's own page may stand there")),
        Err(error) if matches!(error.label(), "wrong-protocol" | "refused" | "server-error") => {
            Ok(Probe::new(
                "the server is there; it cannot be asked about the zone, nor what stands at a name, and that it leaves other values alone is its own to see to",
            ))
        }
        Err(error) => Err(error),
    }
}

pub(super) async fn apply(api: &Api, form: Form, changes: &[Change]) -> Result<(), Error> {
    for change in changes {
        let owner = change.site().owner();
        let RecordData::Txt(value) = change.data() else {
            let text = format!("a CNAME is wanted at {owner}, and httpreq can publish TXT only");
            return Err(Error::new(Class::Blocked, "text-only", text)
                .hint("set the order's method to dns-txt-token, or use another kind of provider"));
        };
        let path = if matches!(change, Change::Add { .. }) { "present" } else { "cleanup" };
        let (name, value) = (format!("{owner}."), value.as_str());
        let body = match form {
            Form::Value => json!({ "fqdn": name, "value": value }),
            Form::Raw => json!({ "domain": name, "token": value, "keyAuth": value }),
        };
        let request = api.request(Method::POST, path)?.header(ACCEPT, "application/json").json(&body);
        let answer = api.send(request, owner.as_str()).await?;
        if content_type(&answer).is_some_and(|kind| kind.starts_with("text/html")) {
            let text = format!("the answer about {owner} is a web page, not that of an httpreq server");
            return Err(Error::new(Class::Setup, "wrong-protocol", text).hint("check url"));
        }
    }
    Ok(())
}
