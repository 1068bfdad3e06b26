//! `new`: an app that builds, tests and runs at once, without a network.

use super::out::{Error, print};
use clap::{Args, ValueEnum};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Written by the build script: `SDK`, `TEMPLATES`, `LOCK`, `CRATES`.
mod embedded {
    include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
}

/// Where cargo finds the crates. In a file of its own, because it may be deleted.
const CONFIG: &str = "\
# The crates that this app needs lie in vendor/crates, so that it builds without a network.
# To use others, delete this file: cargo then takes crates from crates.io.
[source.crates-io]
replace-with = \"vendored\"

[source.vendored]
directory = \"vendor/crates\"
";

/// Words that no Rust crate can be called by.
const KEYWORDS: [&str; 38] = [
    "as", "async", "await", "break", "const", "continue", "crate", "dyn", "else", "enum", "extern", "false", "fn",
    "for", "if", "impl", "in", "let", "loop", "match", "mod", "move", "mut", "pub", "ref", "return", "self", "static",
    "struct", "super", "test", "trait", "true", "type", "unsafe", "use", "where", "while",
];

/// Make a new app: a plugin, a manifest, input and test cases.
#[derive(Debug, Args)]
#[command(after_help = "\
Templates:
  transform  filter and map-values over lines (the default)
  count      word count: flat-map-values, group-by and a store

All that the app needs is written into it, the SDK and its crates too: with Rust and the target wasm32-unknown-unknown it
builds without a network.

Example:
  millstream new my-app && cd my-app && millstream build && millstream test")]
pub(super) struct New {
    /// Directory of the app; its last part is the app's name.
    directory: PathBuf,
    /// Language of the plugin.
    #[arg(long, short, value_enum, default_value_t)]
    lang: Language,
    /// What to begin with.
    #[arg(long, short, value_enum, default_value_t)]
    template: Template,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Language {
    /// Rust.
    #[default]
    Rust,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Template {
    /// Stateless operators over lines.
    #[default]
    Transform,
    /// Word count.
    Count,
}

impl New {
    pub(super) fn run(&self) -> Result<(), Error> {
        let name = self.name()?;
        let (language, template, topic) = match (self.lang, self.template) {
            (Language::Rust, Template::Transform) => ("Rust", "transform", "shouted -f '%s\\n'"),
            (Language::Rust, Template::Count) => ("Rust", "count", "counts -s value=q -f '%k %s\\n'"),
        };
        let failed = |error: std::io::Error| Error::file(&self.directory, &error);
        let taken = || {
            let what = format!("{} is there already", self.directory.display());
            Error::failed("MS-C010", what, "choose another name, or remove it; nothing was changed")
        };
        if self.directory.exists() {
            return Err(taken());
        }
        // All or nothing: the app appears under its name when it is complete.
        let parent = self.directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let draft = parent.join(format!(".{name}.{}.new", std::process::id()));
        let written = write(&draft, name, template).and_then(|()| std::fs::rename(&draft, &self.directory));
        if let Err(error) = written {
            let _ = std::fs::remove_dir_all(&draft);
            return Err(if self.directory.exists() { taken() } else { failed(error) });
        }
        print(&format!(
            "made {} ({language}, template {template})\n\n  cd {}\n  cargo test         # the functions, natively\n  millstream build   # the component\n  millstream test    # the app, over tests/*.toml\n  millstream run --input lines=input.txt --until-end\n  millstream topic consume {topic}\n",
            self.directory.display(),
            self.directory.display(),
        ));
        if !has_crates() {
            print("\nthis millstream was built without the SDK's crates: the first build takes them from crates.io\n");
        }
        Ok(())
    }

    /// The app's name, which must do for a crate, a topic and a plugin.
    fn name(&self) -> Result<&str, Error> {
        let name = self.directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        let refuse = |why: &str| {
            Err(Error::usage(
                "MS-C011",
                format!("{name:?} is no name for an app: {why}"),
                "choose another, such as my-app",
            ))
        };
        if !begins || !name.bytes().all(legal) || name.len() > 64 {
            return refuse("it has 1 to 64 lower-case letters, digits, '-' and '_', and begins with a letter");
        }
        let crates: BTreeSet<&str> =
            embedded::LOCK.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).collect();
        if crates.contains(name) || KEYWORDS.contains(&name) {
            return refuse("a crate that it needs, or a word of Rust, is called so");
        }
        Ok(name)
    }
}

fn has_crates() -> bool {
    let mut first = [0];
    lz4_flex::frame::FrameDecoder::new(embedded::CRATES).read(&mut first).is_ok_and(|read| read > 0)
}

/// Writes the app into a directory that is not there yet.
fn write(directory: &Path, name: &str, template: &str) -> std::io::Result<()> {
    let prefix = format!("rust/{template}/");
    for (path, text) in embedded::TEMPLATES {
        let Some(path) = path.strip_prefix(&prefix) else { continue };
        let path = if path == "gitignore" { ".gitignore" } else { path };
        let text = text.replace("{{name}}", name).replace("{{crate}}", &name.replace('-', "_"));
        put(&directory.join(path), text.as_bytes())?;
    }
    put(&directory.join("Cargo.lock"), lock(name).as_bytes())?;
    for (path, text) in embedded::SDK {
        put(&directory.join("vendor/millstream").join(path), text.as_bytes())?;
    }
    if has_crates() {
        put(&directory.join(".cargo/config.toml"), CONFIG.as_bytes())?;
        crates(&directory.join("vendor/crates"))?;
    }
    Ok(())
}

fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(path, bytes)
}

