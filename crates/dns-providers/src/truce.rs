//! How other tools at the same zones are told to leave our values alone.
//!
//! A tool that holds a zone to a description deletes what it does not find there. Each has a way to be told of others:
//!
//! - octoDNS: the processor `NameRejectlistFilter` takes names out of what it wants and of what it finds; `octodns.ignored`
//!   does so for one record set (octoDNS, `docs/records.md` and `octodns/processor/filter.py`);
//! - DNSControl: `IGNORE(label, types)`, with globs in which `**` crosses dots
//!   (<https://docs.dnscontrol.org/language-reference/domain-modifiers/ignore>);
//! - Terraform: it deletes what is in its state and no longer in its configuration, so a set of ours is nothing to it; a set
//!   of its own it puts back as a whole, which `lifecycle.ignore_changes` keeps it from;
//! - external-dns: it deletes what its registry marks as its own; `--exclude-domains` and `--regex-domain-exclusion` take names
//!   out of its sight altogether (its `docs/flags.md`).

use std::{collections::BTreeSet, fmt, str::FromStr};

use dcv_core::{DomainName, Owner};

use crate::policy::{Grant, Policy};

/// A tool that manages zones by a description of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// octoDNS.
    Octodns,
    /// DNSControl.
    Dnscontrol,
    /// Terraform, and OpenTofu.
    Terraform,
    /// external-dns of Kubernetes.
    ExternalDns,
}

impl Tool {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Octodns, Self::Dnscontrol, Self::Terraform, Self::ExternalDns];

    const fn name(self) -> &'static str {
        match self {
            Self::Octodns => "octodns",
            Self::Dnscontrol => "dnscontrol",
            Self::Terraform => "terraform",
            Self::ExternalDns => "external-dns",
        }
    }

    /// What to put into the tool's own configuration, for the names of these grants.
    #[must_use]
    pub fn truce(self, grants: &[Grant]) -> Vec<Policy> {
        let zones: Vec<Names<'_>> = grants.iter().map(Names::of).collect();
        match self {
            Self::Octodns => octodns(&zones),
            Self::Dnscontrol => dnscontrol(&zones),
            Self::Terraform => terraform(&zones),
            Self::ExternalDns => external_dns(&zones),
        }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Tool {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|tool| tool.name() == text).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|tool| tool.name()).collect();
            format!("the tools that are known are {}", known.join(", "))
        })
    }
}

/// Names of a zone, by how they can be kept from others.
struct Names<'a> {
    zone: &'a DomainName,
    types: &'static [&'static str],
    /// `_dnsauth` names that are known, relative to the zone. Nobody else has anything there.
    ours: BTreeSet<String>,
    /// Every name `_dnsauth` and below it is one as well.
    all_ours: bool,
    /// Bare names, relative; others' texts stand there too. `@` is the apex.
    shared: BTreeSet<String>,
    /// Any bare name of the zone may be one.
    any_shared: bool,
}

impl<'a> Names<'a> {
    fn of(grant: &'a Grant) -> Self {
        let zone = &grant.zone.name;
        let relative = |name: &DomainName| {
            let label = name.as_str().strip_suffix(zone.as_str()).unwrap_or_default().trim_end_matches('.');
            if label.is_empty() { "@".to_owned() } else { label.to_owned() }
        };
        let is_ours = |name: &&DomainName| name.labels().next() == Some("_dnsauth");
        let (ours, shared): (Vec<_>, Vec<_>) = grant.names.iter().partition(is_ours);
        Self {
            zone,
            types: grant.types(),
            ours: ours.into_iter().map(relative).collect(),
            all_ours: matches!(grant.further, Some(Owner::Dnsauth | Owner::Both)),
            shared: shared.into_iter().map(relative).collect(),
            any_shared: matches!(grant.further, Some(Owner::Bare | Owner::Both)),
        }
    }

    fn has_ours(&self) -> bool {
        self.all_ours || !self.ours.is_empty()
    }

    fn has_shared(&self) -> bool {
        self.any_shared || !self.shared.is_empty()
    }

