//! The command `lexicon` of dns-lexicon. It is believed in nothing: it prints success also where the server refused
//! (3.25 with `ddns`), so what it says it did is looked at by its own listing.

use std::time::Duration;

use dcv_core::{Change, DomainName, RandomValue, Site};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::time::Instant;

use super::{Surroundings, scripts::text_only};
use crate::{Class, Error, Probe, Receipt, RecordSet, Zone, api::text};

/// How long after a change it is listed again, should it not show yet: vendors' listings lag.
const LOOKS: [Duration; 3] = [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(3)];

/// The command, with the vendor's name and options.
#[derive(Debug)]
pub(super) struct Lexicon {
    pub(super) command: Vec<String>,
}

/// A record as `list` shows it.
#[derive(Clone, Debug, Deserialize)]
struct Listed {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    #[serde(default)]
    content: String,
    /// A number with some vendors, a text with others.
    #[serde(default)]
    ttl: serde_json::Value,
}

impl Listed {
    fn is_text_at(&self, owner: &DomainName, zone: &DomainName) -> bool {
        let name = self.name.trim_end_matches('.').to_ascii_lowercase();
        let is_relative = || format!("{name}.{zone}") == owner.as_str();
        self.kind == "TXT" && (name == owner.as_str() || is_relative())
    }

    fn ttl(&self) -> Option<u32> {
        let number = self.ttl.as_u64().or_else(|| self.ttl.as_str()?.parse().ok())?;
        u32::try_from(number).ok()
    }
}

impl Lexicon {
    pub(super) async fn probe(&self, surroundings: &Surroundings, zone: &Zone) -> Result<Probe, Error> {
        self.texts(surroundings, zone, &zone.name, surroundings.until()).await?;
        let detail = format!("lexicon lists {}; it replaces or adds as its vendor's part does", zone.name);
        Ok(Probe::new(detail))
    }

    pub(super) async fn read(
        &self,
        surroundings: &Surroundings,
        zone: &Zone,
        site: &Site,
    ) -> Result<RecordSet, Error> {
        let listed = self.texts(surroundings, zone, site.owner(), surroundings.until()).await?;
        let ttl = listed.iter().find_map(Listed::ttl);
        let txt = listed.iter().map(|one| text::plain(&one.content)).collect();
        Ok(RecordSet { txt, cname: None, ttl })
    }

    pub(super) async fn apply(
        &self,
        surroundings: &Surroundings,
        zone: &Zone,
        changes: &[Change],
    ) -> Result<Receipt, Error> {
        for change in changes {
            self.change(surroundings, zone, change, surroundings.until()).await?;
        }
        Ok(Receipt::default())
    }

    async fn change(
        &self,
        surroundings: &Surroundings,
        zone: &Zone,
        change: &Change,
        until: Instant,
    ) -> Result<(), Error> {
        let (owner, value) = (change.site().owner(), text_only(change)?);
        let (verb, ttl) = match change {
            Change::Add { ttl, .. } => ("create", Some(ttl.as_secs())),
            Change::Remove { .. } => ("delete", None),
        };
        let before = self.values(surroundings, zone, owner, until).await?;
        if before.iter().any(|text| text == value.as_str()) == ttl.is_some() {
            return Ok(());
        }
        let mut options = vec!["--content".to_owned(), value.as_str().to_owned()];
        options.extend(ttl.into_iter().flat_map(|ttl| ["--ttl".to_owned(), ttl.to_string()]));
        self.run(surroundings, zone, (verb, owner), options, until).await?;
        for pause in LOOKS {
            tokio::time::sleep(pause).await;
            let now = self.values(surroundings, zone, owner, until).await?;
            if now.iter().any(|text| text == value.as_str()) == ttl.is_some() {
                tell_of_losses(owner, value, &before, &now);
                return Ok(());
            }
        }
        let text = format!("lexicon reports a success at {owner}, and its listing does not show it");
        Err(Error::new(Class::Later, "not-done", text)
            .hint("lexicon passes over refusals of some vendors; run it by hand with --log-level DEBUG"))
    }

    async fn values(
        &self,
        surroundings: &Surroundings,
        zone: &Zone,
        owner: &DomainName,
        until: Instant,
    ) -> Result<Vec<String>, Error> {
        let listed = self.texts(surroundings, zone, owner, until).await?;
        Ok(listed.iter().map(|one| text::plain(&one.content)).collect())
    }

    async fn texts(
        &self,
        surroundings: &Surroundings,
        zone: &Zone,
        owner: &DomainName,
        until: Instant,
    ) -> Result<Vec<Listed>, Error> {
        let output = self.run(surroundings, zone, ("list", owner), Vec::new(), until).await?;
        let listed: Vec<Listed> = last_json(&output).ok_or_else(|| {
            Error::new(
                Class::Bug,
                "command-answer",
                format!("lexicon's listing of {owner} is not to be understood"),
            )
            .hint("run it by hand: lexicon … list, with --output JSON")
        })?;
        Ok(listed.into_iter().filter(|one| one.is_text_at(owner, &zone.name)).collect())
    }

    async fn run(
        &self,
        surroundings: &Surroundings,
        zone: &Zone,
        (verb, owner): (&str, &DomainName),
        options: Vec<String>,
        until: Instant,
    ) -> Result<Vec<u8>, Error> {
        let zone = zone.name.as_str();
        // Or it takes the domain below the public suffix for the zone.
        let mut command = self.command.clone();
        command.splice(1..1, ["--delegated".to_owned(), zone.to_owned()]);
        let mut arguments: Vec<String> =
            [verb, zone, "TXT", "--name", owner.as_str(), "--output", "JSON"].map(str::to_owned).to_vec();
        arguments.extend(options);
        let finished = surroundings.run(&command, arguments, Vec::new(), Vec::new(), until).await?;
        Ok(finished.succeeded()?.output)
    }
}

/// The vendor's part of lexicon decides what it leaves alone, and this is where that shows.
fn tell_of_losses(owner: &DomainName, ours: &RandomValue, before: &[String], now: &[String]) {
    let lost = before.iter().filter(|text| *text != ours.as_str() && !now.contains(text)).count();
    if lost > 0 {
        tracing::error!(%owner, lost, "values of others are gone after lexicon's change; put them back, and use another provider");
    }
}

/// The last line that is of the form; log messages go to standard output too.
fn last_json<T: DeserializeOwned>(output: &[u8]) -> Option<T> {
    output.rsplit(|octet| *octet == b'\n').find_map(|line| serde_json::from_slice(line).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vendors' parts of lexicon name records in full or relative to the zone, with quotes or without.
    #[test]
    fn a_listing_is_understood_whoever_made_it() {
        let output = br#"some warning
[{"type": "TXT", "name": "_dnsauth.www", "ttl": "60", "content": "\"one\""}, {"type": "TXT", "name": "_dnsauth.www.example.com.", "content": "two"}, {"type": "TXT", "name": "other.example.com", "content": "three"}, {"type": "CNAME", "name": "_dnsauth.www.example.com", "content": "four"}]
"#;
        let (owner, zone) = ("_dnsauth.www.example.com".parse().unwrap(), "example.com".parse().unwrap());
        let listed: Vec<Listed> = last_json(output).unwrap();
        let here: Vec<_> = listed.iter().filter(|one| one.is_text_at(&owner, &zone)).collect();
        assert_eq!(here.iter().map(|one| text::plain(&one.content)).collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(here[0].ttl(), Some(60));
        assert!(last_json::<Vec<Listed>>(b"True\n").is_none());
    }
}
