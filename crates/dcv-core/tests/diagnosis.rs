//! Findings: each mistake from what it looks like to what a person is told.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use dcv_core::{
    AliasTarget, Answer, DelegationSeen, DomainName, Elsewhere, Expectation, Misplaced, NoAnswer, Path,
    RandomValue, RecordData, Security, ServerSeen, Severity, Sighting, Survey, Vantage, VantageKind,
    VerdictPolicy, ZoneSeen, findings,
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
const VALUE: &str = "q7m3xk2v9p0tz4n8c1wfy6hd5bj3r0ls";
const OTHER: &str = "k2v9p0tz4n8c1wfy6hd5bj3r0lsq7m3x";

fn name(text: &str) -> DomainName {
    text.parse().unwrap()
}

fn server(n: u8, texts: &[&str]) -> ServerSeen {
    let vantage = Vantage {
        server: format!("ns{n}.example.com"),
        address: Some(([192, 0, 2, n], 53).into()),
        kind: VantageKind::Authority,
    };
    let answer = Answer::Txt(texts.iter().map(|&text| text.to_owned()).collect());
    ServerSeen {
        sighting: Sighting { security: Security::Insecure, ..Sighting::new(vantage, NOW, answer) },
        serial: Some(7),
        took_ms: Some(3),
        transport: None,
        without_edns: false,
        signed_until: None,
    }
}

/// A zone with two servers in which all is well.
fn well(texts: &[&str]) -> Survey {
    let names = || vec!["ns1.example.com".to_owned(), "ns2.example.com".to_owned()];
    Survey {
        scope: name("example.com"),
        owner: name("_dnsauth.example.com"),
        path: Path::Authorities,
        delegation: DelegationSeen::default(),
        zone: Some(ZoneSeen {
            apex: name("example.com"),
            pinned: false,
            at_parent: names(),
            at_child: names(),
            servers: vec![server(1, texts), server(2, texts)],
            skipped: Vec::new(),
            negative_ttl: Some(300),
        }),
        trouble: None,
        resolvers: Vec::new(),
        elsewhere: Vec::new(),
        caa: Vec::new(),
        resolver_view: Some(names()),
    }
}

fn text(value: &str) -> RecordData {
    RecordData::Txt(RandomValue::new(value).unwrap())
}

fn expecting() -> Expectation {
    Expectation { record: Some(text(VALUE)), ..Expectation::default() }
}

fn codes(survey: &Survey, expected: &Expectation) -> Vec<(Severity, &'static str)> {
    let found = findings(survey, expected, VerdictPolicy::default(), NOW);
    assert!(found.iter().all(|finding| !finding.what.is_empty() && !finding.fix.is_empty()));
    assert!(found.is_sorted_by_key(|finding| std::cmp::Reverse(finding.severity)));
    found.into_iter().map(|finding| (finding.severity, finding.code)).collect()
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    assert_eq!(codes(&well(&[VALUE]), &expecting()), []);
    assert_eq!(
        codes(&well(&[VALUE, "v=spf1 -all"]), &expecting()),
        [],
        "foreign values are nobody's mistake"
    );
    assert_eq!(codes(&well(&[]), &Expectation::default()), []);
}

#[test]
fn what_the_value_looks_like() {
    use Severity::{Fail, Warn};
    let split = format!("\"{}\" \"{}\"", &VALUE[..16], &VALUE[16..]);
    for (text, severity) in [
        (format!("\"{VALUE}\""), Warn),
        (format!("{VALUE}."), Warn),
        (format!(" {VALUE}"), Warn),
        (format!("x{VALUE}"), Warn),
        (VALUE.to_uppercase(), Fail),
        (split, Fail),
    ] {
        let found = findings(&well(&[&text]), &expecting(), VerdictPolicy::default(), NOW);
        assert_eq!((found.len(), found[0].severity, found[0].code), (1, severity, "value-mangled"), "{text}");
        let accepted = found[0].what.ends_with("DigiCert would accept this");
        assert_eq!(
            accepted,
            severity == Warn,
            "its library looks for the value anywhere in a string: {text}"
        );
    }
    let former = Expectation { former: vec![text(OTHER)], ..expecting() };
    assert_eq!(codes(&well(&[OTHER]), &former), [(Warn, "value-superseded")]);
    assert_eq!(codes(&well(&[OTHER]), &expecting()), [], "another order's value is not ours to judge");
    let published = Expectation { published: true, ..expecting() };
    assert_eq!(codes(&well(&[]), &published), [(Warn, "value-missing")]);
    let held = Expectation { published: true, at_provider: Some(true), ..expecting() };
    assert_eq!(codes(&well(&[]), &held), [(Fail, "provider-not-delegated")]);
}

