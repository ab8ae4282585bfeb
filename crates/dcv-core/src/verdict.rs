//! From sightings to a verdict: would the CA see the value now?

use serde::Serialize;

use crate::{Answer, Match, Security, Sighting, Vantage, VantageKind};

/// How strict the verdict is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerdictPolicy {
    /// How many of a kind of vantage may lack the value.
    pub quorum: Quorum,
    /// How many authorities may fail to answer (not: answer without the value) without spoiling the verdict. At least
    /// one vantage has to show the value in any case.
    pub tolerate_failed: usize,
    /// Whether a bogus answer counts.
    pub dnssec: Dnssec,
    /// Which look at a web server counts.
    pub web_as: WebAs,
}

/// As whom web servers are judged, where DigiCert's documentation and its published library differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WebAs {
    /// As both: what either of them would not see is not visible.
    #[default]
    Strict,
    /// As the library looks: IPv4, HTTPS first, no absolute redirect.
    Library,
    /// As the documentation says: port 80 of every address.
    Http,
}

impl WebAs {
    /// Whether a sighting counts among the others of its lookup.
    fn counts(self, vantage: &Vantage, all: &[Sighting]) -> bool {
        match (self, vantage.kind) {
            (Self::Http, VantageKind::Library) => false,
            (Self::Library, VantageKind::Web) => {
                let ip = vantage.address.map(|address| address.ip());
                // A sighting of the library's own stands for the plain one of its address; it asks no IPv6 at all.
                let library = |seen: &&Sighting| seen.vantage.kind == VantageKind::Library;
                let replaced = all.iter().filter(library).filter_map(|seen| seen.vantage.address);
                !ip.is_some_and(|ip| ip.is_ipv6() || replaced.into_iter().any(|other| other.ip() == ip))
            }
            _ => true,
        }
    }
}

/// How many vantages have to show the value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Quorum {
    /// Every one: the CA's perspectives pick any server.
    #[default]
    All,
    /// As many as a CA needs for multi-perspective corroboration: all but one of two to five, all but two of six and
    /// more (TLS BR 3.2.2.9; digicert/domain-control-validation, `MpicCorroborationEvaluator`).
    Mpic,
}

impl Quorum {
    /// How many of `vantages` may lack the value.
    const fn dissent(self, vantages: usize) -> usize {
        match (self, vantages) {
            (Self::All, _) | (Self::Mpic, 0 | 1) => 0,
            (Self::Mpic, 2..=5) => 1,
            (Self::Mpic, _) => 2,
        }
    }
}

/// What is made of answers whose signatures do not hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dnssec {
    /// The CA is not asked while an answer is bogus.
    #[default]
    Enforce,
    /// It is said, and the CA is asked all the same.
    Warn,
    /// Nobody looks.
    Off,
}

/// Whether a value is visible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// Enough vantages show the value.
    Visible,
    /// Not everywhere yet.
    Lagging {
        /// Servers that answer without the value.
        without: Vec<String>,
        /// Servers that did not answer, each with the reason.
        failed: Vec<String>,
    },
    /// Nothing but capitals are amiss: those who lack the value show it, and the CA tells capitals apart.
    Respelled {
        /// The servers that show other capitals.
        servers: Vec<String>,
    },
    /// DNSSEC validation fails: the CA cannot see anything there.
    Bogus {
        /// The servers, each with the reason.
        servers: Vec<String>,
    },
    /// Nobody was asked, or nobody could be.
    Unseen,
}

