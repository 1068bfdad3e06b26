//! Where topics are: in a data directory, or on a cluster.

use crate::cli::cluster::Cluster;
use crate::cli::out::Error;
use crate::run::{Access, Host, RunError};
use crate::transport::{Admin, Transport};
use std::path::Path;
use std::time::Duration;

/// What our clients call themselves to a cluster.
const NAME: &str = "millstream";

pub(super) enum Place {
    Directory(Access),
    Cluster(Box<dyn Admin>),
}

impl Place {
    /// For who only looks.
    pub(super) fn open(cluster: &Cluster, data: &Path) -> Result<Self, Error> {
        Self::find(cluster, || Access::open(data))
    }

    /// For who writes: where there is no data directory one is made.
    pub(super) fn make(cluster: &Cluster, data: &Path) -> Result<Self, Error> {
        Self::find(cluster, || Access::make(data))
    }

    fn find(cluster: &Cluster, directory: impl FnOnce() -> Result<Access, RunError>) -> Result<Self, Error> {
        Ok(match cluster.kafka()? {
            None => Self::Directory(directory()?),
            Some((settings, _)) => Self::Cluster(Host::cluster(settings, NAME)?),
        })
    }

    pub(super) const fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// The topics.
    pub(super) fn log(&mut self) -> Result<&mut dyn Transport, RunError> {
        match self {
            Self::Directory(access) => access.log(),
            Self::Cluster(log) => Ok(log.as_mut()),
        }
    }

    /// The topics, for who deletes some: a host on the directory must not meet that.
    pub(super) fn admin(&mut self) -> Result<&mut dyn Admin, RunError> {
        match self {
            Self::Directory(access) => access.alone(),
            Self::Cluster(log) => Ok(log.as_mut()),
        }
    }

    /// Gives up the way to them, because it failed; a cluster's clients find another by themselves.
    pub(super) fn give_up(&mut self) {
        if let Self::Directory(access) = self {
            access.give_up();
        }
    }

    /// Waits until something may have been written. `step`: how long it sleeps at once.
    pub(super) fn wait(&mut self, step: Duration) {
        match self {
            Self::Directory(access) => loop {
                access.wait(step);
                if access.is_stale() {
                    return;
                }
            },
            Self::Cluster(log) => {
                // The clients are served by being asked.
                log.version();
                log.wait(step);
            }
        }
    }
}
