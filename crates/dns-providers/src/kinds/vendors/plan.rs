//! What has to happen at one name, decided of what is listed there, and whether it did.

use dcv_core::{AliasTarget, Change, DomainName, RecordData};

use super::vendor::{Text, Vendor};
use crate::{Class, Error, RecordSet, api::text};

/// What is listed at a name, as the library spells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) texts: Vec<String>,
    pub(super) aliases: Vec<String>,
    /// Of whichever stands there, where it is listed.
    pub(super) ttl: Option<u32>,
}

/// What has to happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Texts to add.
    pub(super) add: Vec<String>,
    /// Texts to remove, as they are listed.
    pub(super) remove: Vec<String>,
    pub(super) alias: AliasStep,
}

/// What has to happen to the alias.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum AliasStep {
    #[default]
    Stays,
    /// As it is listed.
    Remove(Vec<String>),
    Add(String),
    Replace(String),
}

impl Plan {
    pub(super) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Plans changes that all are at one name.
pub(super) fn plan(
    vendor: &Vendor,
    owner: &DomainName,
    held: &Held,
    changes: &[&Change],
) -> Result<Plan, Error> {
    let standing = held.aliases.first().map(|listed| target(listed));
    let mut alias = standing.clone().flatten();
    let is_unreadable = matches!(standing, Some(None));
    let mut plan = Plan::default();
    for change in changes {
        match (change, change.data()) {
            (Change::Remove { .. }, RecordData::Txt(value)) => {
                let value = value.as_str();
                plan.add.retain(|text| text != value);
                let here =
                    held.texts.iter().filter(|listed| is(listed, value) && !plan.remove.contains(listed));
                let here: Vec<String> = here.cloned().collect();
                plan.remove.extend(here);
            }
            (Change::Add { .. }, RecordData::Txt(value)) => {
                let value = value.as_str();
                if let Some(alias) = &alias {
                    return Err(collision(owner, &format!("a CNAME to {alias}"), "TXT"));
                }
                if is_unreadable {
                    return Err(collision(owner, "a CNAME", "TXT"));
                }
                plan.remove.retain(|listed| !is(listed, value));
                let stands = held.texts.iter().any(|listed| is(listed, value))
                    || plan.add.iter().any(|text| text == value);
                if !stands {
                    plan.add.push(value.to_owned());
                }
            }
            (Change::Remove { .. }, RecordData::Cname(name)) => {
                alias = alias.filter(|standing| standing.name() != name.name());
            }
            (Change::Add { .. }, RecordData::Cname(name)) => {
                if let Some(other) = alias.as_ref().filter(|standing| standing.name() != name.name()) {
                    return Err(collision(owner, &format!("a CNAME to {other}"), "CNAME"));
                }
                let texts = held.texts.len() > plan.remove.len() || !plan.add.is_empty();
                if texts || is_unreadable {
                    let what = if texts { "a TXT record" } else { "another CNAME" };
                    return Err(collision(owner, what, "CNAME"));
                }
                alias = Some(name.clone());
            }
        }
    }
    plan.alias = match (standing.flatten(), alias) {
        (before, after) if before == after => AliasStep::Stays,
        (_, None) => AliasStep::Remove(held.aliases.clone()),
        (None, Some(after)) => AliasStep::Add(written(vendor, &after)),
        (Some(_), Some(after)) => AliasStep::Replace(written(vendor, &after)),
    };
    Ok(plan)
}

/// Texts of others that were listed before and are no longer.
pub(super) fn lost(before: &Held, plan: &Plan, now: &Held) -> Vec<String> {
    let others = before.texts.iter().filter(|listed| !plan.remove.contains(listed));
    others.filter(|listed| !now.texts.contains(listed)).cloned().collect()
}

/// Whether every change is to be seen; where one takes back another, the later one counts.
pub(super) fn is_met(changes: &[&Change], now: &Held) -> bool {
    let holds = |data: &RecordData, exactly: bool| match data {
        RecordData::Txt(value) => now.texts.iter().any(|listed| is(listed, value.as_str())),
        RecordData::Cname(name) => now
            .aliases
            .iter()
            .filter_map(|listed| target(listed))
            .any(|standing| if exactly { standing == *name } else { standing.name() == name.name() }),
    };
    changes.iter().enumerate().all(|(at, change)| {
        let mut later = changes.iter().skip(at + 1);
        let taken_back = later.any(|other| other.data().is_same_in_dns(change.data()));
        taken_back
            || match change {
                Change::Add { data, .. } => holds(data, true),
                Change::Remove { data, .. } => !holds(data, false),
            }
    })
}

/// What stands there, as DNS shows it.
pub(super) fn record_set(vendor: &Vendor, held: &Held) -> RecordSet {
    let shown = |listed: &String| match vendor.text {
        Text::AnsweredInQuotes => text::plain(listed),
        Text::Same | Text::ZoneFile => listed.clone(),
    };
    RecordSet {
        txt: held.texts.iter().map(shown).collect(),
        cname: held.aliases.first().and_then(|listed| target(listed)),
        ttl: held.ttl,
    }
}

/// Whether a listed text is this value. Ours hold no quote, so that one in quotes is meant as it stands in a zone file,
/// whatever the row of the vendor says.
fn is(listed: &str, value: &str) -> bool {
    listed == value || text::plain(listed) == value
}

fn target(listed: &str) -> Option<AliasTarget> {
    listed.trim_end_matches('.').parse().ok()
}

fn written(vendor: &Vendor, target: &AliasTarget) -> String {
    let dot = if vendor.alias_dot { "." } else { "" };
    format!("{}{dot}", target.to_string().trim_end_matches('.'))
}

/// An alias is alone at its name.
fn collision(owner: &DomainName, standing: &str, wanted: &str) -> Error {
    let text = format!("{standing} stands at {owner}; a {wanted} record cannot stand beside it");
    Error::new(Class::Blocked, "collision", text)
        .hint("remove it, or delegate the name to a zone that the agent may write")
}

#[cfg(test)]
mod tests {
    use dcv_core::{Guarded, Lookup, RandomValue, Ttl};

