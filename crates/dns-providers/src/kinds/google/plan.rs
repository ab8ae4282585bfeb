//! From what is held and what is wanted to changes. No I/O.

use dcv_core::{AliasTarget, Change, DomainName, RecordData};
use serde::{Deserialize, Serialize};

use super::Names;
use crate::{Class, Error, RecordSet, api::text};

/// "Additions per change: 1,000", and as many deletions (<https://cloud.google.com/dns/quotas>).
const MAX_SETS: usize = 1000;
/// "Resource record data size per change: 100,000 bytes".
const MAX_OCTETS: usize = 100_000;

/// A record set, as Cloud DNS tells and takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Set {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    ttl: u32,
    /// In the form of zone files.
    #[serde(default, rename = "rrdatas")]
    values: Vec<String>,
    /// Values that depend on who asks stand here instead.
    #[serde(default, rename = "routingPolicy", skip_serializing)]
    routing: Option<serde_json::Map<String, serde_json::Value>>,
}

impl Set {
    fn octets(&self) -> usize {
        self.values.iter().map(String::len).sum()
    }
}

/// What stands at a name, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    txt: Option<Set>,
    cname: Option<Set>,
    /// Another type, beside which no alias may stand.
    other: Option<String>,
    /// The name is a zone's apex.
    pub(super) is_apex: bool,
    /// Those of a zone's apex, or of what is delegated from here.
    pub(super) name_servers: Vec<String>,
}

impl Held {
    /// Takes note of one set of the name.
    pub(super) fn note(&mut self, set: Set) {
        match set.kind.as_str() {
            "TXT" => self.txt = Some(set),
            "CNAME" => self.cname = Some(set),
            kind => {
                self.is_apex |= kind == "SOA";
                self.other = Some(kind.to_owned());
                if kind == "NS" {
                    self.name_servers = set.values;
                }
            }
        }
    }

    /// As the contract tells it.
    pub(super) fn record_set(&self, owner: &DomainName) -> Result<RecordSet, Error> {
        self.refuse_routed(owner)?;
        Ok(RecordSet {
            txt: values(self.txt.as_ref()).iter().map(|value| text::plain(value)).collect(),
            cname: self.target(),
            ttl: self.txt.as_ref().or(self.cname.as_ref()).map(|set| set.ttl),
        })
    }

    fn target(&self) -> Option<AliasTarget> {
        values(self.cname.as_ref()).first().and_then(|value| value.parse().ok())
    }

    fn refuse_routed(&self, owner: &DomainName) -> Result<(), Error> {
        if [&self.txt, &self.cname].into_iter().flatten().all(|set| set.routing.is_none()) {
            return Ok(());
        }
        let text =
            format!("a record set with a routing policy stands at {owner}; it is not a plain list of values");
        Err(Error::new(Class::Blocked, "routed", text)
            .hint("replace it by a plain record set, or delegate the name to another zone"))
    }

    fn change(&mut self, change: &Change) -> Result<(), Error> {
        let owner = change.site().owner();
        match change {
            Change::Remove { data: RecordData::Txt(value), .. } => {
                drop_values(&mut self.txt, |held| text::plain(held) == value.as_str());
            }
            Change::Remove { data: RecordData::Cname(target), .. } => {
                let same = |standing: AliasTarget| standing.name() == target.name();
                drop_values(&mut self.cname, |held| held.parse().is_ok_and(same));
            }
            Change::Add { data: RecordData::Txt(value), ttl, .. } => {
                if self.cname.is_some() {
                    return Err(collision(owner, "a CNAME", change.data()));
                }
                if values(self.txt.as_ref()).iter().all(|held| text::plain(held) != value.as_str()) {
                    add(&mut self.txt, owner, "TXT", text::quoted(value.as_str()), ttl.as_secs());
                }
            }
            Change::Add { data: RecordData::Cname(target), ttl, .. } => {
                match self.target() {
                    Some(standing) if standing == *target => return Ok(()),
                    Some(standing) if standing.differs_in_capitals(target) => self.cname = None,
                    Some(_) | None => {}
                }
                if self.cname.is_some() {
                    return Err(collision(owner, "another CNAME", change.data()));
                }
                if self.txt.is_some() || self.other.is_some() {
                    let kind = self.other.as_deref().unwrap_or("TXT");
                    return Err(collision(owner, &format!("a {kind} record"), change.data()));
                }
                add(&mut self.cname, owner, "CNAME", format!("{target}."), ttl.as_secs());
            }
        }
        Ok(())
    }
}

