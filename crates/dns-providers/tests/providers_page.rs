//! `docs/providers.md` is made of the facts beside each kind and of the vendors' table; this test compares it, and writes it with
//! `UPDATE_PAGES=1 cargo test -p dns-providers --test providers_page`.
#![cfg(all(
    feature = "rfc2136",
    feature = "route53",
    feature = "cloudflare",
    feature = "azure",
    feature = "google",
    feature = "powerdns",
    feature = "exec",
    feature = "webhook",
    feature = "vendors"
))]
#![expect(clippy::unwrap_used, reason = "the functions around the tests belong to them")]

use std::{fmt::Write as _, path::Path};

use dns_providers::{
    FACTS, KINDS, NATIVE,
    kinds::vendors::{
        self,
        vendor::{Owner, Proof, Sent, SetTtl, Setting, Vendor, Writes},
    },
};
use serde::Deserialize;

/// The facts of a kind.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    title: String,
    /// One, or one for each mode of the kind.
    way: Vec<Way>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Way {
    /// The mode, where there are several.
    #[serde(default)]
    mode: String,
    tier: Tier,
    credentials: String,
    least_privilege: String,
    records: String,
    read_back: String,
    atomicity: String,
    batch: String,
    loses: Loses,
    loses_why: String,
    receipt: String,
    rate_limit: String,
    tested: Tested,
    against: String,
}

/// How a value is written.
#[derive(Debug, Deserialize)]
enum Tier {
    #[serde(rename = "compare-and-swap")]
    CompareAndSwap,
    #[serde(rename = "value by value")]
    ValueByValue,
    #[serde(rename = "read-modify-write")]
    ReadModifyWrite,
    /// Whatever is behind it.
    #[serde(rename = "behind it")]
    BehindIt,
}

impl Tier {
    const fn word(&self) -> &'static str {
        match self {
            Self::CompareAndSwap => "compare-and-swap",
            Self::ValueByValue => "value by value",
            Self::ReadModifyWrite => "read-modify-write",
            Self::BehindIt => "as what is behind it",
        }
    }
}

/// What may be lost of what others write at the same name at the same time.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Loses {
    #[serde(rename = "nothing")]
    Nothing,
    #[serde(rename = "last writer")]
    LastWriter,
    #[serde(rename = "unknown")]
    Unknown,
}

impl Loses {
    const fn word(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::LastWriter => "the last writer wins",
            Self::Unknown => "unknown",
        }
    }
}

#[derive(Debug, Deserialize)]
enum Tested {
    #[serde(rename = "real server")]
    RealServer,
    #[serde(rename = "official emulator")]
    OfficialEmulator,
    #[serde(rename = "stand-in")]
    StandIn,
    #[serde(rename = "fake")]
    Fake,
}

impl Tested {
    const fn word(&self) -> &'static str {
        match self {
            Self::RealServer => "real server",
            Self::OfficialEmulator => "official emulator",
            Self::StandIn => "somebody else's stand-in",
            Self::Fake => "a fake of our own",
        }
    }
}

const HEAD: &str = "# Providers

