//! Asks a running server.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::protocol::{Request, Response};

/// Longest response, in bytes: some hundred thousand sessions.
const LONGEST_RESPONSE: u64 = 256 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// There is no socket, or nobody behind it.
    #[error("no server answers at {}: is `adit serve` running?", .0.display())]
    NotRunning(PathBuf),
    /// The socket is not for this user.
    #[error("this user may not use {}: try sudo, or see control.group", .0.display())]
    NotAllowed(PathBuf),
    /// What came back is no response.
    #[error("the server at {} does not speak our language: {why}", .0.display(), why = .1)]
    Nonsense(PathBuf, String),
    /// The system refused, or the server took too long.
    #[error("{}: {error}", .0.display(), error = .1)]
    Io(PathBuf, io::Error),
}

/// Sends one request to the server behind `socket` and waits up to `patience` for each part of the
/// response.
pub fn ask(socket: &Path, request: &Request, patience: Duration) -> Result<Response, AskError> {
    let path = || socket.to_owned();
    let stream = UnixStream::connect(socket).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => AskError::NotRunning(path()),
        ErrorKind::PermissionDenied => AskError::NotAllowed(path()),
        _ => AskError::Io(path(), error),
    })?;
    let mut line = Vec::new();
    let mut exchange = || -> io::Result<()> {
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        let mut bytes = serde_json::to_vec(request)?;
        bytes.push(b'\n');
        (&stream).write_all(&bytes)?;
        BufReader::new(&stream)
            .take(LONGEST_RESPONSE)
            .read_until(b'\n', &mut line)?;
        Ok(())
    };
    exchange().map_err(|error| match error.kind() {
        // What a read timeout looks like on Linux.
        ErrorKind::WouldBlock => AskError::Io(
            path(),
            io::Error::new(ErrorKind::TimedOut, "the server does not answer"),
        ),
        _ => AskError::Io(path(), error),
    })?;
    if line.is_empty() {
        return Err(AskError::Nonsense(
            path(),
            "it closed the connection".to_owned(),
        ));
    }
    serde_json::from_slice(&line).map_err(|error| AskError::Nonsense(path(), error.to_string()))
}
