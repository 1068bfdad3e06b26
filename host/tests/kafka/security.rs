//! Brokers that ask who is there: SCRAM over TLS, certificates on both sides, and tokens that run out while an app works.
//! One broker with a listener for each.

use crate::await_that;
use crate::broker::Broker;
use crate::certificates::{Authority, Certificate};
use crate::client::{Client, Isolation, Record};
use crate::host::{Ended, Host};
use crate::topic::{finish, topic};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SCRAM: u16 = 0;
const MUTUAL: u16 = 1;
const TOKENS: u16 = 2;

/// How long tokens are good: several times what a busy machine may come late, and no longer than a test may wait.
const TOKEN_LIFE: Duration = Duration::from_secs(8);

/// The broker, which knows the user "orders" by the password "right-password" and whoever has a certificate of its
/// authority or a token for writing.
fn broker() -> &'static Broker {
    static BROKER: OnceLock<Broker> = OnceLock::new();
    BROKER.get_or_init(|| Broker::start_on(1, arguments))
}

fn arguments(port: u16, directory: &Path) -> Vec<String> {
    let tls = directory.join("tls");
    std::fs::create_dir(&tls).expect("a directory");
    let authority = Authority::found(&tls, "ours");
    authority.certify("broker", Some("IP:127.0.0.1"), None).into_store(&tls.join("broker.store"));
    authority.certify("orders", None, Some("key-password"));
    let at = |number| format!("127.0.0.1:{}", Broker::spare_port(port, number));
    let ours = format!("SCRAM://{},MUTUAL://{},TOKENS://{}", at(SCRAM), at(MUTUAL), at(TOKENS));
    let plain = format!("PLAINTEXT://127.0.0.1:{port}");
    let module = "org.apache.kafka.common.security";
    let mut lines = vec![
        format!("listeners={plain},CONTROLLER://127.0.0.1:{},{ours}", port + 1),
        format!("advertised.listeners={plain},{ours}"),
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SCRAM:SASL_SSL,MUTUAL:SSL,TOKENS:SASL_PLAINTEXT"
            .into(),
        "inter.broker.listener.name=PLAINTEXT".into(),
        "listener.name.scram.sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512".into(),
        "listener.name.mutual.ssl.client.auth=required".into(),
        "listener.name.mutual.ssl.truststore.type=PEM".into(),
        format!("listener.name.mutual.ssl.truststore.location={}", tls.join("ours.pem").display()),
        "listener.name.tokens.sasl.enabled.mechanisms=OAUTHBEARER".into(),
        // A connection is good for as long as the token by which it was opened.
        "listener.name.tokens.oauthbearer.connections.max.reauth.ms=3600000".into(),
        format!(
            "listener.name.tokens.oauthbearer.sasl.jaas.config={module}.oauthbearer.OAuthBearerLoginModule required \
             unsecuredLoginStringClaim_sub=\"broker\" unsecuredValidatorRequiredScope=\"write\";"
        ),
    ];
    for mechanism in ["scram-sha-256", "scram-sha-512"] {
        let login = format!("{module}.scram.ScramLoginModule required;");
        lines.push(format!("listener.name.scram.{mechanism}.sasl.jaas.config={login}"));
    }
    for listener in ["scram", "mutual"] {
        lines.push(format!("listener.name.{listener}.ssl.keystore.type=PEM"));
        lines.push(format!("listener.name.{listener}.ssl.keystore.location={}", tls.join("broker.store").display()));
    }
    let users = ["SCRAM-SHA-256", "SCRAM-SHA-512"]
        .map(|mechanism| format!("{mechanism}=[name=orders,password=right-password]"));
    let set = lines.into_iter().flat_map(|line| ["--set".into(), line]);
    set.chain(users.into_iter().flat_map(|user| ["--scram".into(), user])).collect()
}

/// Where a listener is.
fn address(host: &str, listener: u16) -> String {
    format!("{host}:{}", Broker::spare_port(broker().port(), listener))
}

/// A file of the broker's authority.
fn file(name: &str) -> String {
    broker().directory().join("tls").join(name).display().to_string()
}

/// An app that copies one topic into another by way of a third, so that all kinds of clients are at work.
struct App {
    at: tempfile::TempDir,
    name: String,
    client: Client,
}