Every kind passes one contract suite (`crates/dns-providers/src/contract.rs`): values, times to live and records of others survive
every change. What differs is below. This page is made of the facts beside each kind (`src/kinds/*/facts.toml`) and of the table of
[vendors](#vendors) (`src/kinds/vendors/table/`).

Kinds with code of their own come first; then some sixty vendors by one library. Is yours in neither? Its script, a webhook, or
[delegation](delegation.md): one CNAME record for each name, made once, after which nothing there has to be written again.

How a value is written: **compare-and-swap**, the vendor refuses a write that was overtaken; **value by value**, nothing else is touched;
**read-modify-write**, the whole set is read and written.

| kind | written | may be lost of what others write at the same name at the same time | tested against |
| --- | --- | --- | --- |
";

fn page() -> String {
    let (mut table, mut sections) = (String::new(), String::new());
    for (kind, facts) in FACTS {
        let facts: Facts = toml::from_str(facts).unwrap_or_else(|error| panic!("facts of {kind}: {error}"));
        write!(sections, "\n## `{kind}`: {}\n\n", facts.title).unwrap();
        writeln!(sections, "Settings and quirks: [{kind}.md](../crates/dns-providers/docs/{kind}.md).")
            .unwrap();
        for way in &facts.way {
            let name = match way.mode.as_str() {
                "" => format!("[`{kind}`](#{})", anchor(kind, &facts.title)),
                mode => format!("[`{kind}`](#{}), {mode}", anchor(kind, &facts.title)),
            };
            let tested = format!("{}: {}", way.tested.word(), way.against);
            writeln!(table, "| {name} | {} | {} | {tested} |", way.tier.word(), way.loses.word()).unwrap();
            section(&mut sections, way);
        }
    }
    for vendor in vendors::all() {
        let (kind, tested) = (vendor.kind, proof(vendor));
        writeln!(
            table,
            "| [`{kind}`](#vendors) | {} | {} | {tested} |",
            tier(vendor).word(),
            loses(vendor).word()
        )
        .unwrap();
    }
    let vendors = vendors_section();
    format!("{HEAD}{table}{sections}{vendors}{}", include_str!("../docs/absent.md"))
}

const fn tier(vendor: &Vendor) -> Tier {
    match vendor.writes {
        Writes::Record => Tier::ValueByValue,
        Writes::Set | Writes::Zone => Tier::ReadModifyWrite,
    }
}

const fn loses(vendor: &Vendor) -> Loses {
    match vendor.writes {
        Writes::Record => Loses::Nothing,
        Writes::Set | Writes::Zone => Loses::LastWriter,
    }
}

fn proof(vendor: &Vendor) -> String {
    match vendor.proof {
        Proof::CrossChecked(client) => format!("a fake of our own that {client} agrees with"),
        Proof::Fake(why) => format!("a fake of our own; {why}"),
        Proof::Documentation => {
            "documentation only, the library's records in memory, and what it sends".to_owned()
        }
    }
}

fn vendors_section() -> String {
    let mut page = String::from(VENDORS);
    page.push_str("| kind | a set is written | time to live of others at the name | it is listed | smallest | a text is sent | owner | apex |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n");
    for vendor in vendors::all() {
        let written = match vendor.writes {
            Writes::Record => "value by value",
            Writes::Set => "whole",
            Writes::Zone => "with the whole zone",
        };
        let ttl = match vendor.set_ttl {
            SetTtl::Kept => "kept, ours takes it over",
            SetTtl::OfEach => "kept, each value has its own",
            SetTtl::Replaced => "`keep_ttl`, or ours",
            SetTtl::Vendors => "the vendor's",
        };
        let listed = if vendor.lists_ttl { "yes" } else { "no" };
        let (sent, owner) = (spelling(vendor.sent), owner(vendor.owner));
        writeln!(
            page,
            "| `{}` | {written} | {ttl} | {listed} | {} s | {sent} | {owner} | {} |",
            vendor.kind, vendor.min_ttl, vendor.apex
        )
        .unwrap();
    }
    page.push_str(ZONES);
    for vendor in vendors::all().iter().filter(|vendor| !vendor.namesakes.is_empty()) {
        writeln!(page, "| `{}` | {} |", vendor.kind, vendor.namesakes).unwrap();
    }
    page.push('\n');
    for vendor in vendors::all() {
        let settings: Vec<String> = vendor.settings.iter().map(setting).collect();
        let notes = if vendor.notes.is_empty() { String::new() } else { format!(" Note: {}.", vendor.notes) };
        writeln!(
            page,
            "- **`{}`**: [{}]({}). Settings: {}. Least privilege: {}.{notes}",
            vendor.kind,
            vendor.title,
            vendor.docs,
            settings.join("; "),
            vendor.least_privilege,
        )
        .unwrap();
    }
    page
}

const fn spelling(sent: Sent) -> &'static str {
    match sent {
        Sent::Plain => "as it is",
        Sent::ZoneFile => "as in a zone file",
        Sent::WhereNeeded => "as in a zone file, where it holds quotes or is long",
        Sent::Undivided => "as in a zone file, at most 255 octets",
        Sent::Quoted => "in quotes, without backslashes, at most 255 octets",
        Sent::Wrapped => "in quotes, without quotes or backslashes, at most 255 octets",
    }
}

const fn owner(owner: Owner) -> &'static str {
    match owner {
        Owner::Relative => "relative",
        Owner::Absolute { dot: false } => "absolute",
        Owner::Absolute { dot: true } => "absolute, with its dot",
    }
}

fn setting(setting: &Setting) -> String {
    let kind = if setting.secret { ", a secret reference" } else { "" };
    let optional = if setting.required { "" } else { ", optional" };
    format!("`{}`{kind}{optional} ({})", setting.name, setting.about)
}

const VENDORS: &str = "
## Vendors

