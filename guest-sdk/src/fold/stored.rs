//! States as bytes.

use crate::field::{Field, Json};
use crate::{Failed, Typed};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What an aggregate can keep: numbers as Kafka's serializers write them, text, bytes, [`Json`], or an option of those
/// (none deletes the state).
pub trait Stored: Sized {
    /// Reads a state.
    ///
    /// # Errors
    /// If the bytes are none.
    fn load(bytes: &[u8]) -> Result<Self, Failed>;

    /// Appends the state.
    ///
    /// # Errors
    /// If it cannot be written; the step fails.
    fn store(&self, bytes: &mut Vec<u8>) -> Result<(), Failed>;

    /// Whether it stands for no state at all.
    fn is_null(&self) -> bool {
        false
    }
}

macro_rules! stored {
    ($($type:ty, |$bytes:ident| $load:expr, |$value:ident| $store:expr;)+) => { $(
        impl Stored for $type {
            #[inline]
            fn load($bytes: &[u8]) -> Result<Self, Failed> {
                Ok($load)
            }

            #[inline]
            fn store(&self, bytes: &mut Vec<u8>) -> Result<(), Failed> {
                let $value = self;
                $store.write(bytes).map(|_| ())
            }
        }
    )+ };
}

stored! {
    i64, |bytes| bytes.long()?, |value| *value;
    i32, |bytes| bytes.int()?, |value| *value;
    f64, |bytes| bytes.double()?, |value| *value;
    f32, |bytes| bytes.float()?, |value| *value;
    String, |bytes| bytes.text()?.to_owned(), |value| value;
    Vec<u8>, |bytes| bytes.to_vec(), |value| value;
}

impl<T: Serialize + DeserializeOwned> Stored for Json<T> {
    fn load(bytes: &[u8]) -> Result<Self, Failed> {
        Ok(Self(bytes.json()?))
    }

    fn store(&self, bytes: &mut Vec<u8>) -> Result<(), Failed> {
        Ok(serde_json::to_writer(bytes, &self.0)?)
    }
}

impl<S: Stored> Stored for Option<S> {
    fn load(bytes: &[u8]) -> Result<Self, Failed> {
        S::load(bytes).map(Some)
    }

    fn store(&self, bytes: &mut Vec<u8>) -> Result<(), Failed> {
        self.as_ref().map_or(Ok(()), |state| state.store(bytes))
    }

    fn is_null(&self) -> bool {
        self.as_ref().is_none_or(S::is_null)
    }
}