/// What goes and what comes, in one step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Edits {
    pub(super) deletions: Vec<Set>,
    pub(super) additions: Vec<Set>,
}

impl Edits {
    fn octets(&self) -> usize {
        self.deletions.iter().chain(&self.additions).map(Set::octets).sum()
    }

    fn takes(&self, more: &Self) -> bool {
        self.additions.len() + more.additions.len() <= MAX_SETS
            && self.deletions.len() + more.deletions.len() <= MAX_SETS
            && self.octets() + more.octets() <= MAX_OCTETS
    }
}

/// The edits of each name whose sets come out different; never divided between two changes.
pub(super) fn plan(held: &Names, changes: &[Change]) -> Result<Vec<Edits>, Error> {
    let mut wanted = held.clone();
    for change in changes {
        let owner = change.site().owner();
        let here = wanted.entry(owner.clone()).or_default();
        here.refuse_routed(owner)?;
        here.change(change)?;
    }
    let nothing = Held::default();
    let mut edits = Vec::new();
    for (owner, new) in wanted {
        let old = held.get(&owner).unwrap_or(&nothing);
        let mut here = Edits::default();
        for (old, new) in [(&old.txt, new.txt), (&old.cname, new.cname)] {
            if *old != new {
                here.deletions.extend(old.clone());
                here.additions.extend(new);
            }
        }
        if here != Edits::default() {
            edits.push(here);
        }
    }
    Ok(edits)
}

/// As few changes as the limits allow.
pub(super) fn batches(edits: Vec<Edits>) -> Vec<Edits> {
    let mut batches: Vec<Edits> = Vec::new();
    for edit in edits {
        match batches.last_mut() {
            Some(batch) if batch.takes(&edit) => {
                batch.deletions.extend(edit.deletions);
                batch.additions.extend(edit.additions);
            }
            Some(_) | None => batches.push(edit),
        }
    }
    batches
}

fn values(set: Option<&Set>) -> &[String] {
    set.map_or(&[], |set| &set.values)
}

fn drop_values(set: &mut Option<Set>, unwanted: impl Fn(&str) -> bool) {
    // The others' values stay letter for letter, in whatever form they were written.
    if let Some(set) = set {
        set.values.retain(|value| !unwanted(value));
    }
    set.take_if(|set| set.values.is_empty());
}

fn add(set: &mut Option<Set>, owner: &DomainName, kind: &str, value: String, ttl: u32) {
    let fresh =
        || Set { name: format!("{owner}."), kind: kind.to_owned(), ttl, values: Vec::new(), routing: None };
    set.get_or_insert_with(fresh).values.push(value);
}

fn collision(owner: &DomainName, standing: &str, data: &RecordData) -> Error {
    let text = format!("{standing} stands at {owner}; a {} cannot stand beside it", data.kind());
    Error::new(Class::Blocked, "collision", text)
        .hint("remove it, or delegate the name to a zone that the agent may write")
}

#[cfg(test)]
mod tests {
    use dcv_core::{Guarded, Lookup, RandomValue, Ttl};

    use super::*;

    fn site(label: &str) -> dcv_core::Site {
        let zone: DomainName = "example.com".parse().unwrap();
        Guarded::direct(&Lookup::dnsauth(format!("{label}.example.com").parse().unwrap()), zone).unwrap()
    }

    fn text(value: &str) -> RecordData {
        RecordData::Txt(RandomValue::new(value).unwrap())
    }

    fn alias(label: &str) -> RecordData {
        RecordData::Cname(format!("{label}.dcv.digicert.com").parse().unwrap())
    }

    fn add(label: &str, data: RecordData) -> Change {
        Change::Add { site: site(label), data, ttl: Ttl::default() }
    }

    fn remove(label: &str, data: RecordData) -> Change {
        Change::Remove { site: site(label), data }
    }

    fn set(label: &str, kind: &str, ttl: u32, values: &[&str]) -> Set {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        Set { name: format!("{}.", site(label).owner()), kind: kind.to_owned(), ttl, values, routing: None }
    }

    fn held(label: &str, sets: &[Set]) -> Names {
        let mut held = Held::default();
        sets.iter().cloned().for_each(|set| held.note(set));
        Names::from([(site(label).owner().clone(), held)])
    }

