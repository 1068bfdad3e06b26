//! Who is told to end leaves its tasks to the others.

use crate::await_that;
use crate::bad_input::copies;
use crate::broker::Broker;
use crate::client::{Client, Isolation};
use crate::host::Host;
use crate::standby::numbered;
use rustix::process::Signal;

/// Longer than any test waits, and as long as members are waited for that do not answer.
const CONFIG: &str = "[transport.kafka]\nsession-timeout = \"20m\"\n";
const TASKS: i32 = 4;

#[test]
fn tasks_of_who_is_told_to_end_go_to_the_others_long_before_its_session_is_over() {
    const APP: &str = "handed-over";
    let bootstrap = Broker::shared().bootstrap();
    let client = Client::to(&bootstrap);
    let (input, output) = (format!("{APP}.in"), format!("{APP}.out"));
    [&input, &output].iter().for_each(|topic| client.create(topic, TASKS, &[]));
    let places = [(); 2].map(|()| copies(APP, ""));
    let run = |at: &tempfile::TempDir| {
        std::fs::write(at.path().join("host.toml"), CONFIG).expect("a configuration");
        Host::run(at.path(), &bootstrap, &["--config", "host.toml", "--workers", "1"])
    };
    let [first, second] = places.each_ref().map(run);
    await_that("each has half of the tasks", || client.tasks_of_members(APP) == [2, 2]);
    let copied = || client.read(&output, Isolation::Committed).len();
    client.produce(&input, &numbered(0..40, TASKS));
    await_that("both work", || copied() == 40);
    first.signal(Signal::TERM);
    assert_eq!(first.end().code, Some(0));
    client.produce(&input, &numbered(40..80, TASKS));
    await_that("the other one works on all of it", || copied() == 80);
    assert_eq!(client.tasks_of_members(APP), [4]);
    let ended = second.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}
