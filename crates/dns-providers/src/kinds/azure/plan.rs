//! From what is held and what is wanted to writes of record sets. No I/O.

use dcv_core::{AliasTarget, Change, DomainName, RecordData, Ttl};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::Names;
use crate::{Class, Error, RecordSet};

/// Where texts stand: a list of objects, each with its character-strings, as they are and without quotes.
const TEXTS: &str = "TXTRecords";
const ALIAS: &str = "CNAMERecord";
/// What Azure says of a set and nobody may set.
const READ_ONLY: [&str; 2] = ["fqdn", "provisioningState"];

/// A record set, with all that stands in it: whatever is not known here goes back as it came.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Set {
    pub(super) name: String,
    pub(super) etag: String,
    properties: Map<String, Json>,
}

impl Set {
    fn texts(&self) -> &[Json] {
        self.properties.get(TEXTS).and_then(Json::as_array).map_or(&[], Vec::as_slice)
    }

    fn alias(&self) -> Option<AliasTarget> {
        self.properties.get(ALIAS)?.get("cname")?.as_str()?.parse().ok()
    }

    fn ttl(&self) -> Option<u32> {
        self.properties.get("TTL").and_then(Json::as_u64).and_then(|ttl| u32::try_from(ttl).ok())
    }

    /// Whether it leads to a resource of Azure's, or to a traffic profile, instead of holding values.
    fn is_routed(&self) -> bool {
        let led = |key| {
            self.properties.get(key).is_some_and(|to: &Json| to.get("id").is_some_and(|id| !id.is_null()))
        };
        led("targetResource") || led("trafficManagementProfile")
    }
}

/// The text of a record, its character-strings joined.
fn text(record: &Json) -> String {
    let strings = record.get("value").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    strings.iter().filter_map(Json::as_str).collect()
}

/// What stands at a name, as far as it was asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Held {
    pub(super) txt: Option<Set>,
    pub(super) cname: Option<Set>,
}

impl Held {
    /// As the contract tells it.
    pub(super) fn record_set(&self, owner: &DomainName) -> Result<RecordSet, Error> {
        if let Some(cname) = &self.cname {
            refuse_routed(owner, cname)?;
        }
        let texts = self.txt.as_ref().map_or(&[][..], Set::texts);
        Ok(RecordSet {
            txt: texts.iter().map(text).collect(),
            cname: self.cname.as_ref().and_then(Set::alias),
            ttl: self.txt.as_ref().or(self.cname.as_ref()).and_then(Set::ttl),
        })
    }
}

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) kind: &'static str,
    /// Relative to the zone; `@` for its apex.
    pub(super) name: String,
    /// For sentences.
    pub(super) owner: DomainName,
    /// The set that is replaced, or none where there must be none.
    pub(super) etag: Option<String>,
    /// The new `properties`; none where the set goes.
    pub(super) properties: Option<Map<String, Json>>,
}

impl Step {
    /// How many values the set has then.
    pub(super) fn values(&self) -> usize {
        let texts =
            self.properties.as_ref().and_then(|properties| properties.get(TEXTS)).and_then(Json::as_array);
        texts.map_or(1, Vec::len)
    }
}

/// A name as Azure has it, relative to the zone.
pub(super) fn relative(owner: &DomainName, zone: &DomainName) -> String {
    match owner.as_str().strip_suffix(zone.as_str()).map(|label| label.trim_end_matches('.')) {
        None => owner.to_string(),
        Some("") => "@".to_owned(),
        Some(labels) => labels.to_owned(),
    }
}

/// The writes that lead from what is held to what is wanted, those that delete first: one set may make room for another.
pub(super) fn plan(zone: &DomainName, held: &Names, changes: &[Change]) -> Result<Vec<Step>, Error> {
    let mut wanted = held.clone();
    for change in changes {
        wanted.entry(change.site().owner().clone()).or_default().change(change)?;
    }
    let nothing = Held::default();
    let (mut leaving, mut coming) = (Vec::new(), Vec::new());
    for (owner, new) in wanted {
        let old = held.get(&owner).unwrap_or(&nothing);
        for (kind, old, new) in [("TXT", &old.txt, new.txt), ("CNAME", &old.cname, new.cname)] {
            if *old == new {
                continue;
            }
            let etag = old.as_ref().map(|set| set.etag.clone());
            let properties = new.map(|set| set.properties);
            let steps = if properties.is_some() { &mut coming } else { &mut leaving };
            steps.push(Step { kind, name: relative(&owner, zone), owner: owner.clone(), etag, properties });
        }
    }
    leaving.extend(coming);
    Ok(leaving)
}