#[test]
fn where_the_value_stands_instead() {
    use Severity::{Fail, Note, Warn};
    let at = |place| Survey {
        elsewhere: vec![Elsewhere { place, name: name("elsewhere.example.com"), texts: vec![VALUE.into()] }],
        ..well(&[])
    };
    for (place, severity, code) in [
        (Misplaced::Bare, Note, "value-at-bare-name"),
        (Misplaced::Doubled, Fail, "doubled-zone"),
        (Misplaced::Higher, Fail, "label-too-high"),
        (Misplaced::Lower, Fail, "label-too-low"),
    ] {
        assert_eq!(codes(&at(place), &expecting()), [(severity, code)]);
        assert_eq!(
            codes(&at(place), &Expectation::default()),
            [(severity.min(Warn), code)],
            "it may be another's"
        );
    }
    let mut foreign = at(Misplaced::Doubled);
    foreign.elsewhere[0].texts = vec!["v=spf1 -all".into()];
    assert_eq!(codes(&foreign, &Expectation::default()), []);
}

#[test]
fn what_is_wrong_with_the_zone() {
    use Severity::{Fail, Note, Warn};
    let zone = |change: fn(&mut ZoneSeen)| {
        let mut survey = well(&[VALUE]);
        change(survey.zone.as_mut().unwrap());
        codes(&survey, &expecting())
    };
    assert_eq!(zone(|zone| zone.servers[1].serial = Some(6)), [(Warn, "stale-secondary")]);
    assert_eq!(zone(|zone| zone.servers[1].sighting.answer = Answer::Txt(vec![])), [(Warn, "propagating")]);
    assert_eq!(zone(|zone| drop(zone.at_child.pop())), [(Warn, "delegation-differs")]);
    assert_eq!(zone(|zone| zone.skipped.push("no IPv6".into())), [(Note, "not-asked")]);
    assert_eq!(
        zone(|zone| zone.servers[0].signed_until = Some(NOW + SignedDuration::from_hours(2))),
        [(Warn, "signature-expires-soon")]
    );
    assert_eq!(zone(|zone| zone.servers[0].signed_until = Some(NOW + SignedDuration::from_hours(48))), []);
    let failed = |why: &str| match why {
        "Query Refused" => Answer::Failed(NoAnswer::not_served(why)),
        why => Answer::Failed(NoAnswer::other(why)),
    };
    let mut survey = well(&[VALUE]);
    survey.zone.as_mut().unwrap().servers[0].sighting.answer = failed("no answer over UDP and TCP");
    assert_eq!(codes(&survey, &expecting()), [(Fail, "server-unreachable")]);
    survey.zone.as_mut().unwrap().servers[0].sighting.answer = failed("Query Refused");
    assert_eq!(codes(&survey, &expecting()), [(Fail, "lame-server")]);
    let bogus = zone(|zone| {
        for server in &mut zone.servers {
            server.sighting.security = Security::Bogus("the signature expired".into());
        }
    });
    assert_eq!(bogus, [(Fail, "dnssec-bogus")], "one finding for all servers that share the trouble");
}

/// A zone that an account has, and that DNS delegates elsewhere, wholly or in part.
#[test]
fn a_zone_of_the_provider_that_is_delegated_elsewhere_is_told() {
    use Severity::{Fail, Warn};
    let had_at = |servers: &[&str]| Expectation {
        name_servers: servers.iter().map(|server| name(server)).collect(),
        ..expecting()
    };
    let survey = well(&[VALUE]);
    assert_eq!(codes(&survey, &had_at(&["ns1.example.com", "ns2.example.com", "ns3.example.com"])), []);
    assert_eq!(codes(&survey, &had_at(&[])), [], "a provider that does not tell");
    assert_eq!(codes(&survey, &had_at(&["ns1.example.com"])), [(Warn, "served-elsewhere")]);
    let elsewhere = had_at(&["a.dns.example", "b.dns.example"]);
    assert_eq!(codes(&survey, &elsewhere), [(Fail, "served-elsewhere")]);
    let what = &findings(&survey, &elsewhere, VerdictPolicy::default(), NOW)[0].what;
    assert!(
        what.contains(
            "at a.dns.example, b.dns.example, and DNS delegates it to ns1.example.com, ns2.example.com"
        ),
        "{what}"
    );
    // Where DNS has the name in another zone that is what is to be told.
    let mut cut = survey;
    cut.scope = name("shop.example.com");
    assert_eq!(codes(&cut, &elsewhere), []);
}