    /// Shared names for a comment.
    fn shared_in_words(&self) -> String {
        let known: Vec<&str> = self.shared.iter().map(String::as_str).collect();
        match (known.is_empty(), self.any_shared) {
            (false, false) => format!("{} in {}", known.join(", "), self.zone),
            (false, true) => format!("{} and others in {}", known.join(", "), self.zone),
            (true, _) => format!("bare names in {}", self.zone),
        }
    }
}

fn octodns(zones: &[Names<'_>]) -> Vec<Policy> {
    let mut rejected: BTreeSet<String> = zones.iter().flat_map(|zone| zone.ours.iter().cloned()).collect();
    if zones.iter().any(|zone| zone.all_ours) {
        rejected = BTreeSet::from([r"/^_dnsauth(\..+)?$/".to_owned()]);
    }
    let mut texts = Vec::new();
    if !rejected.is_empty() {
        let list: String = rejected.iter().map(|name| format!("      - '{name}'\n")).collect();
        texts.push(Policy::new(
            "octoDNS: config.yaml; add to the lists that are there. For all zones of this configuration",
            format!(
                "manager:\n  processors:\n    - dcv-agent\nprocessors:\n  dcv-agent:\n    \
                 class: octodns.processor.filter.NameRejectlistFilter\n    rejectlist:\n{list}"
            ),
        ));
    }
    for zone in zones.iter().filter(|zone| zone.has_shared()) {
        let sets: String = zone
            .shared
            .iter()
            .map(|name| {
                let name = if name == "@" { "''" } else { name };
                format!("{name}:\n  - type: TXT\n    octodns:\n      ignored: true\n    values:\n      - left to others\n")
            })
            .collect();
        let text = format!(
            "{sets}# It writes a set as a whole: SPF beside our value is then yours to keep, or use owner = \"dnsauth\".\n"
        );
        texts.push(Policy::new(
            format!("octoDNS: {}.yaml; the TXT sets of {}", zone.zone, zone.shared_in_words()),
            text,
        ));
    }
    texts
}

fn dnscontrol(zones: &[Names<'_>]) -> Vec<Policy> {
    let ignore = |zone: &Names<'_>| {
        let types = zone.types.join(",");
        let mut labels: Vec<&str> = zone.ours.iter().map(String::as_str).collect();
        if zone.all_ours {
            labels = vec!["_dnsauth", "_dnsauth.**"];
        }
        let mut text: String =
            labels.iter().map(|label| format!("  IGNORE(\"{label}\", \"{types}\"),\n")).collect();
        if zone.has_shared() {
            text += &format!(
                "  // {}: IGNORE there would leave SPF and the like alone as well; use owner = \"dnsauth\",\n  \
                 // or NO_PURGE, which deletes nothing that is not described.\n",
                zone.shared_in_words()
            );
        }
        Policy::new(format!("DNSControl: dnsconfig.js, within D(\"{}\", …)", zone.zone), text)
    };
    zones.iter().map(ignore).collect()
}

fn terraform(zones: &[Names<'_>]) -> Vec<Policy> {
    let mut texts = Vec::new();
    if zones.iter().any(Names::has_ours) {
        texts.push(Policy::new(
            "Terraform: nothing to do for _dnsauth names",
            "# It deletes what is in its own state only. Do not import these sets, and describe none at these names.\n",
        ));
    }
    for zone in zones.iter().filter(|zone| zone.has_shared()) {
        texts.push(Policy::new(
            format!("Terraform: the resource of each TXT set at {}, which it writes as a whole", zone.shared_in_words()),
            "lifecycle {\n  ignore_changes = [records]    # google_dns_record_set: rrdatas; azurerm_dns_txt_record: record; dns_txt_record_set: txt\n}\n",
        ));
    }
    texts
}

fn external_dns(zones: &[Names<'_>]) -> Vec<Policy> {
    const WHEN: &str = "# It deletes what its registry says is its own, and by default manages no TXT records; this is for --registry=noop, and for \
                        --managed-record-types with TXT or CNAME.\n";
    let mut text = WHEN.to_owned();
    if zones.iter().any(|zone| zone.all_ours) {
        // With a regular expression the plain filters say nothing, so that the zones have to be in one, too.
        let names: Vec<String> = zones.iter().map(|zone| zone.zone.as_str().replace('.', r"\.")).collect();
        text += &format!(
            "--regex-domain-filter='(^|\\.)({})$'    # instead of --domain-filter; add the other zones that it has\n\
             --regex-domain-exclusion='^_dnsauth\\.'\n",
            names.join("|")
        );
    } else {
        for zone in zones {
            text.extend(zone.ours.iter().map(|name| format!("--exclude-domains={name}.{}\n", zone.zone)));
        }
    }
    for zone in zones.iter().filter(|zone| zone.has_shared()) {
        text += &format!(
            "# {}: give it --txt-prefix, so that its own TXT records go to other names; use owner = \"dnsauth\" otherwise.\n",
            zone.shared_in_words()
        );
    }
    vec![Policy::new("external-dns: arguments", text)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Zone;

    fn grant(names: &[&str], further: Option<Owner>) -> Grant {
        let zone = Zone { name: "example.com".parse().unwrap(), id: None };
        let names = names.iter().map(|name| name.parse().unwrap()).collect();
        Grant { zone, names, further, aliases: false }
    }

    fn told(tool: Tool, grants: &[Grant]) -> String {
        tool.truce(grants).iter().map(|policy| format!("{}\n{}", policy.title, policy.text)).collect()
    }

    /// Names that are known are named; those that only DigiCert knows are a pattern; and a set that others share is not
    /// taken from them without a word.
    #[test]
    fn each_tool_is_told_in_its_own_words() {
        let exact = [grant(&["_dnsauth.www.example.com", "_dnsauth.example.com"], None)];
        let open = [grant(&[], Some(Owner::Dnsauth))];
        let bare = [grant(&["example.com", "www.example.com"], None)];
        for (tool, grants, wanted, unwanted) in [
            (Tool::Octodns, &exact, "- '_dnsauth.www'\n", "/^"),
            (Tool::Octodns, &open, r"- '/^_dnsauth(\..+)?$/'", "ignored"),
            (Tool::Octodns, &bare, "'':\n  - type: TXT\n    octodns:\n      ignored: true", "rejectlist"),
            (Tool::Dnscontrol, &exact, r#"IGNORE("_dnsauth", "TXT")"#, "**"),
            (Tool::Dnscontrol, &open, r#"IGNORE("_dnsauth.**", "TXT")"#, "NO_PURGE"),
            (Tool::Dnscontrol, &bare, "@, www in example.com", "IGNORE(\""),
            (Tool::Terraform, &exact, "nothing to do", "lifecycle"),
            (Tool::Terraform, &bare, "ignore_changes = [records]", "nothing to do"),
            (Tool::ExternalDns, &exact, "--exclude-domains=_dnsauth.www.example.com\n", "regex"),
            (Tool::ExternalDns, &open, r"--regex-domain-filter='(^|\.)(example\.com)$'", "--exclude-domains"),
            (Tool::ExternalDns, &bare, "--txt-prefix", "--exclude-domains"),
        ] {
            let told = told(tool, grants);
            assert!(told.contains(wanted), "{tool} should be told {wanted:?}: {told}");
            assert!(!told.contains(unwanted), "{tool} should not be told {unwanted:?}: {told}");
        }
        let aliases = Grant { aliases: true, ..grant(&[], Some(Owner::Dnsauth)) };
        assert!(told(Tool::Dnscontrol, &[aliases]).contains(r#"IGNORE("_dnsauth", "TXT,CNAME")"#));
    }

    #[test]
    fn tools_are_known_by_name() {
        for tool in Tool::ALL {
            assert_eq!(tool.to_string().parse(), Ok(tool));
        }
        assert!(
            "ansible".parse::<Tool>().unwrap_err().contains("octodns, dnscontrol, terraform, external-dns")
        );
    }
}
