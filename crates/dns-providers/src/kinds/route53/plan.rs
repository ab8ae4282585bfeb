//! From what is held and what is wanted to change batches. No I/O.

use aws_sdk_route53::types::{Change as Edit, ChangeAction, ResourceRecord, ResourceRecordSet, RrType};
use dcv_core::{AliasTarget, Change, DomainName, RecordData};

use super::{
    Names,
    text::{quote, unquote},
};
use crate::{Class, Error, RecordSet};

/// "A request cannot contain more than 1000 ResourceRecord elements."
const MAX_RECORDS: usize = 1000;
/// "The sum of the number of characters in all Value elements cannot exceed 32,000 characters."
const MAX_CHARACTERS: usize = 32_000;

/// The record sets at one name that matter here.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    txt: Option<ResourceRecordSet>,
    cname: Option<ResourceRecordSet>,
    /// Another type stands there, beside which no CNAME may.
    others: bool,
    /// A set that belongs to a routing policy, or an alias: not one list of values.
    routed: Option<&'static str>,
    /// The name is a zone's apex.
    pub(super) is_apex: bool,
    /// Those of a zone's apex, or of what is delegated from here.
    pub(super) name_servers: Vec<String>,
}

impl Held {
    /// Takes note of one set of the name.
    pub(super) fn note(&mut self, set: ResourceRecordSet) {
        let routed = if set.alias_target().is_some() {
            Some("an alias record")
        } else if set.set_identifier().is_some() {
            Some("a record set with a routing policy")
        } else {
            None
        };
        match set.r#type() {
            RrType::Txt | RrType::Cname if routed.is_some() => self.routed = routed,
            RrType::Txt => self.txt = Some(set),
            RrType::Cname => self.cname = Some(set),
            other => {
                self.others = true;
                self.is_apex |= *other == RrType::Soa;
                if *other == RrType::Ns {
                    self.name_servers =
                        values(Some(&set)).iter().map(|record| record.value().to_owned()).collect();
                }
            }
        }
    }

    /// As the contract tells it.
    pub(super) fn record_set(&self, owner: &DomainName) -> Result<RecordSet, Error> {
        self.refuse_routed(owner)?;
        let ttl = self.txt.as_ref().or(self.cname.as_ref()).and_then(ResourceRecordSet::ttl);
        Ok(RecordSet {
            txt: values(self.txt.as_ref()).iter().map(|record| unquote(record.value())).collect(),
            cname: self.target(),
            ttl: ttl.and_then(|ttl| u32::try_from(ttl).ok()),
        })
    }

    fn target(&self) -> Option<AliasTarget> {
        values(self.cname.as_ref()).first().and_then(|record| record.value().parse().ok())
    }

    fn refuse_routed(&self, owner: &DomainName) -> Result<(), Error> {
        self.routed.map_or(Ok(()), |what| {
            Err(Error::new(
                Class::Blocked,
                "routed",
                format!("{what} stands at {owner}; it is not a plain list of values"),
            )
            .hint("replace it by a record set with simple routing, or delegate the name to another zone"))
        })
    }

    fn change(&mut self, change: &Change) -> Result<(), Error> {
        let owner = change.site().owner();
        match change {
            Change::Remove { data: RecordData::Txt(value), .. } => {
                drop_values(&mut self.txt, |record| unquote(record.value()) == value.as_str());
            }
            Change::Remove { data: RecordData::Cname(target), .. } => {
                let same = |standing: AliasTarget| standing.name() == target.name();
                drop_values(&mut self.cname, |record| record.value().parse().is_ok_and(same));
            }
            Change::Add { data: RecordData::Txt(value), ttl, .. } => {
                if self.cname.is_some() {
                    return Err(collision(owner, "a CNAME", change.data()));
                }
                let present =
                    values(self.txt.as_ref()).iter().any(|record| unquote(record.value()) == value.as_str());
                if !present {
                    add(&mut self.txt, owner, RrType::Txt, quote(value.as_str()), ttl.as_secs())?;
                }
            }
            Change::Add { data: RecordData::Cname(target), ttl, .. } => {
                match self.target() {
                    Some(standing) if standing == *target => return Ok(()),
                    Some(standing) if standing.differs_in_capitals(target) => self.cname = None,
                    Some(_) | None => {}
                }
                if self.cname.is_some() || self.txt.is_some() || self.others {
                    return Err(collision(owner, "another record", change.data()));
                }
                add(&mut self.cname, owner, RrType::Cname, format!("{target}."), ttl.as_secs())?;
            }
        }
        Ok(())
    }
}

