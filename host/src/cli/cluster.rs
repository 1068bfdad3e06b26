//! `--kafka` and `--config`: which cluster, and how to reach it.

use super::out::Error;
use crate::config::{Config, ConfigError, Kafka, Token, is_bootstrap};
use crate::run::{App, Host, RunError};
use crate::transport::kafka::{Settings, TokenSource, against};
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(super) struct Cluster {
    /// Brokers of a Kafka cluster whose topics are used instead of the embedded log's, HOST:PORT[,HOST:PORT]...; state
    /// stays in the data directory.
    #[arg(long, value_name = "BROKERS", env = "MILLSTREAM_KAFKA", hide_env_values = true)]
    kafka: Option<String>,
    /// The host's configuration: how to reach Kafka, secrets, standby copies (docs/configuration.md).
    #[arg(long, value_name = "FILE", env = "MILLSTREAM_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
}

impl Cluster {
    /// Opens the data directory, and the cluster if one is wanted.
    pub(super) fn host(&self, app: &App, data: &Path) -> Result<Host, Error> {
        match self.kafka()? {
            None => Ok(Host::embedded(data, app.manifest.settings.exactly_once)?),
            Some((settings, instance)) => Ok(Host::kafka(data, settings, &app.manifest.app, instance.as_deref())?),
        }
    }

    /// How to reach the cluster, and what this process is called there; none: the embedded log.
    pub(super) fn kafka(&self) -> Result<Option<(Settings, Option<String>)>, Error> {
        let config = self.config.as_deref().map(read).transpose()?.unwrap_or_default();
        let kafka = match (&self.kafka, config.kafka) {
            (None, None) => return Ok(None),
            (Some(brokers), kafka) => Kafka { bootstrap: Some(self.checked(brokers)?), ..kafka.unwrap_or_default() },
            (None, Some(kafka)) => kafka,
        };
        let instance = kafka.instance.clone();
        Ok(Some((settings(kafka)?, instance)))
    }

    fn checked(&self, brokers: &str) -> Result<String, Error> {
        // It is not shown: who writes user:password@host elsewhere may do so here.
        let wrong = || {
            let remedy = "write HOST:PORT with a port from 1 to 65535, or several between commas, such as localhost:9092; users and passwords belong into the file of --config";
            Error::usage("MS-C001", "what --kafka or MILLSTREAM_KAFKA says is no HOST:PORT", remedy)
        };
        is_bootstrap(brokers).then(|| brokers.to_owned()).ok_or_else(wrong)
    }
}

fn read(path: &Path) -> Result<Config, Error> {
    Config::load(path, &against, super::out::colours()).map_err(|error| match error {
        ConfigError::Problems(text) => Error::Run(RunError::Manifest(text)),
        ConfigError::File { ref path, error: ref why } => Error::usage(
            "MS-H001",
            format!("the configuration {path:?} cannot be read: {why}"),
            "name another with --config",
        ),
    })
}

fn settings(kafka: Kafka) -> Result<Settings, Error> {
    let missing = || {
        let what = "the configuration names no brokers";
        Error::usage("MS-C001", what, "add bootstrap = \"localhost:9092\" under [transport.kafka], or say --kafka")
    };
    Ok(Settings {
        bootstrap: kafka.bootstrap.ok_or_else(missing)?,
        properties: kafka.properties,
        token: kafka.token.map(|token| match token {
            Token::File(path) => TokenSource::File(path),
            Token::Env(name) => TokenSource::Env(name),
        }),
        session_timeout: kafka.session_timeout,
        standby: usize::from(kafka.standby),
        acceptable_recovery_lag: kafka.acceptable_recovery_lag,
        replication: kafka.replication_factor.map(i32::from),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::allowed;
    use crate::transport::{Client, Property, Setting};

    #[test]
    fn what_a_user_may_set_is_set_and_nothing_goes_over_it() {
        // What topics take goes over this one.
        for name in allowed().filter(|name| *name != "batch.size") {
            let value = Setting::Plain("the user's".into());
            let properties = vec![Property { name: name.into(), value, of: Client::Any }];
            let kafka = Kafka { bootstrap: Some("one:1".into()), properties, ..Kafka::default() };
            let found = settings(kafka).ok().map(|settings| settings.values_of(name)).unwrap_or_default();
            assert_eq!(found, vec![Some("the user's".to_owned()); 5], "{name}");
        }
    }
}
