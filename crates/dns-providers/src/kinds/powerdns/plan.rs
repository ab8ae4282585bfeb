//! From what is held and what is wanted to the parts of a request. No I/O.

use dcv_core::{AliasTarget, Change, DomainName, RecordData};
use serde::{Deserialize, Serialize};

use super::Names;
use crate::{Class, Error, RecordSet, api::text};

/// A record set, as far as it is of interest. Its comments are left out of what is sent, and so stay as they are.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Set {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    ttl: u32,
    #[serde(default)]
    records: Vec<Entry>,
}

impl Set {
    /// Its values that are served, if it is of that type.
    pub(super) fn served(&self, kind: &str) -> impl Iterator<Item = &str> {
        let all = if self.kind == kind { self.records.as_slice() } else { &[] };
        all.iter().filter(|entry| entry.is_served()).map(|entry| entry.content.as_str())
    }

    pub(super) fn is_at(&self, owner: &DomainName) -> bool {
        owner.is_named_by(&self.name)
    }
}

/// One value of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    content: String,
    /// Kept, and not answered by the server.
    #[serde(default)]
    disabled: bool,
}

impl Entry {
    fn of(data: &RecordData) -> Self {
        let content = match data {
            RecordData::Txt(value) => text::quoted(value.as_str()),
            RecordData::Cname(target) => format!("{target}."),
        };
        Self { content, disabled: false }
    }

    fn is(&self, data: &RecordData) -> bool {
        match data {
            RecordData::Txt(value) => text::plain(&self.content) == value.as_str(),
            // As DNS compares names, so that one that was lower-cased is found all the same.
            RecordData::Cname(target) => {
                self.content.parse::<AliasTarget>().is_ok_and(|standing| standing.name() == target.name())
            }
        }
    }

    /// Whether it is that to the letter: the CA tells capitals of an alias apart.
    fn is_exactly(&self, data: &RecordData) -> bool {
        match data {
            RecordData::Txt(_) => self.is(data),
            RecordData::Cname(target) => {
                self.content.parse::<AliasTarget>().is_ok_and(|standing| standing == *target)
            }
        }
    }

    fn is_served(&self) -> bool {
        !self.disabled
    }
}

/// The values of one type, with their time to live.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Values {
    ttl: Option<u32>,
    entries: Vec<Entry>,
}

impl Values {
    fn is_served(&self) -> bool {
        self.entries.iter().any(Entry::is_served)
    }

    fn holds(&self, data: &RecordData) -> bool {
        self.entries.iter().any(|entry| entry.is_served() && entry.is_exactly(data))
    }

    /// Whether something stands there that DNS holds equal.
    fn has(&self, data: &RecordData) -> bool {
        self.entries.iter().any(|entry| entry.is_served() && entry.is(data))
    }
}

/// What stands at a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    txt: Values,
    cname: Values,
    /// A type that excludes an alias, if one is served.
    other: Option<String>,
}

/// What a server's version can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Abilities {
    /// Asked about one name it tells all that stands there, what is disabled too.
    pub(super) shows_single_names: bool,
    /// It adds and removes single values.
    pub(super) takes_single_values: bool,
}