impl App {
    fn new(name: &str) -> Self {
        let at = tempfile::tempdir().expect("a directory");
        let manifest = format!(
            "manifest = 1\napp = \"{name}\"\n[guarantee]\ncommit-interval = \"20ms\"\nrepartition-purge-interval = \"100ms\"\n\
             [node.lines]\nop = \"stream\"\ntopic = \"{name}.in\"\n[node.again]\nop = \"repartition\"\nfrom = \"lines\"\n\
             [node.out]\nop = \"to\"\nfrom = \"again\"\ntopic = \"{name}.out\"\n"
        );
        std::fs::write(at.path().join("millstream.toml"), manifest).expect("a manifest");
        let client = Client::to(&broker().bootstrap());
        ["in", "out"].iter().for_each(|topic| client.create(&format!("{name}.{topic}"), 1, &[]));
        Self { at, name: name.into(), client }
    }

    fn write(&self, name: &str, text: &str) {
        // Whole or not at all, as a platform does it.
        let (new, place) = (self.at.path().join(format!("{name}.new")), self.at.path().join(name));
        std::fs::write(&new, text).and_then(|()| std::fs::rename(new, place)).expect("a file can be written");
    }

    fn run(&self, bootstrap: &str, config: &str, arguments: &[&str]) -> Host {
        self.write("host.toml", config);
        Host::run(self.at.path(), bootstrap, &[&["--config", "host.toml"], arguments].concat())
    }

    fn until_end(&self, bootstrap: &str, config: &str) -> Ended {
        self.run(bootstrap, config, &["--until-end"]).end()
    }

    /// Runs it to the end with all that the host and its clients can log.
    fn until_end_talkative(&self, bootstrap: &str, config: &str) -> Ended {
        self.write("host.toml", &format!("{config}[transport.kafka.properties]\ndebug = \"all\"\n"));
        let arguments = ["--config", "host.toml", "--until-end"];
        let ended = Host::run_in(self.at.path(), bootstrap, &arguments, &[("RUST_LOG", "trace")]).end();
        // What comes once a client is made: until then librdkafka heeds `debug` by itself.
        assert!(ended.log.contains("\"facility\":\"RECV\""), "clients tell nothing of what they receive");
        ended
    }

    fn feed(&self, values: &[&str]) {
        let bytes = |text: &str| Some(text.as_bytes().to_vec());
        let record = |value: &&str| Record { key: bytes("k"), value: bytes(value), timestamp: 1, ..Record::default() };
        self.client.produce(&format!("{}.in", self.name), &values.iter().map(record).collect::<Vec<_>>());
    }

    fn values(&self) -> Vec<String> {
        let records = self.client.read(&format!("{}.out", self.name), Isolation::Committed);
        records.into_iter().map(|record| String::from_utf8(record.value.expect("a value")).expect("text")).collect()
    }
}

fn scram(mechanism: &str, ca: &str) -> String {
    format!(
        "[transport.kafka.tls]\nca = {ca:?}\n[transport.kafka.sasl]\nmechanism = {mechanism:?}\nusername = \"orders\"\n\
         password = {{ file = \"password\" }}\n"
    )
}

#[test]
fn scram_over_tls_lets_in_who_knows_the_password() {
    let app = App::new("scram");
    for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
        app.feed(&[mechanism]);
        for (password, code) in [("wrong-password", Some(1)), ("right-password", Some(0))] {
            app.write("password", password);
            let ended = app.until_end(&address("127.0.0.1", SCRAM), &scram(mechanism, &file("ours.pem")));
            assert_eq!(ended.code, code, "{}", ended.log);
            assert!(!ended.log.contains(password), "{}", ended.log);
            if code == Some(1) {
                ended.says(&["error[MS-T026]: ", "help: check mechanism, username and password"]);
            }
        }
    }
    assert_eq!(app.values(), ["SCRAM-SHA-256", "SCRAM-SHA-512"]);
    // Commands about topics are let in by the same file.
    let bootstrap = address("127.0.0.1", SCRAM);
    let arguments = ["consume", "scram.out", "-f", r"%s\n", "--kafka", &bootstrap, "--config", "host.toml"];
    let said = finish(topic(app.at.path(), &arguments), "");
    assert_eq!((said.code, said.out.as_str()), (Some(0), "SCRAM-SHA-256\nSCRAM-SHA-512\n"), "{}", said.err);
}

