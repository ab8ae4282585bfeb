//! Reading what a server said about one owner name.

use dcv_core::{AliasTarget, Answer, NoAnswer};
use hickory_proto::{
    op::{DnsResponse, ResponseCode},
    rr::{DNSClass, Name, RData, Record, rdata::TXT},
};

use crate::Error;

/// No answer, and why.
pub(crate) fn failed(error: &Error) -> Answer {
    Answer::Failed(NoAnswer::other(error.describe()))
}

/// What an authority holds at the name: texts, or an alias.
pub(crate) fn of_authority(response: &DnsResponse, name: &Name) -> Answer {
    match response.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain if response.authoritative => {}
        ResponseCode::NoError | ResponseCode::NXDomain => {
            return Answer::Failed(NoAnswer::not_served("does not serve the zone (no authoritative answer)"));
        }
        ResponseCode::Refused => {
            return Answer::Failed(NoAnswer::not_served(ResponseCode::Refused.to_string()));
        }
        code => return Answer::Failed(NoAnswer::other(code.to_string())),
    }
    let here =
        || response.answers.iter().filter(|record| record.name == *name && record.dns_class == DNSClass::IN);
    for record in here() {
        if let RData::CNAME(target) = &record.data {
            return match target.0.to_ascii().parse() {
                Ok(target) => Answer::Cname(target),
                Err(_) => Answer::Failed(NoAnswer::other("the alias's target is not a host name")),
            };
        }
    }
    Answer::Txt(texts(here()))
}

/// What a resolver says, at the end of whatever aliases it followed.
pub(crate) fn of_resolver(records: &[Record], name: &Name) -> Answer {
    let texts = texts(records.iter());
    let alias = records.iter().find_map(|record| match &record.data {
        RData::CNAME(target) if record.name == *name => target.0.to_ascii().parse::<AliasTarget>().ok(),
        _ => None,
    });
    match alias {
        Some(target) if texts.is_empty() => Answer::Cname(target),
        Some(_) | None => Answer::Txt(texts),
    }
}

fn texts<'a>(records: impl Iterator<Item = &'a Record>) -> Vec<String> {
    records
        .filter_map(|record| match &record.data {
            RData::TXT(txt) => Some(text(txt)),
            _ => None,
        })
        .collect()
}

/// One string stands for itself; several as DigiCert's library compares them, in presentation form with quotes, so
/// that a value that was split is not taken for the value.
fn text(txt: &TXT) -> String {
    let strings: Vec<_> = txt.txt_data.iter().map(|string| String::from_utf8_lossy(string)).collect();
    match strings.as_slice() {
        [one] => one.clone().into_owned(),
        several => several.iter().map(|string| format!("\"{string}\"")).collect::<Vec<_>>().join(" "),
    }
}