impl Held {
    pub(super) fn of<'a>(sets: impl Iterator<Item = &'a Set>) -> Self {
        let mut held = Self::default();
        for set in sets {
            let values = Values { ttl: Some(set.ttl), entries: set.records.clone() };
            match set.kind.as_str() {
                "TXT" => held.txt = values,
                "CNAME" => held.cname = values,
                other if values.is_served() => held.other = Some(other.to_owned()),
                _ => {}
            }
        }
        held
    }

    pub(super) fn record_set(&self) -> RecordSet {
        let served = |values: &Values| values.is_served().then_some(values.ttl).flatten();
        let texts = self.txt.entries.iter().filter(|entry| entry.is_served());
        let alias = self.cname.entries.iter().find(|entry| entry.is_served());
        RecordSet {
            txt: texts.map(|entry| text::plain(&entry.content)).collect(),
            cname: alias.and_then(|entry| entry.content.trim_end_matches('.').parse().ok()),
            ttl: served(&self.txt).or_else(|| served(&self.cname)),
        }
    }

    const fn values(&self, data: &RecordData) -> &Values {
        match data {
            RecordData::Txt(_) => &self.txt,
            RecordData::Cname(_) => &self.cname,
        }
    }

    fn change(&mut self, change: &Change) -> Result<(), Error> {
        let (owner, data) = (change.site().owner(), change.data());
        match change {
            Change::Remove { .. } => self.values_mut(data).entries.retain(|entry| !entry.is(data)),
            Change::Add { ttl, .. } => {
                if self.values(data).holds(data) {
                    return Ok(());
                }
                // Of that very value, one that is switched off is ours and is switched on again; and an alias in other
                // capitals makes room.
                self.values_mut(data).entries.retain(|entry| !entry.is(data));
                self.refuse_collision(owner, data)?;
                let values = self.values_mut(data);
                values.entries.push(Entry::of(data));
                values.ttl.get_or_insert(ttl.as_secs());
            }
        }
        let values = self.values_mut(data);
        if values.entries.is_empty() {
            values.ttl = None;
        }
        Ok(())
    }

    fn values_mut(&mut self, data: &RecordData) -> &mut Values {
        match data {
            RecordData::Txt(_) => &mut self.txt,
            RecordData::Cname(_) => &mut self.cname,
        }
    }

    /// An alias is alone at its name.
    fn refuse_collision(&self, owner: &DomainName, data: &RecordData) -> Result<(), Error> {
        let alias = self.cname.entries.iter().find(|entry| entry.is_served());
        let standing = match (data, alias) {
            (_, Some(alias)) => format!("a CNAME to {}", alias.content.trim_end_matches('.')),
            (RecordData::Cname(_), None) if self.txt.is_served() => "a TXT record".to_owned(),
            (RecordData::Cname(_), None) => match &self.other {
                Some(kind) => format!("a {kind} record"),
                None => return Ok(()),
            },
            (RecordData::Txt(_), None) => return Ok(()),
        };
        let text = format!("{standing} stands at {owner}; a {} cannot stand beside it", data.kind());
        Err(Error::new(Class::Blocked, "collision", text)
            .hint("remove it, or delegate the name to a zone that the agent may write"))
    }
}

/// One element of `rrsets` in a PATCH request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Patch {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    changetype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    records: Vec<Entry>,
}

impl Patch {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether values that were not read are lost.
    pub(super) fn replaces(&self) -> bool {
        matches!(self.changetype, "REPLACE" | "DELETE")
    }
}

/// What leads from what is held to what is wanted. Removals of a name come before its additions, so that one record may
/// give way to another of a different type.
pub(super) fn plan(held: &Names, changes: &[Change], abilities: Abilities) -> Result<Vec<Patch>, Error> {
    let mut wanted = held.clone();
    for change in changes {
        wanted.entry(change.site().owner().clone()).or_default().change(change)?;
    }
    let nothing = Held::default();
    let mut patches = Vec::new();
    for (owner, new) in &wanted {
        let old = held.get(owner).unwrap_or(&nothing);
        let mut steps: Vec<Patch> = Vec::new();
        for (kind, old, new) in [("CNAME", &old.cname, &new.cname), ("TXT", &old.txt, &new.txt)] {
            if old != new {
                steps.extend(rewrite(owner, kind, old, new, abilities));
            }
        }
        steps.sort_by_key(|patch| !matches!(patch.changetype, "DELETE" | "PRUNE"));
        patches.extend(steps);
    }
    Ok(patches)
}

fn rewrite(
    owner: &DomainName,
    kind: &'static str,
    old: &Values,
    new: &Values,
    abilities: Abilities,
) -> Vec<Patch> {
    let patch =
        |changetype, ttl, records| Patch { name: format!("{owner}."), kind, changetype, ttl, records };
    // The server builds the new set of a single value's change from what it serves, and so loses what is disabled.
    let disabled = old.entries.iter().any(|entry| entry.disabled);
    if abilities.takes_single_values && !disabled {
        let ttl = new.ttl.or(old.ttl);
        let gone =
            old.entries.iter().filter(|entry| !new.entries.contains(entry)).map(|entry| ("PRUNE", entry));
        let come =
            new.entries.iter().filter(|entry| !old.entries.contains(entry)).map(|entry| ("EXTEND", entry));
        return gone.chain(come).map(|(how, entry)| patch(how, ttl, vec![entry.clone()])).collect();
    }
    if new.entries.is_empty() {
        return vec![patch("DELETE", None, Vec::new())];
    }
    vec![patch("REPLACE", new.ttl, new.entries.clone())]
}

