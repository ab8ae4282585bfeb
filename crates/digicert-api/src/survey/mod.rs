//! How an account's real answers compare with what is known of DigiCert's API. Reads only.
//!
//! What is known stands in `model.txt`, field by field. A [`Survey`] is one answer with what of it is not as expected, and
//! its shape: the answer with every value replaced by its kind, fit to be shown to others.

mod headers;
mod lists;
mod model;
mod shape;

use std::time::Duration;

use serde_json::Value;

pub use self::model::Surprise;
use self::model::{Model, surprises};
use crate::call::Call;
use crate::client::Client;
use crate::error::Error;
use crate::ids::{DomainId, OrderId};

/// A call that only reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// `GET /user/me`
    User,
    /// The first page of `GET /order/certificate`
    Orders,
    /// `GET /order/certificate/{id}`
    Order(OrderId),
    /// `GET /order/certificate/{id}/validation`
    Validation(OrderId),
    /// `GET /order/certificate/status-changes` of the last day
    Changes,
    /// The first page of `GET /domain`
    Domains,
    /// `GET /domain/{id}`
    Domain(DomainId),
}

impl Reading {
    /// The call without its numbers, for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::User => "GET user/me",
            Self::Orders => "GET order/certificate",
            Self::Order(_) => "GET order/certificate/{id}",
            Self::Validation(_) => "GET order/certificate/{id}/validation",
            Self::Changes => "GET order/certificate/status-changes",
            Self::Domains => "GET domain",
            Self::Domain(_) => "GET domain/{id}",
        }
    }

    /// The name of its part of the model.
    const fn part(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Orders => "orders",
            Self::Order(_) => "order",
            Self::Validation(_) => "validation",
            Self::Changes => "changes",
            Self::Domains => "domains",
            Self::Domain(_) => "domain",
        }
    }

    fn call(self) -> Call {
        let pairs = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
        };
        match self {
            Self::User => Call::get("user/me"),
            Self::Orders => Call::get("order/certificate").query(pairs(&[
                ("sort", "-date_created"),
                ("limit", "100"),
                ("offset", "0"),
            ])),
            Self::Order(id) => Call::get(format!("order/certificate/{id}")),
            Self::Validation(id) => Call::get(format!("order/certificate/{id}/validation")),
            Self::Changes => Call::get("order/certificate/status-changes")
                .query(pairs(&[("minutes", &(Duration::from_hours(24).as_secs() / 60).to_string())])),
            Self::Domains => Call::get("domain").query(pairs(&[
                ("include_dcv_expiration_time", "true"),
                ("limit", "100"),
                ("offset", "0"),
            ])),
            Self::Domain(id) => Call::get(format!("domain/{id}"))
                .query(pairs(&[("include_dcv", "true"), ("include_validation", "true")])),
        }
    }
}

/// One answer, compared with what is known.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Survey {
    /// Which call was answered.
    pub reading: Reading,
    /// The HTTP status.
    pub status: u16,
    /// How many fields there are, each place counted once.
    pub fields: usize,
    /// What is not as expected.
    pub surprises: Vec<Surprise>,
    /// The answer with every value replaced by its kind; words that the model knows are kept.
    pub shape: Value,
}

impl Client {
    /// Makes a call that only reads, and compares the answer with what is known of it.
    ///
    /// # Errors
    /// Any, as the call itself; a success that is no JSON is [`Error::Undecodable`].
    pub async fn survey(&self, reading: Reading) -> Result<Survey, Error> {
        let reply = self.call(reading.call()).await?;
        let body: Value = if reply.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&reply.body).map_err(|_| reply.undecodable("it is no JSON"))?
        };
        let model = Model::of(reading.part());
        let (body, numbered) = lists::straightened(&model, body);
        let (fields, mut surprises) = surprises(&model, &body);
        surprises.extend(numbered);
        surprises.extend(headers::surprises(&reply.headers));
        let shape = shape::of(&model, &body);
        Ok(Survey { reading, status: reply.status.as_u16(), fields, surprises, shape })
    }
}
