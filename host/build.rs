//! Gathers what `millstream new` writes: the guest SDK, the crates that it needs, and the templates, all of which go into
//! the binary so that a first app needs no network. And has the linker put a function of ours in the place of one of
//! librdkafka's.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    let own = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let sdk = own.join("../guest-sdk").canonicalize()?;
    let mut code = String::new();
    list(&mut code, "SDK", &sdk, &|path| path == "Cargo.toml" || path.starts_with("src/"))?;
    list(&mut code, "TEMPLATES", &own.join("templates"), &|_| true)?;
    writeln!(code, "pub(super) const LOCK: &str = include_str!({:?});", sdk.join("Cargo.lock"))?;
    writeln!(code, "pub(super) const CRATES: &[u8] = include_bytes!(concat!(env!(\"OUT_DIR\"), \"/crates.lz4\"));")?;
    std::fs::write(out.join("embedded.rs"), code)?;
    let archive = crates(&sdk).unwrap_or_else(|why| {
        println!("cargo:warning=millstream new will need a network, the SDK's crates are not there ({why}): run cargo fetch in guest-sdk");
        // Never there: the next build looks again.
        println!("cargo:rerun-if-changed={}", out.join("missing").display());
        Vec::new()
    });
    let mut compressed = lz4_flex::frame::FrameEncoder::new(std::fs::File::create(out.join("crates.lz4"))?);
    compressed.write_all(&archive)?;
    compressed.finish()?;
    for watched in [sdk.join("Cargo.toml"), sdk.join("Cargo.lock"), sdk.join("src"), own.join("templates")] {
        println!("cargo:rerun-if-changed={}", watched.display());
    }
    println!("cargo:rerun-if-changed=build.rs");
    // See src/transport/kafka/ffi_leaders.rs.
    println!("cargo:rustc-link-arg=-Wl,--wrap=rd_kafka_metadata_update_op");
    Ok(())
}

/// A constant: relative paths and texts of the files below a directory that are wanted.
fn list(code: &mut String, name: &str, root: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<(), Box<dyn Error>> {
    writeln!(code, "pub(super) const {name}: &[(&str, &str)] = &[")?;
    for (path, file) in files(root, wanted)? {
        writeln!(code, "    ({path:?}, include_str!({file:?})),")?;
    }
    writeln!(code, "];")?;
    Ok(())
}

/// Files below a directory by their relative paths, sorted.
fn files(root: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<(String, PathBuf)>, Box<dyn Error>> {
    let mut found = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let path = entry?.path();
            let name = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
            if path.is_dir() {
                directories.push(path);
            } else if wanted(&name) {
                found.push((name, path));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The sources of the crates that the SDK's lock file names, as a vendor directory of cargo: each file as length of its
/// path, path, length, bytes. Tests, benches and examples are left out.
fn crates(sdk: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut cargo = Command::new(std::env::var("CARGO")?);
    let manifest = sdk.join("Cargo.toml");
    cargo.args(["metadata", "--offline", "--locked", "--format-version", "1", "--manifest-path"]).arg(manifest);
    let asked = cargo.output()?;
    if !asked.status.success() {
        return Err(String::from_utf8_lossy(&asked.stderr).replace('\n', " ").into());
    }
    let about = String::from_utf8(asked.stdout)?;
    let manifests: Vec<&str> =
        about.split("\"manifest_path\":\"").skip(1).filter_map(|text| text.split('"').next()).collect();
    let lock = std::fs::read_to_string(sdk.join("Cargo.lock"))?;
    let mut archive = Vec::new();
    for (name, version, checksum) in locked(&lock) {
        let folder = format!("{name}-{version}");
        // The only escape of JSON that paths hold.
        let manifest = manifests.iter().map(|path| path.replace("\\\\", "\\"));
        let mut roots = manifest.filter_map(|path| Path::new(&path).parent().map(Path::to_owned));
        let root = roots.find(|root| root.file_name().is_some_and(|last| *last == *folder));
        let root = root.ok_or_else(|| format!("{folder} is nowhere"))?;
        for (path, file) in files(&root, &needed)? {
            put(&mut archive, &format!("{folder}/{path}"), &std::fs::read(file)?)?;
        }
        let sums = format!("{{\"files\":{{}},\"package\":\"{checksum}\"}}");
        put(&mut archive, &format!("{folder}/.cargo-checksum.json"), sums.as_bytes())?;
    }
    Ok(archive)
}

/// Whether a crate's file is needed to build it, or says under which licence it may be handed on.
fn needed(path: &str) -> bool {
    let top = path.split('/').next().unwrap_or_default();
    match top {
        "Cargo.toml" | "build.rs" | "src" | "wit" => true,
        "tests" | "benches" | "examples" => false,
        _ => {
            ["LICENSE", "COPYING", "UNLICENSE", "NOTICE"].iter().any(|begin| top.starts_with(begin))
                || top.ends_with(".md")
        }
    }
}

/// Name, version and checksum of the crates in a lock file that come from a registry.
fn locked(lock: &str) -> Vec<(&str, &str, &str)> {
    let package = |text| Some((field(text, "name")?, field(text, "version")?, field(text, "checksum")?));
    lock.split("[[package]]").filter_map(package).collect()
}

fn field<'l>(package: &'l str, name: &str) -> Option<&'l str> {
    package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \"")?.strip_suffix('"'))
}

fn put(archive: &mut Vec<u8>, path: &str, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    for part in [path.as_bytes(), bytes] {
        archive.extend_from_slice(&u32::try_from(part.len())?.to_le_bytes());
        archive.extend_from_slice(part);
    }
    Ok(())
}
