//! Why a record is given up on.

use crate::bindings::imports::millstream::plugin::types::Failure;
use std::any::type_name;
use std::fmt::Display;

/// An error that sets one record aside by the node's policy, while the rest goes on. Made of anything that can be
/// displayed, so that `?` works on any error and `.ok_or("no key")?` on any option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    class: &'static str,
    reason: String,
}

impl Failed {
    /// The type of the error that it was made of; empty for mere text.
    pub fn class(&self) -> &'static str {
        self.class
    }

    /// Text for people.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    pub(crate) fn at(self, row: u32) -> Failure {
        Failure { row, class: self.class.into(), reason: self.reason }
    }
}

impl<E: Display> From<E> for Failed {
    fn from(error: E) -> Self {
        let class = type_name::<E>();
        let mere_text = ["&", "alloc::string::", "alloc::boxed::", "alloc::borrow::", "core::fmt::"];
        let class = if mere_text.iter().any(|text| class.starts_with(text)) { "" } else { class };
        Self { class, reason: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_errors_type_unless_it_is_text() {
        let number: Failed = "x".parse::<i64>().expect_err("no number").into();
        assert_eq!(
            (number.class(), number.reason()),
            ("core::num::error::ParseIntError", "invalid digit found in string")
        );
        let boxed: Box<dyn std::error::Error> = "boxed".into();
        for text in [Failed::from("no key"), String::from("no key").into(), format_args!("{}", "no key").into()] {
            assert_eq!((text.class(), text.reason()), ("", "no key"));
        }
        assert_eq!(Failed::from(boxed).class(), "");
    }
}
