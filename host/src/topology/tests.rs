use super::*;
use crate::plugin::port::{Description, Fields, Operator};
use serde_json::json;

/// A sound manifest, line by line; tests break it.
const SOUND: &str = r#"manifest = 1
app = "wordcount"
[plugin.words]
component = "words.wasm"
[node.lines]
op = "stream"
topic = "lines"
[node.words]
op = "flat-map-values"
from = "lines"
call = "words.split"
[node.by-word]
op = "group-by"
from = "words"
call = "words.word-as-key"
[node.counts]
op = "count"
from = "by-word"
store = "CountStore"
[node.out]
op = "to"
from = "counts"
topic = "counts"
"#;

fn operator(name: &str, kind: &str, schema: &str) -> Operator {
    Operator {
        name: name.into(),
        kind: kind.into(),
        docs: String::new(),
        reads: Fields::default(),
        outputs: Vec::new(),
        state: None,
        stores: Vec::new(),
        params_schema: schema.into(),
        properties: Vec::new(),
    }
}

fn words() -> Description {
    let schema = r#"{"type":"object","properties":{"lower-case":{"type":"boolean"}}}"#;
    Description {
        name: "words".into(),
        version: "1".into(),
        sdk: "test".into(),
        operators: vec![operator("split", "flat-map-values", schema), operator("word-as-key", "select-key", "")],
    }
}

/// All problems of a manifest, as `code line`, and their texts.
fn problems(text: &str) -> Vec<Problem> {
    let manifest = match Manifest::parse(text) {
        Ok(manifest) => manifest,
        Err(problems) => return problems,
    };
    let topology = match Topology::check(&manifest.app, &manifest.plugins, &manifest.nodes, &manifest.settings) {
        Ok(topology) => topology,
        Err(problems) => return problems,
    };
    let description = words();
    check_calls(&topology, &|name| (name == "words").then_some(&description), &crate::plugin::check_params)
}

/// What stands in a manifest, what is written instead, and then: the code, the line, and words of cause and remedy.
type Break<'a> = (&'a str, &'a str, &'a str, usize, &'a str);

const BREAKS: [Break<'_>; 31] = [
    ("manifest = 1", "manifest = [", "MS-T001", 2, "mend the TOML"),
    ("manifest = 1", "manifest = 2", "MS-T003", 1, "manifest = 1"),
    ("app = \"wordcount\"", "", "MS-T004", 0, "names no app"),
    ("app = \"wordcount\"", "app = \"word count\"", "MS-T003", 2, "letters, digits"),
    ("[plugin.words]", "[plugins.words]", "MS-T002", 3, "did you mean \"plugin\"?"),
    ("component =", "componnet =", "MS-T002", 4, "did you mean \"component\"?"),
    ("component = \"words.wasm\"", "", "MS-T004", 3, "names no component"),
    ("topic = \"lines\"", "topic = \"two words\"", "MS-T003", 7, "a topic's name"),
    ("topic = \"lines\"", "", "MS-T004", 5, "says no \"topic\""),
    ("op = \"stream\"", "", "MS-T004", 5, "says no op"),
    ("op = \"flat-map-values\"", "op = \"flat-map-value\"", "MS-T007", 9, "did you mean \"flat-map-values\"?"),
    ("op = \"count\"", "op = \"window\"", "MS-T008", 17, "not supported yet"),
    ("from = \"lines\"", "form = \"lines\"", "MS-T002", 10, "did you mean \"from\"?"),
    ("from = \"lines\"", "from = \"line\"", "MS-T009", 10, "did you mean \"lines\"?"),
    ("from = \"lines\"", "from = \"words\"", "MS-T006", 8, "in a circle: words -> words"),
    ("from = \"by-word\"", "from = \"words\"", "MS-T010", 18, "group it first"),
    ("call = \"words.split\"", "call = \"split\"", "MS-T011", 11, "write plugin.operator"),
    ("call = \"words.split\"", "call = \"word.split\"", "MS-T012", 11, "did you mean \"words\"?"),
    ("call = \"words.split\"", "call = \"words.splits\"", "MS-T015", 11, "did you mean \"split\"?"),
    ("call = \"words.split\"", "call = \"words.word-as-key\"", "MS-T016", 11, "is of kind \"select-key\""),
    (
        "call = \"words.split\"",
        "call = \"words.split\"\nparams = { lower-case = 1 }",
        "MS-T017",
        12,
        "does not take the parameters",
    ),
    ("store = \"CountStore\"", "emit = \"never\"", "MS-T003", 19, "\"every-update\" or \"on-commit\""),
    ("store = \"CountStore\"", "on-error = \"dead-letter\"", "MS-T013", 19, "dead-letter-topic"),
    ("store = \"CountStore\"", "on-error = \"ignore\"", "MS-T003", 19, "\"dead-letter\", \"skip\" or \"stop\""),
    (
        "[node.out]",
        "[node.again]\nop = \"count\"\nfrom = \"by-word\"\nstore = \"CountStore\"\n[node.out]",
        "MS-T014",
        20,
        "both",
    ),
    (
        "store = \"CountStore\"",
        "[node.again]\nop = \"count\"\nfrom = \"by-word\"\nstore = \"counts-store\"",
        "MS-T014",
        19,
        "belongs to both \"counts\" and \"again\"",
    ),
    ("topic = \"lines\"", "topic = \"wordcount-by-word-repartition\"", "MS-T019", 5, "makes for itself"),
    ("topic = \"lines\"", "topic = \"wordcount-by-word-counts-repartition\"", "MS-T019", 5, "makes for itself"),
    ("topic = \"counts\"", "topic = \"wordcount-CountStore-changelog\"", "MS-T019", 20, "makes for itself"),
    ("[node.out]", "[node.again]\nop = \"stream\"\ntopic = \"lines\"\n[node.out]", "MS-T018", 20, "read it once"),
    ("topic = \"counts\"", "topic = \"counts\"\ncall = \"words.split\"", "MS-T004", 20, "either topic or call"),
];

