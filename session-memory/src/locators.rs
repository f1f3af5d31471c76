//! Which sessions a principal has.

use std::collections::BTreeSet;
use std::ops::Bound;

use session_core::Locator;

/// An ordered set of locators that costs no allocation while it holds one, as most do.
#[derive(Debug, Default)]
pub(crate) enum Locators {
    #[default]
    None,
    One(Locator),
    Many(BTreeSet<Locator>),
}

impl Locators {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(_) => 1,
            Self::Many(all) => all.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn insert(&mut self, locator: Locator) {
        match self {
            Self::None => *self = Self::One(locator),
            Self::One(one) if *one == locator => {}
            Self::One(one) => *self = Self::Many(BTreeSet::from([*one, locator])),
            Self::Many(all) => drop(all.insert(locator)),
        }
    }

    pub(crate) fn remove(&mut self, locator: Locator) {
        match self {
            Self::One(one) if *one == locator => *self = Self::None,
            Self::None | Self::One(_) => {}
            Self::Many(all) => {
                all.remove(&locator);
                if let (1, Some(&last)) = (all.len(), all.first()) {
                    *self = Self::One(last);
                }
            }
        }
    }

    /// Those after `after`, in their order; all of them after nothing.
    pub(crate) fn after(&self, after: Option<Locator>) -> impl Iterator<Item = Locator> {
        let (one, many) = match self {
            Self::None => (None, None),
            Self::One(one) => (Some(*one), None),
            Self::Many(all) => {
                let from = after.map_or(Bound::Unbounded, Bound::Excluded);
                (None, Some(all.range((from, Bound::Unbounded)).copied()))
            }
        };
        one.into_iter().filter(move |one| after.is_none_or(|after| after < *one)).chain(many.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locator(number: u8) -> Locator {
        Locator::from_bytes([number; 16])
    }

    #[test]
    fn a_set_of_any_size_is_ordered_and_holds_each_once() {
        let mut locators = Locators::default();
        assert!(locators.is_empty());
        for (count, number) in [(1, 5), (1, 5), (2, 3), (3, 9), (3, 3)] {
            locators.insert(locator(number));
            assert_eq!(locators.len(), count);
            assert!(locators.after(None).any(|kept| kept == locator(number)));
        }
        assert_eq!(locators.after(None).collect::<Vec<_>>(), [3, 5, 9].map(locator));
        assert_eq!(locators.after(Some(locator(3))).collect::<Vec<_>>(), [5, 9].map(locator));
        for (count, number) in [(3, 4), (2, 5), (1, 3), (1, 4), (0, 9), (0, 9)] {
            locators.remove(locator(number));
            assert_eq!(locators.len(), count);
            assert!(locators.after(None).all(|kept| kept != locator(number)));
        }
        assert!(matches!(locators, Locators::None));
    }

    #[test]
    fn a_set_of_one_is_paged_like_any_other() {
        let mut locators = Locators::default();
        locators.insert(locator(5));
        assert_eq!(locators.after(Some(locator(4))).count(), 1);
        assert_eq!(locators.after(Some(locator(5))).count(), 0);
    }
}
