//! At which domains control of an order's names is proven.

use super::switches::Scope;

/// A domain to be proven, and the names of the order that it covers.
#[derive(Clone, Debug)]
pub(super) struct Proof {
    pub(super) scope: String,
    pub(super) names: Vec<String>,
    pub(super) approved: bool,
}

/// Lower case, no final dot.
pub(super) fn canonical(name: &str) -> String {
    name.trim().trim_end_matches('.').to_ascii_lowercase()
}

/// Whether `zone` is `name` or encloses it.
pub(super) fn encloses(zone: &str, name: &str) -> bool {
    name.strip_suffix(zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The longest of `zones` that encloses `name`.
pub(super) fn closest<'z>(zones: impl Iterator<Item = &'z str>, name: &str) -> Option<&'z str> {
    zones.filter(|zone| encloses(zone, name)).max_by_key(|zone| zone.len())
}

/// Groups names by the domain that proves them under this method, in the order of their first name.
pub(super) fn proofs<'z>(
    names: &[String],
    method: &str,
    mode: Scope,
    zones: impl Iterator<Item = &'z str> + Clone,
) -> Vec<Proof> {
    let mut proofs: Vec<Proof> = Vec::new();
    for name in names {
        let bare = name.strip_prefix("*.").unwrap_or(name);
        let scope = match mode {
            // A file proves the one name it is fetched from, and a wildcard never.
            _ if method.starts_with("http") => name,
            Scope::BaseDomain => closest(zones.clone(), bare).unwrap_or_else(|| last_two_labels(bare)),
            Scope::Fqdn => highest(names, bare),
        };
        match proofs.iter_mut().find(|proof| proof.scope == scope) {
            Some(proof) => proof.names.push(name.clone()),
            None => {
                proofs.push(Proof { scope: scope.to_owned(), names: vec![name.clone()], approved: false });
            }
        }
    }
    proofs
}

/// The shortest name of the order that encloses `name`.
fn highest<'n>(names: &'n [String], name: &'n str) -> &'n str {
    let bare = names.iter().map(|other| other.strip_prefix("*.").unwrap_or(other));
    bare.filter(|other| encloses(other, name)).min_by_key(|other| other.len()).unwrap_or(name)
}

/// A stand-in for the public suffix list, good enough for names outside every configured zone.
pub(super) fn last_two_labels(name: &str) -> &str {
    match name.rmatch_indices('.').nth(1) {
        Some((dot, _)) => &name[dot + 1..],
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(names: &[&str], mode: Scope, zones: &[&str]) -> Vec<(String, Vec<String>)> {
        let names: Vec<_> = names.iter().map(|name| canonical(name)).collect();
        proofs(&names, "dns-txt-token", mode, zones.iter().copied())
            .into_iter()
            .map(|proof| (proof.scope, proof.names))
            .collect()
    }

    fn scope(scope: &str, names: &[&str]) -> (String, Vec<String>) {
        (scope.to_owned(), names.iter().map(|&name| name.to_owned()).collect())
    }

    #[test]
    fn base_domains() {
        assert_eq!(
            scopes(
                &["WWW.example.com.", "*.a.example.com", "x.y.example.net", "notexample.com"],
                Scope::BaseDomain,
                &["example.com", "a.example.com"]
            ),
            [
                scope("example.com", &["www.example.com"]),
                scope("a.example.com", &["*.a.example.com"]),
                scope("example.net", &["x.y.example.net"]),
                scope("notexample.com", &["notexample.com"]),
            ]
        );
    }

    #[test]
    fn names_as_written_but_higher_names_prove_lower_ones() {
        assert_eq!(
            scopes(
                &["www.example.com", "*.example.net", "a.b.www.example.com"],
                Scope::Fqdn,
                &["example.com"]
            ),
            [
                scope("www.example.com", &["www.example.com", "a.b.www.example.com"]),
                scope("example.net", &["*.example.net"]),
            ]
        );
    }

    #[test]
    fn files_prove_each_name_by_itself() {
        let names = ["www.example.com", "example.com", "*.example.com"].map(str::to_owned);
        let proofs = proofs(&names, "http-token", Scope::BaseDomain, ["example.com"].into_iter());
        assert_eq!(proofs.into_iter().map(|proof| proof.scope).collect::<Vec<_>>(), names);
    }
}
