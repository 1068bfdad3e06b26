//! Timers over memory.

use std::collections::BTreeMap;

use crate::bindings::imports::millstream::plugin::timers::{Clock, Rhythm};

/// A timer that was set.
#[derive(Clone, Debug)]
struct Set {
    clock: Clock,
    rhythm: Rhythm,
    payload: Option<Vec<u8>>,
    next: i64,
}

/// What a timer was declared as.
type DeclaredAs = (Clock, String);

/// Timers by node and name.
pub(crate) struct Timers {
    set: BTreeMap<(u32, String), Set>,
    declared: BTreeMap<(u32, String), DeclaredAs>,
}

impl Timers {
    pub(crate) const fn new() -> Self {
        Self { set: BTreeMap::new(), declared: BTreeMap::new() }
    }
}

/// A timer that fires: name, payload, time.
pub(crate) type Due = (String, Option<Vec<u8>>, i64);

/// The next timer of a node that is due, if any. It is gone then, or waits for its next time.
pub(crate) fn due(node: u32) -> Option<Due> {
    super::host(|host| {
        let now = |clock: Clock| if clock == Clock::StreamTime { host.stream_time } else { host.wall_clock };
        let ready = |((of, _), set): &(&(u32, String), &Set)| *of == node && set.next <= now(set.clock);
        let (key, set) = host.timers.set.iter().filter(ready).min_by_key(|(_, set)| set.next)?;
        let (key, time) = (key.clone(), now(set.clock));
        let set = host.timers.set.get_mut(&key)?;
        let payload = set.payload.clone();
        match set.rhythm {
            Rhythm::Once(_) => {
                host.timers.set.remove(&key);
            }
            Rhythm::Every(interval) => set.next = after(set.next, interval, time),
            Rhythm::Anchored(grid) => set.next = after(set.next, grid.interval_ms, time),
        }
        Some((key.1, payload, time))
    })
}

/// The next time of a grid after `now`.
fn after(next: i64, interval: u64, now: i64) -> i64 {
    let interval = interval as i64;
    next + ((now - next) / interval + 1) * interval
}

fn first(clock: Clock, rhythm: Rhythm, now: i64) -> i64 {
    match rhythm {
        Rhythm::Once(time) => time,
        Rhythm::Every(_) if clock == Clock::StreamTime => 0,
        Rhythm::Every(interval) => now + interval as i64,
        Rhythm::Anchored(grid) if grid.start >= now => grid.start,
        Rhythm::Anchored(grid) => after(grid.start, grid.interval_ms, now - 1),
    }
}

pub(crate) mod timers {
    use super::{Clock, Rhythm, Set, first};
    use crate::bindings::imports::millstream::plugin::timers::Error;
    use crate::native::host;

    pub(crate) fn declare(
        node: u32,
        name: &str,
        clock: Clock,
        rhythm: Rhythm,
        payload: Option<&[u8]>,
    ) -> Result<(), Error> {
        let declared = (clock, format!("{rhythm:?}"));
        let known = host(|host| host.timers.declared.insert((node, name.into()), declared.clone()));
        if known == Some(declared) { Ok(()) } else { set(node, name, clock, rhythm, payload) }
    }

    pub(crate) fn set(
        node: u32,
        name: &str,
        clock: Clock,
        rhythm: Rhythm,
        payload: Option<&[u8]>,
    ) -> Result<(), Error> {
        let interval = match rhythm {
            Rhythm::Once(_) => 1,
            Rhythm::Every(interval) => interval,
            Rhythm::Anchored(grid) => grid.interval_ms,
        };
        if interval == 0 {
            return Err(Error::Invalid("an interval of 0 ms".into()));
        }
        host(|host| {
            let now = if clock == Clock::StreamTime { host.stream_time } else { host.wall_clock };
            let payload = payload.map(<[u8]>::to_vec);
            let set = Set { clock, rhythm, payload, next: first(clock, rhythm, now) };
            host.timers.set.insert((node, name.into()), set);
        });
        Ok(())
    }

    pub(crate) fn cancel(node: u32, name: &str) -> bool {
        host(|host| host.timers.set.remove(&(node, name.into())).is_some())
    }
}