/// Judges the sightings at one lookup; `compare` tells whether an answer holds what is looked for.
///
/// A web server counts as an authority of its file. Authorities and resolvers are counted apart. A resolver that fails says
/// nothing about the zone; one that denies the name has that in its cache, as the CA's own resolver may. One that holds an
/// older set of the name says only that somebody asked it before: it is told, and holds nothing back. Where no authority
/// could be asked at all the resolvers alone decide.
#[must_use]
pub fn verdict<M: Into<Match>>(
    sightings: &[Sighting],
    compare: impl Fn(&Answer) -> M,
    policy: VerdictPolicy,
) -> Verdict {
    if sightings.is_empty() {
        return Verdict::Unseen;
    }
    let (mut without, mut failed, mut bogus, mut respelled) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut authorities = Count::default();
    let mut resolvers = Count::default();
    for sighting @ Sighting { vantage, answer, security, .. } in sightings {
        if !policy.web_as.counts(vantage, sightings) {
            continue;
        }
        let label = vantage.to_string();
        let count = match vantage.kind {
            VantageKind::Authority | VantageKind::Web | VantageKind::Library => &mut authorities,
            VantageKind::Resolver => &mut resolvers,
        };
        count.asked += 1;
        if let (Security::Bogus(why), Dnssec::Enforce) = (security, policy.dnssec) {
            bogus.push(format!("{label}: {why}"));
        }
        match (compare(answer).into(), answer) {
            (Match::Shown, _) => count.shown += 1,
            (Match::OtherCapitals, _) => respelled.push(label),
            (Match::Absent, Answer::Failed(why)) => {
                count.failed += 1;
                failed.push(format!("{label}: {why}"));
            }
            (Match::Absent, Answer::Txt(_) | Answer::Cname(_) | Answer::File(_)) => {
                count.older += usize::from(sighting.holds_an_older_set());
                without.push(lacking(label, sighting));
            }
        }
    }
    let tolerated = authorities.failed.min(policy.tolerate_failed);
    let by_authorities = authorities.agree(tolerated, policy.quorum);
    let silent = resolvers.failed + resolvers.older;
    let visible = match (authorities.asked, resolvers.asked - silent) {
        (0, _) => resolvers.agree(resolvers.failed, policy.quorum),
        (_, 0) => by_authorities,
        (_, _) => by_authorities && resolvers.agree(silent, policy.quorum),
    };
    if !bogus.is_empty() {
        Verdict::Bogus { servers: bogus }
    } else if visible {
        Verdict::Visible
    } else if without.is_empty() && failed.is_empty() && !respelled.is_empty() {
        Verdict::Respelled { servers: respelled }
    } else {
        without.extend(respelled.into_iter().map(|label| format!("{label} (in other capitals)")));
        Verdict::Lagging { without, failed }
    }
}

/// One that answers without the value, and until when that may be for its cache alone.
fn lacking(label: String, sighting: &Sighting) -> String {
    match (sighting.denied_until, sighting.held_until) {
        (Some(until), _) => format!("{label} (which may repeat a cached denial until {until:.0})"),
        (None, Some(until)) => {
            format!("{label} (which still holds an older set of the name, until {until:.0})")
        }
        (None, None) => label,
    }
}

/// What the vantages of one kind said.
#[derive(Default)]
struct Count {
    asked: usize,
    shown: usize,
    failed: usize,
    /// They answer with what they held before.
    older: usize,
}

