//! Whose key it is.

use serde::Deserialize;

use crate::call::Call;
use crate::client::Client;
use crate::error::Error;
use crate::wire;

/// The user a key belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// The user's number.
    pub id: Option<u64>,
    /// The name to log in with.
    pub username: Option<String>,
    /// The account's number.
    pub account_id: Option<u64>,
    /// `active` and the like.
    pub status: Option<String>,
    /// The user's roles, such as `Administrator`. A restriction of the key itself does not show here.
    pub roles: Vec<String>,
}

impl User {
    /// Whether the user may do everything in the account, and with it a key that is not restricted.
    #[must_use]
    pub fn is_administrator(&self) -> bool {
        self.roles.iter().any(|role| role.eq_ignore_ascii_case("administrator"))
    }
}

impl Client {
    /// Reads whose key it is: `GET /user/me`. Not every key may be allowed to ask this.
    ///
    /// # Errors
    /// Any. An answer that names no user is [`Error::Undecodable`].
    pub async fn me(&self) -> Result<User, Error> {
        let reply = self.call(Call::get("user/me")).await?;
        let wire: WireUser = reply.read()?;
        if wire.id.is_none() && wire.username.is_none() {
            return Err(reply.undecodable("it names no user"));
        }
        Ok(User {
            id: wire.id,
            username: wire.username,
            account_id: wire.account.id,
            status: wire.status,
            roles: wire.access_roles.into_iter().filter_map(|role| role.name).collect(),
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireUser {
    #[serde(deserialize_with = "wire::id")]
    id: Option<u64>,
    #[serde(deserialize_with = "wire::text")]
    username: Option<String>,
    #[serde(deserialize_with = "wire::object")]
    account: WireAccount,
    #[serde(deserialize_with = "wire::text")]
    status: Option<String>,
    #[serde(deserialize_with = "wire::list")]
    access_roles: Vec<WireRole>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireAccount {
    #[serde(deserialize_with = "wire::id")]
    id: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireRole {
    #[serde(deserialize_with = "wire::text")]
    name: Option<String>,
}