/// What has to happen at one name; never divided between two batches.
pub(super) type Rewrite = Vec<Edit>;

/// One rewrite for each name whose sets come out different.
pub(super) fn plan(held: &Names, changes: &[Change]) -> Result<Vec<Rewrite>, Error> {
    let mut wanted = held.clone();
    for change in changes {
        let owner = change.site().owner();
        let here = wanted.entry(owner.clone()).or_default();
        here.refuse_routed(owner)?;
        here.change(change)?;
    }
    let nothing = Held::default();
    let mut rewrites = Vec::new();
    for (owner, new) in wanted {
        let old = held.get(&owner).unwrap_or(&nothing);
        let mut edits = Vec::new();
        // Deletions first: a TXT set may make room for a CNAME.
        for (old, new) in [(&old.cname, &new.cname), (&old.txt, &new.txt)] {
            if let Some(old) = old.as_ref().filter(|_| old != new) {
                edits.push(edit(ChangeAction::Delete, old.clone())?);
            }
        }
        for (old, new) in [(&old.cname, new.cname), (&old.txt, new.txt)] {
            if let Some(new) = new.filter(|new| old.as_ref() != Some(new)) {
                edits.push(edit(ChangeAction::Create, new)?);
            }
        }
        if !edits.is_empty() {
            rewrites.push(edits);
        }
    }
    Ok(rewrites)
}

/// As few batches as the limits allow.
pub(super) fn batches(rewrites: Vec<Rewrite>) -> Vec<Vec<Edit>> {
    let mut batches: Vec<Vec<Edit>> = Vec::new();
    let mut room = (0, 0);
    for rewrite in rewrites {
        let records: usize = rewrite.iter().map(|edit| values(edit.resource_record_set()).len()).sum();
        let characters: usize = rewrite
            .iter()
            .flat_map(|edit| values(edit.resource_record_set()))
            .map(|record| record.value().chars().count())
            .sum();
        match batches.last_mut() {
            Some(batch) if records <= room.0 && characters <= room.1 => {
                batch.extend(rewrite);
                room = (room.0 - records, room.1 - characters);
            }
            Some(_) | None => {
                batches.push(rewrite);
                room = (MAX_RECORDS.saturating_sub(records), MAX_CHARACTERS.saturating_sub(characters));
            }
        }
    }
    batches
}

fn values(set: Option<&ResourceRecordSet>) -> &[ResourceRecord] {
    set.map_or(&[], ResourceRecordSet::resource_records)
}

/// A name of Route 53's lists for a sentence or their order; compared it is by `DomainName::is_named_by`.
pub(super) fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn drop_values(set: &mut Option<ResourceRecordSet>, unwanted: impl Fn(&ResourceRecord) -> bool) {
    let Some(old) = set else { return };
    let kept: Vec<_> = old.resource_records().iter().filter(|record| !unwanted(record)).cloned().collect();
    if kept.is_empty() {
        *set = None;
    } else {
        // The others' values stay letter for letter, in whatever form they were written.
        old.resource_records = Some(kept);
    }
}

fn add(
    set: &mut Option<ResourceRecordSet>,
    owner: &DomainName,
    kind: RrType,
    value: String,
    ttl: u32,
) -> Result<(), Error> {
    let record = ResourceRecord::builder().value(value).build().map_err(bug)?;
    if let Some(old) = set {
        old.resource_records.get_or_insert_default().push(record);
    } else {
        let new = ResourceRecordSet::builder().name(format!("{owner}.")).r#type(kind).ttl(i64::from(ttl));
        *set = Some(new.resource_records(record).build().map_err(bug)?);
    }
    Ok(())
}

fn edit(action: ChangeAction, set: ResourceRecordSet) -> Result<Edit, Error> {
    Edit::builder().action(action).resource_record_set(set).build().map_err(bug)
}

