//! Questions about partitions and offsets, which all workers of a process ask by the same client. After brokers had been
//! away librdkafka was seen to answer none of them any more for minutes, where other clients got their answers at once.

use super::ffi::ConsumerClient;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// After so long without an answer another client is asked, and once more after so long again: more than a worker waits for
/// one answer, and far less than a user waits for an app that stands still.
const SILENCE_MAX: Duration = Duration::from_secs(5);

type Make = Box<dyn Fn() -> Option<ConsumerClient> + Send + Sync>;

/// A client by which questions are asked, and which is replaced where another one is answered and it is not.
pub(super) struct Inquirer {
    make: Make,
    client: Mutex<Arc<Asked>>,
    /// Since when nothing was answered, or since another client was not answered either.
    silent: Mutex<Option<Instant>>,
}

/// A client that is asked.
pub(super) struct Asked {
    /// Taken when this is dropped, and only then.
    client: Option<ConsumerClient>,
    /// Whether it is not answered: then its end is not waited for either.
    silent: AtomicBool,
}

impl Asked {
    fn new(client: ConsumerClient) -> Arc<Self> {
        Arc::new(Self { client: Some(client), silent: AtomicBool::new(false) })
    }
}

impl Deref for Asked {
    type Target = ConsumerClient;

    #[expect(clippy::expect_used, reason = "it is there until this is dropped")]
    fn deref(&self) -> &ConsumerClient {
        self.client.as_ref().expect("it is there until this is dropped")
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if self.silent.load(Ordering::Relaxed) {
            self.client.take().into_iter().for_each(ConsumerClient::let_go);
        }
    }
}

fn locked<T>(place: &Mutex<T>) -> MutexGuard<'_, T> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inquirer {
    /// Asks by this client, and by ones that are made so.
    pub(super) fn new(client: ConsumerClient, make: Make) -> Self {
        Self { make, client: Mutex::new(Asked::new(client)), silent: Mutex::default() }
    }

    /// The client that there is now.
    pub(super) fn client(&self) -> Arc<Asked> {
        Arc::clone(&locked(&self.client))
    }

    /// Asks. Where nothing was answered for a while it takes twice as long as the question now and then.
    pub(super) fn ask<T>(&self, question: impl Fn(&ConsumerClient) -> KafkaResult<T>) -> KafkaResult<T> {
        let (client, began) = (self.client(), Instant::now());
        let answer = question(&client);
        if !answer.as_ref().is_err_and(is_silence) {
            *locked(&self.silent) = None;
            return answer;
        }
        if !self.is_time(began, Instant::now()) {
            return answer;
        }
        if !Arc::ptr_eq(&client, &self.client()) {
            // It was replaced while it was asked.
            return question(&self.client());
        }
        let Some(other) = (self.make)().map(Asked::new) else { return answer };
        let second = question(&other);
        if second.as_ref().is_err_and(is_silence) {
            other.silent.store(true, Ordering::Relaxed);
            return answer;
        }
        tracing::info!("kafka: a connection that is not answered any more is made anew");
        self.replace(&client, other);
        second
    }

    fn replace(&self, client: &Arc<Asked>, other: Arc<Asked>) {
        client.silent.store(true, Ordering::Relaxed);
        *locked(&self.silent) = None;
        let mut place = locked(&self.client);
        // Another worker may have been as quick; nothing is ended while all wait for the place.
        let unused = if Arc::ptr_eq(&place, client) { std::mem::replace(&mut *place, other) } else { other };
        drop(place);
        drop(unused);
    }

    /// Whether another client is to be asked, after a question without an answer.
    fn is_time(&self, began: Instant, now: Instant) -> bool {
        let mut silent = locked(&self.silent);
        let since = silent.get_or_insert(began);
        let due = now.duration_since(*since) >= SILENCE_MAX;
        if due {
            *since = now;
        }
        due
    }
}

/// Whether nobody answered in time, or nobody was found to ask.
fn is_silence(error: &KafkaError) -> bool {
    let silence = [
        RDKafkaErrorCode::OperationTimedOut,
        RDKafkaErrorCode::RequestTimedOut,
        RDKafkaErrorCode::TimedOutQueue,
        RDKafkaErrorCode::BrokerTransportFailure,
        RDKafkaErrorCode::AllBrokersDown,
    ];
    error.rdkafka_error_code().is_some_and(|code| silence.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::super::clients::Clients;
    use super::super::settings::Settings;
    use super::*;

    fn silence<T>() -> KafkaResult<T> {
        Err(KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut))
    }

    fn down() -> KafkaError {
        KafkaError::MetadataFetch(RDKafkaErrorCode::AllBrokersDown)
    }

    /// That it has been silent for so long.
    fn age(inquirer: &Inquirer, by: Duration) {
        let mut silent = locked(&inquirer.silent);
        *silent = silent.and_then(|since| since.checked_sub(by));
    }

    #[test]
    fn who_is_not_answered_is_replaced_by_who_is() {
        let clients = Arc::new(Clients::new(Settings::to("127.0.0.1:1"), || 0).unwrap());
        let make = move || clients.reader("app-admin", "app", "read_committed").ok();
        let inquirer = Inquirer::new(make().unwrap(), Box::new(make));
        let first = inquirer.client();
        let only_another =
            |client: &ConsumerClient| if std::ptr::eq(client, &raw const **first) { silence() } else { Ok(7) };
        assert!(inquirer.ask(only_another).is_err(), "for a moment");
        age(&inquirer, SILENCE_MAX);
        assert_eq!(inquirer.ask(|_| Ok(5)).unwrap(), 5, "an answer between begins it anew");
        assert!(inquirer.ask(only_another).is_err());
        age(&inquirer, SILENCE_MAX);
        assert_eq!(inquirer.ask(only_another).unwrap(), 7);
        let second = inquirer.client();
        assert!(!Arc::ptr_eq(&second, &first));
        assert!(inquirer.ask(|_| silence::<i32>()).is_err());
        age(&inquirer, SILENCE_MAX);
        assert!(inquirer.ask(|_| silence::<i32>()).is_err());
        age(&inquirer, SILENCE_MAX);
        // A client that is new finds nobody to ask.
        let nobody = |client: &ConsumerClient| -> KafkaResult<i32> {
            if std::ptr::eq(client, &raw const **second) { silence() } else { Err(down()) }
        };
        assert!(inquirer.ask(nobody).is_err());
        assert!(Arc::ptr_eq(&inquirer.client(), &second), "nobody is answered");
        assert!(inquirer.ask(only_another).is_ok());
    }
}
