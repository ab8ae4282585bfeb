//! The requests to Route 53, their pace, and what their errors mean.

use std::{collections::BTreeSet, time::Duration};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_route53::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    types::{Change as Edit, ChangeBatch, ChangeStatus, ResourceRecordSet, RrType},
};
use dcv_core::{DomainName, error::chain};

use super::{
    Names,
    plan::{Held, bug, plain},
};
use crate::{
    Class, Error, Extent,
    api::{
        ids::NO_ZONE,
        pause::jittered,
        replan::OVERTAKEN,
        throttle::{THROTTLED, Throttle},
    },
    provider::listed,
};

/// Label of the error that says: the credentials may not do this.
const DENIED: &str = "access-denied";
const CHANGE: &str = "route53:ChangeResourceRecordSets";
const TRIES: u32 = 6;
/// Pages of one name's sets, or of one zone name's zones; more means a paging that does not end.
const PAGES: usize = 20;

#[derive(Debug)]
pub(super) struct Account {
    client: Client,
    throttle: Throttle,
}

/// Where a listing goes on.
#[derive(Clone, Debug)]
struct From {
    name: String,
    kind: Option<RrType>,
    identifier: Option<String>,
}

impl From {
    fn name(name: &DomainName) -> Self {
        Self { name: format!("{name}."), kind: None, identifier: None }
    }
}

impl Account {
    pub(super) const fn new(client: Client, throttle: Throttle) -> Self {
        Self { client, throttle }
    }

    /// The id of the one public zone of that name.
    pub(super) async fn find_zone(&self, zone: &DomainName) -> Result<String, Error> {
        let mut found: Vec<String> = Vec::new();
        let (mut name, mut id) = (format!("{zone}."), None);
        for _ in 0..PAGES {
            let page = self
                .call("route53:ListHostedZonesByName", zone.as_str(), || {
                    self.client
                        .list_hosted_zones_by_name()
                        .dns_name(&name)
                        .set_hosted_zone_id(id.clone())
                        .send()
                })
                .await?;
            // The call starts at the name and goes on through the account; a private zone is invisible to a CA.
            let here = |at: &str| zone.is_named_by(at);
            let public = page
                .hosted_zones()
                .iter()
                .filter(|one| here(one.name()) && !one.config().is_some_and(|config| config.private_zone()));
            found.extend(public.map(|one| one.id().trim_start_matches("/hostedzone/").to_owned()));
            match page.next_dns_name() {
                Some(next) if page.is_truncated() && here(next) => {
                    (name, id) = (next.to_owned(), page.next_hosted_zone_id().map(str::to_owned));
                }
                Some(_) | None => break,
            }
        }
        match found.as_slice() {
            [one] => Ok(one.clone()),
            [] => Err(Error::new(
                Class::Setup,
                NO_ZONE,
                format!("the account has no public hosted zone {zone}"),
            )
            .hint("check the name, and that the credentials belong to the zone's account (or set role_arn)")),
            several => Err(Error::new(
                Class::Setup,
                "ambiguous-zone",
                format!("the account has several public hosted zones {zone}: {}", several.join(" and ")),
            )
            .hint("set the zone's id to the one that the parent zone's NS records delegate to")),
        }
    }

    /// What stands at one name.
    pub(super) async fn at(&self, zone: &str, owner: &DomainName) -> Result<Held, Error> {
        let mut held = Held::default();
        let mut from = From::name(owner);
        for _ in 0..PAGES {
            let (sets, next) = self.page(zone, from, 20).await?;
            for set in sets.into_iter().filter(|set| owner.is_named_by(set.name())) {
                held.note(set);
            }
            match next {
                Some(next) if owner.is_named_by(&next.name) => from = next,
                Some(_) | None => return Ok(held),
            }
        }
        Err(Error::new(Class::Bug, "endless-paging", format!("the listing of {owner} does not end")))
    }

    /// What stands at each name, asked one by one.
    pub(super) async fn each(&self, zone: &str, owners: &BTreeSet<DomainName>) -> Result<Names, Error> {
        let mut names = Names::new();
        for owner in owners {
            names.insert(owner.clone(), self.at(zone, owner).await?);
        }
        Ok(names)
    }

    /// What stands at each name, in few requests: a page tells of every name between its first and its last.
    pub(super) async fn sweep(&self, zone: &str, owners: &BTreeSet<DomainName>) -> Result<Names, Error> {
        let mut names: Names = owners.iter().map(|owner| (owner.clone(), Held::default())).collect();
        let mut open: Vec<&DomainName> = owners.iter().collect();
        open.sort_by_key(|owner| order(owner.as_str()));
        while let [first, ..] = open.as_slice() {
            let first = (*first).clone();
            if open.len() == 1 {
                names.insert(first.clone(), self.at(zone, &first).await?);
                break;
            }
            let (sets, next) = self.page(zone, From::name(&first), 300).await?;
            // A page in an order that is not ours proves nothing about absent names.
            let sorted = sets.is_sorted_by_key(|set| order(set.name()));
            let end = next.map(|next| order(&next.name));
            let told =
                |owner: &DomainName| sorted && end.as_ref().is_none_or(|end| order(owner.as_str()) < *end);
            let (done, left): (Vec<_>, Vec<_>) = open.into_iter().partition(|owner| told(owner));
            for set in sets {
                if let Some(owner) = done.iter().find(|owner| owner.is_named_by(set.name())) {
                    names.entry((*owner).clone()).or_default().note(set);
                }
            }
            open = left;
            if open.first() == Some(&&first) {
                names.insert(first.clone(), self.at(zone, &first).await?);
                open.remove(0);
            }
        }
        Ok(names)
    }

