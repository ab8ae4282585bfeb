//! What is written to each vendor: how a text, its owner and its time to live are spelled in the request, against what the table
//! says and the vendors' documents want.
#![cfg(feature = "vendors")]
#![expect(clippy::unwrap_used, reason = "the functions around the tests belong to them")]

#[path = "support/fakes.rs"]
mod fakes;

use std::{fmt::Debug, process::Command, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use dns_providers::kinds::vendors::{
    self,
    vendor::{By, Owner, Sent, SetTtl, Vendor},
};
use dns_vendors::{Given, Set, Type, Updater};
use fakes::{Control, met_with};
use reqwest::Url;
use serde_json::{Value as Json, json};

const ZONE: &str = "written.test";
const OWNER: &str = "_dnsauth.www.written.test";
/// As DigiCert's are.
const TOKEN: &str = "q8x4m2v7t1c9z6b3n5k0w8r2y4p7s1d6";
/// As others' may be: quotes, a backslash, letters beyond ASCII.
const ODD: &str = "say \"hi\" \\ grüße";
/// Told from every number that is in a request for another reason.
const TTL: u32 = 43200;

/// Settings that the library takes; nobody checks them.
fn given(vendor: &Vendor, key: &str) -> Given {
    let yandex = json!({ "id": "k", "service_account_id": "s", "private_key": key }).to_string();
    let mut given = Given::default();
    for setting in vendor.settings.iter().filter(|setting| setting.required) {
        let value = match (vendor.kind, setting.name) {
            ("oraclecloud" | "transip", "private_key") => key,
            ("yandexcloud", "service_account_key") => &BASE64_STANDARD.encode(&yandex),
            ("bluecat", "server_url") => "https://bam.test",
            ("cpanel", "base_url") => "https://cpanel.test",
            ("plesk", "base_url") => "https://plesk.test",
            ("infoblox", "base_url") => "https://gm.test",
            ("edgedns", "host") => "edge.test",
            ("huaweicloud", "region") => "eu-west-101",
            ("oraclecloud", "region") => "eu-frankfurt-1",
            _ => "value",
        };
        given = given.with(setting.name, value.into());
    }
    match vendor.kind {
        "joker" => given.with("api_key", "value".into()),
        "cloudns" => given.with("auth_id", "1".into()),
        _ => given,
    }
}

/// Every text and number of a request, and where it is.
fn leaves(request: &Json) -> Vec<(String, String)> {
    let mut leaves = Vec::new();
    let url = Url::parse(&format!("https://vendor.test{}", request["target"].as_str().unwrap())).unwrap();
    let decoded = |text: &str| -> String {
        let text = text.replace('+', "%2B");
        Url::parse(&format!("https://a/?x={text}")).unwrap().query_pairs().next().unwrap().1.into_owned()
    };
    for (at, part) in url.path_segments().unwrap().enumerate() {
        leaves.push((format!("path {at}"), decoded(part)));
    }
    pairs("query", &url, &mut leaves);
    let body = request["body"].as_str().unwrap();
    if let Ok(body) = serde_json::from_str::<Json>(body) {
        flatten("body", &body, &mut leaves);
    } else if body.starts_with('<') {
        for (at, part) in body.split(['<', '>']).enumerate() {
            let text =
                part.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
            leaves.push((format!("xml {at}"), text));
        }
    } else if !body.is_empty() {
        pairs("form", &Url::parse(&format!("https://a/?{body}")).unwrap(), &mut leaves);
    }
    leaves
}

fn pairs(of: &str, url: &Url, leaves: &mut Vec<(String, String)>) {
    for (name, value) in url.query_pairs() {
        match serde_json::from_str::<Json>(&value) {
            Ok(value @ (Json::Object(_) | Json::Array(_))) => {
                flatten(&format!("{of} {name}"), &value, leaves)
            }
            // A line of a zone file, as Joker takes the whole zone.
            _ if name == "zone" && value.contains(" TXT ") => {
                let words = value.splitn(4, ' ').map(str::to_owned).collect::<Vec<_>>();
                let (text, ttl) = words[3].rsplit_once(' ').unwrap();
                for (at, word) in [words[0].as_str(), text, ttl].into_iter().enumerate() {
                    leaves.push((format!("line {at}"), word.to_owned()));
                }
            }
            _ => leaves.push((format!("{of} {name}"), value.into_owned())),
        }
    }
}

fn flatten(at: &str, value: &Json, leaves: &mut Vec<(String, String)>) {
    match value {
        Json::Object(map) => {
            map.iter().for_each(|(key, value)| flatten(&format!("{at}.{key}"), value, leaves))
        }
        Json::Array(list) => {
            list.iter().enumerate().for_each(|(nth, value)| flatten(&format!("{at}.{nth}"), value, leaves));
        }
        Json::String(text) => leaves.push((at.to_owned(), text.clone())),
        other => leaves.push((at.to_owned(), other.to_string())),
    }
}

/// The texts of a request that hold a part of what was given, in their order.
fn holding<'a>(leaves: &'a [(String, String)], part: &str) -> Vec<&'a str> {
    leaves.iter().filter(|(_, text)| text.contains(part)).map(|(_, text)| text.as_str()).collect()
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

