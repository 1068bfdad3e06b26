//! How records are written: by a worker in transactions, or by a worker or a tool at least once.

use super::appender::Appender;
use super::ffi::ConsumerClient;
use super::link::Link;
use super::settings::TRANSACTION_TIMEOUT;
use super::transactions::Transactions;
use crate::record::TopicPartition;
use crate::transport::{Fence, TransportError};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{CommitMode, Consumer};
use std::sync::Arc;
use std::time::Duration;

/// How long a transaction may be open before it is to be committed, lest the brokers abort it.
const OPEN_MAX: Duration = Duration::from_secs(TRANSACTION_TIMEOUT.as_secs() / 2);

/// What writes records and commits offsets.
pub(super) enum Writer {
    /// Both in transactions.
    Transactions(Transactions),
    /// At least once; the member, if there is one, commits the offsets. The producer is made when it is first used.
    Plain(Option<Appender>, Option<Arc<ConsumerClient>>),
}

impl Writer {
    /// Writes in transactions of this id.
    pub(super) fn transactional(link: &Link, id: &str) -> Self {
        Self::Transactions(Transactions::new(Arc::clone(&link.clients), id.to_owned(), link.group.clone()))
    }

    /// Whether what is written is committed by transactions.
    pub(super) const fn is_transactional(&self) -> bool {
        matches!(self, Self::Transactions(_))
    }

    /// Whether what was written since the last commit can still be committed with what follows.
    pub(super) fn holds(&self) -> bool {
        match self {
            Self::Transactions(transactions) => transactions.is_open(),
            Self::Plain(..) => true,
        }
    }

    /// How long what is written may wait for its commit.
    pub(super) const fn open_max(&self) -> Duration {
        if self.is_transactional() { OPEN_MAX } else { Duration::MAX }
    }

    /// Produces the records of a batch; says how many there were.
    pub(super) fn produce(
        &mut self,
        (link, name): (&Link, &str),
        partition: &TopicPartition,
        batch: Vec<u8>,
    ) -> Result<i64, TransportError> {
        match self {
            Self::Transactions(transactions) => transactions.produce(partition, batch),
            Self::Plain(Some(appender), _) => appender.produce(partition, batch),
            Self::Plain(none, _) => none.insert(Appender::new(&link.clients, name)?).produce(partition, batch),
        }
    }

    /// Commits what was produced, and how far was read.
    pub(super) fn commit(&mut self, offsets: TopicPartitionList, fence: Option<&Fence>) -> Result<(), TransportError> {
        match self {
            Self::Transactions(transactions) => {
                let Some(fence) = fence else {
                    let _ = transactions.abort();
                    return Err(TransportError::Aborted("there is no membership to commit under".into()));
                };
                transactions.commit(offsets, fence)
            }
            Self::Plain(appender, member) => {
                appender.as_mut().map_or(Ok(()), Appender::flush)?;
                crate::killpoint::pass("kafka-plain-before-offsets");
                match member.as_ref().filter(|_| offsets.count() > 0) {
                    None => Ok(()),
                    Some(member) => member
                        .commit(&offsets, CommitMode::Sync)
                        .map_err(|error| TransportError::InDoubt(error.to_string())),
                }
            }
        }
    }

    /// Gives up what was not committed, where that can be told apart.
    pub(super) fn abort(&mut self) -> Result<(), TransportError> {
        match self {
            Self::Transactions(transactions) => transactions.abort(),
            Self::Plain(..) => Ok(()),
        }
    }

    /// Whether another producer took this one's place.
    pub(super) fn was_fenced(&mut self) -> bool {
        match self {
            Self::Transactions(transactions) => transactions.was_fenced(),
            Self::Plain(..) => false,
        }
    }
}
