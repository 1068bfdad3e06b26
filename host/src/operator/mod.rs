//! Room operator.
