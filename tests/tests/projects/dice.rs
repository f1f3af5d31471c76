//! Random numbers that come again.

/// A sequence of random numbers, the same for the same seed: `SplitMix64`.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // Of the product with the sides, the upper half is below them.
        let sides = u128::try_from(sides).expect("a few sides");
        usize::try_from((u128::from(mixed ^ (mixed >> 31)) * sides) >> 64).expect("it is below the sides")
    }
}