#[test]
fn a_sound_manifest_has_no_problem() {
    assert_eq!(problems(SOUND), []);
}

#[test]
fn every_fault_has_its_code_line_and_remedy() {
    for (was, becomes, code, line, words) in BREAKS {
        let text = SOUND.replacen(was, becomes, 1);
        assert_ne!(text, SOUND, "{was:?} stands in the manifest");
        let found = problems(&text);
        let fits = |problem: &&Problem| problem.code == code && problem.line == line;
        let problem = found.iter().find(fits).unwrap_or_else(|| panic!("no {code} at line {line} in {found:?}"));
        let said = format!("{} {}", problem.what, problem.remedy);
        assert!(said.contains(words), "{said:?} does not say {words:?}");
        assert!(!problem.remedy.is_empty());
    }
}

/// Words that somebody who knows Kafka Streams tries are no typos of others.
#[test]
fn what_comes_later_is_told_from_a_typo() {
    let words = [
        ("join", "stream-table-join"),
        ("leftJoin", "stream-table-join"),
        ("outer-join", "stream-stream-join"),
        ("windowed-by", "called window;"),
        ("windowedBy", "called window;"),
        ("windowed_by", "called window;"),
        ("suppress", "called suppress;"),
        ("process", "called process;"),
        ("transform", "called process;"),
        ("transformValues", "called process-values;"),
        ("cogroup", "called cogroup;"),
        ("globalTable", "called global-table;"),
    ];
    for (word, remedy) in words {
        let found = problems(&SOUND.replace("op = \"count\"", &format!("op = {word:?}")));
        let [problem] = &found[..] else { panic!("{word}: {found:?}") };
        assert_eq!((problem.code.as_ref(), problem.line), ("MS-T008", 17), "{problem:?}");
        assert!(problem.remedy.contains(remedy), "{problem:?}");
    }
    for word in ["mapValues", "joined-by", "-"] {
        let found = problems(&SOUND.replace("op = \"count\"", &format!("op = {word:?}")));
        assert_eq!(found.iter().map(|problem| problem.code.as_ref()).collect::<Vec<_>>(), ["MS-T007"], "{word}");
    }
}

