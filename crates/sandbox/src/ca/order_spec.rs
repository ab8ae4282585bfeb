//! An order to place, and the kinds of products.

use serde::{Deserialize, Serialize};

use super::{config::ApiKey, switches::Scope};

/// An order to place. Names may hold `{n}`, which [`CaSimulator::place_many`](super::CaSimulator::place_many) numbers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderSpec {
    #[serde(alias = "dns_names")]
    pub(super) names: Vec<String>,
    #[serde(default = "OrderSpec::default_method")]
    pub(super) method: String,
    #[serde(default = "OrderSpec::default_status")]
    pub(super) status: String,
    #[serde(default, rename = "type")]
    pub(super) product: Product,
    #[serde(default)]
    pub(super) id: Option<u64>,
    #[serde(default)]
    pub(super) scope: Option<Scope>,
    #[serde(default = "ApiKey::default_account")]
    pub(super) account: u64,
    #[serde(default = "OrderSpec::default_product_type")]
    pub(super) product_type: String,
}

impl OrderSpec {
    /// A pending DV order to be proven by TXT.
    pub fn dv(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::new(Product::Dv, names)
    }

    /// A pending OV order to be proven by TXT; it also waits for its organisation.
    pub fn ov(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::new(Product::Ov, names)
    }

    /// A pending EV order to be proven by TXT; it also waits for its organisation.
    pub fn ev(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::new(Product::Ev, names)
    }

    fn new(product: Product, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            names: names.into_iter().map(Into::into).collect(),
            method: Self::default_method(),
            status: Self::default_status(),
            product,
            id: None,
            scope: None,
            account: ApiKey::ACCOUNT,
            product_type: Self::default_product_type(),
        }
    }

    /// Chooses the order's id; an order that has it is replaced.
    #[must_use]
    pub fn id(self, id: u64) -> Self {
        Self { id: Some(id), ..self }
    }

    /// Chooses the DCV method, such as `dns-cname-token` or `email`.
    #[must_use]
    pub fn method(self, method: impl Into<String>) -> Self {
        Self { method: method.into(), ..self }
    }

    /// Chooses the status that the order begins in.
    #[must_use]
    pub fn status(self, status: impl Into<String>) -> Self {
        Self { status: status.into(), ..self }
    }

    /// Chooses the scope instead of the profile's.
    #[must_use]
    pub fn scope(self, scope: Scope) -> Self {
        Self { scope: Some(scope), ..self }
    }

    /// Chooses the account.
    #[must_use]
    pub fn account(self, account: u64) -> Self {
        Self { account, ..self }
    }

    /// Chooses what kind of certificate it is for, such as `code_signing_certificate`.
    #[must_use]
    pub fn product_type(self, kind: impl Into<String>) -> Self {
        Self { product_type: kind.into(), ..self }
    }

    /// The same order with `{n}` in its names replaced.
    pub(super) fn numbered(&self, n: usize) -> Self {
        let names = self.names.iter().map(|name| name.replace("{n}", &n.to_string())).collect();
        Self { names, id: self.id.map(|id| id.saturating_add(n as u64)), ..self.clone() }
    }

    fn default_method() -> String {
        "dns-txt-token".to_owned()
    }

    pub(super) fn default_product_type() -> String {
        "ssl_certificate".to_owned()
    }

    fn default_status() -> String {
        "pending".to_owned()
    }
}

/// The kind of validation a product needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Product {
    /// Domain validation only.
    #[default]
    Dv,
    /// Organisation validation.
    Ov,
    /// Extended validation.
    Ev,
}

impl Product {
    /// The documented products (facts, section 2.8) by their name id.
    pub(super) fn named(name_id: &str) -> Option<Self> {
        match name_id {
            "ssl_dv_geotrust"
            | "ssl_dv_geotrust_flex"
            | "ssl_dv_rapidssl"
            | "wildcard_dv_geotrust"
            | "wildcard_dv_rapidssl"
            | "cloud_dv_geotrust" => Some(Self::Dv),
            "ssl_basic" | "ssl_securesite_flex" | "ssl_plus" | "ssl_multi_domain" | "ssl_wildcard" => {
                Some(Self::Ov)
            }
            "ssl_ev_basic" => Some(Self::Ev),
            _ => None,
        }
    }

    /// A product of this kind, for orders that name none.
    pub(super) fn name_id(self) -> &'static str {
        match self {
            Self::Dv => "ssl_dv_geotrust",
            Self::Ov => "ssl_basic",
            Self::Ev => "ssl_ev_basic",
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Dv => "dv",
            Self::Ov => "ov",
            Self::Ev => "ev",
        }
    }
}
