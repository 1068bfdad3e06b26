//! Timers of a processor. The host keeps them with the task's state.

#[cfg(target_family = "wasm")]
use crate::bindings::imports::millstream::plugin::timers as host;
use crate::bindings::imports::millstream::plugin::timers::{self, Grid};
use crate::field::NULL;
use crate::field::append;
#[cfg(not(target_family = "wasm"))]
use crate::native::timers as host;
use crate::node::at;
use crate::{Failed, Field};

/// What moves a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The timestamps of the task's records.
    StreamTime,
    /// The host's clock.
    WallClock,
}

/// When a timer fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rhythm {
    /// When the clock reaches this time; the timer is gone then.
    Once(i64),
    /// Every so many milliseconds. By stream time: as soon as there is one, then on the multiples of the interval. By
    /// the wall clock: one interval from now, then on that grid.
    Every(u64),
    /// Every `interval_ms` milliseconds counted from `start`, from the first of these times on that has not gone by.
    Anchored {
        /// Where the grid begins.
        start: i64,
        /// Its width, milliseconds.
        interval_ms: u64,
    },
}

/// A timer that is due.
#[derive(Clone, Copy, Debug)]
pub struct Timer<'a> {
    /// Its name.
    pub name: &'a str,
    /// The time on its clock now.
    pub time: i64,
    /// What it was set with.
    pub payload: Option<&'a [u8]>,
}

/// Sets a timer of the processor at hand from now on; one of the same name is replaced. To be called while records or
/// timers are worked on.
///
/// # Errors
/// If there are too many timers, or the rhythm makes no sense.
pub fn set(name: &str, clock: Clock, rhythm: Rhythm, payload: impl Field) -> Result<(), Failed> {
    let (_, node, _) = at();
    let payload = written(payload)?;
    host::set(node, name, clock.into(), rhythm.into(), payload.as_deref()).map_err(|error| refused(name, &error))
}

/// Takes a timer of the processor at hand away; says whether there was one.
pub fn cancel(name: &str) -> bool {
    host::cancel(at().1, name)
}

pub(crate) fn declare(node: u32, name: &str, clock: Clock, rhythm: Rhythm, payload: impl Field) -> Result<(), Failed> {
    let payload = written(payload)?;
    host::declare(node, name, clock.into(), rhythm.into(), payload.as_deref()).map_err(|error| refused(name, &error))
}

fn written(payload: impl Field) -> Result<Option<Vec<u8>>, Failed> {
    let mut bytes = Vec::new();
    Ok((append(payload, &mut bytes)? != NULL).then_some(bytes))
}

fn refused(name: &str, error: &timers::Error) -> Failed {
    match error {
        timers::Error::Quota => format!("timer {name:?} is one too many").into(),
        timers::Error::Invalid(reason) => format!("timer {name:?}: {reason}").into(),
    }
}

impl From<Clock> for timers::Clock {
    fn from(clock: Clock) -> Self {
        match clock {
            Clock::StreamTime => Self::StreamTime,
            Clock::WallClock => Self::WallClock,
        }
    }
}

impl From<Rhythm> for timers::Rhythm {
    fn from(rhythm: Rhythm) -> Self {
        match rhythm {
            Rhythm::Once(time) => Self::Once(time),
            Rhythm::Every(interval) => Self::Every(interval),
            Rhythm::Anchored { start, interval_ms } => Self::Anchored(Grid { start, interval_ms }),
        }
    }
}
