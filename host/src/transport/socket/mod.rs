//! The topics and stores of a running host, for other processes of the same machine: a Unix socket in the data directory.
//! The host serves it ([`Server`]); a tool that finds the directory in use goes through it ([`Remote`]). What crosses are
//! record batches as they lie in the log.

mod client;
mod frame;
mod server;

pub use client::Remote;
pub use server::Server;

use std::path::{Path, PathBuf};

/// The socket's name in the data directory.
const FILE: &str = "millstream.sock";
/// Longest path that a socket's address holds, bytes.
const ADDRESS_BYTES_MAX: usize = 100;

/// The socket's path; where the directory's name is too long for an address, a way through an open directory.
struct Address {
    path: PathBuf,
    _directory: Option<std::fs::File>,
}

impl Address {
    fn new(directory: &Path) -> std::io::Result<Self> {
        let path = directory.join(FILE);
        if path.as_os_str().len() <= ADDRESS_BYTES_MAX || !cfg!(target_os = "linux") {
            return Ok(Self { path, _directory: None });
        }
        let opened = std::fs::File::open(directory)?;
        let path = format!("/proc/self/fd/{}/{FILE}", std::os::fd::AsRawFd::as_raw_fd(&opened));
        Ok(Self { path: path.into(), _directory: Some(opened) })
    }
}

#[cfg(test)]
mod tests;
