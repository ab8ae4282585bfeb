//! Where a lookup leads: every outcome, from what was seen and configured.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use dcv_core::{
    Artifact, Broken, DomainName, Guarded, Held, Holder, Judgement, Label, LocateRequest, Location, Lookup,
    MethodSpec, OwnerSeen, RandomValue, Reason, RecordData, Routing, Target, locate,
};

fn name(text: &str) -> DomainName {
    text.parse().unwrap()
}

/// Serves two zones, shows the files of one host.
struct Operator {
    zones: [DomainName; 2],
    over_wildcards: bool,
}

impl Routing for Operator {
    fn zone(&self, name: &DomainName) -> Option<&DomainName> {
        self.zones.iter().find(|zone| name.is_within(zone))
    }

    fn shows_files(&self, host: &DomainName) -> bool {
        *host == name("www.example.com")
    }

    fn over_wildcards(&self) -> bool {
        self.over_wildcards
    }
}

/// One row: what is wanted, what was seen, and how the operator chose.
#[derive(Clone)]
struct Case {
    lookup: Lookup,
    spec: MethodSpec,
    held: Vec<Held>,
    seen: OwnerSeen,
    over_wildcards: bool,
}

/// The TXT method at `_dnsauth` of a domain, where nothing was seen.
fn txt(domain: &str) -> Case {
    let lookup = Lookup::dnsauth(name(domain));
    let (held, seen) = (Vec::new(), OwnerSeen::default());
    Case { lookup, spec: MethodSpec::txt(), held, seen, over_wildcards: false }
}

impl Case {
    fn at(mut self, label: Label) -> Self {
        self.lookup.label = label;
        self
    }

    fn cname(mut self) -> Self {
        self.spec = MethodSpec::cname(name("dcv.digicert.com"));
        self
    }

    fn aliases(mut self, chain: &[&str]) -> Self {
        self.seen.delegation.chain = chain.iter().map(|target| name(target)).collect();
        self
    }

    fn broken(mut self, broken: Broken) -> Self {
        self.seen.delegation.broken = Some(broken);
        self
    }

    fn by_dname(mut self) -> Self {
        self.seen.delegation.dname = true;
        self
    }

    fn by_wildcard(mut self) -> Self {
        self.seen.delegation.wildcard = true;
        self
    }

    fn held_by(mut self, held: &str, apex: &str) -> Self {
        let servers = vec!["ns1.example.net".to_owned()];
        self.seen.holders.push((name(held), Holder { apex: name(apex), servers }));
        self
    }

    fn blocked(mut self) -> Self {
        self.seen.blocked = true;
        self
    }

    fn over_wildcards(mut self) -> Self {
        self.over_wildcards = true;
        self
    }

    fn holding(mut self, data: RecordData) -> Self {
        let site = Guarded::direct(&self.lookup, name("example.com")).unwrap();
        self.held.push(Held { artifact: Artifact::Record { site, data }, applied: None });
        self
    }

    /// `at NAME`, `unless wildcard NAME`, or the reason's code with its sentence.
    fn outcome(&self) -> String {
        let zones = [name("example.com"), name("dcv.example.net")];
        let operator = Operator { zones, over_wildcards: self.over_wildcards };
        let (lookup, spec, held) = (&self.lookup, &self.spec, self.held.as_slice());
        let cname_suffixes = &[name("dcv.digicert.com")];
        let request = LocateRequest { lookup, spec, held, cname_suffixes };
        match locate(&request, &self.seen, &operator) {
            Judgement::Settled(location) => describe(&location),
            Judgement::UnlessWildcard(site) => format!("unless wildcard {site} in {}", site.zone()),
        }
    }
}

fn describe(location: &Location) -> String {
    match location {
        Location::At(Target::Record(site)) => format!("at {site} in {}", site.zone()),
        Location::At(target) => format!("at {target}"),
        Location::Blocked(because) => format!("{}: {}", because.reason.code(), because.detail),
    }
}

fn value(text: &str) -> RecordData {
    RecordData::Txt(RandomValue::new(text).unwrap())
}

/// The rows are tried as they stand: the text on the right begins the outcome.
fn check(rows: Vec<(Case, &str)>) {
    for (n, (case, expected)) in rows.into_iter().enumerate() {
        let outcome = case.outcome();
        assert!(outcome.starts_with(expected), "row {n}: {outcome:?} is not {expected:?}");
    }
}