    /// What stands at `www`, what is asked for, and what is deleted and added for it.
    #[test]
    fn the_exact_old_set_goes_and_the_new_one_comes() {
        let foreign = set("www", "TXT", 900, &[r#""a" "b""#, r#""say \"x\"""#]);
        let joined = set("www", "TXT", 900, &[r#""a" "b""#, r#""say \"x\"""#, r#""ours""#]);
        let lonely = set("www", "TXT", 60, &[r#""ours""#]);
        let (old, new) = (
            set("www", "CNAME", 60, &["old.dcv.digicert.com."]),
            set("www", "CNAME", 60, &["new.dcv.digicert.com."]),
        );
        let capitals = set("www", "CNAME", 60, &["NEW.dcv.digicert.com."]);
        for (standing, changes, deletions, additions) in [
            (vec![], vec![add("www", text("ours"))], vec![], vec![lonely.clone()]),
            (
                vec![foreign.clone()],
                vec![add("www", text("ours"))],
                vec![foreign.clone()],
                vec![joined.clone()],
            ),
            (
                vec![joined.clone()],
                vec![remove("www", text("ours"))],
                vec![joined.clone()],
                vec![foreign.clone()],
            ),
            (vec![lonely.clone()], vec![remove("www", text("ours"))], vec![lonely.clone()], vec![]),
            (vec![lonely.clone()], vec![remove("www", text("other"))], vec![], vec![]),
            (vec![foreign.clone()], vec![add("www", text("ab"))], vec![], vec![]),
            (
                vec![old.clone()],
                vec![remove("www", alias("old")), add("www", alias("new"))],
                vec![old.clone()],
                vec![new.clone()],
            ),
            (vec![new.clone()], vec![add("www", alias("NEW"))], vec![new.clone()], vec![capitals.clone()]),
            (vec![capitals.clone()], vec![remove("www", alias("new"))], vec![capitals.clone()], vec![]),
            (
                vec![lonely.clone()],
                vec![remove("www", text("ours")), add("www", alias("new"))],
                vec![lonely.clone()],
                vec![new.clone()],
            ),
        ] {
            let planned = plan(&held("www", &standing), &changes).unwrap();
            let wanted = Edits { deletions, additions };
            let wanted = if wanted == Edits::default() { vec![] } else { vec![wanted] };
            assert_eq!(planned, wanted, "{standing:?} {changes:?}");
        }
    }

    #[test]
    fn what_is_in_the_way_is_told_and_left() {
        let mut routed = set("www", "TXT", 60, &[]);
        routed.routing = Some(serde_json::Map::new());
        for (standing, change, told) in [
            (set("www", "CNAME", 60, &["cdn.example."]), add("www", text("ours")), "a CNAME stands at"),
            (
                set("www", "CNAME", 60, &["cdn.example."]),
                add("www", alias("ours")),
                "another CNAME stands at",
            ),
            (set("www", "TXT", 60, &[r#""x""#]), add("www", alias("ours")), "a TXT record stands at"),
            (set("www", "A", 60, &["192.0.2.1"]), add("www", alias("ours")), "a A record stands at"),
            (routed, add("www", text("ours")), "routing policy"),
        ] {
            let error = plan(&held("www", &[standing]), &[change]).unwrap_err();
            assert_eq!(error.class(), Class::Blocked, "{error}");
            assert!(error.to_string().contains(told), "{error}");
        }
    }

    /// Fewer requests than names, and no set torn apart.
    #[test]
    fn batches_stay_within_the_limits() {
        let names: Vec<String> = (0..1000).map(|n| format!("n{n}")).collect();
        let changes: Vec<_> = names.iter().map(|name| add(name, text(&"v".repeat(32)))).collect();
        assert_eq!(batches(plan(&Names::new(), &changes).unwrap()).len(), 1, "1,000 values are one change");
        let standing: Names =
            names.iter().flat_map(|name| held(name, &[set(name, "TXT", 60, &[&"x".repeat(100)])])).collect();
        let batches = batches(plan(&standing, &changes).unwrap());
        assert_eq!(batches.len(), 3, "234,000 octets");
        for batch in batches {
            assert_eq!(batch.deletions.len(), batch.additions.len(), "a set was torn apart");
            assert!(batch.octets() <= MAX_OCTETS);
        }
    }
}