Each is a kind of its own (`kind = \"ns1\"`), reached by the library [dns-update](https://crates.io/crates/dns-update) 0.6.1, UltraDNS by a
client of our own. Settings, what they have in common, and what the library cannot tell: [vendors.md](../crates/dns-providers/docs/vendors.md). `dcv-agent conformance`
examines the contract in your own zone: do that before you rely on one that has \"documentation only\".

How a text, its owner and its time to live are spelled was seen in what every vendor's part of the library sends. \"Without\" and \"at
most\" hold for others' texts that have to be put back: ours are letters and digits, and what stands there is sent as it was listed.

";

const ZONES: &str = "
No vendor's zones are listed to find one, so that their number makes no difference. Where an account may hold several zones of one name:

| kind | the zone that is written |
| --- | --- |
";

/// As GitHub makes one of a heading.
fn anchor(kind: &str, title: &str) -> String {
    let heading = format!("{kind}: {title}").to_lowercase();
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn section(page: &mut String, way: &Way) {
    if !way.mode.is_empty() {
        write!(page, "\n### {}\n", way.mode).unwrap();
    }
    let loses = match way.loses_why.as_str() {
        "" => way.loses.word().to_owned(),
        why => format!("{}: {why}", way.loses.word()),
    };
    page.push_str("\n| | |\n| --- | --- |\n");
    for (what, fact) in [
        ("written", &way.tier.word().to_owned()),
        ("credentials", &way.credentials),
        ("least privilege", &way.least_privilege),
        ("records", &way.records),
        ("read back", &way.read_back),
        ("atomicity", &way.atomicity),
        ("at once", &way.batch),
        ("may be lost", &loses),
        ("receipt", &way.receipt),
        ("rate limit", &way.rate_limit),
        ("tested against", &format!("{}: {}", way.tested.word(), way.against)),
    ] {
        assert!(!fact.contains(['|', '\n']), "{what}: {fact:?} breaks the table");
        writeln!(page, "| {what} | {fact} |").unwrap();
    }
}

/// Whoever changes a fact changes what people read, and nobody edits the page by hand.
#[test]
fn the_page_says_what_the_facts_say() {
    assert_eq!(FACTS.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), NATIVE);
    assert_eq!(KINDS.len(), NATIVE.len() + vendors::all().len());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/providers.md");
    if std::env::var_os("UPDATE_PAGES").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page(), "docs/providers.md is out of date: run this test with UPDATE_PAGES=1");
}

/// A provider is its file, its facts, its page, its fixtures and one line: more would be a burden on whoever adds one.
#[test]
fn a_kind_is_its_file_its_facts_its_page_and_one_line() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let declared = std::fs::read_to_string(root.join("src/kinds/mod.rs")).unwrap();
    for kind in NATIVE {
        let module = kind.replace('-', "_");
        for file in [
            format!("src/kinds/{module}.rs"),
            format!("src/kinds/{module}/facts.toml"),
            format!("docs/{kind}.md"),
        ] {
            assert!(root.join(&file).is_file(), "{kind} lacks {file}");
        }
        let lines = declared.lines().filter(|line| line.contains(&format!("\"{kind}\" =>"))).count();
        assert_eq!(lines, 1, "{kind} is declared by one line");
        let contract = std::fs::read_dir(root.join("tests")).unwrap().any(|file| {
            let path = file.unwrap().path();
            // The file that tests a kind begins with its name.
            let named = path.file_name().unwrap().to_string_lossy().starts_with(&module);
            named && path.is_file() && std::fs::read_to_string(path).unwrap().contains("Bench")
        });
        assert!(contract, "no test named after {kind} runs the contract suite");
    }
    // Nobody but the declaration and the kind itself knows its name.
    for file in ["src/lib.rs", "src/provider.rs", "src/secret.rs", "src/contract.rs", "src/kinds/declare.rs"]
    {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        for kind in NATIVE {
            assert!(!text.contains(&format!("\"{kind}\"")), "{file} knows {kind}");
        }
    }
}

/// Whoever adds a vendor adds a row, and every row says what a user has to know.
#[test]
fn a_row_of_the_table_is_whole() {
    assert!(vendors::all().is_sorted_by(|a, b| a.kind < b.kind), "rows stand in the order of the alphabet");
    for vendor in vendors::all() {
        let kind = vendor.kind;
        assert!(!NATIVE.contains(&kind), "{kind} has code of its own");
        assert!(vendor.docs.starts_with("https://"), "{kind} has no document");
        assert!(vendor.settings.iter().any(|setting| setting.secret), "{kind} has no secret");
        assert!(vendor.min_ttl > 0 && !vendor.title.is_empty() && !vendor.apex.is_empty(), "{kind}");
        assert!(vendor.pause > 0, "{kind} is asked again at once when it throttles");
        let told = !matches!(vendor.proof, Proof::CrossChecked(_)) || !vendor.namesakes.is_empty();
        assert!(told, "{kind}: which of two zones of one name is written is known, and not told");
        let texts = [vendor.title, vendor.least_privilege, vendor.notes, vendor.apex, vendor.namesakes];
        assert!(
            texts.iter().all(|text| !text.contains(['|', '\n']) && !text.ends_with('.')),
            "{kind} breaks the page"
        );
    }
}
