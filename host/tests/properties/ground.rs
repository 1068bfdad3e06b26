//! Where runs take place.

use millstream::store::{Db, Settings};
use millstream::transport::embedded::EmbeddedLog;

/// The database that runs share, because opening one takes longer than a run: every run has an app and topics of its
/// own. Now and then there is a new one, so that it stays small.
pub(crate) struct Ground {
    directory: tempfile::TempDir,
    open: Option<(Db, EmbeddedLog)>,
    runs: usize,
}

/// Runs on one database.
const RUNS: usize = 60;

impl Ground {
    pub(crate) fn new() -> Self {
        // In memory where there is such a place: here processes die, machines do not, and syncing takes most of the time.
        let memory = tempfile::tempdir_in("/dev/shm");
        let directory = memory.or_else(|_| tempfile::tempdir()).expect("a directory");
        Self { directory, open: None, runs: 0 }
    }

    /// The name of the next run's app.
    pub(crate) fn app(&mut self) -> String {
        if self.runs.is_multiple_of(RUNS) {
            *self = Self { runs: self.runs, ..Self::new() };
        }
        self.runs += 1;
        format!("r{:06}", self.runs)
    }

    /// Opens the database anew, as another process would.
    pub(crate) fn reopen(&mut self) {
        self.open = None;
        let db = Db::open(self.directory.path(), Settings::default()).expect("a database");
        let log = EmbeddedLog::open(db.clone(), false).expect("a log");
        self.open = Some((db, log));
    }

    pub(crate) fn db(&mut self) -> Db {
        if self.open.is_none() {
            self.reopen();
        }
        self.open.as_ref().expect("it is open").0.clone()
    }

    pub(crate) fn log(&mut self) -> &mut EmbeddedLog {
        if self.open.is_none() {
            self.reopen();
        }
        &mut self.open.as_mut().expect("it is open").1
    }
}