/// What is wrong in [errors] is wrong once, and there, however many nodes go by it.
#[test]
fn the_policy_of_all_is_checked_once_where_it_stands() {
    let cases = [
        ("on-error = \"ignore\"", vec![("MS-T003", 25)]),
        ("on-error = \"dead-letter\"", vec![("MS-T013", 25)]),
        ("on-error = \"dead-letter\"\ndead-letter-topic = \"letters\"", vec![]),
        ("on-error = \"LogAndContinueProcessingExceptionHandler\"", vec![]),
    ];
    for (policy, expected) in cases {
        let found = problems(&format!("{SOUND}[errors]\n{policy}\n"));
        let told: Vec<_> = found.iter().map(|problem| (problem.code.as_ref(), problem.line)).collect();
        assert_eq!(told, expected, "{policy}");
    }
}

#[test]
fn all_faults_come_in_one_pass() {
    let text = SOUND
        .replace("op = \"stream\"", "op = \"steam\"")
        .replace("call = \"words.word-as-key\"", "call = \"word.word-as-key\"")
        .replace("store = \"CountStore\"", "sotre = \"CountStore\"");
    let found = problems(&text);
    let lines: Vec<(&str, usize)> = found.iter().map(|problem| (problem.code.as_ref(), problem.line)).collect();
    assert_eq!(lines, [("MS-T007", 6), ("MS-T012", 15), ("MS-T002", 19)]);
}

#[test]
fn a_circle_over_several_nodes_is_named_whole() {
    let text = "manifest = 1\napp = \"a\"\n[node.x]\nop = \"merge\"\nfrom = [\"y\", \"z\"]\n[node.y]\nop = \"merge\"\n\
                from = [\"x\", \"z\"]\n[node.z]\nop = \"stream\"\ntopic = \"t\"\n";
    let found = problems(text);
    assert!(found.iter().any(|problem| problem.what.contains("x -> y -> x")), "{found:?}");
}

#[test]
fn problems_show_their_line() {
    let text = SOUND.replace("from = \"lines\"", "form = \"lines\"");
    let shown = render(&problems(&text), &text, "millstream.toml", false);
    assert!(shown.contains("millstream.toml:10\n  10 | form = \"lines\"\n"), "{shown}");
    assert!(shown.contains("help: did you mean \"from\"?"), "{shown}");
    assert!(!shown.contains('\x1b'));
}

fn planned() -> plan::Plan {
    planned_as(SOUND)
}

fn planned_as(text: &str) -> plan::Plan {
    let manifest = Manifest::parse(text).expect("it is sound");
    let topology = Topology::check(&manifest.app, &manifest.plugins, &manifest.nodes, &manifest.settings);
    plan(&topology.expect("it is sound"))
}

/// The shape of Kafka Streams' `Topology#describe()`.
#[test]
fn is_described_as_kafka_streams_does() {
    let expected = "\
Topologies:
   Sub-topology: 0
    Source: lines (topics: [lines])
      --> words
    Processor: words (stores: [])
      --> by-word-select
      <-- lines
    Processor: by-word-select (stores: [])
      --> by-word-repartition-sink
      <-- words
    Sink: by-word-repartition-sink (topic: wordcount-by-word-counts-repartition)
      <-- by-word-select

  Sub-topology: 1
    Source: by-word-repartition-source (topics: [wordcount-by-word-counts-repartition])
      --> counts
    Processor: counts (stores: [CountStore])
      --> out
      <-- by-word-repartition-source
    Sink: out (topic: counts)
      <-- counts

";
    assert_eq!(describe(&planned(), Format::Text), expected);
}

#[test]
fn is_drawn_with_topics_as_nodes() {
    let mermaid = describe(&planned(), Format::Mermaid);
    let topics = ["  t0[(\"lines\")]", "  t1[(\"wordcount-by-word-counts-repartition\")]", "  t2[(\"counts\")]"];
    assert!(mermaid.starts_with(&format!("flowchart TD\n{}\n", topics.join("\n"))), "{mermaid}");
    assert!(mermaid.contains("\n  t0 --> s0n0\n") && mermaid.contains(" --> t2\n"), "{mermaid}");
    let dot = describe(&planned(), Format::Dot);
    assert!(dot.starts_with("digraph \"wordcount\" {\n") && dot.ends_with("}\n"), "{dot}");
    let json: Value = serde_json::from_str(&describe(&planned(), Format::Json)).expect("it is JSON");
    assert_eq!(json["subtopologies"][0]["steps"][3]["writes"], "counts");
    assert_eq!(json["subtopologies"][1]["stores"], json!([{ "name": "CountStore", "changelog": false }]));
}

