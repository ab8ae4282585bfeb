//! Our own protocol, version 1: one JSON object on standard input, one on standard output, the operation as the last
//! argument too. `docs/exec-protocol.schema.json` describes both.

use std::time::Duration;

use dcv_core::{Change, RecordData, Site};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{Surroundings, process::Finished};
use crate::{Class, Error, Extent, Probe, Receipt, RecordSet, Zone};

const VERSION: u64 = 1;

/// A command that speaks our protocol.
#[derive(Debug)]
pub(super) struct Native {
    pub(super) command: Vec<String>,
}

/// What a command answers, for whichever operation.
#[derive(Debug, Default, Deserialize)]
struct Answer {
    version: u64,
    #[serde(default)]
    error: Option<Refusal>,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default)]
    txt: Vec<String>,
    #[serde(default)]
    cname: Option<String>,
    #[serde(default)]
    ttl: Option<u32>,
    #[serde(default)]
    receipt: Option<String>,
    #[serde(default)]
    settled: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    class: Severity,
    message: String,
    #[serde(default)]
    hint: Option<String>,
    #[serde(default)]
    retry_after_seconds: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Later,
    Blocked,
    Setup,
}

impl Native {
    pub(super) async fn probe(&self, surroundings: &Surroundings, zone: &Zone) -> Result<Probe, Error> {
        let answer = self.ask(surroundings, "probe", json!({ "zone": described(zone) })).await?;
        Ok(Probe::new(answer.detail.map_or_else(|| "the command accepts the zone".to_owned(), shown)))
    }

    pub(super) async fn read(
        &self,
        surroundings: &Surroundings,
        zone: &Zone,
        site: &Site,
    ) -> Result<RecordSet, Error> {
        let request = json!({ "zone": described(zone), "name": site.owner().as_str() });
        let answer = self.ask(surroundings, "read", request).await?;
        let cname = answer.cname.as_deref().map(|target| {
            target
                .trim_end_matches('.')
                .parse()
                .map_err(|error| strange(&self.command, "gives an alias that is no name").caused_by(error))
        });
        let cname = cname.transpose()?;
        let ttl = answer.ttl.filter(|_| !answer.txt.is_empty() || cname.is_some());
        Ok(RecordSet { txt: answer.txt, cname, ttl })
    }

    pub(super) async fn apply(
        &self,
        surroundings: &Surroundings,
        zone: &Zone,
        changes: &[Change],
    ) -> Result<Receipt, Error> {
        let changes: Vec<Json> = changes.iter().map(written).collect();
        let request = json!({ "zone": described(zone), "changes": changes });
        let answer = self.ask(surroundings, "apply", request).await?;
        Ok(Receipt { change: answer.receipt })
    }

    pub(super) async fn settled(&self, surroundings: &Surroundings, receipt: &str) -> Result<bool, Error> {
        let answer = self.ask(surroundings, "settled", json!({ "receipt": receipt })).await?;
        Ok(answer.settled.unwrap_or(true))
    }

    async fn ask(
        &self,
        surroundings: &Surroundings,
        operation: &str,
        mut request: Json,
    ) -> Result<Answer, Error> {
        request["version"] = VERSION.into();
        request["operation"] = operation.into();
        let arguments = vec![operation.to_owned()];
        let input = format!("{request}\n").into_bytes();
        let finished =
            surroundings.run(&self.command, arguments, Vec::new(), input, surroundings.until()).await?;
        self.understand(finished)
    }

    /// An answer that refuses counts whatever the exit status is; an answer that accepts counts with success only.
    fn understand(&self, finished: Finished) -> Result<Answer, Error> {
        let answer = serde_json::from_slice::<Answer>(&finished.output);
        if let Ok(Answer { version: VERSION, error: Some(refusal), .. }) = answer {
            return Err(refusal.into());
        }
        let output = finished.succeeded()?.output;
        match answer {
            Ok(answer) if answer.version == VERSION => Ok(answer),
            Ok(answer) => {
                let text = format!("answers in version {} of the protocol, not {VERSION}", answer.version);
                Err(strange(&self.command, &text))
            }
            Err(_) if output.iter().all(u8::is_ascii_whitespace) => {
                Err(strange(&self.command, "ends well and prints no answer"))
            }
            Err(error) => {
                Err(strange(&self.command, "prints something else than one JSON answer").caused_by(error))
            }
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let (class, label, extent) = match refusal.class {
            Severity::Later => (Class::Later, "command-later", Extent::Name),
            Severity::Blocked => (Class::Blocked, "command-blocked", Extent::Name),
            Severity::Setup => (Class::Setup, "command-setup", Extent::Provider),
        };
        let error = Self::new(class, label, shown(refusal.message))
            .of(extent)
            .after(refusal.retry_after_seconds.map(Duration::from_secs));
        match refusal.hint {
            Some(hint) => error.hint(shown(hint)),
            None => error,
        }
    }
}

/// A command's words, bounded and on one line.
fn shown(text: String) -> String {
    text.chars().take(400).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn strange(command: &[String], what: &str) -> Error {
    let program = command.first().map(String::as_str).unwrap_or_default();
    Error::new(Class::Bug, "command-answer", format!("{program} {what}"))
        .hint("the protocol is in docs/exec-protocol.md; messages go to standard error")
}

fn described(zone: &Zone) -> Json {
    json!({ "name": zone.name.as_str(), "id": zone.id })
}

fn written(change: &Change) -> Json {
    let (kind, value) = match change.data() {
        RecordData::Txt(value) => ("TXT", value.as_str().to_owned()),
        RecordData::Cname(target) => ("CNAME", target.to_string()),
    };
    let name = change.site().owner().as_str();
    match change {
        Change::Add { ttl, .. } => {
            json!({ "action": "add", "name": name, "type": kind, "value": value, "ttl": ttl.as_secs() })
        }
        Change::Remove { .. } => json!({ "action": "remove", "name": name, "type": kind, "value": value }),
    }
}