/// The first name at which something is not as the changes have it.
pub(super) fn lacking<'a>(held: &Names, changes: &'a [Change]) -> Option<&'a DomainName> {
    let nothing = Held::default();
    // Of several changes of one value the last counts.
    let mut wanted: Vec<(&DomainName, &RecordData, bool)> = Vec::new();
    for change in changes {
        let (owner, data) = (change.site().owner(), change.data());
        wanted.retain(|(at, what, _)| (*at, *what) != (owner, data));
        wanted.push((owner, data, matches!(change, Change::Add { .. })));
    }
    let unmet = |(owner, data, there): &(&DomainName, &RecordData, bool)| {
        let held = held.get(*owner).unwrap_or(&nothing);
        let values = held.values(data);
        if *there { !values.holds(data) } else { values.has(data) }
    };
    wanted.iter().find(|one| unmet(one)).map(|(owner, ..)| *owner)
}

#[cfg(test)]
mod tests {
    use dcv_core::{Guarded, Lookup, RandomValue, Site, Ttl};

    use super::*;

    fn site() -> Site {
        let lookup = Lookup::dnsauth("www.example.com".parse().unwrap());
        Guarded::direct(&lookup, "example.com".parse().unwrap()).unwrap()
    }

    fn txt(value: &str) -> RecordData {
        RecordData::Txt(RandomValue::new(value).unwrap())
    }

    fn add(value: &str) -> Change {
        Change::Add { site: site(), data: txt(value), ttl: Ttl::default() }
    }

    fn held(json: serde_json::Value) -> Names {
        let sets: Vec<Set> = serde_json::from_value(json).unwrap();
        Names::from([(site().owner().clone(), Held::of(sets.iter()))])
    }

    const OLD: Abilities = Abilities { shows_single_names: false, takes_single_values: false };
    const NEW: Abilities = Abilities { shows_single_names: true, takes_single_values: true };

    fn planned(held: &Names, changes: &[Change], abilities: Abilities) -> serde_json::Value {
        serde_json::to_value(plan(held, changes, abilities).unwrap()).unwrap()
    }

    const NAME: &str = "_dnsauth.www.example.com.";

    /// What others have comes back as it was read, with its time to live and what is switched off; comments are not named,
    /// and so stay.
    #[test]
    fn a_set_is_replaced_with_all_that_others_have() {
        let others = serde_json::json!([
            { "content": "\"one\" \"two\"", "disabled": false }, { "content": "\"off\"", "disabled": true } ]);
        let held = held(serde_json::json!([{ "name": NAME, "type": "TXT", "ttl": 900, "records": others,
            "comments": [{ "content": "hands off", "account": "me", "modified_at": 1 }] }]));
        for abilities in [OLD, NEW] {
            // A server that takes single values would lose the disabled one, so the set is replaced there as well.
            assert_eq!(
                planned(&held, &[add("ours")], abilities),
                serde_json::json!([{ "name": NAME, "type": "TXT", "changetype": "REPLACE", "ttl": 900, "records": [
                    others[0], others[1], { "content": "\"ours\"", "disabled": false } ] }])
            );
        }
    }

    /// Where the server takes single values nothing else is named, and the standing time to live is.
    #[test]
    fn a_single_value_is_added_and_removed_where_the_server_can() {
        let held = held(serde_json::json!([
            { "name": NAME, "type": "TXT", "ttl": 900, "records": [{ "content": "\"theirs\"", "disabled": false }] }]));
        let gone = Change::Remove { site: site(), data: txt("theirs") };
        let part = |how: &str, value: &str| {
            serde_json::json!({ "name": NAME, "type": "TXT", "changetype": how, "ttl": 900,
                "records": [{ "content": format!("\"{value}\""), "disabled": false }] })
        };
        assert_eq!(
            planned(&held, &[add("ours"), gone], NEW),
            serde_json::json!([part("PRUNE", "theirs"), part("EXTEND", "ours")])
        );
    }

    /// A value of ours that somebody switched off is not there for the CA, and is switched on again.
    #[test]
    fn a_disabled_value_is_not_held() {
        let held = held(serde_json::json!([
            { "name": NAME, "type": "TXT", "ttl": 60, "records": [{ "content": "\"ours\"", "disabled": true }] }]));
        assert_eq!(held.values().next().unwrap().record_set(), RecordSet::default());
        assert_eq!(lacking(&held, &[add("ours")]), Some(site().owner()));
        let patches = planned(&held, &[add("ours")], OLD);
        assert_eq!(patches[0]["records"], serde_json::json!([{ "content": "\"ours\"", "disabled": false }]));
    }
}
