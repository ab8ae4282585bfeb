//! From what was seen to what it means: one rule for each mistake, in the order in which they are told of equal weight.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{
    DelegationSeen, Elsewhere, Expectation, Finding, Misplaced, Path, ServerSeen, Severity, Survey,
    caa_findings,
};
use crate::{
    Answer, DomainName, Match, NoAnswerKind, RecordData, Security, Verdict, VerdictPolicy, verdict,
    words::list,
};

/// Signatures that run out sooner than this are worth a warning.
const SOON: SignedDuration = SignedDuration::from_hours(24);

/// Draws findings, the worst first.
#[must_use]
pub fn findings(
    survey: &Survey,
    expected: &Expectation,
    policy: VerdictPolicy,
    now: Timestamp,
) -> Vec<Finding> {
    let mut found = Findings { survey, expected, found: Vec::new() };
    found.path();
    found.delegation();
    found.servers(policy, now);
    found.security();
    found.serials();
    found.provider();
    found.name_servers();
    found.texts();
    found.elsewhere();
    found.resolvers();
    // With configured servers the way to the parent zones may be left out on purpose.
    let pinned = survey.zone.as_ref().is_some_and(|zone| zone.pinned);
    let mut found = found.found;
    found.extend(caa_findings(&survey.caa, pinned));
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    found
}

struct Findings<'a> {
    survey: &'a Survey,
    expected: &'a Expectation,
    found: Vec<Finding>,
}