impl Held {
    fn change(&mut self, change: &Change) -> Result<(), Error> {
        let owner = change.site().owner();
        match change {
            Change::Remove { data: RecordData::Txt(value), .. } => {
                if let Some(records) = self.txt.as_mut().and_then(|set| set.properties.get_mut(TEXTS)) {
                    records
                        .as_array_mut()
                        .into_iter()
                        .for_each(|all| all.retain(|record| text(record) != value.as_str()));
                }
                self.txt.take_if(|set| set.texts().is_empty());
            }
            Change::Remove { data: RecordData::Cname(target), .. } => {
                self.cname.take_if(|set| {
                    !set.is_routed() && set.alias().is_some_and(|held| held.name() == target.name())
                });
            }
            Change::Add { data: RecordData::Txt(value), ttl, .. } => {
                let set = self.txt.get_or_insert_with(|| new_set(*ttl, TEXTS, json!([])));
                if set.texts().iter().all(|record| text(record) != value.as_str()) {
                    let record = json!({ "value": [value.as_str()] });
                    match set.properties.get_mut(TEXTS).and_then(Json::as_array_mut) {
                        Some(records) => records.push(record),
                        None => drop(set.properties.insert(TEXTS.to_owned(), json!([record]))),
                    }
                }
            }
            Change::Add { data: RecordData::Cname(target), ttl, .. } => {
                self.add_alias(owner, target, *ttl)?
            }
        }
        Ok(())
    }

    /// Whether another type stands there is Azure's to say, which looks at all of them.
    fn add_alias(&mut self, owner: &DomainName, target: &AliasTarget, ttl: Ttl) -> Result<(), Error> {
        let alias = json!({ "cname": target.to_string() });
        let Some(set) = &mut self.cname else {
            self.cname = Some(new_set(ttl, ALIAS, alias));
            return Ok(());
        };
        refuse_routed(owner, set)?;
        match set.alias() {
            Some(held) if held == *target => {}
            Some(held) if held.differs_in_capitals(target) => {
                drop(set.properties.insert(ALIAS.to_owned(), alias))
            }
            Some(_) | None => return Err(collision(format!("another CNAME stands at {owner}"))),
        }
        Ok(())
    }
}

fn new_set(ttl: Ttl, key: &str, values: Json) -> Set {
    let properties = Map::from_iter([("TTL".to_owned(), ttl.as_secs().into()), (key.to_owned(), values)]);
    Set { name: String::new(), etag: String::new(), properties }
}

