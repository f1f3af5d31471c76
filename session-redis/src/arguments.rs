//! The arguments of a script, in its order.

use std::borrow::Cow;

/// The arguments of a script, in its order. Texts and values are not copied.
#[derive(Debug, Default)]
pub(crate) struct Arguments<'a>(Vec<Cow<'a, [u8]>>);

impl<'a> Arguments<'a> {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn text(self, text: &'a str) -> Self {
        self.bytes(text.as_bytes())
    }

    pub(crate) fn bytes(mut self, bytes: &'a [u8]) -> Self {
        self.0.push(Cow::Borrowed(bytes));
        self
    }

    pub(crate) fn own(mut self, text: String) -> Self {
        self.0.push(Cow::Owned(text.into_bytes()));
        self
    }

    /// A number, or what is written like one.
    #[expect(clippy::needless_pass_by_value, reason = "most are numbers, and read better without a reference")]
    pub(crate) fn number(self, number: impl ToString) -> Self {
        self.own(number.to_string())
    }

    /// A number, or nothing.
    pub(crate) fn maybe(self, number: Option<impl ToString>) -> Self {
        self.own(number.map(|number| number.to_string()).unwrap_or_default())
    }

    pub(crate) fn slices(&self) -> Vec<&[u8]> {
        self.0.iter().map(AsRef::as_ref).collect()
    }
}