/// What the records of the topic between stand for, its name, and what the first fold takes its rows for.
fn between(text: &str) -> (plan::Payload, String, plan::Payload) {
    let plan = planned_as(text);
    let sinks = plan.subtopologies.iter().flat_map(|part| &part.steps).find_map(|step| match &step.op {
        plan::StepOp::Sink { target: plan::Target::Repartition { topic, payload } } => {
            Some((*payload, topic.to_string()))
        }
        _ => None,
    });
    let (written, topic) = sinks.expect("a topic between");
    let mut steps = plan.subtopologies.iter().flat_map(|part| &part.steps);
    let rows = steps.find_map(|step| if let plan::StepOp::Fold { rows, .. } = &step.op { Some(*rows) } else { None });
    let mut steps = plan.subtopologies.iter().flat_map(|part| &part.steps);
    let read = steps.find_map(|step| match &step.op {
        plan::StepOp::Source { topic: source, payload } if source.as_str() == topic => Some(*payload),
        _ => None,
    });
    assert_eq!(read, Some(written), "a topic is read as what it was written as");
    (written, topic, rows.expect("a fold"))
}

#[test]
fn only_what_nobody_misses_is_counted_before_it_is_written() {
    use plan::Payload::{Count, Plain};
    let counts = (Count, "wordcount-by-word-counts-repartition".to_owned(), Count);
    let plain = (Plain, "wordcount-by-word-repartition".to_owned(), Plain);
    let node = |name: &str, fields: &str| format!("[node.{name}]\n{fields}\n");
    let and = |more: &str| format!("{SOUND}{more}");
    assert_eq!(between(SOUND), counts);
    assert_eq!(between(&SOUND.replace("store = \"CountStore\"", "emit = \"every-update\"")), plain);
    let second = node("second", "op = \"count\"\nfrom = \"by-word\"");
    assert_eq!(between(&and(&second)), counts, "both are counts that hand on at the commit");
    assert_eq!(between(&and(&second.replace("count", "count\"\nemit = \"every-update"))), plain);
    let reduce = node("longest", "op = \"reduce\"\nfrom = \"by-word\"\ncall = \"words.longest\"");
    assert_eq!(between(&and(&reduce)), plain, "a reducer needs the values");
    let namesake = node("by-word-counts", "op = \"group-by-key\"\nfrom = \"words\"");
    let last = node("last", "op = \"count\"\nfrom = \"by-word-counts\"");
    assert_eq!(between(&and(&format!("{namesake}{last}"))), plain, "its topic may have that name");
    let table = SOUND.replace("\"flat-map-values\"", "\"map-values\"").replace("\"stream\"", "\"table\"");
    let change = plan::Payload::Change;
    assert_eq!(between(&table), (change, plain.1, change), "what a table's change takes back is not there yet");
}

const REFERENCE: &str = include_str!("../../../docs/manifest.md");

/// The reference's example is sound, as far as can be told without its plugin.
#[test]
fn the_reference_shows_a_sound_manifest() {
    let example = REFERENCE.split("```").nth(1).and_then(|block| block.strip_prefix("toml\n")).expect("an example");
    let manifest = Manifest::parse(example).expect("it can be read");
    let topology = Topology::check(&manifest.app, &manifest.plugins, &manifest.nodes, &manifest.settings);
    assert_eq!(topology.expect("it makes sense").nodes.len(), 5);
}

#[test]
fn the_reference_names_every_op_and_key() {
    let fields = |op: &'static ops::Op| [&["op"], op.required, op.optional].concat();
    let ops = ops::names().filter_map(ops::find).flat_map(|op| [vec![op.name], fields(op)].concat());
    let settings = super::topic::KEYS.into_iter().filter(|key| !key.contains('.'));
    for word in ops.chain(settings) {
        assert!(REFERENCE.contains(&format!("`{word}`")), "docs/manifest.md does not name {word:?}");
    }
}
