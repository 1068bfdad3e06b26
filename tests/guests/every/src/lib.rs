//! A plugin with operators of every kind, that uses everything the contract offers.

use millstream::{
    Aggregate, Clock, Counter, Failed, Histogram, KeyValueStore, Old, Opening, Out, Processor, Record, Rhythm, Schema,
    SessionStore, StoreUse, Timer, Typed, VersionedStore, WindowStore, context, log, random, timer,
};

fn number(value: Option<&[u8]>) -> Result<i64, Failed> {
    Ok(value.text()?.parse()?)
}

fn even(record: Record<'_>) -> Result<bool, Failed> {
    match record.value {
        Some(b"panic") => panic!("told to panic"),
        value => Ok(number(value)? % 2 == 0),
    }
}

/// The sum, kept as a long.
struct Sum;

impl Aggregate for Sum {
    type State = Option<i64>;
    const SCHEMA: Option<Schema> = Some(Schema::new("sum", 2));
    const SUBTRACTS: bool = true;
    const MERGES: bool = true;

    fn initial(&self) -> Option<i64> {
        Some(0)
    }

    fn add(&self, state: &mut Option<i64>, record: Record<'_>) -> Result<(), Failed> {
        let sum = state.unwrap_or_default() + number(record.value)?;
        *state = Some(sum).filter(|sum| *sum != 0);
        Ok(())
    }

    fn subtract(&self, state: &mut Option<i64>, record: Record<'_>) -> Result<(), Failed> {
        *state = Some(state.unwrap_or_default() - number(record.value)?);
        Ok(())
    }

    fn merge(&self, key: Option<&[u8]>, state: &mut Option<i64>, later: Option<i64>) -> Result<(), Failed> {
        key.ok_or("a merge without a key")?;
        *state = Some(state.unwrap_or_default() + later.unwrap_or_default());
        Ok(())
    }
}

/// Version 1 kept text.
fn from_text(old: Old<'_>, state: Record<'_>) -> Result<i64, Failed> {
    if old.version == 1 { number(state.value) } else { Err(format!("version {}", old.version).into()) }
}

fn larger<'a>(state: &'a [u8], value: Option<&'a [u8]>) -> &'a [u8] {
    state.max(value.unwrap_or_default())
}

fn pair(left: Option<Record<'_>>, right: Option<Record<'_>>) -> Result<String, Failed> {
    Ok(format!("{}|{}", text(left)?, text(right)?))
}

fn text(side: Option<Record<'_>>) -> Result<&str, Failed> {
    Ok(side.and_then(|side| side.value).map_or(Ok("null"), |value| value.text())?)
}

static TALLIED: Counter = Counter::new("tallied", &[("by", "key")]);
static LENGTHS: Histogram = Histogram::new("lengths", &[], &[1.0, 10.0]);

/// Counts by key; tells the counts when a timer says so; comes back to a record later.
struct Tally {
    counts: KeyValueStore,
}

impl Tally {
    fn open(opening: &Opening<'_>) -> Result<Self, Failed> {
        opening.declare_timer("tell", Clock::StreamTime, Rhythm::Anchored { start: 5, interval_ms: 10 }, "all")?;
        Ok(Self { counts: opening.key_value_store("counts")? })
    }
}

impl Processor for Tally {
    const STORES: &'static [StoreUse] = &[StoreUse::key_value("counts").schema(Schema::new("count", 1))];

    fn process(&mut self, record: Record<'_>, out: &mut Out<'_>) -> Result<(), Failed> {
        let key = record.key.ok_or("no key")?;
        let count = self.counts.get(key).map_or(Ok(0), |count| count.as_slice().long())? + 1;
        self.counts.put_at(key, count, record.timestamp)?;
        TALLIED.add(1);
        LENGTHS.observe(key.len() as f64);
        log::info!("{count} of {}", key.text()?);
        let place = context::position().map_or_else(String::new, |place| format!("{}/{}", place.topic, place.offset));
        let (stream, wall) = (context::stream_time(), context::wall_clock());
        timer::set(key.text()?, Clock::WallClock, Rhythm::Once(wall + 100), record.value)?;
        let row = out.row().value(format_args!("{count} {place} {stream} {wall} {:x}", random::bits()));
        row.to("each").header("by", "tally").forward();
        if count == 2 {
            out.row().timestamp(record.timestamp + 1).to("second").forward();
        }
        Ok(())
    }

    fn punctuate(&mut self, timer: Timer<'_>, out: &mut Out<'_>) -> Result<(), Failed> {
        if timer.name != "tell" {
            timer::cancel("tell");
            out.pair(timer.name, timer.payload);
            return Ok(());
        }
        for row in self.counts.all() {
            out.pair(row.key, format_args!("{} at {}", row.value.as_slice().long()?, row.timestamp.unwrap_or(-1)));
        }
        Ok(())
    }
}

/// Goes through the other shapes.
struct Shapes {
    windows: WindowStore,
    sessions: SessionStore,
    versions: VersionedStore,
    table: KeyValueStore,
}

impl Shapes {
    fn open(opening: &Opening<'_>) -> Result<Self, Failed> {
        Ok(Self {
            windows: opening.window_store("windows")?,
            sessions: opening.session_store("sessions")?,
            versions: opening.versioned_store("versions")?,
            table: opening.key_value_store("table")?,
        })
    }
}

impl Processor for Shapes {
    const FAILED_STAND: bool = true;
    const STORES: &'static [StoreUse] = &[
        StoreUse::window("windows").properties(&[("retention-ms", "1000")]),
        StoreUse::session("sessions"),
        StoreUse::versioned("versions"),
        StoreUse::key_value("table").read_only(),
    ];

    fn process(&mut self, record: Record<'_>, out: &mut Out<'_>) -> Result<(), Failed> {
        let (key, time) = (record.key.ok_or("no key")?, record.timestamp);
        self.windows.put_at(key, time, record.value, time)?;
        self.sessions.put(key, time, time + 5, record.value)?;
        let placed = self.versions.put(key, record.value, time)?;
        let windows: Vec<i64> = self.windows.fetch(key, 0..=time).backward().map(|row| row.start).collect();
        let sessions: Vec<i64> = self.sessions.fetch(key, time, time).map(|row| row.end).collect();
        let before = self.versions.as_of(key, time - 1).map(|version| version.valid_to);
        let many = self.table.get_many([key, b"nobody"]);
        let many: Vec<Option<i64>> = many.into_iter().map(|entry| entry.and_then(|entry| entry.timestamp)).collect();
        out.value(format_args!("{placed:?} {windows:?} {sessions:?} {before:?} {many:?}"));
        self.table.put(key, record.value)
    }
}

millstream::plugin! {
    filter "even" reads [value] = even;
    aggregate "sum" = Sum;
    migrate "sum" = from_text;
    reduce "largest" = larger;
    join "pair" = pair;
    process "tally" -> ["each", "second"] reads [key, value, timestamp] = Tally::open;
    process_values "shapes" = Shapes::open;
}