fn collision(owner: &DomainName, standing: &str, data: &RecordData) -> Error {
    Error::new(
        Class::Blocked,
        "collision",
        format!("{standing} stands at {owner}; a {} cannot stand beside it", data.kind()),
    )
    .hint("remove it, or delegate the name to a zone that the agent may write")
}

pub(super) fn bug(error: aws_sdk_route53::error::BuildError) -> Error {
    Error::new(Class::Bug, "encoding", "a Route 53 request could not be built").caused_by(error)
}

#[cfg(test)]
mod tests {
    use dcv_core::{Guarded, Lookup, RandomValue, Ttl};

    use super::*;

    fn site(label: &str) -> dcv_core::Site {
        let zone: DomainName = "example.com".parse().unwrap();
        Guarded::direct(&Lookup::dnsauth(format!("{label}.example.com").parse().unwrap()), zone).unwrap()
    }

    fn add(label: &str, value: &str) -> Change {
        let data = RecordData::Txt(RandomValue::new(value).unwrap());
        Change::Add { site: site(label), data, ttl: Ttl::default() }
    }

    fn held(label: &str, values: &[&str]) -> Names {
        let mut set = ResourceRecordSet::builder()
            .name(format!("{}.", site(label).owner()))
            .r#type(RrType::Txt)
            .ttl(900);
        for value in values {
            set = set.resource_records(ResourceRecord::builder().value(*value).build().unwrap());
        }
        let mut held = Held::default();
        held.note(set.build().unwrap());
        Names::from([(site(label).owner().clone(), held)])
    }

    #[test]
    fn foreign_values_are_rewritten_letter_for_letter() {
        let foreign = [r#""a" "b""#, r#""\101""#];
        let rewrites = plan(&held("www", &foreign), &[add("www", "ours")]).unwrap();
        let [delete, create] = rewrites[0].as_slice() else { panic!("{rewrites:?}") };
        assert_eq!((delete.action(), create.action()), (&ChangeAction::Delete, &ChangeAction::Create));
        let new: Vec<_> = values(create.resource_record_set()).iter().map(ResourceRecord::value).collect();
        assert_eq!(new, [foreign[0], foreign[1], "\"ours\""]);
        assert_eq!(create.resource_record_set().unwrap().ttl(), Some(900));
    }

    #[test]
    fn nothing_to_do_plans_nothing() {
        assert!(plan(&held("www", &["\"ours\""]), &[add("www", "ours")]).unwrap().is_empty());
    }

    #[test]
    fn both_halves_of_a_set_share_a_batch() {
        let long = format!("\"{}\"", "x".repeat(250));
        let names: Vec<String> = (0..100).map(|n| format!("n{n}")).collect();
        let all: Names = names.iter().flat_map(|name| held(name, &[&long])).collect();
        let changes: Vec<_> = names.iter().map(|name| add(name, "ours")).collect();
        let batches = batches(plan(&all, &changes).unwrap());
        assert_eq!(batches.len(), 2, "52 000 characters need two batches");
        for batch in batches {
            assert_eq!(batch.len() % 2, 0, "a set was torn apart");
        }
    }

    /// A thousand values, new or beside one of somebody else's, are at most four changes.
    #[test]
    fn a_thousand_values_are_four_changes_at_most() {
        let value = "v".repeat(32);
        let names: Vec<String> = (0..1000).map(|n| format!("n{n}")).collect();
        let changes: Vec<_> = names.iter().map(|name| add(name, &value)).collect();
        assert_eq!(batches(plan(&Names::new(), &changes).unwrap()).len(), 2, "34,000 characters");
        let theirs = format!("\"{}\"", "t".repeat(32));
        let beside: Names = names.iter().flat_map(|name| held(name, &[&theirs])).collect();
        assert_eq!(batches(plan(&beside, &changes).unwrap()).len(), 4, "102,000 characters");
    }

    #[test]
    fn an_alias_or_weighted_set_is_left_alone() {
        let mut here = Held::default();
        let set = ResourceRecordSet::builder()
            .name("_dnsauth.www.example.com.")
            .r#type(RrType::Txt)
            .set_identifier("blue");
        here.note(set.build().unwrap());
        let names = Names::from([(site("www").owner().clone(), here)]);
        assert_eq!(plan(&names, &[add("www", "ours")]).unwrap_err().class(), Class::Blocked);
    }
}