impl Findings<'_> {
    /// The text that is expected, where it is a text.
    fn value(&self) -> Option<String> {
        match self.expected.record.as_ref()? {
            RecordData::Txt(value) => Some(value.as_str().to_owned()),
            RecordData::Cname(_) => None,
        }
    }

    fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.found.push(Finding { severity, code, what: what.into(), fix: fix.into() });
    }

    fn path(&mut self) {
        if self.survey.path == Path::Resolvers {
            self.add(
                Severity::Warn,
                "port-53-blocked",
                "no name server answers this host on port 53, over UDP or TCP",
                "open port 53 outwards, or set verify.resolvers to one over HTTPS (\"https://dns.example/dns-query\"); until then only resolvers are looked at",
            );
        }
        if let Some(trouble) = self.survey.trouble.clone() {
            let fix = "check that the domain is registered and delegated, and that this host reaches its name servers";
            self.add(Severity::Fail, "zone-not-found", trouble, fix);
        }
    }

    fn delegation(&mut self) {
        let DelegationSeen { chain, wildcard, dname, broken, unregistered } = &self.survey.delegation;
        let owner = &self.survey.owner;
        if let Some(broken) = broken.clone() {
            let code = if *unregistered { "takeover-risk" } else { "bad-delegation" };
            self.add(Severity::Fail, code, broken, format!("mend or remove the CNAME at {owner}"));
        }
        if *wildcard {
            self.add(
                Severity::Warn,
                "wildcard-alias",
                format!("{owner} is an alias only because a wildcard above it matches every name"),
                format!("put a record at {owner} itself, or exclude it from the wildcard"),
            );
        }
        if *dname {
            self.add(
                Severity::Warn,
                "dname",
                format!("a DNAME record takes part in the answer for {owner}; DigiCert's own library refuses such an answer and tries the bare name"),
                format!("set owner = \"bare\" for the zone where a TXT record can stand at {} itself, or put CNAMEs in place of the DNAME", self.survey.scope),
            );
        }
        if let [.., last] = chain.as_slice()
            && last.as_str().ends_with(".dcv.digicert.com")
        {
            self.add(
                Severity::Fail,
                "cname-method-collision",
                format!("a CNAME for DigiCert's CNAME method stands at {owner} ({last}), and no TXT record can stand beside it"),
                "let that order finish, then remove the CNAME; or change this order to the same method",
            );
        }
    }

    fn servers(&mut self, policy: VerdictPolicy, now: Timestamp) {
        let Some(zone) = &self.survey.zone else { return };
        for server in &zone.servers {
            let who = server.sighting.vantage.to_string();
            match &server.sighting.answer {
                Answer::Failed(why) if why.kind == NoAnswerKind::NotServed => self.add(
                    Severity::Fail,
                    "lame-server",
                    format!("{who} is a name server of {} and does not serve it: {why}", zone.apex),
                    "configure the zone there, or take the server out of the delegation",
                ),
                Answer::Failed(why) => self.add(
                    Severity::Fail,
                    "server-unreachable",
                    format!("{who}, a name server of {}: {why}", zone.apex),
                    "mend the server or take it out of the delegation; verify.tolerate_failed lets the agent go on without it",
                ),
                Answer::Txt(_) | Answer::Cname(_) | Answer::File(_) => {}
            }
            if server.without_edns {
                self.add(
                    Severity::Note,
                    "no-edns",
                    format!("{who} knows no EDNS (RFC 6891) and was asked without it"),
                    "renew the server's software: without EDNS it has no signatures to tell, and long answers need TCP",
                );
            }
            if let Some(until) = server
                .signed_until
                .filter(|&until| until > now && until < now.saturating_add(SOON).unwrap_or(until))
            {
                self.add(
                    Severity::Warn,
                    "signature-expires-soon",
                    format!("{who}: a signature in {} expires at {until:.0}", zone.apex),
                    "check that the zone is signed again in time",
                );
            }
        }
        if let Some(record) = &self.expected.record {
            let sightings: Vec<_> = zone.servers.iter().map(|server| server.sighting.clone()).collect();
            if let Verdict::Lagging { without, .. } =
                verdict(&sightings, |answer| answer.compare(record), policy)
                && without.len() < sightings.len()
                && !without.is_empty()
            {
                self.add(
                    Severity::Warn,
                    "propagating",
                    format!("the value is not at {} yet", without.join(", ")),
                    "wait; if it lasts, check zone transfers (NOTIFY) to these servers",
                );
            }
        }
    }

    /// Servers that share a trouble share a finding.
    fn security(&mut self) {
        let Some(zone) = &self.survey.zone else { return };
        let mut bogus: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut unknown: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for server in &zone.servers {
            let who = server.sighting.vantage.to_string();
            match &server.sighting.security {
                Security::Bogus(why) => bogus.entry(why).or_default().push(who),
                Security::Indeterminate(why) => unknown.entry(why).or_default().push(who),
                Security::Secure | Security::Insecure | Security::Unchecked => {}
            }
        }
        for (why, who) in bogus {
            self.add(
                Severity::Fail,
                "dnssec-bogus",
                format!("{why} (as told by {})", who.join(", ")),
                "mend DNSSEC: DigiCert sees nothing in a zone that does not validate",
            );
        }
        for (why, who) in unknown {
            self.add(
                Severity::Note,
                "dnssec-unknown",
                format!("signatures were not judged for {}: {why}", who.join(", ")),
                "give the agent a way to the parent zones, or set verify.dnssec = \"off\"",
            );
        }
    }

    fn serials(&mut self) {
        let Some(zone) = &self.survey.zone else { return };
        let serials: Vec<(String, u32)> = zone
            .servers
            .iter()
            .filter_map(|server| Some((server.sighting.vantage.to_string(), server.serial?)))
            .collect();
        let Some(newest) = serials.iter().map(|&(_, serial)| serial).reduce(newer) else { return };
        let stale: Vec<_> = serials
            .iter()
            .filter(|&&(_, serial)| serial != newest)
            .map(|(who, serial)| format!("{who} has {serial}"))
            .collect();
        if !stale.is_empty() {
            self.add(
                Severity::Warn,
                "stale-secondary",
                format!("the newest serial of {} is {newest}, but {}", zone.apex, stale.join(", ")),
                "wait a moment and look again; if it lasts, check zone transfers to these servers",
            );
        }
    }

    /// A zone may stand in an account and be delegated to somebody else: it was moved, or made twice.
    fn provider(&mut self) {
        let Some(zone) = &self.survey.zone else { return };
        let delegated = if zone.at_parent.is_empty() { &zone.at_child } else { &zone.at_parent };
        let ours = &self.expected.name_servers;
        if ours.is_empty() || delegated.is_empty() || zone.apex != self.survey.scope {
            return;
        }
        let others: Vec<&String> =
            delegated.iter().filter(|server| ours.iter().all(|ours| !ours.is_named_by(server))).collect();
        let (what, severity, fix) = match others.len() {
            0 => return,
            all if all == delegated.len() => (
                format!(
                    "what is written at the provider is seen by nobody: it has {} at {}, and DNS delegates it to {}",
                    zone.apex,
                    list(ours),
                    list(delegated)
                ),
                Severity::Fail,
                "configure the account to which these name servers belong, or the id of the zone that is delegated; or have the registrar name the provider's",
            ),
            _ => (
                format!(
                    "{} is delegated to {} as well, which are none of the provider's ({})",
                    zone.apex,
                    list(&others),
                    list(ours)
                ),
                Severity::Warn,
                "what is written at the provider has to reach them, too: by zone transfer, or by a tool that keeps both alike",
            ),
        };
        self.add(severity, "served-elsewhere", what, fix);
    }

    fn name_servers(&mut self) {
        let Some(zone) = &self.survey.zone else { return };
        let only = |a: &[String], b: &[String]| -> Vec<String> {
            a.iter().filter(|name| !b.contains(name)).cloned().collect()
        };
        if !zone.at_parent.is_empty() && !zone.at_child.is_empty() {
            let parent = only(&zone.at_parent, &zone.at_child);
            let child = only(&zone.at_child, &zone.at_parent);
            if !parent.is_empty() || !child.is_empty() {
                let part = |what: &str, names: Vec<String>| {
                    if names.is_empty() {
                        String::new()
                    } else {
                        format!("; only {what}: {}", names.join(", "))
                    }
                };
                self.add(
                    Severity::Warn,
                    "delegation-differs",
                    format!(
                        "the name servers of {} differ between its parent and itself{}{}",
                        zone.apex,
                        part("at the parent", parent),
                        part("in the zone", child)
                    ),
                    "make the registrar's name servers and the zone's NS records the same",
                );
            }
        }
        if let Some(view) = &self.survey.resolver_view
            && !zone.pinned
            && !view.is_empty()
            && !view.iter().any(|name| zone.at_parent.contains(name) || zone.at_child.contains(name))
        {
            self.add(
                Severity::Warn,
                "shadowed-zone",
                format!(
                    "the configured resolvers see other name servers for {} ({}) than the public delegation ({}): a private zone shadows it",
                    zone.apex,
                    view.join(", "),
                    zone.at_parent.join(", ")
                ),
                "publish in the public zone; give the agent resolvers that see the public view (verify.resolvers)",
            );
        }
        for skipped in zone.skipped.clone() {
            self.add(
                Severity::Note,
                "not-asked",
                skipped,
                "look from a host that has this address family to be sure",
            );
        }
    }

    /// What is wrong with the value itself at the owner name.
    fn texts(&mut self) {
        let Some(zone) = &self.survey.zone else { return };
        let texts = |server: &ServerSeen| match &server.sighting.answer {
            Answer::Txt(texts) => texts.clone(),
            Answer::Cname(_) | Answer::File(_) | Answer::Failed(_) => Vec::new(),
        };
        let texts: Vec<String> = zone.servers.iter().flat_map(texts).collect();
        let owner = self.survey.delegation.chain.last().unwrap_or(&self.survey.owner).clone();
        if matches!(self.expected.record, Some(RecordData::Cname(_))) {
            self.capitals();
            return;
        }
        match self.value() {
            Some(value) => self.texts_beside(&value, &texts, &owner),
            None => self.texts_of_nobody(&texts, &owner),
        }
    }

    /// What stands at the name instead of the value.
    fn texts_beside(&mut self, value: &str, texts: &[String], owner: &DomainName) {
        if texts.iter().any(|text| text == value) {
            return;
        }
        if let Some((text, how)) = texts.iter().find_map(|text| Some((text, mangling(text, value)?))) {
            let what = format!("the value stands at {owner}, but {how}");
            self.mangled(text.contains(value), what);
            return;
        }
        let stands = |former: &RecordData| matches!(former, RecordData::Txt(former) if texts.iter().any(|text| text == former.as_str()));
        let former = self.expected.former.iter().any(stands);
        if former {
            self.add(
                Severity::Warn,
                "value-superseded",
                format!("{owner} holds a value of this order that has expired or was replaced"),
                "publish the current value; the agent does so when it runs",
            );
        }
        self.absent(former, owner);
    }

    /// The value with something around it. DigiCert's own library looks for it anywhere in the text of one string.
    fn mangled(&mut self, holds_the_value: bool, what: String) {
        let (severity, what, fix) = match holds_the_value {
            true => (
                Severity::Warn,
                format!("{what}; DigiCert would accept this"),
                "nothing for DigiCert's sake; the agent publishes the bare value beside it",
            ),
            false => (Severity::Fail, what, "publish the bare value, as one string, without quotes or a dot"),
        };
        self.add(severity, "value-mangled", what, fix);
    }

    /// The value was put up, and no name server shows it.
    fn absent(&mut self, former: bool, owner: &DomainName) {
        let Some(zone) = &self.survey.zone else { return };
        if self.expected.at_provider == Some(true) {
            let servers = if zone.at_parent.is_empty() { &zone.at_child } else { &zone.at_parent };
            let what = format!(
                "the DNS provider holds the value for {owner}, and none of the name servers of {} shows it: the provider's zone is not the one that is delegated ({})",
                zone.apex,
                servers.join(", ")
            );
            let fix = "compare the provider's name servers with the registrar's, or wait for the provider's own distribution";
            self.add(Severity::Fail, "provider-not-delegated", what, fix);
        } else if self.expected.published && !former {
            let what = format!("the value was published and is at none of the name servers of {}", zone.apex);
            let fix = "the agent publishes it again; if it goes again, another tool removes it";
            self.add(Severity::Warn, "value-missing", what, fix);
        }
    }

    /// Of an order whose value is not known, a text that was put there by hand may be seen to be wrong.
    fn texts_of_nobody(&mut self, texts: &[String], owner: &DomainName) {
        if let Some(text) = texts.iter().find(|text| looks_mangled(text)) {
            self.add(
                Severity::Warn,
                "value-mangled",
                format!("a text at {owner} has quotes, a dot or two strings inside: {}", bounded(text)),
                "publish the bare value, as one string, without quotes or a dot",
            );
        }
    }

    /// An alias that lost its capitals on the way to DNS.
    fn capitals(&mut self) {
        let (Some(zone), Some(record)) = (&self.survey.zone, &self.expected.record) else { return };
        let respelled = |server: &&ServerSeen| server.sighting.answer.compare(record) == Match::OtherCapitals;
        let who: Vec<_> =
            zone.servers.iter().filter(respelled).map(|one| one.sighting.vantage.to_string()).collect();
        if !who.is_empty() {
            self.add(
                Severity::Fail,
                "case-changed",
                format!(
                    "{} shows the alias at {} in other capitals than {record}, and DigiCert tells capitals apart",
                    who.join(", "),
                    self.survey.owner
                ),
                "have the DNS server or provider keep the capitals, or change the DCV method to dns-txt-token",
            );
        }
    }

    fn elsewhere(&mut self) {
        // Texts elsewhere are other orders': this one wants an alias.
        if matches!(self.expected.record, Some(RecordData::Cname(_))) {
            return;
        }
        for Elsewhere { place, name, texts } in self.survey.elsewhere.clone() {
            let ours = match self.value() {
                Some(value) => texts.contains(&value),
                None => texts.iter().any(|text| looks_like_a_value(text)),
            };
            if !ours {
                continue;
            }
            let owner = &self.survey.owner;
            let (severity, code, how) = match place {
                Misplaced::Bare => {
                    (Severity::Note, "value-at-bare-name", "at the bare name, where DigiCert looks second")
                }
                Misplaced::Doubled => (
                    Severity::Fail,
                    "doubled-zone",
                    "at a name in which the zone's name stands twice: the console appended it",
                ),
                Misplaced::Higher => (Severity::Fail, "label-too-high", "one label too high"),
                Misplaced::Lower => (Severity::Fail, "label-too-low", "one label too low"),
            };
            // Another scope's own record may rightly stand there when it is not known to be this one's value.
            let severity =
                if self.expected.record.is_none() { severity.min(Severity::Warn) } else { severity };
            self.add(
                severity,
                code,
                format!("a validation value stands at {name}, {how}"),
                format!("put it at {owner}"),
            );
        }
    }

    fn resolvers(&mut self) {
        let Some(record) = &self.expected.record else { return };
        let behind: Vec<_> = self
            .survey
            .resolvers
            .iter()
            .filter(|sighting| {
                !matches!(sighting.answer, Answer::Failed(_)) && !sighting.answer.shows(record)
            })
            .map(|sighting| (sighting.vantage.to_string(), sighting.denied_until, sighting.held_until))
            .collect();
        for (who, until, held_until) in behind {
            if let (None, Some(until)) = (until, held_until) {
                self.add(
                    Severity::Note,
                    "cached-older-set",
                    format!(
                        "resolver {who} still holds an older set of the name in its cache, until {until:.0} at the latest"
                    ),
                    "nothing: it says nothing about what DigiCert's resolvers hold, and is not waited for",
                );
                continue;
            }
            let when = until.map_or_else(String::new, |until| format!(" until {until:.0} at the latest"));
            self.add(
                Severity::Warn,
                "cached-denial",
                format!("resolver {who} has the answer \"no such record\" in its cache{when}"),
                "wait; DigiCert's resolvers may hold the same",
            );
        }
    }
}

