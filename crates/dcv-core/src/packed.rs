//! Facts at rest, in a fifth of their room: one block instead of a dozen, in which each name stands once. A hundred thousand
//! orders may rest in a process that has 128 MB.
//!
//! What is packed was unpacked and compared before the original is given up, so that whatever this form cannot hold stays
//! whole.

use jiff::Timestamp;
use litemap::LiteMap;

use crate::{
    AliasTarget, Artifact, Asked, CaaFacts, CertName, DomainName, Facts, Guarded, Held, Kind, Label,
    Location, Look, Lookup, Method, OrderFacts, OrderStatus, RandomValue, RecordData, ScopeFacts, Site,
    Stands, Target, Token,
};

/// Facts that nobody needs for a while.
#[derive(Debug)]
pub struct Packed(Form);

#[derive(Debug)]
enum Form {
    Block(Box<[u8]>),
    /// With parts that rest rarely: sightings, a failure, a domain's dates.
    Whole(Box<Facts>),
}

impl Packed {
    /// Packs them, where they can be had back as they are.
    #[must_use]
    pub fn of(facts: Box<Facts>) -> Self {
        let mut writer = Writer::default();
        let block = writer.facts(&facts).map(|()| writer.bytes.into_boxed_slice());
        let block = block.filter(|block| Reader::new(block).facts().is_some_and(|packed| packed == *facts));
        Self(block.map_or(Form::Whole(facts), Form::Block))
    }

    /// The facts as they were.
    #[must_use]
    pub fn open(self) -> Box<Facts> {
        match self.0 {
            // It was read before, when it was packed.
            Form::Block(block) => Box::new(Reader::new(&block).facts().unwrap_or_default()),
            Form::Whole(facts) => facts,
        }
    }

    /// Whether they are in one block.
    #[must_use]
    pub const fn is_block(&self) -> bool {
        matches!(self.0, Form::Block(_))
    }
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    /// Names that were written; each is written once.
    names: Vec<DomainName>,
}

impl Writer {
    /// None for what this form does not hold.
    fn facts(&mut self, facts: &Facts) -> Option<()> {
        // Every field is named, so that a new one is not forgotten.
        let Facts {
            seed,
            kind,
            configured,
            retired,
            discovered,
            switch_to,
            needed_by,
            order,
            domain,
            proven,
            proven_at,
            token,
            located,
            located_at,
            held,
            sightings,
            looked_at,
            looks,
            drift,
            caa,
            asked,
            failure,
        } = facts;
        let is_rare = domain.is_some() || !sightings.is_empty() || failure.is_some() || drift.is_some();
        if *kind != Kind::Order || is_rare {
            return None;
        }
        self.number(*seed);
        self.flags([*retired, *discovered, *proven]);
        self.list(configured, Self::name);
        self.option(switch_to.as_ref(), |w, method| w.text(method.as_str()));
        for time in [needed_by, proven_at, located_at] {
            self.option(time.as_ref(), Self::time);
        }
        self.option(order.as_deref(), Self::order);
        self.flags([token.is_some()]);
        if let Some(token) = token {
            self.token(token)?;
        }
        let targets: Option<Vec<(&Lookup, &Target)>> = located
            .iter()
            .map(|(lookup, location)| match location {
                Location::At(target) => Some((lookup, target)),
                Location::Blocked(_) => None,
            })
            .collect();
        self.list(&targets?, |w, (lookup, target)| {
            w.lookup(lookup);
            w.target(target);
        });
        self.list(held, Self::held);
        self.seen(looked_at, *looks, caa.as_ref(), asked.as_ref());
        Some(())
    }

    /// What was seen, and what the CA was asked.
    fn seen(
        &mut self,
        looked_at: &LiteMap<Lookup, Look>,
        looks: u32,
        caa: Option<&CaaFacts>,
        asked: Option<&Asked>,
    ) {
        self.list(&looked_at.iter().collect::<Vec<_>>(), |w, (lookup, look)| {
            w.lookup(lookup);
            w.time(&look.at);
            w.flags([look.was_visible, look.stands == Stands::Everywhere, look.stands == Stands::Gone]);
        });
        self.number(u64::from(looks));
        self.option(caa.filter(|caa| caa.names.is_empty()), |w, caa| w.time(&caa.at));
        self.option(asked, |w, asked| {
            w.time(&asked.at);
            w.number(u64::from(asked.count));
            w.text(&asked.said);
        });
    }