#[test]
fn a_broker_that_is_not_who_it_says_is_left_alone() {
    let app = App::new("impostor");
    app.write("password", "right-password");
    let other = Authority::found(app.at.path(), "other");
    let refused_by = |host: &str, ca: &str, why: &str| {
        let ended = app.until_end(&address(host, SCRAM), &scram("SCRAM-SHA-512", ca));
        ended.says(&["error[MS-T027]: ", why, "help: check ca"]);
    };
    refused_by("127.0.0.1", &other.file().display().to_string(), "certificate");
    // The certificate is for the address alone.
    refused_by("localhost", &file("ours.pem"), "certificate");
}

#[test]
fn certificates_on_both_sides() {
    let app = App::new("mutual");
    app.feed(&["through"]);
    let ca = file("ours.pem");
    let with = |certificate: &Certificate| {
        format!(
            "[transport.kafka.tls]\nca = {ca:?}\ncertificate = {:?}\nkey = {:?}\nkey-password = {{ file = \"password\" }}\n",
            certificate.file(),
            certificate.key()
        )
    };
    let bootstrap = address("127.0.0.1", MUTUAL);
    app.write("password", "key-password");
    let none = app.until_end(&bootstrap, &format!("[transport.kafka.tls]\nca = {ca:?}\n"));
    none.says(&["error[MS-T027]: ", "help: check ca, certificate and key"]);
    let stranger = Authority::found(app.at.path(), "other").certify("orders", None, Some("key-password"));
    app.until_end(&bootstrap, &with(&stranger)).says(&["error[MS-T027]: ", "help: check ca, certificate and key"]);
    let ours = with(&Certificate::of(&broker().directory().join("tls"), "orders"));
    let ended = app.until_end(&bootstrap, &ours);
    assert_eq!((ended.code, app.values()), (Some(0), vec!["through".to_owned()]), "{}", ended.log);
    assert!(!ended.log.contains("key-password"), "{}", ended.log);
    app.write("password", "another");
    let locked = app.until_end(&bootstrap, &ours);
    locked.says(&["error[MS-T025]: ", "ssl.key"]);
    assert!(!locked.log.contains("another"), "{}", locked.log);
}

const BY_TOKEN: &str = "[transport.kafka.sasl]\nmechanism = \"OAUTHBEARER\"\ntoken = { file = \"token\" }\n";

/// Now, since the epoch.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970")
}

/// A token that nobody signed, as the broker takes them for tests.
fn token(scope: &str, expires: Duration) -> String {
    let claims = format!("{{\"sub\":\"orders\",\"scope\":{scope:?},\"exp\":{}}}", expires.as_secs());
    format!("{}.{}.", base64url(br#"{"alg":"none"}"#), base64url(claims.as_bytes()))
}

fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - three.len()));
        let letters = [18, 12, 6, 0].map(|shift| char::from(LETTERS[bits >> shift & 63]));
        text.extend(&letters[..=three.len()]);
    }
    text
}

/// Who renews an app's token.
#[derive(Default)]
struct Issuer {
    given: Vec<String>,
    expires: Duration,
}

impl Issuer {
    /// Half of its life before a token expires there is another.
    fn renew(&mut self, app: &App) {
        if self.expires < now() + TOKEN_LIFE / 2 {
            self.expires = now() + TOKEN_LIFE;
            self.given.push(token("write", self.expires));
            app.write("token", self.given.last().expect("one"));
        }
    }

    /// Renews it until something is so.
    #[track_caller]
    fn until(&mut self, app: &App, what: &str, mut so: impl FnMut() -> bool) {
        await_that(what, || {
            self.renew(app);
            so()
        });
    }
}

