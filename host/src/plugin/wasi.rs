//! What a standard library for wasm32-wasip2 wants even if its program uses none of it: streams that end in the log, an
//! environment with nothing in it, an exit that is an error. No file, no socket, no clock, no randomness.

use super::limits::LogLevel;
use super::state::State;
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType};

/// Bytes that a plugin may write to a stream at once, as it is told when it asks.
const WRITE_BYTES_MAX: u64 = 64 << 10;
/// Bytes of zeroes that a plugin may have written for it at once.
const ZEROES_MAX: u64 = 4096;
/// The seed that hash tables get: always the same, so that a replay gives the same records.
const HASH_SEED: (u64, u64) = (0x6d69_6c6c_7374_7265, 0x616d_2068_6173_6865);

/// Representations of the two output streams.
const STDOUT: u32 = 0;
const STDERR: u32 = 1;

enum Pollable {}
enum InputStream {}
enum OutputStream {}
enum Failure {}
enum Terminal {}

#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<Failure>),
    #[component(name = "closed")]
    Closed,
}

type Cx<'a> = StoreContextMut<'a, State>;
type Answer<T> = wasmtime::Result<(T,)>;
type Written = Result<(), StreamError>;

/// Adds all of it to a linker.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut error = linker.instance("wasi:io/error@0.2.6")?;
    resource::<Failure>(&mut error, "error")?;
    error.func_wrap("[method]error.to-debug-string", |_: Cx<'_>, (_,): (Resource<Failure>,)| answer(String::new()))?;
    let mut poll = linker.instance("wasi:io/poll@0.2.6")?;
    resource::<Pollable>(&mut poll, "pollable")?;
    poll.func_wrap("[method]pollable.ready", |_: Cx<'_>, (_,): (Resource<Pollable>,)| answer(true))?;
    poll.func_wrap("[method]pollable.block", |_: Cx<'_>, (_,): (Resource<Pollable>,)| Ok(()))?;
    poll.func_wrap("poll", |_: Cx<'_>, (all,): (Vec<Resource<Pollable>>,)| {
        answer((0u32..).take(all.len()).collect::<Vec<_>>())
    })?;
    let mut streams = linker.instance("wasi:io/streams@0.2.6")?;
    input(&mut streams)?;
    output(&mut streams)?;
    process(linker)?;
    terminals(linker)?;
    let mut seed = linker.instance("wasi:random/insecure-seed@0.2.6")?;
    seed.func_wrap("insecure-seed", |_: Cx<'_>, ()| answer(HASH_SEED))
}

#[expect(clippy::unnecessary_wraps, reason = "what a host function returns")]
fn answer<T>(answer: T) -> Answer<T> {
    Ok((answer,))
}

fn resource<R: 'static>(instance: &mut LinkerInstance<'_, State>, name: &str) -> wasmtime::Result<()> {
    instance.resource(name, ResourceType::host::<R>(), |_, _| Ok(()))
}

/// The standard input: at its end from the beginning.
fn input(streams: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    type Read = (Resource<InputStream>, u64);
    resource::<InputStream>(streams, "input-stream")?;
    for name in ["[method]input-stream.read", "[method]input-stream.blocking-read"] {
        streams.func_wrap(name, |_: Cx<'_>, _: Read| answer(Err::<Vec<u8>, _>(StreamError::Closed)))?;
    }
    for name in ["[method]input-stream.skip", "[method]input-stream.blocking-skip"] {
        streams.func_wrap(name, |_: Cx<'_>, _: Read| answer(Err::<u64, _>(StreamError::Closed)))?;
    }
    streams.func_wrap("[method]input-stream.subscribe", |_: Cx<'_>, (_,): (Resource<InputStream>,)| ready())
}

/// A pollable that is ready.
fn ready() -> Answer<Resource<Pollable>> {
    answer(Resource::new_own(0))
}

/// The standard output and error: lines for the log.
fn output(streams: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    type Stream = (Resource<OutputStream>,);
    type Write = (Resource<OutputStream>, Vec<u8>);
    type Zeroes = (Resource<OutputStream>, u64);
    type Splice = (Resource<OutputStream>, Resource<InputStream>, u64);
    resource::<OutputStream>(streams, "output-stream")?;
    streams.func_wrap("[method]output-stream.check-write", |_: Cx<'_>, _: Stream| {
        answer(Ok::<_, StreamError>(WRITE_BYTES_MAX))
    })?;
    for name in ["[method]output-stream.write", "[method]output-stream.blocking-write-and-flush"] {
        streams.func_wrap(name, |mut cx: Cx<'_>, (stream, bytes): Write| {
            cx.data_mut().print(level(&stream), &bytes);
            answer(Written::Ok(()))
        })?;
    }
    for name in ["[method]output-stream.flush", "[method]output-stream.blocking-flush"] {
        streams.func_wrap(name, |_: Cx<'_>, _: Stream| answer(Written::Ok(())))?;
    }
    streams.func_wrap("[method]output-stream.subscribe", |_: Cx<'_>, _: Stream| ready())?;
    for name in ["[method]output-stream.write-zeroes", "[method]output-stream.blocking-write-zeroes-and-flush"] {
        streams.func_wrap(name, |mut cx: Cx<'_>, (stream, count): Zeroes| {
            let zeroes = vec![0; usize::try_from(count.min(ZEROES_MAX))?];
            cx.data_mut().print(level(&stream), &zeroes);
            answer(Written::Ok(()))
        })?;
    }
    for name in ["[method]output-stream.splice", "[method]output-stream.blocking-splice"] {
        streams.func_wrap(name, |_: Cx<'_>, _: Splice| answer(Err::<u64, _>(StreamError::Closed)))?;
    }
    Ok(())
}

fn level(stream: &Resource<OutputStream>) -> LogLevel {
    if stream.rep() == STDERR { LogLevel::Warn } else { LogLevel::Info }
}

/// Environment, arguments, exit and the standard streams.
fn process(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut environment = linker.instance("wasi:cli/environment@0.2.6")?;
    environment.func_wrap("get-environment", |_: Cx<'_>, ()| answer(Vec::<(String, String)>::new()))?;
    environment.func_wrap("get-arguments", |_: Cx<'_>, ()| answer(Vec::<String>::new()))?;
    environment.func_wrap("initial-cwd", |_: Cx<'_>, ()| answer(None::<String>))?;
    let mut exit = linker.instance("wasi:cli/exit@0.2.6")?;
    exit.func_wrap("exit", |mut cx: Cx<'_>, (_,): (Result<(), ()>,)| exited(cx.data_mut()))?;
    exit.func_wrap("exit-with-code", |mut cx: Cx<'_>, (_,): (u8,)| exited(cx.data_mut()))?;
    linker
        .instance("wasi:cli/stdin@0.2.6")?
        .func_wrap("get-stdin", |_: Cx<'_>, ()| answer(Resource::<InputStream>::new_own(0)))?;
    linker
        .instance("wasi:cli/stdout@0.2.6")?
        .func_wrap("get-stdout", |_: Cx<'_>, ()| answer(Resource::<OutputStream>::new_own(STDOUT)))?;
    linker
        .instance("wasi:cli/stderr@0.2.6")?
        .func_wrap("get-stderr", |_: Cx<'_>, ()| answer(Resource::<OutputStream>::new_own(STDERR)))
}

/// A plugin has no process to end: the call fails.
fn exited(state: &mut State) -> wasmtime::Result<()> {
    state.last_words(None, "the plugin called exit".into());
    Err(wasmtime::Trap::UnreachableCodeReached.into())
}

/// There is no terminal.
fn terminals(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    resource::<Terminal>(&mut linker.instance("wasi:cli/terminal-input@0.2.6")?, "terminal-input")?;
    resource::<Terminal>(&mut linker.instance("wasi:cli/terminal-output@0.2.6")?, "terminal-output")?;
    for stream in ["stdin", "stdout", "stderr"] {
        let mut instance = linker.instance(&format!("wasi:cli/terminal-{stream}@0.2.6"))?;
        instance.func_wrap(&format!("get-terminal-{stream}"), |_: Cx<'_>, ()| answer(None::<Resource<Terminal>>))?;
    }
    Ok(())
}