#[test]
fn what_is_wrong_around_the_zone() {
    use Severity::{Fail, Warn};
    let mut shadowed = well(&[VALUE]);
    shadowed.resolver_view = Some(vec!["ns.corp.internal".into()]);
    assert_eq!(codes(&shadowed, &expecting()), [(Warn, "shadowed-zone")]);

    let closed = Survey { path: Path::Resolvers, zone: None, ..well(&[]) };
    assert_eq!(codes(&closed, &expecting()), [(Warn, "port-53-blocked")]);

    let mut collision = well(&[]);
    collision.delegation.chain = vec![name(&format!("{OTHER}.dcv.digicert.com"))];
    assert_eq!(codes(&collision, &expecting()), [(Fail, "cname-method-collision")]);

    let mut cached = well(&[VALUE]);
    let vantage = Vantage { server: "192.0.2.53:53".into(), address: None, kind: VantageKind::Resolver };
    let until = NOW + SignedDuration::from_secs(240);
    cached.resolvers =
        vec![Sighting { denied_until: Some(until), ..Sighting::new(vantage, NOW, Answer::Txt(vec![])) }];
    let found = findings(&cached, &expecting(), VerdictPolicy::default(), NOW);
    assert_eq!(found[0].code, "cached-denial");
    assert!(found[0].what.contains(&format!("{until:.0}")), "the time is shown: {}", found[0].what);
}

/// An older set and a denial are two causes with an end each; the older set is nothing to wait for.
#[test]
fn what_a_resolver_has_in_its_cache_is_told_by_its_cause() {
    let vantage = Vantage { server: "192.0.2.53:53".into(), address: None, kind: VantageKind::Resolver };
    let until = NOW + SignedDuration::from_secs(3600);
    let older = Answer::Txt(vec!["v=spf1 -all".to_owned()]);
    let mut survey = well(&[VALUE]);
    survey.resolvers = vec![Sighting { held_until: Some(until), ..Sighting::new(vantage, NOW, older) }];
    let found = findings(&survey, &expecting(), VerdictPolicy::default(), NOW);
    assert_eq!((found[0].severity, found[0].code), (Severity::Note, "cached-older-set"));
    assert!(found[0].what.contains(&format!("{until:.0}")), "the end is told: {}", found[0].what);
}

/// What is told of an order by CNAME: its own alias is right where it is, and texts mean nothing.
#[test]
fn an_alias_that_is_wanted_is_no_mistake() {
    let target: AliasTarget = format!("{VALUE}.dcv.digicert.com").parse().unwrap();
    let expected = Expectation { record: Some(RecordData::Cname(target.clone())), ..Expectation::default() };
    let mut survey = well(&[]);
    for server in &mut survey.zone.as_mut().unwrap().servers {
        server.sighting.answer = Answer::Cname(target.clone());
    }
    survey.elsewhere = vec![Elsewhere {
        place: Misplaced::Higher,
        name: name("_dnsauth.com.example"),
        texts: vec![OTHER.to_owned()],
    }];
    assert_eq!(codes(&survey, &expected), [], "another order's text at the parent is no mistake of this one");
    survey.zone.as_mut().unwrap().servers[1].sighting.answer = Answer::Txt(vec![]);
    assert_eq!(codes(&survey, &expected), [(Severity::Warn, "propagating")]);
    let capitals = format!("{}.dcv.digicert.com", VALUE.to_uppercase()).parse().unwrap();
    let expected = Expectation { record: Some(RecordData::Cname(capitals)), ..Expectation::default() };
    assert_eq!(codes(&survey, &expected)[0], (Severity::Fail, "case-changed"));
}

/// Serials wrap (RFC 1982): 1 comes after 4294967295.
#[test]
fn serials_are_compared_as_dns_does() {
    let mut survey = well(&[VALUE]);
    let zone = survey.zone.as_mut().unwrap();
    zone.servers[0].serial = Some(u32::MAX);
    zone.servers[1].serial = Some(1);
    let found = findings(&survey, &expecting(), VerdictPolicy::default(), NOW);
    assert_eq!(found[0].code, "stale-secondary");
    assert!(found[0].what.contains("is 1, but ns1.example.com"), "{}", found[0].what);
}

proptest! {
    /// Texts are anybody's: they never end the process, and never make a sentence without bound.
    #[test]
    fn hostile_texts_are_survived(texts in proptest::collection::vec("\\PC{0,400}", 0..6), known: bool) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let expected = if known { expecting() } else { Expectation::default() };
        for finding in findings(&well(&texts), &expected, VerdictPolicy::default(), NOW) {
            prop_assert!(finding.what.chars().count() < 600);
        }
    }
}