impl Count {
    /// Whether enough of them show the value, not counting `excused` ones.
    fn agree(&self, excused: usize, quorum: Quorum) -> bool {
        let counted = self.asked - excused;
        self.shown > 0 && self.shown + quorum.dissent(counted) >= counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoAnswer;
    use crate::{RandomValue, RecordData};

    fn wanted(answer: &Answer) -> bool {
        answer.shows(&RecordData::Txt(RandomValue::new(VALUE).unwrap()))
    }

    const VALUE: &str = "q7m3xk2v9p0tz4n8c1wfy6hd5bj3r0ls";

    fn seen(port: u16, kind: VantageKind, answer: Answer) -> Sighting {
        let vantage =
            Vantage { server: format!("ns{port}"), address: Some(([192, 0, 2, 1], port).into()), kind };
        Sighting::new(vantage, jiff::Timestamp::UNIX_EPOCH, answer)
    }

    fn txt(texts: &[&str]) -> Answer {
        Answer::Txt(texts.iter().map(|&t| t.to_owned()).collect())
    }

    fn judge(answers: impl IntoIterator<Item = (VantageKind, Answer)>, policy: VerdictPolicy) -> Verdict {
        let sightings: Vec<_> =
            answers.into_iter().zip(1u16..).map(|((kind, answer), n)| seen(n, kind, answer)).collect();
        verdict(&sightings, wanted, policy)
    }

    #[test]
    fn the_verdict_table() {
        use VantageKind::{Authority as A, Resolver as R};
        let failed = || Answer::Failed(NoAnswer::other("timed out"));
        type Case = (&'static str, Vec<(VantageKind, Answer)>, usize, bool);
        let cases: &[Case] = &[
            ("nobody asked", vec![], 0, false),
            ("one of one", vec![(A, txt(&[VALUE]))], 0, true),
            ("beside a foreign value", vec![(A, txt(&["other", VALUE]))], 0, true),
            ("one lags", vec![(A, txt(&[VALUE])), (A, txt(&[]))], 0, false),
            ("one lags with another value", vec![(A, txt(&[VALUE])), (A, txt(&["old"]))], 1, false),
            ("one is dead", vec![(A, txt(&[VALUE])), (A, failed())], 0, false),
            ("one is dead and tolerated", vec![(A, txt(&[VALUE])), (A, failed())], 1, true),
            ("all are dead and tolerated", vec![(A, failed())], 1, false),
            ("a resolver cached a denial", vec![(A, txt(&[VALUE])), (R, txt(&[]))], 0, false),
            ("a resolver fails", vec![(A, txt(&[VALUE])), (R, failed())], 0, true),
            ("no authority could be asked, the resolver shows it", vec![(R, txt(&[VALUE]))], 0, true),
            ("no authority could be asked, the resolver fails", vec![(R, failed())], 0, false),
            ("the resolver shows it, the authority lags", vec![(A, txt(&[])), (R, txt(&[VALUE]))], 0, false),
            ("quoted value", vec![(A, txt(&[&format!("\"{VALUE}\"")]))], 0, false),
            ("in two strings", vec![(A, txt(&["\"q7m3xk2v9p0tz4n8\" \"c1wfy6hd5bj3r0ls\""]))], 0, false),
            ("alias", vec![(A, Answer::Cname("x.example".parse().unwrap()))], 0, false),
        ];
        for (what, answers, tolerate_failed, visible) in cases {
            let policy = VerdictPolicy { tolerate_failed: *tolerate_failed, ..VerdictPolicy::default() };
            let verdict = judge(answers.clone(), policy);
            assert_eq!(verdict == Verdict::Visible, *visible, "{what}: {verdict:?}");
        }
    }

    /// Which of two looks at a web server counts, where they differ; a host with IPv6 alone is none for the library.
    #[test]
    fn a_file_is_judged_as_the_operator_chose() {
        use VantageKind::{Library, Web};
        let file = |ip: &str, port: u16, kind, text: &str| {
            let address = Some(std::net::SocketAddr::new(ip.parse().unwrap(), port));
            let vantage = Vantage { server: "www.example.com".into(), address, kind };
            Sighting::new(vantage, jiff::Timestamp::UNIX_EPOCH, Answer::File(text.into()))
        };
        let (four, six) = ("192.0.2.1", "2001:db8::1");
        let failed = || Answer::Failed(NoAnswer::other("no IPv4 address"));
        let no_four = Sighting {
            vantage: Vantage { server: "www.example.com".into(), address: None, kind: Library },
            ..Sighting::new(file(six, 80, Web, "").vantage, jiff::Timestamp::UNIX_EPOCH, failed())
        };
        for (what, seen, [strict, library, http]) in [
            ("one way", vec![file(four, 80, Web, VALUE)], [true, true, true]),
            (
                "another page over https",
                vec![file(four, 80, Web, VALUE), file(four, 443, Library, "welcome")],
                [false, false, true],
            ),
            (
                "nothing at port 80",
                vec![file(four, 80, Web, ""), file(four, 443, Library, VALUE)],
                [false, true, false],
            ),
            ("IPv6 lags", vec![file(four, 80, Web, VALUE), file(six, 80, Web, "")], [false, true, false]),
            ("IPv6 alone", vec![file(six, 80, Web, VALUE), no_four], [false, false, true]),
            ("text around", vec![file(four, 80, Web, &format!("<p>{VALUE}</p>"))], [true, true, true]),
        ] {
            for (web_as, visible) in [(WebAs::Strict, strict), (WebAs::Library, library), (WebAs::Http, http)]
            {
                let policy = VerdictPolicy { web_as, ..VerdictPolicy::default() };
                let shown = |answer: &Answer| matches!(answer, Answer::File(text) if text.contains(VALUE));
                let verdict = verdict(&seen, shown, policy);
                assert_eq!(verdict == Verdict::Visible, visible, "{what}, {web_as:?}: {verdict:?}");
            }
        }
    }

    /// What a resolver holds from before says nothing about the CA's; where resolvers are all there is they decide.
    #[test]
    fn an_older_set_in_a_resolvers_cache_holds_nothing_back() {
        use VantageKind::{Authority as A, Resolver as R};
        let until: jiff::Timestamp = "2026-11-26T13:00:00Z".parse().unwrap();
        let older = Sighting { held_until: Some(until), ..seen(9, R, txt(&["v=spf1 -all"])) };
        let fresh = |kind| seen(1, kind, txt(&[VALUE]));
        let judge = |seen: &[Sighting]| verdict(seen, wanted, VerdictPolicy::default());
        assert_eq!(judge(&[fresh(A), older.clone()]), Verdict::Visible);
        assert_eq!(judge(&[fresh(A), fresh(R), older.clone()]), Verdict::Visible);
        let lagging = judge(&[seen(1, A, txt(&[])), older.clone()]);
        let Verdict::Lagging { without, .. } = lagging else { panic!("{lagging:?}") };
        assert!(
            without[1].ends_with("(which still holds an older set of the name, until 2026-11-26T13:00:00Z)")
        );
        assert_ne!(judge(&[older]), Verdict::Visible, "nobody has shown it");
    }

    /// A server that lower-cases the target of an alias is told apart from one that has not heard of it yet.
    #[test]
    fn an_alias_in_other_capitals_is_not_the_alias() {
        use VantageKind::Authority as A;
        let cname = |text: &str| Answer::Cname(text.parse().unwrap());
        let wanted = RecordData::Cname("Q7m3.dcv.digicert.com".parse().unwrap());
        let judge = |answers: &[Answer]| {
            let seen: Vec<_> = answers.iter().zip(1u16..).map(|(one, n)| seen(n, A, one.clone())).collect();
            verdict(&seen, |answer| answer.compare(&wanted), VerdictPolicy::default())
        };
        let (given, lowered) = (cname("Q7m3.DCV.digicert.com"), cname("q7m3.dcv.digicert.com"));
        assert_eq!(judge(&[given.clone(), given.clone()]), Verdict::Visible);
        let servers = vec!["ns2 (192.0.2.1:2)".to_owned()];
        assert_eq!(judge(&[given, lowered.clone()]), Verdict::Respelled { servers });
        let verdict = judge(&[lowered, cname("other.dcv.digicert.com")]);
        let Verdict::Lagging { without, .. } = &verdict else { panic!("{verdict:?}") };
        assert_eq!(without, &["ns2 (192.0.2.1:2)", "ns1 (192.0.2.1:1) (in other capitals)"]);
    }

    /// All but one of two to five, all but two of six and more; never nobody.
    #[test]
    fn the_quorum_of_multi_perspective_corroboration() {
        for (vantages, lacking, visible) in [
            (1, 0, true),
            (1, 1, false),
            (2, 1, true),
            (2, 2, false),
            (5, 1, true),
            (5, 2, false),
            (6, 2, true),
            (6, 3, false),
            (26, 2, true),
            (26, 3, false),
        ] {
            let answers =
                |kind| (0..vantages).map(move |n| (kind, if n < lacking { txt(&[]) } else { txt(&[VALUE]) }));
            let mpic = VerdictPolicy { quorum: Quorum::Mpic, ..VerdictPolicy::default() };
            for kind in [VantageKind::Authority, VantageKind::Resolver] {
                let verdict = judge(answers(kind), mpic);
                assert_eq!(verdict == Verdict::Visible, visible, "{lacking} of {vantages} {kind:?} lack it");
            }
            let strict = judge(answers(VantageKind::Authority), VerdictPolicy::default());
            assert_eq!(strict == Verdict::Visible, lacking == 0, "by default all have to show it");
        }
    }

    #[test]
    fn a_bogus_answer_is_no_answer_where_dnssec_is_enforced() {
        let mut bogus = seen(1, VantageKind::Authority, txt(&[VALUE]));
        bogus.security = Security::Bogus("the signature expired".into());
        for (dnssec, visible) in [(Dnssec::Enforce, false), (Dnssec::Warn, true), (Dnssec::Off, true)] {
            let policy = VerdictPolicy { dnssec, ..VerdictPolicy::default() };
            let verdict = verdict(&[bogus.clone()], wanted, policy);
            assert_eq!(verdict == Verdict::Visible, visible, "{dnssec:?}: {verdict:?}");
        }
        bogus.security = Security::Indeterminate("no root server answers".into());
        assert_eq!(verdict(&[bogus], wanted, VerdictPolicy::default()), Verdict::Visible);
    }
}
