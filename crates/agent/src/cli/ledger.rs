//! `ledger verify` and `ledger show`: the evidence, checked and told; also beside a running daemon.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::{
    args::Ledger,
    manner::Output,
    show::{self, Answer, Page, counted},
};
use crate::{
    exit::{Exit, Failed},
    ledger::{Break, Line, Verified, verify},
    start::load,
};

pub(super) fn run(config: &Path, what: Ledger, output: Output) -> Result<Answer, Failed> {
    match what {
        Ledger::Verify { folder } => verification(&read(config, folder, |_| {})?, output),
        Ledger::Show { order, folder } => {
            let mut lines = Vec::new();
            let verified = read(config, folder, |line| {
                if line.order() == Some(order) {
                    lines.push(line.clone());
                }
            })?;
            story(order, &lines, verified.broken, output)
        }
    }
}

fn read(config: &Path, folder: Option<PathBuf>, see: impl FnMut(&Line)) -> Result<Verified, Failed> {
    let folder = match folder {
        Some(folder) => folder,
        None => load(config)?.ledger.map(|ledger| ledger.folder).ok_or_else(|| {
            Failed::setup("no ledger is configured; set ledger.folder, or name one with --folder")
        })?,
    };
    let verified = verify(&folder, see).map_err(|error| {
        Failed::setup(format!("the ledger in {} cannot be read: {error}", folder.display()))
    })?;
    match verified.files {
        0 => Err(Failed::setup(format!("there is no ledger in {}", folder.display()))),
        _ => Ok(verified),
    }
}

fn verification(verified: &Verified, output: Output) -> Result<Answer, Failed> {
    let exit = if verified.broken.is_some() { Exit::Blocked } else { Exit::Success };
    let page = match output {
        Output::Json => Page::json(verified)?,
        Output::Text => describe_verified(verified),
    };
    Ok(Answer::new(page, exit))
}

fn describe_verified(verified: &Verified) -> Page {
    let Verified { files, lines, first, last, orders, head, notes, broken } = verified;
    let mut page = Page::default();
    let lines = usize::try_from(*lines).unwrap_or(usize::MAX);
    let counts = [counted(*files, "file"), counted(lines, "line"), counted(*orders, "order")];
    page.line(&counts.join(", "));
    if let (Some(first), Some(last)) = (first, last) {
        page.line(&format!("from {first:.0} to {last:.0}"));
    }
    if let Some(head) = head {
        page.line(&format!("line {} has the hash {}", head.n, head.hash));
    }
    for note in notes {
        page.line(&format!("{} {}", show::paint(show::WARN, "note:"), plain(note)));
    }
    page.line(&match broken {
        Some(at) => format!("{} {}", show::paint(show::BAD, "broken:"), plain(&at.to_string())),
        None => show::paint(show::GOOD, "the chain holds"),
    });
    page
}

#[derive(Serialize)]
struct Story<'a> {
    order: u64,
    lines: &'a [Line],
    /// Where the chain does not hold; what comes later is not told.
    #[serde(rename = "break")]
    broken: Option<&'a Break>,
}

fn story(order: u64, lines: &[Line], broken: Option<Break>, output: Output) -> Result<Answer, Failed> {
    let page = match output {
        Output::Json => Page::json(&Story { order, lines, broken: broken.as_ref() })?,
        Output::Text => {
            let mut page = Page::default();
            lines.iter().for_each(|line| describe(&mut page, line));
            if let Some(at) = &broken {
                let (broken, at) = (show::paint(show::BAD, "broken:"), plain(&at.to_string()));
                page.line(&format!("{broken} {at}; what comes later is not told"));
            }
            page
        }
    };
    if lines.is_empty() {
        show::problem(&format!("the ledger tells nothing of order {order}"));
    }
    let well = broken.is_none() && !lines.is_empty();
    Ok(Answer::new(page, if well { Exit::Success } else { Exit::Blocked }))
}

fn describe(page: &mut Page, line: &Line) {
    let mut say = |text: String| {
        let of = format!("{}/{}", line.text("account"), line.order().unwrap_or(0));
        page.line(&plain(&format!("{:.0}  {of}  {text}", line.at)));
    };
    match line.event.as_str() {
        "value-requested" => match line.text("unfit") {
            "" => {
                let until = line.fields.get("expires").and_then(Value::as_str).unwrap_or("a date not given");
                say(format!("DigiCert gave the value {}, until {until}", line.text("value")));
            }
            unfit => say(format!("DigiCert gave a value that cannot be published: {unfit}")),
        },
        "change-applied" => {
            let zone = match line.text("zone") {
                "" => String::new(),
                zone => format!(" in zone {zone}"),
            };
            say(format!(
                "{} {} {}{zone} by {}",
                line.text("action"),
                line.text("owner"),
                line.text("data"),
                line.text("provider")
            ));
        }
        "asked" => {
            say(format!("DigiCert is asked to check {}; what was seen:", list(line.fields.get("scopes"))));
            for seen in line.fields.get("sightings").and_then(Value::as_array).into_iter().flatten() {
                page.line(&plain(&format!("    {}", sighting(seen))));
            }
            if let Some(more) = line.fields.get("sightings_omitted") {
                page.line(&format!("    and {more} more, left out to keep the line short"));
            }
        }
        "answered" => {
            let status = match line.text("status") {
                "" => String::new(),
                status => format!(" (order {status})"),
            };
            say(format!("DigiCert answered: {}{status}", line.text("said")));
        }
        "unanswered" => say(format!("no answer that counts: {}", line.text("detail"))),
        other => say(other.to_owned()),
    }
}

fn sighting(seen: &Value) -> String {
    let text = |field: &str| seen[field].as_str().unwrap_or_default();
    let answer = match &seen["answer"] {
        Value::Object(answer) => answer
            .iter()
            .map(|(kind, what)| match what {
                Value::Array(_) => format!("{kind} [{}]", list(Some(what))),
                what => format!("{kind} {}", what.as_str().unwrap_or_default()),
            })
            .collect(),
        other => other.to_string(),
    };
    let security = seen["security"]["state"].as_str().unwrap_or_default();
    // Lines of earlier versions tell the domain only.
    let lookup = Some(text("spot")).filter(|lookup| !lookup.is_empty()).unwrap_or_else(|| text("scope"));
    format!(
        "{lookup}  {} {} {}  {answer}  {security}  {}",
        text("kind"),
        text("server"),
        text("address"),
        text("at")
    )
}

fn list(values: Option<&Value>) -> String {
    let texts = values.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    texts.collect::<Vec<_>>().join(", ")
}

/// What servers said must not steer the terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\nc\u{9b}d"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d");
    }
}
