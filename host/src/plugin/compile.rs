//! Compiling components in a process of its own, which bounds what a hostile one can take and is killed when it takes
//! too long. The records' process never compiles.
//!
//! The parent writes the component to the child's standard input. The child bounds itself before it reads any of it,
//! and answers on its standard output with [`COMPILED`] and the code, or with [`REFUSED`] and a [`Refusal`] in JSON.

use super::engine::Profile;
use super::survey::{COMPONENT_BYTES_MAX, Refusal, survey};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// The hidden subcommand by which the binary becomes the child.
pub const SUBCOMMAND: &str = "compile-plugin";
/// The child's argument for [`Profile::Trusted`].
const TRUSTED: &str = "--trusted";

/// Address space of the child, bytes: compiling the largest components that are let in takes some 2 GB.
const ADDRESS_SPACE_MAX: u64 = 4 << 30;
/// Processor time of the child, seconds, all threads together.
const CPU_SECONDS_MAX: u64 = 240;
/// How long the parent waits: an embedded Python takes some 20 s on two busy cores.
const WAIT_MAX: Duration = Duration::from_secs(120);
/// Most machine code that is taken from the child, bytes: it is about twice the component's size.
const CODE_BYTES_MAX: u64 = 512 << 20;
/// How much of what the child complains about is shown, bytes.
const COMPLAINT_BYTES_MAX: u64 = 2048;

const COMPILED: u8 = b'+';
const REFUSED: u8 = b'-';

/// Machine code that the compiler made and nothing has changed since: it came from the compiler's process just now, or
/// from the cache, which holds its digest.
pub(super) struct Code(Vec<u8>);

impl Code {
    /// The caller vouches that the bytes are what the compiler wrote.
    pub(super) const fn vouched(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Why a component could not be compiled.
#[derive(Debug)]
pub(super) enum Failed {
    /// It is turned away.
    Refused(Refusal),
    /// The compiler broke down, or took too much.
    Compiler(String),
}

/// The program that compiles.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// A `millstream` binary.
    pub program: PathBuf,
    /// How long it may take.
    pub wait: Duration,
}

impl Default for Compiler {
    /// The program that runs, even if its file was replaced since.
    fn default() -> Self {
        let program = if cfg!(target_os = "linux") {
            "/proc/self/exe".into()
        } else {
            std::env::current_exe().unwrap_or_else(|_| "millstream".into())
        };
        Self { program, wait: WAIT_MAX }
    }
}

impl Compiler {
    /// Another binary than the one that runs.
    pub fn at(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), ..Self::default() }
    }

    /// Compiles a component, or a core module that carries the contract.
    pub(super) fn compile(&self, component: &[u8], profile: Profile) -> Result<Code, Failed> {
        let failed =
            |what: &str, error: std::io::Error| Failed::Compiler(format!("{what} {:?}: {error}", self.program));
        let mut command = Command::new(&self.program);
        command.arg(SUBCOMMAND).args((profile == Profile::Trusted).then_some(TRUSTED));
        command.env_clear().current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| failed("cannot start", error))?;
        let answer = self.converse(&mut child, component);
        // It has either said all or is to say no more; a process that is already gone is no error.
        let _ = child.kill();
        let status = child.wait().map_err(|error| failed("cannot wait for", error))?;
        let (mut answer, complaint) = answer?;
        match answer.first() {
            Some(&COMPILED) => {
                answer.remove(0);
                Ok(Code::vouched(answer))
            }
            Some(&REFUSED) => Err(serde_json::from_slice(answer.get(1..).unwrap_or_default())
                .map_or_else(|error| Failed::Compiler(format!("garbled answer: {error}")), Failed::Refused)),
            _ => Err(Failed::Compiler(format!("it ended with {status} {}", complaint.trim()).trim().into())),
        }
    }

    /// Gives the child its input and takes its answer and its complaints.
    fn converse(&self, child: &mut Child, component: &[u8]) -> Result<(Vec<u8>, String), Failed> {
        let (Some(mut input), Some(output), Some(complaints)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(Failed::Compiler("it has no pipes".into()));
        };
        let (done, answer) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // A child that refuses early closes its end.
                let _ = input.write_all(component);
            });
            scope.spawn(move || {
                let mut bytes = Vec::new();
                let read = output.take(CODE_BYTES_MAX + 1).read_to_end(&mut bytes);
                let _ = done.send(read.map(|_| bytes));
            });
            let complaint = scope.spawn(move || heard(complaints));
            let answer = match answer.recv_timeout(self.wait) {
                Ok(Ok(bytes)) if bytes.len() as u64 > CODE_BYTES_MAX => {
                    Err(format!("it answered with more than {CODE_BYTES_MAX} bytes"))
                }
                Ok(Ok(bytes)) => Ok(bytes),
                Ok(Err(error)) => Err(format!("its answer cannot be read: {error}")),
                Err(_) => Err(format!("it took longer than {} s and was killed", self.wait.as_secs_f32())),
            };
            if answer.is_err() {
                // The threads above end when the pipes close.
                let _ = child.kill();
            }
            let complaint = complaint.join().unwrap_or_default();
            answer.map(|bytes| (bytes, complaint)).map_err(Failed::Compiler)
        })
    }
}

