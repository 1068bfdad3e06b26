//! State of a run on a cluster is not taken for that of the embedded log.

use crate::broker::Broker;
use crate::client::Client;
use crate::host::Host;
use crate::words;
use std::path::Path;
use std::process::{Command, Output};

fn millstream(at: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
    for name in ["MILLSTREAM_KAFKA", "MILLSTREAM_CONFIG", "MILLSTREAM_DATA_DIR"] {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(at).output().expect("it runs")
}

#[test]
fn a_run_without_the_cluster_is_refused_over_state_of_a_run_with_it() {
    let bootstrap = Broker::shared().bootstrap();
    Client::to(&bootstrap).create("carried.in", 1, &[]);
    let app = words::at(&words::counting("carried", true, "emit = \"on-commit\"\n"));
    let on_kafka = || assert_eq!(Host::until_end(app.path(), &bootstrap).code, Some(0));
    let without = || millstream(app.path(), &["run", "--until-end"]);
    on_kafka();
    let refused = without();
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && text.contains("error[MS-R016]"), "{text}");
    on_kafka();
    let reset = millstream(app.path(), &["reset", "carried", "--yes"]);
    assert!(reset.status.success(), "{}", String::from_utf8_lossy(&reset.stderr));
    let went = without();
    assert!(went.status.success(), "{}", String::from_utf8_lossy(&went.stderr));
}
