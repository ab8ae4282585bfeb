//! By which names an order or domain is known to people.

use dcv_core::{CertName, Facts};
use serde::Serialize;

/// How many are kept; a certificate may have hundreds.
const KEPT: usize = 3;

/// The first names, and how many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Names {
    /// The first of the certificate's names, or the domain.
    pub names: Box<[Box<str>]>,
    /// How many names there are.
    pub names_total: usize,
}

impl Names {
    /// What the facts tell: the certificate's names; the scopes, where the CA told no more; the domain.
    pub(super) fn of(facts: &Facts) -> Self {
        if let Some(domain) = &facts.domain {
            return Self::first([domain.name.to_string()].into_iter());
        }
        let scopes = facts.order.iter().flat_map(|order| &order.scopes);
        let names = scopes.flat_map(|scope| match scope.names.as_slice() {
            [] => vec![scope.name.to_string()],
            names => names.iter().map(CertName::to_string).collect(),
        });
        let told = Self::first(names);
        match told.names_total {
            0 => Self::first(facts.configured.iter().map(ToString::to_string)),
            _ => told,
        }
    }

    fn first(names: impl Iterator<Item = String>) -> Self {
        let mut told = Self::default();
        let mut kept = Vec::new();
        for name in names {
            told.names_total += 1;
            if kept.len() < KEPT {
                kept.push(name.into_boxed_str());
            }
        }
        told.names = kept.into();
        told
    }
}
