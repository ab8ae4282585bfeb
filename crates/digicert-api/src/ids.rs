//! The numbers by which the CA calls orders and domains. They look alike; a call that takes one refuses the other.

use std::{fmt, num::ParseIntError, str::FromStr};

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$about:meta])+ $name:ident) => {
        $(#[$about])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// The CA's number as what it is the number of.
            #[must_use]
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            /// The CA's number.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIntError;

            fn from_str(text: &str) -> Result<Self, ParseIntError> {
                text.parse().map(Self)
            }
        }
    };
}

id! {
    /// The number of a certificate order.
    OrderId
}

id! {
    /// The number of a domain of the account.
    DomainId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_written_as_its_number() {
        let order = OrderId::new(112_233);
        assert_eq!((order.to_string(), order.get()), ("112233".to_owned(), 112_233));
        assert_eq!("112233".parse(), Ok(order));
        assert!("-1".parse::<DomainId>().is_err() && "x".parse::<DomainId>().is_err());
        assert_eq!(serde_json::to_string(&order).expect("a number"), "112233");
        assert_eq!(serde_json::from_str::<DomainId>("9911").expect("a number"), DomainId::new(9911));
    }
}
