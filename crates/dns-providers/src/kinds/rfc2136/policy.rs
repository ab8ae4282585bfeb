//! What a key has to be granted, as BIND, Knot and PowerDNS are told.

use std::fmt::Write as _;

use dcv_core::{DomainName, Owner};

use super::Rfc2136Settings;
use crate::policy::{Grant, Policy};

pub(super) fn policies<S>(settings: &Rfc2136Settings<S>, grants: &[Grant]) -> Vec<Policy> {
    let key = settings.tsig.name.as_deref().unwrap_or("dcv-key").trim_end_matches('.');
    let each = |of: fn(&str, &Grant) -> String| grants.iter().map(|grant| of(key, grant)).collect::<String>();
    vec![
        Policy::new("BIND: named.conf", each(bind)),
        Policy::new("Knot: knot.conf; name the ids in each zone's `acl`", format!("acl:\n{}", each(knot))),
        Policy::new(
            "PowerDNS: with dnsupdate=yes; it knows zones only, neither names nor types",
            each(powerdns),
        ),
    ]
}

/// BIND knows names and types. Its wildcard stands for leading labels only (RFC 1034), so "_dnsauth below anything" cannot be said.
fn bind(key: &str, grant: &Grant) -> String {
    let (zone, types) = (&grant.zone.name, grant.types().join(" "));
    let mut lines = String::new();
    for name in &grant.names {
        writeln!(lines, "    grant {key} name {name}. {types};").unwrap_or_default();
    }
    if let Some(owner) = grant.further {
        lines += "    // Names are not known beforehand, and BIND cannot say \"_dnsauth below anything\": this opens every name of these types.\n";
        lines +=
            "    // Narrower: delegate _dnsauth by CNAME into a zone of its own, and grant this there.\n";
        writeln!(lines, "    grant {key} wildcard *.{zone}. {types};").unwrap_or_default();
        if owner != Owner::Dnsauth {
            writeln!(lines, "    grant {key} name {zone}. TXT;").unwrap_or_default();
        }
    }
    format!("zone \"{zone}\" {{\n  update-policy {{\n{lines}  }};\n}};\n")
}

fn knot(key: &str, grant: &Grant) -> String {
    let zone = &grant.zone.name;
    let id = zone.as_str().replace('.', "-");
    let names: Vec<String> = grant.names.iter().map(|name| relative(name, zone)).collect();
    let owners = match grant.further {
        None => format!(
            "    update-owner: name\n    update-owner-match: equal\n    update-owner-name: [ {} ]\n",
            names.join(", ")
        ),
        Some(_) => "    # Names are not known beforehand: every name of these types.\n".to_owned(),
    };
    format!(
        "  - id: dcv-agent-{id}\n    key: {key}\n    action: update\n    update-type: [ {} ]\n{owners}",
        grant.types().join(", ")
    )
}

/// Knot takes names relative to the zone; the apex is written out with its dot.
fn relative(name: &DomainName, zone: &DomainName) -> String {
    let below = name.as_str().strip_suffix(zone.as_str()).and_then(|rest| rest.strip_suffix('.'));
    below.map_or_else(|| format!("{name}."), str::to_owned)
}

fn powerdns(key: &str, grant: &Grant) -> String {
    format!("pdnsutil set-meta {} TSIG-ALLOW-DNSUPDATE {key}\n", grant.zone.name)
}
