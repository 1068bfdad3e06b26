//! What librdkafka tells between calls: its log, its errors, rebalances, records that were not delivered.

use super::ffi::membership;
use crate::transport::Fence;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, NoCustomPartitioner, ProducerContext};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, Statistics, TopicPartitionList};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time between two lines that say that brokers cannot be reached: each client says it at every attempt.
const COMPLAINT: Duration = Duration::from_secs(10);
/// When this process last said so.
static COMPLAINED: Mutex<Option<Instant>> = Mutex::new(None);

/// What OpenSSL says when the other side refuses.
const ALERT: &str = "SSL alert number";

/// The context of all our clients.
#[derive(Debug, Default)]
pub(super) struct Context {
    rebalances: Mutex<VecDeque<Rebalanced>>,
    /// Set when the consumer is closed: what is revoked then is given back at once.
    closing: AtomicBool,
    failure: Mutex<Option<(RDKafkaErrorCode, String)>>,
    /// The last trouble with brokers.
    trouble: Mutex<Option<(RDKafkaErrorCode, String)>>,
}

/// A change of the group's assignment.
#[derive(Debug)]
pub(super) struct Rebalanced {
    pub(super) kind: Kind,
    pub(super) partitions: TopicPartitionList,
    /// The membership when it came.
    pub(super) fence: Option<Fence>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Assigned,
    Revoked,
    Lost,
}

impl Context {
    /// Whether the last trouble is that brokers do not let us in: trying longer does not help.
    pub(super) fn is_shut_out(&self) -> bool {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let codes = [RDKafkaErrorCode::Authentication, RDKafkaErrorCode::SSL];
        trouble.as_ref().is_some_and(|(code, _)| codes.contains(code))
    }

    /// The last trouble with brokers since it was asked for.
    pub(super) fn take_trouble(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The next rebalance that was not carried out.
    pub(super) fn next_rebalance(&self) -> Option<Rebalanced> {
        self.rebalances.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// From now on partitions are given back as soon as they are revoked.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    /// The first record that was not delivered since the last call: its code, and where it was to go.
    pub(super) fn take_failure(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Has nothing said of brokers for a while: clients that end lose them.
    pub(super) fn hush() {
        *COMPLAINED.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether it is time for another line.
    fn may_complain() -> bool {
        let mut last = COMPLAINED.lock().unwrap_or_else(PoisonError::into_inner);
        let may = last.is_none_or(|last| last.elapsed() >= COMPLAINT);
        if may {
            *last = Some(Instant::now());
        }
        may
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::warn!(facility, "kafka: {message}");
            }
            _ => tracing::debug!(facility, "kafka: {message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let quiet = matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::PartitionEOF));
        if let Some(code) = error.rdkafka_error_code().filter(|_| !quiet) {
            // That no broker is left follows from the trouble before.
            if code != RDKafkaErrorCode::AllBrokersDown {
                // With TLS 1.3 a broker refuses a certificate when the connection counts as made already.
                let code = if reason.contains(ALERT) { RDKafkaErrorCode::SSL } else { code };
                *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some((code, reason.to_owned()));
            }
        }
        if !quiet && Self::may_complain() {
            tracing::warn!("kafka: {}", what(&error, reason));
        } else {
            tracing::debug!("kafka: {error}: {reason}");
        }
    }

    fn stats(&self, _: Statistics) {}
}

/// What happened, in words where librdkafka has a name for it. It counts an address that it was given and the broker behind it
/// as two, so how many it takes for lost says nothing.
fn what(error: &KafkaError, reason: &str) -> String {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::AllBrokersDown) => "no broker can be reached".into(),
        Some(RDKafkaErrorCode::BrokerTransportFailure) => format!("a broker cannot be reached: {reason}"),
        _ => format!("{error}: {reason}"),
    }
}

impl ConsumerContext for Context {
    /// Notes the change and leaves it open: librdkafka goes on when the worker has carried it out and says so.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let kind = match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Kind::Assigned,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS if consumer.assignment_lost() => Kind::Lost,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => Kind::Revoked,
            other => {
                tracing::warn!("kafka: the group could not be rebalanced: {}", RDKafkaErrorCode::from(other));
                return;
            }
        };
        if kind == Kind::Assigned {
            // What lies in a task's partition no member reads, so nobody is asked where to begin: an answer that is none would
            // end the process (librdkafka's issue 4789, open).
            let _ = partitions.set_all_offsets(Offset::Offset(0));
        }
        if self.closing.load(Ordering::SeqCst) {
            let given_back = match kind {
                Kind::Assigned => consumer.incremental_assign(partitions),
                Kind::Revoked | Kind::Lost => consumer.incremental_unassign(partitions),
            };
            if let Err(error) = given_back {
                tracing::debug!("kafka: while leaving the group: {error}");
            }
            return;
        }
        let rebalanced = Rebalanced { kind, partitions: partitions.clone(), fence: membership(consumer) };
        self.rebalances.lock().unwrap_or_else(PoisonError::into_inner).push_back(rebalanced);
    }
}

impl ProducerContext<NoCustomPartitioner> for Context {
    type DeliveryOpaque = ();

    /// Called for records that failed only.
    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        use rdkafka::Message;
        if let Err((error, record)) = result {
            let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
            let place = format!("{}-{}", record.topic(), record.partition());
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert((code, place));
        }
    }
}
