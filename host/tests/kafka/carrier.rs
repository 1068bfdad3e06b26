//! State of a run on a cluster is not taken for that of the embedded log, nor thrown away for it.

use crate::broker::Broker;
use crate::client::Client;
use crate::host::Host;
use crate::topic::{finish, millstream};
use crate::words;

#[test]
fn a_run_without_the_cluster_is_refused_over_state_of_a_run_with_it() {
    let bootstrap = Broker::shared().bootstrap();
    Client::to(&bootstrap).create("carried.in", 1, &[]);
    let app = words::at(&words::counting("carried", true, "emit = \"on-commit\"\n"));
    let on_kafka = || assert_eq!(Host::until_end(app.path(), &bootstrap).code, Some(0));
    let without = || finish(millstream(app.path(), &["run", "--until-end"]), "");
    on_kafka();
    assert_eq!(without().code, Some(0), "nothing came of the run on the cluster");
    let produced = finish(millstream(app.path(), &["topic", "produce", "carried.in", "--kafka", &bootstrap]), "one\n");
    assert_eq!(produced.code, Some(0), "{}", produced.err);
    on_kafka();
    let refused = without();
    assert!(refused.code != Some(0) && refused.err.contains("error[MS-R016]"), "{}", refused.err);
    on_kafka();
    let reset = finish(millstream(app.path(), &["reset", "carried", "--yes"]), "");
    assert_eq!(reset.code, Some(0), "{}", reset.err);
    let went = without();
    assert_eq!(went.code, Some(0), "{}", went.err);
}

#[test]
fn a_run_on_a_cluster_is_refused_over_state_of_a_run_without_it() {
    let bootstrap = Broker::shared().bootstrap();
    Client::to(&bootstrap).create("carried-back.in", 1, &[]);
    let app = words::at(&words::counting("carried-back", true, "store = \"counts\"\n"));
    std::fs::write(app.path().join("lines"), "one two\n").expect("a file");
    let here = |arguments: &[&str]| finish(millstream(app.path(), arguments), "");
    let without = || here(&["run", "--until-end", "--input", "lines=lines"]);
    assert_eq!(without().code, Some(0));
    Host::until_end(app.path(), &bootstrap).says(&["error[MS-R016]", "of a run on the embedded log", "help: "]);
    let kept = here(&["state", "get", "counts", "one two"]);
    assert_eq!(kept.code, Some(0), "{}", kept.err);
    assert_eq!(without().code, Some(0), "it goes on where it was");
    let on_cluster = here(&["reset", "carried-back", "--yes", "--kafka", &bootstrap]);
    assert!(on_cluster.err.contains("MS-C018") && on_cluster.out.contains("and stays"), "{}", on_cluster.err);
    assert_eq!(here(&["state", "get", "counts", "one two"]).code, Some(0));
    assert_eq!(here(&["reset", "carried-back", "--yes"]).code, Some(0));
    assert_eq!(Host::until_end(app.path(), &bootstrap).code, Some(0));
    assert_eq!(without().code, Some(0), "nothing came of it that would be in the way");
}