    use super::*;

    fn site() -> dcv_core::Site {
        let lookup = Lookup::dnsauth("www.example.com".parse().unwrap());
        Guarded::direct(&lookup, "example.com".parse().unwrap()).unwrap()
    }

    fn data(word: &str) -> RecordData {
        match word.strip_prefix("to:") {
            Some(label) => RecordData::Cname(format!("{label}.dcv.digicert.com").parse().unwrap()),
            None => RecordData::Txt(RandomValue::new(word).unwrap()),
        }
    }

    /// `+value`, `-value`, `+to:label`, `-to:label`.
    fn changes(words: &str) -> Vec<Change> {
        words
            .split_whitespace()
            .map(|word| match word.split_at(1) {
                ("+", word) => Change::Add { site: site(), data: data(word), ttl: Ttl::default() },
                (_, word) => Change::Remove { site: site(), data: data(word) },
            })
            .collect()
    }

    fn held(texts: &[&str], aliases: &[&str]) -> Held {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Held { texts: owned(texts), aliases: owned(aliases), ttl: None }
    }

    fn planned(held: &Held, words: &str) -> Result<Plan, Error> {
        let changes = changes(words);
        let changes: Vec<&Change> = changes.iter().collect();
        plan(&Vendor::USUAL, site().owner(), held, &changes)
    }

    /// What is removed is removed as it is listed, whichever way the vendor answers it.
    #[test]
    fn texts_are_added_once_and_removed_as_listed() {
        for (listed, words, add, remove) in [
            (&["theirs"][..], "+ours", &["ours"][..], &[][..]),
            (&["\"ours\""], "+ours", &[], &[]),
            (&["\"ours\"", "theirs"], "-ours", &[], &["\"ours\""]),
            (&["ours", "\"ours\""], "-ours", &[], &["ours", "\"ours\""]),
            (&[], "-ours", &[], &[]),
            (&[], "+ours -ours", &[], &[]),
            (&["ours"], "-ours +ours", &[], &[]),
            (&["old"], "-old +new", &["new"], &["old"]),
            (&["oursX", "our"], "-ours", &[], &[]),
        ] {
            let plan = planned(&held(listed, &[]), words).unwrap();
            assert_eq!(
                (plan.add, plan.remove),
                (held(add, &[]).texts, held(remove, &[]).texts),
                "{listed:?} {words}"
            );
        }
    }

    #[test]
    fn an_alias_stands_alone_and_is_changed_in_one_step() {
        let to = |label: &str| format!("{label}.dcv.digicert.com");
        for (texts, aliases, words, step) in [
            (&[][..], vec![], "+to:a", Some(AliasStep::Add(to("a")))),
            (&[], vec![to("a")], "+to:a", Some(AliasStep::Stays)),
            (&[], vec![to("a") + "."], "-to:a +to:b", Some(AliasStep::Replace(to("b")))),
            (&[], vec![to("a")], "+to:A", Some(AliasStep::Replace(to("A")))),
            (&[], vec![to("A")], "-to:a", Some(AliasStep::Remove(vec![to("A")]))),
            (&[], vec![to("a")], "-to:b", Some(AliasStep::Stays)),
            (&[], vec![to("a")], "+to:b", None),
            (&[], vec![to("a")], "+ours", None),
            (&["theirs"], vec![], "+to:a", None),
            (&["ours"], vec![], "-ours +to:a", Some(AliasStep::Add(to("a")))),
            (&[], vec!["not a name".to_owned()], "+ours", None),
        ] {
            let mut held = held(texts, &[]);
            held.aliases.clone_from(&aliases);
            let plan = planned(&held, words);
            match (plan, step) {
                (Ok(plan), Some(step)) => assert_eq!(plan.alias, step, "{texts:?} {aliases:?} {words}"),
                (Err(error), None) => assert_eq!(error.class(), Class::Blocked, "{words}: {error}"),
                (plan, step) => panic!("{texts:?} {aliases:?} {words}: {plan:?}, not {step:?}"),
            }
        }
    }

    #[test]
    fn what_went_and_what_is_lacking_is_noticed() {
        let before = held(&["theirs", "old"], &[]);
        let plan = planned(&before, "-old +new").unwrap();
        assert_eq!(lost(&before, &plan, &held(&["new"], &[])), ["theirs"]);
        assert_eq!(lost(&before, &plan, &held(&["new", "theirs"], &[])), [""; 0]);
        let changes = changes("-old +new");
        let changes: Vec<&Change> = changes.iter().collect();
        assert!(is_met(&changes, &held(&["\"new\"", "theirs"], &[])));
        assert!(!is_met(&changes, &held(&["theirs"], &[])), "what is lacking is not noticed");
        assert!(!is_met(&changes, &held(&["new", "old"], &[])), "what stayed is not noticed");
    }
}