/// The SDK's lock file with the app in it, at its place in the alphabet.
fn lock(name: &str) -> String {
    let own = format!(
        "[[package]]\nname = \"{name}\"\nversion = \"0.1.0\"\ndependencies = [\n \"millstream\",\n \"serde\",\n]\n\n"
    );
    let after = |package: &&str| {
        let other = package.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
        other.is_some_and(|other| other > name)
    };
    let place = embedded::LOCK
        .match_indices("[[package]]")
        .find(|(at, _)| embedded::LOCK.get(*at..).is_some_and(|package| after(&package)));
    let (before, rest) = place.map_or((embedded::LOCK, ""), |(at, _)| embedded::LOCK.split_at(at));
    if rest.is_empty() {
        format!("{}\n\n{}\n", before.trim_end(), own.trim_end())
    } else {
        format!("{before}{own}{rest}")
    }
}

/// Unpacks the vendored crates: each file as length of its path, path, length, bytes.
fn crates(directory: &Path) -> std::io::Result<()> {
    let mut archive = Vec::new();
    lz4_flex::frame::FrameDecoder::new(embedded::CRATES).read_to_end(&mut archive)?;
    let mut rest = archive.as_slice();
    while let Some((path, after)) = part(rest) {
        let Some((bytes, after)) = part(after) else { break };
        put(&directory.join(String::from_utf8_lossy(path).as_ref()), bytes)?;
        rest = after;
    }
    Ok(())
}

fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_sdk_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-sdk");
        let mut directories = vec![root.join("src")];
        let mut found = vec!["Cargo.toml".to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).expect("the SDK can be read") {
                let path = entry.expect("the SDK can be read").path();
                if path.is_dir() {
                    directories.push(path);
                } else {
                    found.push(path.strip_prefix(&root).expect("below the root").display().to_string());
                }
            }
        }
        found.sort();
        let embedded: Vec<&str> = embedded::SDK.iter().map(|(path, _)| *path).collect();
        assert_eq!(embedded, found);
        for (path, text) in embedded::SDK {
            assert_eq!(std::fs::read_to_string(root.join(path)).expect("the SDK can be read"), *text, "{path}");
        }
    }

    #[test]
    fn the_app_takes_its_place_in_the_lock_file() {
        for name in ["aaa", "my-app", "zzz"] {
            let lock = lock(name);
            let names: Vec<&str> =
                lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).collect();
            assert!(names.contains(&name) && names.is_sorted(), "{names:?}");
            assert!(!lock.contains("\n\n\n") && lock.ends_with('\n'), "{lock}");
        }
    }

    #[test]
    fn names_are_checked() {
        let named = |name: &str| {
            let new = New { directory: name.into(), lang: Language::Rust, template: Template::Transform };
            new.name().is_ok()
        };
        assert!(named("my-app") && named("a/b/my_app2"));
        for wrong in ["", "..", "My", "2x", "a b", "serde_json", "millstream", "match", "-x", "é"] {
            assert!(!named(wrong), "{wrong:?}");
        }
    }
}