/// What may be sent of a set's properties.
pub(super) fn writable(properties: &Map<String, Json>) -> Map<String, Json> {
    let writable = properties.iter().filter(|(key, _)| !READ_ONLY.contains(&key.as_str()));
    writable.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn refuse_routed(owner: &DomainName, set: &Set) -> Result<(), Error> {
    if !set.is_routed() {
        return Ok(());
    }
    let text = format!("an alias record set, which leads to a resource of Azure's, stands at {owner}");
    Err(Error::new(Class::Blocked, "routed", text)
        .hint("replace it by a plain record set, or delegate the name to another zone"))
}

/// Something else stands where an alias should.
pub(super) fn collision(text: String) -> Error {
    Error::new(Class::Blocked, "collision", text)
        .hint("a CNAME and another record cannot share a name: remove one, or delegate the name to a zone that the agent may write")
}

#[cfg(test)]
mod tests {
    use dcv_core::{Guarded, Lookup, RandomValue};

    use super::*;

    fn zone() -> DomainName {
        "example.com".parse().unwrap()
    }

    fn site() -> dcv_core::Site {
        Guarded::direct(&Lookup::dnsauth("www.example.com".parse().unwrap()), zone()).unwrap()
    }

    fn txt(value: &str) -> RecordData {
        RecordData::Txt(RandomValue::new(value).unwrap())
    }

    fn alias(label: &str) -> RecordData {
        RecordData::Cname(format!("{label}.dcv.digicert.com").parse().unwrap())
    }

    fn add(data: RecordData) -> Change {
        Change::Add { site: site(), data, ttl: Ttl::default() }
    }

    fn remove(data: RecordData) -> Change {
        Change::Remove { site: site(), data }
    }

    fn set(properties: Json) -> Set {
        let Json::Object(properties) = properties else { panic!("properties are an object") };
        Set { name: "_dnsauth.www".to_owned(), etag: "e1".to_owned(), properties }
    }

    fn texts(strings: &[&[&str]]) -> Set {
        let records: Vec<Json> = strings.iter().map(|strings| json!({ "value": strings })).collect();
        set(
            json!({ "metadata": { "owner": "them" }, "TTL": 900, "TXTRecords": records, "fqdn": "x.", "future": [1] }),
        )
    }

    fn cname(target: &str) -> Set {
        set(json!({ "TTL": 60, "CNAMERecord": { "cname": target } }))
    }

    fn steps(txt: Option<Set>, cname: Option<Set>, changes: &[Change]) -> Result<Vec<Step>, Error> {
        let names = Names::from([(site().owner().clone(), Held { txt, cname })]);
        plan(&zone(), &names, changes)
    }

    /// What others have in the set goes back as it came: their texts in their strings, the metadata, the time to live, and
    /// what Azure will only have tomorrow.
    #[test]
    fn others_come_through_letter_for_letter() {
        let held = texts(&[&["v=spf1 ", "-all"], &["say \"x\" \\101"]]);
        let planned = steps(Some(held.clone()), None, &[add(txt("ours"))]).unwrap();
        let [step] = planned.as_slice() else { panic!("{planned:?}") };
        assert_eq!(
            (step.kind, step.name.as_str(), step.etag.as_deref()),
            ("TXT", "_dnsauth.www", Some("e1"))
        );
        let mut wanted = held.properties.clone();
        wanted[TEXTS].as_array_mut().unwrap().push(json!({ "value": ["ours"] }));
        assert_eq!(step.properties.as_ref(), Some(&wanted));
        assert!(!writable(&wanted).contains_key("fqdn") && writable(&wanted).contains_key("future"));
    }

    #[test]
    fn the_last_value_takes_the_set_with_it_and_nothing_is_done_needlessly() {
        let gone = steps(Some(texts(&[&["ours"]])), None, &[remove(txt("ours"))]).unwrap();
        assert_eq!((gone[0].etag.as_deref(), gone[0].properties.as_ref()), (Some("e1"), None));
        let fresh = steps(None, None, &[add(txt("ours"))]).unwrap();
        assert_eq!(fresh[0].etag, None, "there must be none yet");
        for (txt_set, change) in [
            (Some(texts(&[&["ours"]])), add(txt("ours"))),
            (Some(texts(&[&["ou", "rs"]])), add(txt("ours"))),
            (Some(texts(&[&["theirs"]])), remove(txt("ours"))),
            (None, remove(txt("ours"))),
            (None, remove(alias("x"))),
        ] {
            assert_eq!(steps(txt_set, None, &[change]).unwrap(), []);
        }
        // A set that somebody emptied by hand is no set.
        assert_eq!(steps(Some(texts(&[])), None, &[remove(txt("ours"))]).unwrap().len(), 1);
    }

    #[test]
    fn one_set_makes_room_for_another() {
        let planned =
            steps(Some(texts(&[&["ours"]])), None, &[remove(txt("ours")), add(alias("new"))]).unwrap();
        let order: Vec<_> = planned.iter().map(|step| (step.kind, step.properties.is_some())).collect();
        assert_eq!(order, [("TXT", false), ("CNAME", true)]);
    }

    #[test]
    fn an_alias_is_replaced_only_where_it_is_ours() {
        let ours = "old.dcv.digicert.com";
        let swapped = steps(None, Some(cname(ours)), &[remove(alias("old")), add(alias("new"))]).unwrap();
        assert_eq!(
            (swapped.len(), swapped[0].etag.as_deref()),
            (1, Some("e1")),
            "one request, only if it is unchanged"
        );
        assert_eq!(steps(None, Some(cname(ours)), &[add(alias("old"))]).unwrap(), []);
        let capitals = steps(None, Some(cname(ours)), &[add(alias("OLD"))]).unwrap();
        assert_eq!(
            capitals[0].properties.as_ref().unwrap()[ALIAS],
            json!({ "cname": "OLD.dcv.digicert.com" })
        );
        let error = steps(None, Some(cname("cdn.example")), &[add(alias("new"))]).unwrap_err();
        assert_eq!((error.class(), error.label()), (Class::Blocked, "collision"), "{error}");
        let routed = set(json!({ "TTL": 60, "targetResource": { "id": "/subscriptions/x" } }));
        let error = steps(None, Some(routed.clone()), &[add(alias("new"))]).unwrap_err();
        assert_eq!((error.class(), error.label()), (Class::Blocked, "routed"), "{error}");
        assert_eq!(steps(None, Some(routed), &[remove(alias("new"))]).unwrap(), []);
    }

    #[test]
    fn names_are_relative_to_the_zone() {
        for (owner, relative_name) in
            [("example.com", "@"), ("_dnsauth.example.com", "_dnsauth"), ("a.b.example.com", "a.b")]
        {
            assert_eq!(relative(&owner.parse().unwrap(), &zone()), relative_name);
        }
    }
}