/// How a text holds the value without being it.
fn mangling(text: &str, value: &str) -> Option<&'static str> {
    let joined: String = text.split("\" \"").collect::<String>().replace('"', "");
    if text.contains("\" \"") && joined == value {
        return Some("split into several strings, which DigiCert does not join");
    }
    if text.trim_matches('"') == value || text.trim_matches('\'') == value {
        return Some("with quotes inside it");
    }
    if text.trim_end_matches('.') == value {
        return Some("with a dot at its end");
    }
    if text.trim() == value {
        return Some("with white space around it");
    }
    if text.eq_ignore_ascii_case(value) {
        return Some("in other capitals, which DigiCert tells apart");
    }
    text.contains(value).then_some("with other text around it")
}

/// A value whose quotes, dot or split show even when the value itself is not known.
fn looks_mangled(text: &str) -> bool {
    let bare: String = text.chars().filter(|c| !matches!(c, '"' | ' ')).collect();
    let bare = bare.trim_end_matches('.');
    bare != text && looks_like_a_value(bare)
}

/// DigiCert's values are 32 letters and digits (digicert/domain-control-validation).
fn looks_like_a_value(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// The newer of two serials in serial number arithmetic (RFC 1982).
const fn newer(a: u32, b: u32) -> u32 {
    if b.wrapping_sub(a) < 1 << 31 { b } else { a }
}

fn bounded(text: &str) -> String {
    text.chars().take(80).collect()
}
