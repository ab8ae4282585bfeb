//! Random values: handed out again until they expire, then made anew.

use jiff::Timestamp;

use super::{
    profile::Profile,
    random::Random,
    switches::{ExpirationDate, FormerDomainValue},
};
use crate::clock;

/// A random value that was handed out.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) expires: Timestamp,
    /// Calls after the expiry that still returned it.
    late_calls: u32,
}

/// The values of one order or domain, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Values(Vec<Value>);

impl Values {
    /// Values remembered; older ones have long expired.
    const LIMIT: usize = 64;

    /// The value of now, expired or not.
    pub(super) fn last(&self) -> Option<&Value> {
        self.0.last()
    }

    /// The value for a caller: the current one while it is valid, then a new one.
    pub(super) fn current(&mut self, profile: &Profile, random: &mut Random, now: Timestamp) -> Value {
        if let Some(value) = self.0.last_mut() {
            let expired = value.expires <= now;
            let kept = expired && value.late_calls < profile.keep_old_calls;
            if kept {
                value.late_calls += 1;
            }
            if !expired || kept {
                return value.clone();
            }
        }
        self.add(profile, random, now)
    }

    /// A new value, whatever there is; how a domain gets one.
    pub(super) fn renew(&mut self, profile: &Profile, random: &mut Random, now: Timestamp) -> Value {
        if profile.former_domain_value == FormerDomainValue::Invalid {
            self.0.clear();
        }
        self.add(profile, random, now)
    }

    fn add(&mut self, profile: &Profile, random: &mut Random, now: Timestamp) -> Value {
        let text = profile.value_literal.clone().unwrap_or_else(|| random.value());
        let value = Value { text, expires: expiry(profile, now), late_calls: 0 };
        if self.0.len() == Self::LIMIT {
            self.0.remove(0);
        }
        self.0.push(value.clone());
        value
    }

    /// Ends the life of the current value.
    pub(super) fn expire(&mut self, now: Timestamp) {
        if let Some(value) = self.0.last_mut() {
            value.expires = value.expires.min(now);
        }
    }

    /// The values that a check accepts.
    pub(super) fn accepted(&self, profile: &Profile, now: Timestamp) -> Vec<String> {
        let valid = |value: &&Value| now < clock::after(value.expires, profile.value_grace);
        self.0.iter().filter(valid).map(|value| value.text.clone()).collect()
    }
}

fn expiry(profile: &Profile, now: Timestamp) -> Timestamp {
    let exact = clock::after(now, profile.value_life);
    match profile.expiration_date {
        // What the caller cannot see may be exact.
        ExpirationDate::Fractions | ExpirationDate::Absent | ExpirationDate::Literal(_) => exact,
        ExpirationDate::Offset | ExpirationDate::Z => clock::whole_second(exact),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_value_is_idempotent_until_it_expires() {
        let (profile, mut random, mut values) = (Profile::default(), Random::seeded(1), Values::default());
        let now = clock::now();
        let first = values.current(&profile, &mut random, now);
        assert_eq!(first.text.len(), 32);
        let later =
            values.current(&profile, &mut random, clock::after(now, Duration::from_secs(29 * 86_400)));
        assert_eq!((first.text.as_str(), first.expires), (later.text.as_str(), later.expires));
        let next = values.current(&profile, &mut random, first.expires);
        assert_ne!(first.text, next.text);
        assert_eq!(values.accepted(&profile, first.expires), [next.text]);
    }

    #[test]
    fn a_slow_back_end_keeps_the_old_value_for_some_calls() {
        let profile = Profile { keep_old_calls: 2, ..Profile::default() };
        let (mut random, mut values) = (Random::seeded(1), Values::default());
        let now = clock::now();
        let first = values.current(&profile, &mut random, now).text;
        values.expire(now);
        let calls: Vec<_> =
            (0..4).map(|_| values.current(&profile, &mut random, now).text == first).collect();
        assert_eq!(calls, [true, true, false, false]);
    }

    #[test]
    fn a_renewed_value_ends_the_former_one_even_in_its_grace() {
        let mut profile = Profile { value_grace: Duration::from_secs(3600), ..Profile::default() };
        let (mut random, mut values) = (Random::seeded(1), Values::default());
        let now = clock::now();
        values.renew(&profile, &mut random, now);
        let second = values.renew(&profile, &mut random, now).text;
        assert_eq!(values.accepted(&profile, now), [second.as_str()]);
        profile.former_domain_value = FormerDomainValue::Valid;
        let third = values.renew(&profile, &mut random, now).text;
        assert_eq!(values.accepted(&profile, now), [second, third]);
    }
}
