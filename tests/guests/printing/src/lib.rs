//! A plugin for wasm32-wasip2 that uses of the standard library what needs no grant.

use millstream::{Failed, Record, Typed};
use std::collections::HashMap;

/// Prints the value, and answers with what the environment holds: nothing. A record that says `exit` ends the process.
fn print(record: Record<'_>) -> Result<String, Failed> {
    let value = record.value.text()?;
    println!("out {value}");
    eprintln!("err {value}");
    if value == "exit" {
        std::process::exit(7);
    }
    let mut letters: HashMap<char, usize> = HashMap::new();
    value.chars().for_each(|letter| *letters.entry(letter).or_default() += 1);
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line).map_or(usize::MAX, |bytes| bytes);
    Ok(format!(
        "{} letters, {} variables, {} arguments, {read} bytes read",
        letters.len(),
        std::env::vars().count(),
        std::env::args().count()
    ))
}

millstream::plugin! {
    /// Prints the value.
    map_values "print" = print;
}
