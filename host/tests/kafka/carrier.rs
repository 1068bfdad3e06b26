//! State of a run on a cluster is not taken for that of the embedded log.

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
    let refused = without();
    assert!(refused.code != Some(0) && refused.err.contains("error[MS-R016]"), "{}", refused.err);
    on_kafka();
    let reset = finish(millstream(app.path(), &["reset", "carried", "--yes"]), "");
    assert_eq!(reset.code, Some(0), "{}", reset.err);
    let went = without();
    assert_eq!(went.code, Some(0), "{}", went.err);
}
