//! How tools reach topics and stores: by themselves while no one else works on the data directory, else through the host
//! that does.

use super::RunError;
use crate::store::{Db, Entry, KeyValueStore, Settings, StoreError, lock_stamp, must_hold_data};
use crate::transport::embedded::EmbeddedLog;
use crate::transport::socket::Remote;
use crate::transport::{Admin, Transport};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long another tool's work on the data directory is waited for: theirs take milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is looked again meanwhile, and how often a follower looks whether anyone wrote.
const PAUSE: Duration = Duration::from_millis(50);

/// A tool's way to the topics and stores of a data directory.
pub struct Access {
    directory: PathBuf,
    /// Whether a directory without data gets some.
    makes: bool,
    way: Way,
}

enum Way {
    /// The directory is ours.
    Own(Db, EmbeddedLog),
    /// A host runs on it.
    Host(Remote),
    /// Let go of, when the directory was last taken by the one who left this stamp.
    Released(Option<(i64, i64)>),
}

impl Access {
    /// Finds the way to what is written to: where there is no data directory one is made.
    ///
    /// # Errors
    /// If the directory can be used neither way.
    pub fn make(directory: &Path) -> Result<Self, RunError> {
        Ok(Self { directory: directory.into(), makes: true, way: find(directory, true)? })
    }

    /// Finds the way to what is only looked at: where there is no data nothing is left behind.
    ///
    /// # Errors
    /// If there is no data, or the directory can be used neither way.
    pub fn open(directory: &Path) -> Result<Self, RunError> {
        Ok(Self { directory: directory.into(), makes: false, way: find(directory, false)? })
    }

    /// The topics.
    ///
    /// # Errors
    /// If the way was let go of, and none is found again.
    pub fn log(&mut self) -> Result<&mut dyn Transport, RunError> {
        if matches!(self.way, Way::Released(_)) {
            self.way = find(&self.directory, self.makes)?;
        }
        match &mut self.way {
            Way::Own(_, log) => Ok(log),
            Way::Host(remote) => Ok(remote),
            Way::Released(_) => Err(StoreError::Io("the data directory was let go of".into()).into()),
        }
    }

    /// The topics, for what a host that runs on them must not meet.
    ///
    /// # Errors
    /// If a host runs.
    pub fn alone(&mut self) -> Result<&mut dyn Admin, RunError> {
        self.log()?;
        match &mut self.way {
            Way::Own(_, log) => Ok(log),
            Way::Host(_) | Way::Released(_) => Err(RunError::HostRuns(self.directory.clone())),
        }
    }

    /// Gives the way up, because it failed; the next call finds another.
    pub fn give_up(&mut self) {
        self.way = Way::Released(None);
    }

    /// Waits for something new, `timeout` at most, and leaves the directory to others meanwhile.
    pub fn wait(&mut self, timeout: Duration) {
        if let Way::Host(remote) = &mut self.way {
            return remote.wait(timeout);
        }
        self.way = match std::mem::replace(&mut self.way, Way::Released(None)) {
            Way::Own(..) => Way::Released(lock_stamp(&self.directory)),
            other => other,
        };
        let Way::Released(stamp) = &self.way else { return };
        // Who takes the directory leaves a new stamp; until then there is nothing new.
        let began = Instant::now();
        while began.elapsed() < timeout && lock_stamp(&self.directory) == *stamp {
            std::thread::sleep(PAUSE.min(timeout));
        }
    }

    /// Whether anyone may have written since the directory was let go of.
    pub fn is_stale(&self) -> bool {
        match &self.way {
            Way::Released(stamp) => lock_stamp(&self.directory) != *stamp,
            Way::Own(..) | Way::Host(_) => true,
        }
    }

    /// Partitions of a store up to the last one with rows here.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn held(&mut self, app: &str, store: &str) -> Result<i32, RunError> {
        self.log()?;
        match &mut self.way {
            Way::Host(remote) => Ok(remote.held(app, store)?),
            Way::Own(db, _) => Ok(KeyValueStore::held(db, app, store)?),
            Way::Released(_) => Ok(0),
        }
    }

    /// Committed rows of a store's partition from `from` on, up to but without `to`, `limit` at most.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn rows(
        &mut self,
        (app, store, partition): (&str, &str, i32),
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>, RunError> {
        self.log()?;
        match &mut self.way {
            Way::Host(remote) => Ok(remote.rows((app, store, partition), from, to, limit)?),
            Way::Own(db, _) => {
                let mut found: Vec<Entry> = Vec::new();
                if let Some(store) = KeyValueStore::existing(db, app, store, partition)?.filter(|_| limit > 0) {
                    store.visit_committed(from, to, &mut |key, timestamp, value| {
                        found.push((key.to_vec(), timestamp, value.to_vec()));
                        found.len() < limit
                    })?;
                }
                Ok(found)
            }
            Way::Released(_) => Ok(Vec::new()),
        }
    }
}

fn find(directory: &Path, makes: bool) -> Result<Way, RunError> {
    if !makes {
        must_hold_data(directory)?;
    }
    let began = Instant::now();
    loop {
        let locked = match Db::open(directory, Settings::default()) {
            Ok(db) => return Ok(Way::Own(db.clone(), EmbeddedLog::open(db, true)?)),
            Err(error @ StoreError::Locked { .. }) => error,
            Err(error) => return Err(error.into()),
        };
        if let Ok(remote) = Remote::connect(directory) {
            return Ok(Way::Host(remote));
        }
        if began.elapsed() >= PATIENCE {
            return Err(locked.into());
        }
        std::thread::sleep(PAUSE);
    }
}

/// Takes a data directory for a host. A tool at work is waited for, another host is not.
pub(super) fn take(directory: &Path) -> Result<Db, StoreError> {
    let began = Instant::now();
    loop {
        match Db::open(directory, Settings::default()) {
            Err(StoreError::Locked { .. }) if began.elapsed() < PATIENCE && Remote::connect(directory).is_err() => {
                std::thread::sleep(PAUSE);
            }
            other => return other,
        }
    }
}
