//! The loops by hand: the same functions over librdkafka, as a process of their own.

use super::client::Clients;
use super::{Guarantee, Job, Workload};
use crate::Failure;
use crate::functions::{convert, words};
use crate::generate::WORDS_PER_LINE;
use crate::native::Made;
use crate::native_words::Counts;
use millstream::store::{Db, Settings, Writes};
use std::time::{Duration, Instant};

/// Time between commits: what all contenders do.
const COMMIT_INTERVAL: Duration = Duration::from_millis(100);

/// When to commit. The clock is read once a fetch.
struct Due(Instant);

impl Due {
    fn new() -> Self {
        Self(Instant::now() + COMMIT_INTERVAL)
    }

    fn now(&mut self) -> bool {
        let now = Instant::now();
        let due = now >= self.0;
        if due {
            self.0 = now + COMMIT_INTERVAL;
        }
        due
    }
}

/// Runs a workload to the end of its input.
///
/// # Errors
/// If a client fails, or a record is none that the workload knows.
pub(super) fn run(job: &Job) -> Result<(), Failure> {
    match job.workload {
        Workload::PassThrough => stateless(job, |_, _| Ok(Made::Same)),
        Workload::Json => stateless(job, |value, out| {
            let Some(bid) = convert(value)? else { return Ok(Made::Nothing) };
            serde_json::to_writer(out, &bid)?;
            Ok(Made::Value)
        }),
        Workload::WordCount => word_count(job),
    }
}

fn stateless(job: &Job, mut make: impl FnMut(&[u8], &mut Vec<u8>) -> Result<Made, Failure>) -> Result<(), Failure> {
    let transactional = job.guarantee == Guarantee::ExactlyOnce;
    let mut clients = Clients::join(&job.bootstrap, &job.group, &[&job.input], &[&job.output], transactional)?;
    let (mut due, mut made, mut done) = (Due::new(), Vec::new(), 0);
    clients.begin()?;
    loop {
        done += clients.fetch(0, true, |output, message| {
            made.clear();
            let value = message.value.unwrap_or_default();
            match make(value, &mut made)? {
                Made::Nothing => Ok(()),
                Made::Same => output.send(0, message.partition, message.key, value, message.timestamp),
                Made::Value => output.send(0, message.partition, message.key, &made, message.timestamp),
            }
        })?;
        let end = done >= job.records;
        if due.now() || end {
            clients.commit(|| Ok(()))?;
            if end {
                return Ok(());
            }
            clients.begin()?;
        }
    }
}

/// Counts words in memory over the same database as the host's; what changed goes out at each commit.
fn word_count(job: &Job) -> Result<(), Failure> {
    let rekeyed = format!("{}-words-repartition", job.group);
    let changelog = format!("{}-counts-changelog", job.group);
    let (inputs, outputs) = ([job.input.as_str(), &rekeyed], [job.output.as_str(), &rekeyed, &changelog]);
    let transactional = job.guarantee == Guarantee::ExactlyOnce;
    let mut clients = Clients::join(&job.bootstrap, &job.group, &inputs, &outputs, transactional)?;
    let db = Db::open(&job.data_dir, Settings::default())?;
    let mut counts = Counts::open(db.clone())?;
    let (mut due, mut lines, mut split, mut counted) = (Due::new(), 0, 0, 0);
    clients.begin()?;
    loop {
        let fetched = clients.fetch(0, false, |output, line| {
            for word in words(line.value.unwrap_or_default()) {
                output.send(1, line.partition, Some(word), word, line.timestamp)?;
                split += 1;
            }
            Ok(())
        })?;
        lines += fetched;
        // A fetch of lines makes so many fetches of words: neither runs away from the other.
        for turn in 0..WORDS_PER_LINE {
            counted += clients.fetch(1, fetched == 0 && turn == 0, |_, word| {
                counts.add(word.key.unwrap_or_default(), word.timestamp).map(|_| ())
            })?;
        }
        let end = lines >= job.records && counted == split;
        if due.now() || end {
            let (mut writes, mut outcome) = (Writes::default(), Ok(()));
            let output = clients.output();
            counts.prepare(&mut writes, |word, count, timestamp| {
                let value = count.to_be_bytes();
                let sent = output.send(2, 0, Some(word), &value, timestamp);
                let sent = sent.and_then(|()| output.send(0, 0, Some(word), &value, timestamp));
                if sent.is_err() {
                    outcome = sent;
                }
            });
            outcome?;
            clients.commit(|| Ok(db.apply(&writes, false)?))?;
            if end {
                return Ok(());
            }
            clients.begin()?;
        }
    }
}
