//! Build chores: `cargo run -- bindings [--check]` writes the guest SDK's bindings from `wit/`, or compares them.

use std::path::Path;
use std::process::ExitCode;
use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator};
use wit_bindgen_rust::{Opts, WithOption};

/// The parts that a component is put together from: world, and the interfaces that earlier parts already have.
const PARTS: [(&str, &[&str]); 7] = [
    ("imports", &[]),
    ("plugin-part", &["types"]),
    ("transform-part", &["types"]),
    ("fold-part", &["types"]),
    ("join-part", &["types"]),
    ("processor-part", &["types"]),
    ("lifecycle-part", &["types"]),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let check = arguments.iter().any(|argument| argument == "--check");
    if arguments.first().map(String::as_str) != Some("bindings") {
        eprintln!("usage: cargo run -- bindings [--check]");
        return ExitCode::from(2);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository");
    let mut differs = false;
    for (world, shared) in PARTS {
        let text = generate(&root.join("wit"), world, shared);
        let path = root.join(format!("guest-sdk/src/bindings/{}.rs", world.replace('-', "_")));
        if check {
            let same = std::fs::read_to_string(&path).is_ok_and(|found| found == text);
            differs |= !same;
            println!("{} {}", if same { "same   " } else { "differs" }, path.display());
        } else {
            std::fs::write(&path, text).expect("the bindings can be written");
        }
    }
    if differs { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn generate(wit: &Path, world: &str, shared: &[&str]) -> String {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit).expect("wit/ is sound");
    let world_id = resolve.select_world(&[package], Some(world)).expect("the world is there");
    let module = world.replace('-', "_");
    let with = shared.iter().map(|interface| {
        let path = format!("::millstream::bindings::imports::millstream::plugin::{interface}");
        (format!("millstream:plugin/{interface}@0.1.0"), WithOption::Path(path))
    });
    let options = Opts {
        runtime_path: Some("::millstream::wit_bindgen::rt".into()),
        default_bindings_module: Some(format!("::millstream::bindings::{module}")),
        export_macro_name: Some(format!("export_{module}")),
        pub_export_macro: true,
        generate_all: true,
        format: true,
        type_section_suffix: Some(format!("-{world}")),
        with: with.collect(),
        ..Opts::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world_id, &mut files).expect("bindings can be generated");
    let (_, text) = files.iter().next().expect("one file");
    String::from_utf8(text.to_vec()).expect("UTF-8")
}