    fn order(&mut self, order: &OrderFacts) {
        let OrderFacts { at, status, method, scopes, unreadable, missing, approval, not_admitted } = order;
        self.option(at.as_ref(), Self::time);
        self.text(status.as_str());
        self.option(method.as_ref(), |w, method| w.text(method.as_str()));
        self.list(scopes, |w, ScopeFacts { name, approved, method, names }| {
            w.name(name);
            w.flags([*approved]);
            w.option(method.as_ref(), |w, method| w.text(method.as_str()));
            w.list(names, |w, CertName { name, wildcard }| {
                w.name(name);
                w.flags([*wildcard]);
            });
        });
        self.list(unreadable, |w, text| w.text(text));
        self.list(missing, |w, text| w.text(text));
        self.option(approval.as_ref(), |w, text| w.text(text));
        self.option(not_admitted.as_ref(), |w, text| w.text(text));
    }

    fn token(&mut self, Token { value, expires, requested, stale_answers }: &Token) -> Option<()> {
        self.text(value.as_ref().ok()?.as_str());
        self.option(expires.as_ref(), Self::time);
        self.time(requested);
        self.number(u64::from(*stale_answers));
        Some(())
    }

    fn held(&mut self, Held { artifact, applied }: &Held) {
        match artifact {
            Artifact::Record { site, data: RecordData::Txt(value) } => {
                self.bytes.push(0);
                self.site(site);
                self.text(value.as_str());
            }
            Artifact::Record { site, data: RecordData::Cname(target) } => {
                self.bytes.push(1);
                self.site(site);
                self.text(&target.to_string());
            }
            Artifact::File { host, value } => {
                self.bytes.push(2);
                self.name(host);
                self.text(value.as_str());
            }
        }
        self.option(applied.as_ref(), Self::time);
    }

    fn target(&mut self, target: &Target) {
        match target {
            Target::Record(site) => {
                self.bytes.push(0);
                self.site(site);
            }
            Target::File(host) => {
                self.bytes.push(1);
                self.name(host);
            }
        }
    }

    fn site(&mut self, site: &Site) {
        self.name(site.owner());
        self.name(site.zone());
    }

    fn lookup(&mut self, Lookup { domain, label }: &Lookup) {
        self.name(domain);
        match label {
            Label::Under(label) => {
                self.bytes.push(0);
                self.text(label);
            }
            Label::Bare => self.bytes.push(1),
            Label::File => self.bytes.push(2),
        }
    }

    fn name(&mut self, name: &DomainName) {
        let known = self.names.iter().position(|known| known == name);
        self.number(known.map_or(0, |at| at as u64 + 1));
        if known.is_none() {
            self.text(name.as_str());
            self.names.push(name.clone());
        }
    }

    fn time(&mut self, time: &Timestamp) {
        self.bytes.extend(time.as_second().to_le_bytes());
        self.bytes.extend(time.subsec_nanosecond().to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes.extend(text.as_bytes());
    }

    fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.number(items.len() as u64);
        items.iter().for_each(|item| write(self, item));
    }

    fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.flags([value.is_some()]);
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn flags<const N: usize>(&mut self, flags: [bool; N]) {
        self.bytes.extend(flags.map(u8::from));
    }

    /// Seven bits a byte, the least first (LEB128).
    fn number(&mut self, mut number: u64) {
        while number > 0x7f {
            self.bytes.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }
}

/// Reads what a writer wrote, in the same order. None where there is something else.
struct Reader<'b> {
    rest: &'b [u8],
    names: Vec<DomainName>,
}

impl<'b> Reader<'b> {
    const fn new(block: &'b [u8]) -> Self {
        Self { rest: block, names: Vec::new() }
    }

    fn facts(&mut self) -> Option<Facts> {
        let seed = self.number()?;
        let [retired, discovered, proven] = self.flags()?;
        let configured = self.list(Self::name)?;
        let switch_to = self.option(Self::method)?;
        let (needed_by, proven_at, located_at) =
            (self.option(Self::time)?, self.option(Self::time)?, self.option(Self::time)?);
        let order = self.option(Self::order)?.map(Box::new);
        let token = self.option(Self::token)?;
        let located = self.list(|r| Some((r.lookup()?, Location::At(r.target()?))))?;
        let held = self.list(Self::held)?;
        let looked_at = self.list(|r| {
            let (lookup, at, [was_visible, everywhere, gone]) = (r.lookup()?, r.time()?, r.flags()?);
            let stands = match (everywhere, gone) {
                (true, _) => Stands::Everywhere,
                (false, true) => Stands::Gone,
                (false, false) => Stands::Unseen,
            };
            Some((lookup, Look { at, was_visible, stands }))
        })?;
        let looks = self.number()?.try_into().ok()?;
        let caa = self.option(Self::time)?.map(|at| CaaFacts { at, names: Vec::new() });
        let asked = self.option(|r| {
            Some(Asked { at: r.time()?, count: r.number()?.try_into().ok()?, said: r.text()?.to_owned() })
        })?;
        Some(Facts {
            seed,
            configured,
            retired,
            discovered,
            switch_to,
            needed_by,
            order,
            proven,
            proven_at,
            token,
            located: LiteMap::from_iter(located),
            located_at,
            held,
            looked_at: LiteMap::from_iter(looked_at),
            looks,
            caa,
            asked,
            ..Facts::default()
        })
    }