    async fn page(
        &self,
        zone: &str,
        from: From,
        items: i32,
    ) -> Result<(Vec<ResourceRecordSet>, Option<From>), Error> {
        let page = self
            .call("route53:ListResourceRecordSets", zone, || {
                self.client
                    .list_resource_record_sets()
                    .hosted_zone_id(zone)
                    .start_record_name(&from.name)
                    .set_start_record_type(from.kind.clone())
                    .set_start_record_identifier(from.identifier.clone())
                    .max_items(items)
                    .send()
            })
            .await?;
        let next = page.next_record_name.filter(|_| page.is_truncated).map(|name| From {
            name,
            kind: page.next_record_type,
            identifier: page.next_record_identifier,
        });
        Ok((page.resource_record_sets, next))
    }

    /// Sends one atomic batch; the id to ask [`Account::in_sync`] for.
    pub(super) async fn change(&self, zone: &str, edits: Vec<Edit>) -> Result<String, Error> {
        let sets = || edits.iter().filter_map(Edit::resource_record_set);
        let names = listed(sets().map(|set| plain(set.name())));
        let kinds = listed(sets().map(|set| set.r#type().to_string()));
        let batch = ChangeBatch::builder().set_changes(Some(edits)).build().map_err(bug)?;
        let answer = self
            .call(CHANGE, &format!("{names} in {zone}"), || {
                self.client
                    .change_resource_record_sets()
                    .hosted_zone_id(zone)
                    .change_batch(batch.clone())
                    .send()
            })
            .await
            // The condition of a policy is about the whole request, and AWS does not say which name fails it.
            .map_err(|error| match error.label() {
                DENIED => error.hint(format!(
                    "allow {CHANGE} to these credentials for each of these: NormalizedRecordNames {names}; RecordTypes {kinds} (docs/route53.md has a whole policy)"
                )),
                _ => error,
            })?;
        let info = answer
            .change_info
            .ok_or_else(|| Error::new(Class::Bug, "no-change-id", "Route 53 named no change"))?;
        Ok(info.id.trim_start_matches("/change/").to_owned())
    }

    /// Whether all of Route 53's servers have the change.
    pub(super) async fn in_sync(&self, change: &str) -> Result<bool, Error> {
        // Changes go first; it is asked again.
        if self.throttle.is_busy() {
            return Ok(false);
        }
        let answer =
            self.call("route53:GetChange", change, || self.client.get_change().id(change).send()).await?;
        Ok(answer.change_info.is_some_and(|info| info.status == ChangeStatus::Insync))
    }

    async fn call<T, E, F>(&self, action: &str, what: &str, send: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, SdkError<E>>>,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let mut attempt = 1;
        loop {
            let one = async { send().await.map_err(|error| explain(action, what, &error)) };
            match self.throttle.run(one).await {
                Ok(answer) => return Ok(answer),
                Err(known) => {
                    // A wait that the account asks for is for the caller, who has other work meanwhile.
                    if known.retry_after().is_some() {
                        return Err(known);
                    }
                    // Repeating a batch whose answer was lost is safe: what it deletes is gone, so it conflicts.
                    if !(known.class() == Class::Later && known.label() != OVERTAKEN) || attempt == TRIES {
                        return Err(known);
                    }
                    tracing::debug!(action, what, error = %known, "Route 53 is asked again");
                }
            }
            tokio::time::sleep(jittered(Duration::from_millis(400), attempt)).await;
            attempt += 1;
        }
    }
}

/// "Sorts results first by DNS name with the labels reversed", the trailing dot included.
fn order(name: &str) -> String {
    let mut key: String =
        plain(name).rsplit('.').flat_map(|label| [label.to_owned(), ".".to_owned()]).collect();
    // A wildcard is listed as an octal escape but sorted as what it is.
    if key.contains("\\052") {
        key = key.replace("\\052", "*");
    }
    key
}

fn explain<E>(action: &str, what: &str, error: &SdkError<E>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let Some(refusal) = error.as_service_error().filter(|refusal| refusal.code().is_some()) else {
        return without_code(action, what, error);
    };
    let code = refusal.code().unwrap_or_default();
    // A failed signature is answered with the text to sign, which is of no use here and names the key.
    let said = if code == "SignatureDoesNotMatch" { "" } else { refusal.message().unwrap_or_default() };
    let said: String = said.chars().take(300).collect();
    let text = format!("{action} on {what} failed: {code}: {said}");
    match code {
        "InvalidChangeBatch" | "InvalidInput" if action == CHANGE => Error::new(Class::Later, OVERTAKEN, text)
            .hint("if it stays so, the answer tells which record set is refused; Route 53's quotas are another cause"),
        "InvalidInput" => Error::new(Class::Setup, "refused", text).hint("check the zone's id"),
        "AccessDenied" | "AccessDeniedException" => Error::new(Class::Setup, DENIED, text)
            .hint(format!("allow {action} to these credentials on this resource (docs/route53.md has a whole policy)")),
        "InvalidClientTokenId" | "UnrecognizedClientException" | "InvalidAccessKeyId" => {
            Error::new(Class::Setup, "unknown-key", text).of(Extent::Provider).hint("the access key does not exist or is disabled; check access_key_id")
        }
        "SignatureDoesNotMatch" => Error::new(Class::Setup, "bad-signature", text).of(Extent::Provider)
            .hint("secret_access_key does not belong to access_key_id, or this host's clock is off"),
        "ExpiredToken" | "ExpiredTokenException" | "MissingAuthenticationToken" | "IncompleteSignature" => {
            Error::new(Class::Setup, "credentials-expired", text).of(Extent::Provider).hint("renew the session token, or use a role")
        }
        "RequestExpired" | "RequestTimeTooSkewed" => {
            Error::new(Class::Setup, "clock", text).of(Extent::Provider).hint("set this host's clock (NTP)")
        }
        "NoSuchHostedZone" => Error::new(Class::Setup, NO_ZONE, text)
            .of(Extent::Zone)
            .hint("check the zone's id, and that the credentials belong to its account (or set role_arn)"),
        "Throttling" | "ThrottlingException" | "RequestLimitExceeded" | "PriorRequestNotComplete" => {
            Error::new(Class::Later, THROTTLED, text)
                .of(Extent::Provider)
                .after(retry_after(error))
                .hint("the account's five requests a second are shared with whatever else uses Route 53")
        }
        _ => match error.raw_response().map(|raw| raw.status().as_u16()) {
            Some(400..500) => Error::new(Class::Bug, "refused", text),
            Some(_) | None => Error::new(Class::Later, "route53-error", text).of(Extent::Provider),
        },
    }
}

/// When Route 53 wants to be asked again, where it says so in seconds.
fn retry_after<E>(error: &SdkError<E>) -> Option<Duration> {
    error.raw_response()?.headers().get("retry-after")?.trim().parse().ok().map(Duration::from_secs)
}

fn without_code<E>(action: &str, what: &str, error: &SdkError<E>) -> Error
where
    E: std::error::Error + Send + Sync + 'static,
{
    // The SDK's own way of showing causes adds a Debug dump of two kilobytes.
    let cause = one_line(&chain(error));
    if let Some(credentials) = credentials_error(error) {
        let refused = [
            "AccessDenied",
            "InvalidClientTokenId",
            "SignatureDoesNotMatch",
            "ExpiredToken",
            "InvalidIdentityToken",
        ]
        .iter()
        .any(|code| cause.contains(code));
        return match credentials {
            CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_) => {
                Error::new(Class::Setup, "no-credentials", "no AWS credentials could be found")
                    .hint("set access_key_id and secret_access_key, or give the host, pod or profile a role")
            }
            _ if refused => {
                Error::new(Class::Setup, "role-refused", "the AWS credentials or the role were refused")
                    .hint("check role_arn, external_id and the role's trust policy (sts:AssumeRole)")
            }
            _ => Error::new(Class::Later, "no-credentials", "AWS credentials could not be fetched"),
        }
        .of(Extent::Provider)
        .caused_by(cause);
    }
    let text = match error {
        SdkError::TimeoutError(_) => format!("{action} on {what}: no answer in time"),
        SdkError::DispatchFailure(_) => format!("{action} on {what}: the endpoint cannot be reached"),
        _ => format!("{action} on {what}: the answer could not be understood"),
    };
    Error::new(Class::Later, "route53-unreachable", text)
        .of(Extent::Provider)
        .hint("check that https to the endpoint is open, and the proxy settings")
        .caused_by(cause)
}

/// Foreign text as one line of a bounded length.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(400).collect()
}

fn credentials_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a CredentialsError> {
    std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn names_sort_as_route_53_lists_them() {
        let mut names = [
            "www.example.com.",
            "example.com.",
            "a.www.example.com",
            "\\052.example.com.",
            "_dnsauth.example.com",
        ];
        names.sort_by_key(|name| order(name));
        assert_eq!(
            names,
            [
                "example.com.",
                "\\052.example.com.",
                "_dnsauth.example.com",
                "www.example.com.",
                "a.www.example.com"
            ]
        );
        assert!(order("a-b.example.com") < order("x.a.example.com"), "the trailing dot counts");
    }
}