#[test]
fn an_app_outlives_its_tokens() {
    let (app, mut issuer) = (App::new("tokens"), Issuer::default());
    issuer.renew(&app);
    let first = issuer.expires;
    let mut host = app.run(&address("127.0.0.1", TOKENS), BY_TOKEN, &[]);
    app.feed(&["one", "two"]);
    issuer.until(&app, "all is processed", || app.values().len() == 2);
    let purged = || app.client.bounds("tokens-again-repartition", 0, Isolation::Uncommitted).0;
    issuer.until(&app, "what was processed is deleted", || purged() >= 2);
    // And with it every connection that was opened by it.
    issuer.until(&app, "the first token expires", || now() > first);
    let before = purged();
    app.feed(&["three"]);
    issuer.until(&app, "all is processed", || app.values().len() == 3);
    // By the client that manages topics.
    issuer.until(&app, "what was processed is deleted", || purged() > before);
    assert!(host.ended().is_none(), "{}", host.log());
    let ended = host.stop();
    assert_eq!((ended.code, app.values()), (Some(0), ["one", "two", "three"].map(String::from).to_vec()));
    assert!(issuer.given.len() > 2, "{} tokens", issuer.given.len());
    assert!(!ended.log.contains("uthenticat") && !ended.log.contains("MS-T026"), "{}", ended.log);
    assert!(issuer.given.iter().all(|token| !ended.log.contains(token)), "{}", ended.log);
}

#[test]
fn an_app_waits_for_a_token_that_comes_late() {
    let (app, mut issuer) = (App::new("late"), Issuer::default());
    issuer.renew(&app);
    let mut host = app.run(&address("127.0.0.1", TOKENS), BY_TOKEN, &[]);
    app.feed(&["one"]);
    await_that("all is processed", || app.values().len() == 1);
    await_that("the token expires", || host.log().contains("expired"));
    app.feed(&["two"]);
    issuer.until(&app, "all is processed", || app.values().len() == 2);
    assert!(host.ended().is_none(), "{}", host.log());
    let ended = host.stop();
    assert_eq!((ended.code, app.values()), (Some(0), ["one", "two"].map(String::from).to_vec()));
    assert!(ended.log.contains("MS-T026: there is no token for Kafka"), "{}", ended.log);
    assert!(issuer.given.iter().all(|token| !ended.log.contains(token)), "{}", ended.log);
}

#[test]
fn tokens_that_are_no_good_are_told_and_not_shown() {
    let app = App::new("refused");
    let cases = [
        (token("write", now() - TOKEN_LIFE), "expired"),
        (token("read", now() + Duration::from_secs(600)), "insufficient_scope"),
        ("not-a-token".to_owned(), "is no JWT"),
    ];
    for (token, why) in cases {
        app.write("token", &token);
        let ended = app.until_end(&address("127.0.0.1", TOKENS), BY_TOKEN);
        ended.says(&["error[MS-T026]: ", why, "help: "]);
        assert!(!ended.log.contains(&token), "{}", ended.log);
    }
}

#[test]
fn no_secret_is_in_what_is_logged_even_if_all_is() {
    let app = App::new("talkative");
    let (good, bad) =
        (token("write", now() + Duration::from_secs(600)), token("read", now() + Duration::from_secs(600)));
    let ca = file("ours.pem");
    let ours = Certificate::of(&broker().directory().join("tls"), "orders");
    let mutual = format!(
        "[transport.kafka.tls]\nca = {ca:?}\ncertificate = {:?}\nkey = {:?}\nkey-password = {{ file = \"locked\" }}\n",
        ours.file(),
        ours.key()
    );
    for (listener, config, place, secret, code) in [
        (SCRAM, scram("SCRAM-SHA-512", &ca), "password", "right-password", 0),
        (SCRAM, scram("SCRAM-SHA-256", &ca), "password", "wrong-password", 1),
        (MUTUAL, mutual, "locked", "key-password", 0),
        (TOKENS, BY_TOKEN.into(), "token", good.as_str(), 0),
        (TOKENS, BY_TOKEN.into(), "token", bad.as_str(), 1),
    ] {
        app.write(place, secret);
        let ended = app.until_end_talkative(&address("127.0.0.1", listener), &config);
        assert_eq!(ended.code, Some(code), "{listener} {place}");
        if code == 1 {
            assert!(ended.log.contains("error[MS-T026]: "), "{listener} {place}");
        }
        // As it is, and as a client encodes it.
        for secret in [secret.to_owned(), base64url(secret.as_bytes())] {
            let told = ended.log.lines().find(|line| line.contains(&secret));
            assert_eq!(told, None, "{listener} {place}");
        }
    }
}
