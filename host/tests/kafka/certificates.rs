//! Certificates of an authority of the test's own, by openssl.

use std::path::{Path, PathBuf};
use std::process::Command;

/// How long certificates are good, days: longer than any test runs.
const DAYS: &str = "2";

/// Who signs certificates.
pub(crate) struct Authority(Certificate);

/// A certificate, and its key beside it.
pub(crate) struct Certificate {
    directory: PathBuf,
    name: String,
}

impl Authority {
    /// Makes one in a directory.
    pub(crate) fn found(directory: &Path, name: &str) -> Self {
        let own = Certificate::of(directory, name);
        make(&own, name, &["-nodes", "-addext", "keyUsage=critical,keyCertSign"]);
        Self(own)
    }

    /// Its certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.0.file()
    }

    /// Signs a certificate for an address, if it is a broker's; the key has a password, or none.
    pub(crate) fn certify(&self, name: &str, address: Option<&str>, password: Option<&str>) -> Certificate {
        let made = Certificate::of(&self.0.directory, name);
        let [ca, ca_key] = [self.0.file(), self.0.key()].map(|path| path.display().to_string());
        let password = password.map_or("-nodes".into(), |password| format!("-passout=pass:{password}"));
        let address = address.map(|address| format!("subjectAltName={address}"));
        let mut arguments = vec!["-CA", &ca, "-CAkey", &ca_key, &password];
        arguments.extend(address.iter().flat_map(|address| ["-addext", address]));
        make(&made, name, &arguments);
        made
    }
}

impl Certificate {
    /// One that was made there.
    pub(crate) fn of(directory: &Path, name: &str) -> Self {
        Self { directory: directory.into(), name: name.into() }
    }

    /// The certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.directory.join(format!("{}.pem", self.name))
    }

    /// Its key.
    pub(crate) fn key(&self) -> PathBuf {
        self.directory.join(format!("{}.key", self.name))
    }

    /// Key and certificate in one file, as a broker takes them.
    pub(crate) fn into_store(self, store: &Path) {
        let texts = [self.key(), self.file()].map(|path| std::fs::read_to_string(path).expect("it was made"));
        std::fs::write(store, texts.concat()).expect("a store can be written");
    }
}

fn make(made: &Certificate, name: &str, arguments: &[&str]) {
    let [file, key] = [made.file(), made.key()];
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", DAYS]);
    command.args(["-subj", &format!("/CN={name}"), "-keyout"]).arg(key).arg("-out").arg(file);
    let ended = command.args(arguments).output().expect("openssl runs");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}