#[test]
fn a_name_that_nothing_stands_at() {
    check(vec![
        (txt("example.com"), "unless wildcard _dnsauth.example.com in example.com"),
        (txt("a.b.example.com"), "unless wildcard _dnsauth.a.b.example.com in example.com"),
        (txt("example.com").at(Label::Bare), "unless wildcard example.com in example.com"),
        // Three ways not to need the question about the wildcard.
        (txt("example.com").over_wildcards(), "at _dnsauth.example.com in example.com"),
        (txt("example.com").holding(value("q7m3xk2v9p0tz4n8")), "at _dnsauth.example.com in example.com"),
        (txt("example.com").blocked(), "at _dnsauth.example.com in example.com"),
        (
            txt("example.org"),
            "no-provider: no configured provider serves a zone of _dnsauth.example.org; add",
        ),
        (txt("example.com").at(Label::Under("www".into())), "bad-delegation: "),
    ]);
    let label = "a".repeat(63);
    let longest = format!("{label}.{label}.{label}.{}.com", "b".repeat(50));
    check(vec![(txt(&longest), "name-too-long: ")]);
}

#[test]
fn a_name_that_is_delegated() {
    check(vec![
        (txt("example.com").aliases(&["a.dcv.example.net"]), "at a.dcv.example.net in dcv.example.net"),
        (
            txt("example.org").aliases(&["x.test", "a.dcv.example.net"]),
            "at a.dcv.example.net in dcv.example.net",
        ),
        (
            txt("example.com").aliases(&["x.test", "elsewhere.test"]),
            "foreign-cname: _dnsauth.example.com is an alias for elsewhere.test, which lies in no configured zone",
        ),
        (txt("example.com").aliases(&["dcv.example.net"]), "bad-delegation: "),
        (
            txt("example.com").at(Label::Bare).aliases(&["a.dcv.example.net"]),
            "foreign-cname: example.com is an alias for a.dcv.example.net: no record can stand beside an alias",
        ),
    ]);
}

#[test]
fn a_chain_that_ends_badly() {
    let to = |broken| txt("example.com").aliases(&["x.test"]).broken(broken);
    let rows = |owner: &str| {
        vec![
            (to(Broken::Circle), format!("bad-delegation: the CNAME chain from {owner} runs in a circle")),
            (to(Broken::Long), format!("bad-delegation: the CNAME chain from {owner} is longer than 8")),
            (
                to(Broken::Unanswered(name("x.test"))),
                format!("foreign-cname: {owner} is an alias that leads to x.test, and no name server there"),
            ),
            (
                to(Broken::Unregistered(name("x.test"))),
                format!(
                    "foreign-cname: {owner} is an alias into x.test, which does not exist: whoever registers"
                ),
            ),
        ]
    };
    let rows = rows("_dnsauth.example.com");
    check(rows.iter().map(|(case, expected)| (case.clone(), expected.as_str())).collect());
    // What does not count cannot be broken either.
    check(vec![
        (to(Broken::Circle).by_wildcard(), "unless wildcard _dnsauth.example.com in example.com"),
        (to(Broken::Circle).cname(), "unless wildcard _dnsauth.example.com in example.com"),
    ]);
}

/// A wildcard's alias gives way at a validation name of a zone that we serve, and nowhere else.
#[test]
fn an_alias_that_comes_from_a_wildcard() {
    let host = ["host.test"];
    check(vec![
        (
            txt("example.com").aliases(&host).by_wildcard(),
            "unless wildcard _dnsauth.example.com in example.com",
        ),
        (
            txt("example.com").at(Label::Bare).aliases(&host).by_wildcard(),
            "foreign-cname: example.com is an alias for host.test",
        ),
        (
            txt("example.org").aliases(&host).by_wildcard(),
            "foreign-cname: _dnsauth.example.org is an alias for",
        ),
        (
            txt("example.org").aliases(&["a.dcv.example.net"]).by_wildcard(),
            "at a.dcv.example.net in dcv.example.net",
        ),
    ]);
}

/// DigiCert's own library refuses an answer with a DNAME record; the bare name is offered, and can be used.
#[test]
fn a_dname_on_the_way_is_refused() {
    let told = "bad-delegation: a DNAME record takes part in the answer for _dnsauth.example.com, and DigiCert's own library refuses such an answer; set owner = \"bare\"";
    check(vec![
        (txt("example.com").aliases(&["a.dcv.example.net"]).by_dname(), told),
        (txt("example.com").cname().aliases(&["a.dcv.example.net"]).by_dname(), told),
        (txt("example.com").at(Label::Bare), "unless wildcard example.com in example.com"),
    ]);
}

