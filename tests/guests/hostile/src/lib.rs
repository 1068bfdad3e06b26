//! A plugin that does as each record says, however bad: the limits of the host are tried with it.

use millstream::{Aggregate, Failed, Record, Stored, Typed, log};
use std::hint::black_box;

/// Bytes that `huge` answers with.
const HUGE_BYTES: usize = 1 << 30;

/// Does what the words say, if they are a deed, and returns.
fn obey(words: &str) {
    match words {
        "panic" => panic!("told to panic"),
        "loop" => run_for_ever(),
        "grow" => grow_without_end(),
        "recurse" => drop(black_box(recurse(1))),
        _ => {}
    }
}

fn run_for_ever() -> ! {
    let mut turns = 0u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn grow_without_end() {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    loop {
        kept.push(black_box(vec![1; 1 << 20]));
    }
}

/// Needs the stack of every call until all have returned.
#[expect(unconditional_recursion, reason = "that is the deed")]
fn recurse(depth: u64) -> u64 {
    let here = black_box([depth; 16]);
    black_box(recurse(depth + 1)) + here[3]
}

/// A gigabyte that was never written to.
fn huge() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HUGE_BYTES);
    // SAFETY: bytes of a linear memory have a value whether they were written or not, and the buffer has room.
    unsafe { bytes.set_len(HUGE_BYTES) };
    bytes
}

/// Deeds are done; everything else passes through.
fn value(record: Record<'_>) -> Result<Option<Vec<u8>>, Failed> {
    match record.value {
        Some(b"huge") => Ok(Some(huge())),
        Some(b"fail") => Err("told to fail".into()),
        Some(b"number") => Ok(Some("number".parse::<u64>()?.to_string().into_bytes())),
        Some(words) => {
            obey(std::str::from_utf8(words).unwrap_or_default());
            Ok(Some(words.to_vec()))
        }
        None => Ok(None),
    }
}

fn keep(_record: Record<'_>) -> bool {
    true
}

/// Adds numbers up; deeds are done.
struct Total;

/// A number kept as people write it.
#[derive(Clone)]
struct Decimal(i64);

impl Stored for Decimal {
    fn load(bytes: &[u8]) -> Result<Self, Failed> {
        Ok(Self(bytes.text()?.parse()?))
    }

    fn store(&self, bytes: &mut Vec<u8>) -> Result<(), Failed> {
        bytes.extend_from_slice(self.0.to_string().as_bytes());
        Ok(())
    }
}

impl Aggregate for Total {
    type State = Decimal;

    fn initial(&self) -> Decimal {
        Decimal(0)
    }

    fn add(&self, state: &mut Decimal, record: Record<'_>) -> Result<(), Failed> {
        let words = record.value.text()?;
        obey(words);
        state.0 += words.parse::<i64>().map_err(|_| format!("{words:?} is no number"))?;
        Ok(())
    }
}

/// Logs a line a record.
fn chatter(record: Record<'_>) -> Result<(), Failed> {
    log::info!("{}", record.value.text()?);
    Ok(())
}

millstream::plugin! {
    /// Does as the value says, and passes it on.
    map_values "obey" = value;
    /// Keeps all.
    filter "keep" = keep;
    /// Adds numbers up by key; does as other values say.
    aggregate "total" = Total;
    /// Logs the value.
    peek "chatter" = chatter;
}