/// The beginning of what the child says on its standard error; the rest is read and forgotten.
fn heard(mut complaints: impl Read) -> String {
    let mut beginning = Vec::new();
    let _ = complaints.by_ref().take(COMPLAINT_BYTES_MAX).read_to_end(&mut beginning);
    let _ = std::io::copy(&mut complaints, &mut std::io::sink());
    String::from_utf8_lossy(&beginning).into_owned()
}

/// The child's whole life: bounds itself, reads a component, answers.
///
/// # Errors
/// If it cannot bound itself, or the parent is gone.
pub fn serve(mut input: impl Read, mut output: impl Write, profile: Profile) -> std::io::Result<()> {
    bound()?;
    let mut component = Vec::new();
    input.by_ref().take(COMPONENT_BYTES_MAX as u64 + 1).read_to_end(&mut component)?;
    match translate(&component, profile) {
        Ok(code) => {
            output.write_all(&[COMPILED])?;
            output.write_all(&code)?;
        }
        Err(refusal) => {
            output.write_all(&[REFUSED])?;
            output.write_all(&serde_json::to_vec(&refusal)?)?;
        }
    }
    output.flush()
}

/// Limits this process, and ties its life to its parent's.
fn bound() -> std::io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    for (resource, most) in [
        (Resource::As, ADDRESS_SPACE_MAX),
        (Resource::Cpu, CPU_SECONDS_MAX),
        // It writes no files, and its memory is nobody's business.
        (Resource::Fsize, 0),
        (Resource::Core, 0),
    ] {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}

/// From a component, or a core module that carries the contract, to machine code.
fn translate(bytes: &[u8], profile: Profile) -> Result<Vec<u8>, Refusal> {
    if bytes.len() > COMPONENT_BYTES_MAX {
        return Err(Refusal::TooLarge);
    }
    let component = componentize(bytes)?;
    survey(&component)?;
    let engine = profile.engine().map_err(|error| Refusal::NoComponent(format!("{error:#}")))?;
    engine.precompile_component(&component).map_err(|error| Refusal::NoComponent(format!("{error:#}")))
}

/// A component as it is; a core module that carries the contract's types (what a compiler for wasm32-unknown-unknown
/// makes) wrapped into one.
///
/// # Errors
/// [`Refusal::NoComponent`] if the bytes are neither.
pub fn componentize(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    if wasmparser::Parser::is_component(bytes) {
        return Ok(bytes.to_vec());
    }
    if !wasmparser::Parser::is_core_wasm(bytes) {
        return Err(Refusal::NoComponent("it does not begin like WebAssembly".into()));
    }
    // What wraps it trusts that it is sound.
    wasmparser::Validator::new().validate_all(bytes).map_err(|error| Refusal::NoComponent(error.to_string()))?;
    let encoded = wit_component::ComponentEncoder::default()
        .validate(true)
        .module(bytes)
        .and_then(|mut encoder| encoder.encode());
    encoded.map_err(|error| Refusal::NoComponent(format!("{error:#}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A program that is no compiler.
    fn script(directory: &std::path::Path, text: &str) -> Compiler {
        let program = directory.join("compiler");
        std::fs::write(&program, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        Compiler { program, wait: Duration::from_millis(200) }
    }

    fn failure(text: &str) -> String {
        let directory = tempfile::tempdir().unwrap();
        match script(directory.path(), text).compile(&[0; 1 << 20], Profile::Interruptible) {
            Err(Failed::Compiler(what)) => what,
            other => panic!("{:?}", other.map(|code| code.0)),
        }
    }

    #[test]
    fn a_compiler_that_does_not_end_is_killed() {
        assert!(failure("exec /bin/sleep 1000").contains("took longer"));
    }

    #[test]
    fn a_compiler_that_breaks_down_says_why() {
        let what = failure("echo out of memory >&2; exit 9");
        assert!(what.contains("exit status: 9") && what.contains("out of memory"), "{what}");
    }

    #[test]
    fn an_answer_that_makes_no_sense_is_no_code() {
        assert!(failure("echo hello").contains("ended with"));
        assert!(failure("echo -x").contains("garbled"));
    }

    #[test]
    fn translates_plugins_only() {
        let refused = |bytes: &[u8]| translate(bytes, Profile::Interruptible).unwrap_err();
        assert!(matches!(refused(b"hello"), Refusal::NoComponent(_)));
        assert_eq!(refused(b"\0asm\x0d\0\x01\0"), Refusal::NoPlugin);
        assert_eq!(refused(&vec![0; COMPONENT_BYTES_MAX + 1]), Refusal::TooLarge);
        // A module cut short, and one that carries no contract.
        assert!(matches!(refused(b"\0asm\x01\0\0\0\x01\x05"), Refusal::NoComponent(_)));
        assert_eq!(refused(b"\0asm\x01\0\0\0"), Refusal::NoPlugin);
    }
}