    fn order(&mut self) -> Option<OrderFacts> {
        let at = self.option(Self::time)?;
        let status = OrderStatus::from(self.text()?);
        let method = self.option(Self::method)?;
        let scopes = self.list(|r| {
            let (name, [approved]) = (r.name()?, r.flags()?);
            let method = r.option(Self::method)?;
            let names = r.list(|r| {
                let (name, [wildcard]) = (r.name()?, r.flags()?);
                Some(CertName { name, wildcard })
            })?;
            Some(ScopeFacts { name, approved, method, names })
        })?;
        let unreadable = self.list(Self::owned)?;
        let missing = self.list(Self::owned)?;
        let (approval, not_admitted) = (self.option(Self::owned)?, self.option(Self::owned)?);
        Some(OrderFacts { at, status, method, scopes, unreadable, missing, approval, not_admitted })
    }

    fn token(&mut self) -> Option<Token> {
        let value = Ok(self.value()?);
        let expires = self.option(Self::time)?;
        Some(Token {
            value,
            expires,
            requested: self.time()?,
            stale_answers: self.number()?.try_into().ok()?,
        })
    }

    fn held(&mut self) -> Option<Held> {
        let artifact = match self.byte()? {
            0 => Artifact::Record { site: self.site()?, data: RecordData::Txt(self.value()?) },
            1 => {
                let site = self.site()?;
                let target: AliasTarget = self.text()?.parse().ok()?;
                Artifact::Record { site, data: RecordData::Cname(target) }
            }
            2 => Artifact::File { host: self.name()?, value: self.value()? },
            _ => return None,
        };
        Some(Held { artifact, applied: self.option(Self::time)? })
    }

    fn target(&mut self) -> Option<Target> {
        match self.byte()? {
            0 => self.site().map(Target::Record),
            1 => self.name().map(Target::File),
            _ => None,
        }
    }

    fn site(&mut self) -> Option<Site> {
        let (owner, zone) = (self.name()?, self.name()?);
        Guarded::recorded(owner, zone).ok()
    }

    fn lookup(&mut self) -> Option<Lookup> {
        let domain = self.name()?;
        let label = match self.byte()? {
            0 => Label::Under(match self.text()? {
                crate::DNSAUTH => crate::DNSAUTH.into(),
                other => other.to_owned().into(),
            }),
            1 => Label::Bare,
            2 => Label::File,
            _ => return None,
        };
        Some(Lookup { domain, label })
    }

    fn name(&mut self) -> Option<DomainName> {
        match usize::try_from(self.number()?).ok()?.checked_sub(1) {
            Some(at) => self.names.get(at).cloned(),
            None => {
                let name: DomainName = self.text()?.parse().ok()?;
                self.names.push(name.clone());
                Some(name)
            }
        }
    }

    fn value(&mut self) -> Option<RandomValue> {
        RandomValue::new(self.text()?).ok()
    }

    fn method(&mut self) -> Option<Method> {
        self.text().map(Method::from)
    }

    fn time(&mut self) -> Option<Timestamp> {
        let (second, rest) = self.rest.split_first_chunk()?;
        let (nanosecond, rest) = rest.split_first_chunk()?;
        self.rest = rest;
        Timestamp::new(i64::from_le_bytes(*second), i32::from_le_bytes(*nanosecond)).ok()
    }

    fn owned(&mut self) -> Option<String> {
        self.text().map(str::to_owned)
    }

    fn text(&mut self) -> Option<&'b str> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        std::str::from_utf8(text).ok()
    }

    fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        (0..self.number()?).map(|_| read(self)).collect()
    }

    fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.byte()? {
            0 => Some(None),
            _ => read(self).map(Some),
        }
    }

    fn flags<const N: usize>(&mut self) -> Option<[bool; N]> {
        let (flags, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(flags.map(|flag| flag != 0))
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }
}
