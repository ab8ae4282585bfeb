//! A small deterministic source of randomness: the same seed gives the same run.

/// Marsaglia's xorshift64. Not for secrets; a random value in the sandbox protects nothing.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn seeded(seed: u64) -> Self {
        // Zero is the one state that xorshift never leaves.
        Self(seed ^ 0x9E37_79B9_7F4A_7C15 | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// True with the given probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        // The upper 53 bits fill the mantissa of a number in [0, 1).
        let roll = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        roll < probability
    }

    /// A random value as DigiCert's library makes them: 32 letters, capitals among them, and digits.
    pub(super) fn value(&mut self) -> String {
        const ALPHABET: [u8; 62] = *b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        (0..32).map(|_| char::from(ALPHABET[(self.next() >> 32) as usize % ALPHABET.len()])).collect()
    }
}
