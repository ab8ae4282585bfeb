//! Name servers that misbehave: the agent believes nothing that is not an answer, ends in time, and never falls over.

use std::time::{Duration, Instant};

use super::support::{
    Agent, Finished,
    hostile::{Hostile, Misbehaviour},
};

const VALUE: &str = "q7m3xk2v9p0tz4n8c1wfy6hd5bj3r0ls";

/// What `explain` makes of a server at `_dnsauth.www.dcv.test`.
struct Seen {
    run: Finished,
    took: Duration,
    /// What the one server is said to have answered.
    answer: serde_json::Value,
    /// The codes of the findings.
    codes: Vec<String>,
}

fn explain(misbehaviour: Misbehaviour) -> Seen {
    let hostile = Hostile::start(misbehaviour, VALUE);
    let agent = Agent::new();
    agent.configure("http://127.0.0.1:9/services/v2", &[hostile.address()], "", "");
    let start = Instant::now();
    let run = agent.run(&["explain", "--domain", "www.dcv.test", "--output", "json"]);
    let took = start.elapsed();
    let report: serde_json::Value =
        serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{misbehaviour:?}: {run:?}"));
    let scope = &report[0]["scopes"][0];
    let codes = scope["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap().to_owned());
    let answer = scope["survey"]["zone"]["servers"][0]["answer"].clone();
    assert!(hostile.queries() > 0, "{misbehaviour:?}: the server was not asked");
    Seen { codes: codes.collect(), answer, run, took }
}

#[test]
fn every_misbehaviour_ends_in_time_and_in_a_report() {
    use Misbehaviour as M;
    std::thread::scope(|scope| {
        for misbehaviour in M::ALL {
            scope.spawn(move || {
                let Seen { run, took, answer, codes } = explain(misbehaviour);
                let context = format!("{misbehaviour:?}: {answer} {codes:?} {run:?}");
                assert!(run.code == 0 || run.code == 1, "{context}");
                assert!(!run.err.contains("panicked"), "{context}");
                // Twice the longest that one question may take, and the questions that follow a silence are not asked.
                assert!(took < Duration::from_secs(12), "took {took:?}; {context}");
                assert!(!run.out.contains(Hostile::FORGED), "a forged answer was believed: {context}");

                let texts = answer["txt"]
                    .as_array()
                    .map(|texts| texts.iter().map(|t| t.as_str().unwrap()).collect::<Vec<_>>());
                let shown = texts.as_ref().is_some_and(|texts| texts.contains(&VALUE));
                let honest_in_the_end = matches!(
                    misbehaviour,
                    M::Honest
                        | M::TruncatedUdp
                        | M::WrongThenRight
                        | M::Huge
                        | M::ThousandRecords
                        | M::UdpSilent
                );
                assert_eq!(shown, honest_in_the_end, "{context}");
                let expected = match misbehaviour {
                    M::SplitValue | M::QuotedValue => "value-mangled",
                    M::CnameLoop | M::CnameRing => "bad-delegation",
                    M::Servfail
                    | M::Refused
                    | M::Silent
                    | M::Lame
                    | M::TruncatedEverywhere
                    | M::WrongSource
                    | M::WrongQuestion
                    | M::WrongId => "zone-not-found",
                    _ => return,
                };
                assert!(codes.iter().any(|code| code == expected), "{context}");
            });
        }
    });
}
