//! Kafka's record batch, version 2.
