//! Numbers that look random and are the same for the same seed.

/// The generator [SplitMix64](https://prng.di.unimi.it/splitmix64.c).
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// A number below `limit`, which is above zero.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.number() % limit
    }

    /// A number from `least` up to, but not including, `limit`.
    pub(super) fn between(&mut self, least: u64, limit: u64) -> u64 {
        least + self.below(limit - least)
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of some things, of which there is at least one.
    pub(super) fn pick<'a, T>(&mut self, things: &'a [T]) -> &'a T {
        // The remainder fits wherever the length does.
        &things[(self.number() % things.len() as u64) as usize]
    }

    /// The id of a span.
    pub(super) fn span_id(&mut self) -> [u8; 8] {
        (self.number() | 1).to_be_bytes()
    }
}

fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// A digest as Dagger writes it, of some words.
pub(super) fn digest(words: &[&str]) -> String {
    let bytes = words.iter().flat_map(|word| word.bytes().chain([0]));
    let hash = bytes.fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3));
    format!("xxh3:{:016x}", mix(hash))
}
