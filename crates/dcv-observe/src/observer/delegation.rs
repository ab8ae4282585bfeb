//! Aliases: how far they lead from an owner name, and whether they can be trusted.

use std::sync::Arc;

use dcv_core::{Answer, Broken, Delegation, DomainName, MAX_CHAIN, Security};
use hickory_proto::{
    op::{Query, ResponseCode},
    rr::{Name, RecordType},
};

use super::{Observer, answer, random_label};
use crate::{
    Error,
    authority::{
        dnssec::is_dname,
        exchange::Reply,
        zone_cut::{ZoneCut, wire_name},
    },
};

impl Observer {
    /// Follows the aliases from an owner name.
    ///
    /// # Errors
    /// When nobody answers for the owner name itself.
    pub(super) async fn delegation(&self, owner: &DomainName) -> Result<Delegation, Error> {
        self.follow(owner, Delegation::default()).await
    }

    /// Goes on from where a chain has come to.
    pub(super) async fn follow(
        &self,
        owner: &DomainName,
        mut found: Delegation,
    ) -> Result<Delegation, Error> {
        loop {
            let name = found.chain.last().unwrap_or(owner).clone();
            let wire = wire_name(&name)?;
            let (cut, reply) = match self.alias_at(&name, &wire).await {
                Ok(answer) => answer,
                Err(error) if found.chain.is_empty() => return Err(error),
                Err(_) => {
                    found.broken = Some(Broken::Unanswered(name));
                    return Ok(found);
                }
            };
            found.dname |= reply.response.answers.iter().any(is_dname);
            let target = match answer::of_authority(&reply.response, &wire) {
                Answer::Cname(target) => target.name().clone(),
                Answer::Txt(_) | Answer::File(_) | Answer::Failed(_) => {
                    let missing = reply.response.response_code == ResponseCode::NXDomain;
                    if missing
                        && !found.chain.is_empty()
                        && let Some(domain) = unregistered(&name, &cut.apex)
                    {
                        found.broken = Some(Broken::Unregistered(domain));
                    }
                    return Ok(found);
                }
            };
            if found.chain.is_empty() {
                found.wildcard = self.comes_from_a_wildcard(&name, &target).await;
            }
            let circle = target == *owner || found.chain.contains(&target);
            found.chain.push(target);
            if circle || found.chain.len() > MAX_CHAIN {
                found.broken = Some(if circle { Broken::Circle } else { Broken::Long });
                return Ok(found);
            }
        }
    }

    /// Whether the aliases from `owner` to `end` validate: a chain of trust may break at any of them.
    pub(super) async fn trust(&self, owner: &DomainName, end: &DomainName) -> Security {
        let mut worst = Security::Unchecked;
        let mut name = owner.clone();
        for _ in 0..MAX_CHAIN {
            let view = self.view(&name);
            let (Some(validator), Ok(wire)) = (&view.validator, wire_name(&name)) else { break };
            if name == *end {
                break;
            }
            let Ok((cut, reply)) = view.walk.ask(&wire, RecordType::CNAME).await else { break };
            let query = Query::query(wire.clone(), RecordType::CNAME);
            let apex = view.walk.apex(&cut, &wire, &reply.response).await;
            worst = validator.judge(&apex, &query, &reply.response).await;
            if matches!(worst, Security::Bogus(_)) {
                break;
            }
            match answer::of_authority(&reply.response, &wire) {
                Answer::Cname(target) => name = target.name().clone(),
                Answer::Txt(_) | Answer::File(_) | Answer::Failed(_) => break,
            }
        }
        worst
    }

    /// What an authority says at a name. A server that follows an alias and gets lost answers SERVFAIL; asked for the
    /// alias itself it names it.
    async fn alias_at(&self, name: &DomainName, wire: &Name) -> Result<(Arc<ZoneCut>, Reply), Error> {
        let walk = &self.view(name).walk;
        let failure = match walk.find_zone_with_answer(wire).await {
            Ok((cut, reply)) => match answer::of_authority(&reply.response, wire) {
                Answer::Failed(why) => Error::Unusable(why.detail),
                Answer::Txt(_) | Answer::Cname(_) | Answer::File(_) => return Ok((cut, reply)),
            },
            Err(error) => error,
        };
        match walk.ask(wire, RecordType::CNAME).await {
            Ok((cut, reply)) if matches!(answer::of_authority(&reply.response, wire), Answer::Cname(_)) => {
                Ok((cut, reply))
            }
            Ok(_) | Err(_) => Err(failure),
        }
    }

    /// Whether a name beside this one, which nobody can have made, has the same alias.
    async fn comes_from_a_wildcard(&self, name: &DomainName, target: &DomainName) -> bool {
        let label = format!("_dcv-{}", random_label());
        let Some(sibling) = name.parent().and_then(|parent| parent.child(&label).ok()) else { return false };
        let Ok(wire) = wire_name(&sibling) else { return false };
        match self.view(&sibling).walk.ask(&wire, RecordType::TXT).await {
            Ok((_, reply)) => match answer::of_authority(&reply.response, &wire) {
                Answer::Cname(alias) => alias.name() == target,
                Answer::Txt(_) | Answer::File(_) | Answer::Failed(_) => false,
            },
            Err(_) => false,
        }
    }
}

/// The registrable domain of `name` when the zone that denied the name lies above it.
fn unregistered(name: &DomainName, apex: &Name) -> Option<DomainName> {
    let domain = psl::domain_str(name.as_str())?;
    let domain_name = Name::from_ascii(format!("{domain}.")).ok()?;
    (apex.zone_of(&domain_name) && *apex != domain_name).then(|| domain.parse().ok())?
}