/// A name may be too long for a label below it, which is no fault of a delegation.
#[test]
fn a_name_without_room_for_the_label_can_be_proven_at_itself() {
    let long =
        format!("{}.{}.{}.{}.example.com", "a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(47));
    assert_eq!(long.len(), 251);
    check(vec![
        (txt(&long), &format!("name-too-long: {long} is too long a name for a record below it (")),
        (txt(&long).at(Label::Bare), &format!("unless wildcard {long} in example.com")),
    ]);
    assert!(txt(&long).outcome().contains("set owner = \"bare\""));
}

/// A zone cut between the configured zone and the name, or none where the configured zone is to begin: what would be written
/// would never be seen.
#[test]
fn the_zone_that_dns_has_must_be_the_configured_one() {
    let owner = "_dnsauth.shop.example.com";
    check(vec![
        (
            txt("shop.example.com").held_by(owner, "example.com"),
            "unless wildcard _dnsauth.shop.example.com in",
        ),
        (
            txt("shop.example.com").held_by(owner, "shop.example.com"),
            "no-provider: _dnsauth.shop.example.com lies in the zone shop.example.com (name servers ns1.example.net), which is delegated away from the configured zone example.com",
        ),
        (
            txt("shop.example.com").cname().held_by(owner, owner),
            "no-provider: _dnsauth.shop.example.com lies in the zone _dnsauth.shop.example.com (",
        ),
        (
            txt("shop.example.com").held_by(owner, "com"),
            "no-provider: DNS has _dnsauth.shop.example.com in the zone com (name servers ns1.example.net), which delegates nothing to",
        ),
        // What counts is where the aliases end.
        (
            txt("shop.example.com").aliases(&["a.dcv.example.net"]).held_by(owner, "shop.example.com"),
            "at a.dcv.example.net in dcv.example.net",
        ),
        (
            txt("shop.example.com")
                .aliases(&["a.b.dcv.example.net"])
                .held_by("a.b.dcv.example.net", "b.dcv.example.net"),
            "no-provider: a.b.dcv.example.net lies in the zone b.dcv.example.net (",
        ),
    ]);
}

#[test]
fn an_alias_of_the_cname_method() {
    let alias = "q7m3xk2v9p0tz4n8.dcv.digicert.com";
    let ours = RecordData::Cname(alias.parse().unwrap());
    let capitals = RecordData::Cname("Q7M3xk2v9p0tz4n8.dcv.digicert.com".parse().unwrap());
    let other = RecordData::Cname("another.dcv.digicert.com".parse().unwrap());
    check(vec![
        (
            txt("example.com").cname().aliases(&[alias]),
            "name-taken: _dnsauth.example.com is an alias to q7m3xk2v9p0tz4n8.dcv.digicert.com for another",
        ),
        (txt("example.com").aliases(&[alias]), "name-taken: "),
        (txt("example.com").cname().aliases(&[alias]).holding(other), "name-taken: "),
        (
            txt("example.com").cname().aliases(&[alias]).holding(ours),
            "at _dnsauth.example.com in example.com",
        ),
        // A server that changes capitals does not make it another order's.
        (
            txt("example.com").cname().aliases(&[alias]).holding(capitals),
            "at _dnsauth.example.com in example.com",
        ),
        // A wildcard's is nobody's, and the method's own host proves nothing.
        (
            txt("example.com").cname().aliases(&[alias]).by_wildcard(),
            "unless wildcard _dnsauth.example.com in example.com",
        ),
        (
            txt("example.com").cname().aliases(&["dcv.digicert.com"]),
            "unless wildcard _dnsauth.example.com in example.com",
        ),
        (txt("example.com").aliases(&["dcv.digicert.com"]), "foreign-cname: "),
        (txt("example.com").aliases(&["x.dcv.example.com"]), "at x.dcv.example.com in example.com"),
        // What stands there otherwise is replaced, not followed.
        (
            txt("example.com").cname().aliases(&["a.dcv.example.net"]),
            "unless wildcard _dnsauth.example.com in example.com",
        ),
        (txt("example.org").cname().aliases(&["a.dcv.example.net"]), "no-provider: "),
    ]);
}

#[test]
fn a_file_needs_a_configured_way() {
    check(vec![
        (
            txt("www.example.com").at(Label::File),
            "at http://www.example.com/.well-known/pki-validation/fileauth.txt",
        ),
        (
            txt("example.com").at(Label::File),
            "no-provider: neither a document root nor the responder is configured for example.com; add it to [http]",
        ),
    ]);
}

#[test]
fn a_host_that_lives_by_a_wildcard_keeps_its_address() {
    let site = Guarded::direct(&Lookup::dnsauth(name("www.example.com")), name("example.com")).unwrap();
    let location = Location::beside(site.clone(), None);
    assert_eq!(location, Location::At(Target::Record(site.clone())));
    let Location::Blocked(because) = Location::beside(site, Some(&name("www.example.com"))) else {
        panic!("a record would take the host's address");
    };
    assert_eq!(because.reason, Reason::WildcardHost);
    assert!(because.detail.starts_with(
        "www.example.com lives by a wildcard, and would lose its address while a record stands at \
         _dnsauth.www.example.com; give it a record of its own"
    ));
}