struct Asked<'a> {
    vendor: &'static Vendor,
    updater: &'a Updater,
    control: Control,
}

impl Asked<'_> {
    /// Everything that is in the requests which write a text.
    async fn written(&self, name: &str, text: &str) -> Vec<(String, String)> {
        let set = Set { name, zone: ZONE, of: Type::Txt };
        let added = self.updater.add(set, &[text.to_owned()], TTL).await;
        let kind = self.vendor.kind;
        added.unwrap_or_else(|error| panic!("{kind}: {error}"));
        self.control.written(kind).iter().flat_map(leaves).collect()
    }
}

/// What a request has in the place of what the table says.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn check(&mut self, kind: &str, what: &str, is: &impl Debug, wanted: &impl Debug) {
        let (is, wanted) = (format!("{is:?}"), format!("{wanted:?}"));
        if is != wanted {
            self.0.push(format!("{kind}: {what} is {is}, the table says {wanted}"));
        }
    }
}

/// How one vendor's requests spell texts.
async fn texts(asked: &Asked<'_>, wrong: &mut Wrong) {
    let (vendor, kind) = (asked.vendor, asked.vendor.kind);
    let spelled = |text: &str| match vendor.sent {
        Sent::Plain => text.to_owned(),
        Sent::WhereNeeded if !text.contains(['"', '\\']) => text.to_owned(),
        Sent::ZoneFile | Sent::WhereNeeded | Sent::Undivided => quoted(text),
        Sent::Quoted => format!("\"{}\"", text.replace('"', "\\\"")),
        Sent::Wrapped => format!("\"{text}\""),
    };
    let token = asked.written(OWNER, TOKEN).await;
    wrong.check(kind, "a token", &holding(&token, TOKEN), &[spelled(TOKEN)]);
    let odd = asked.written(OWNER, ODD).await;
    wrong.check(kind, "an odd text", &holding(&odd, "gr"), &[spelled(ODD)]);
    // What others have beside ours may be longer than a string of DNS.
    let sent = asked.written(OWNER, &"x".repeat(300)).await;
    let parts = holding(&sent, "xxx").concat();
    wrong.check(kind, "what is left of 300 octets", &parts.matches('x').count(), &300);
    let divided = parts.split('"').all(|part| part.len() <= 255);
    let divides = matches!(vendor.sent, Sent::ZoneFile | Sent::WhereNeeded);
    wrong.check(kind, "whether a long text is divided", &divided, &divides);
}

/// How they spell owner and time to live.
async fn owner(asked: &Asked<'_>, wrong: &mut Wrong) {
    let (vendor, kind) = (asked.vendor, asked.vendor.kind);
    let token = asked.written(OWNER, TOKEN).await;
    let forms = [
        (Owner::Absolute { dot: true }, format!("{OWNER}.")),
        (Owner::Absolute { dot: false }, OWNER.to_owned()),
        (Owner::Relative, "_dnsauth.www".to_owned()),
    ];
    let places = forms.iter().filter_map(|(form, spelled)| {
        let (place, _) = token.iter().find(|(_, text)| text == spelled)?;
        // Dynu wants both.
        (kind != "dynu" || *form == vendor.owner).then_some((*form, place))
    });
    let places: Vec<(Owner, &String)> = places.collect();
    let found: Vec<Owner> = places.iter().map(|(form, _)| *form).collect();
    wrong.check(kind, "the owner", &found, &[vendor.owner]);
    // The same place in a request about the apex.
    let Some((_, place)) = places.first() else { return };
    let apex = asked.written(ZONE, TOKEN).await;
    let at_apex = apex.iter().find(|(at, _)| at == *place).map_or("", |(_, text)| text.as_str());
    let wanted = match vendor.apex {
        "empty" => "",
        "`@`" => "@",
        _ if vendor.owner == (Owner::Absolute { dot: true }) => "written.test.",
        _ => ZONE,
    };
    wrong.check(kind, "the apex", &at_apex, &wanted);
    let has_ttl = token.iter().any(|(_, text)| *text == TTL.to_string());
    wrong.check(kind, "whether a time to live is sent", &has_ttl, &(vendor.set_ttl != SetTtl::Vendors));
}

#[tokio::test]
async fn texts_are_written_as_the_table_says() {
    let Some(control) = met_with("texts_are_written_as_the_table_says", &["--written"]) else { return };
    let key = Command::new("openssl").args(["genrsa", "2048"]).output().expect("openssl is missing");
    let key = String::from_utf8(key.stdout).unwrap();
    let mut wrong = Wrong::default();
    for vendor in vendors::all().iter().filter(|vendor| vendor.by == By::Library) {
        let updater = Updater::new(vendor.kind, &given(vendor, &key), Duration::from_secs(5));
        let updater = updater.unwrap_or_else(|error| panic!("{}: {error}", vendor.kind));
        let asked = Asked { vendor, updater: &updater, control };
        texts(&asked, &mut wrong).await;
        owner(&asked, &mut wrong).await;
    }
    assert!(wrong.0.is_empty(), "\n{}", wrong.0.join("\n"));
}
