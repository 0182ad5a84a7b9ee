//! The socket of a running server.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::guests::{Guests, Progress};
use super::protocol::{Request, Response};
use crate::config::SocketMode;
use crate::io::error::told;

/// Longest request, in bytes.
const LONGEST_LINE: u64 = 4096;
/// Connections at a time; more wait in the socket's queue.
pub(super) const CONNECTIONS: usize = 32;
/// Between two tries when no connection can be accepted.
const AGAIN: Duration = Duration::from_millis(200);
/// Between two log lines about that.
const SILENCE: Duration = Duration::from_secs(60);

/// How long things may take.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// For a whole request to arrive.
    read: Duration,
    /// For the answer to be there.
    answer: Duration,
    /// For a whole response to be taken.
    write: Duration,
    /// For any of a request to arrive, or of a response to be taken, when somebody else waits
    /// for the place.
    others: Duration,
}

const PATIENCE: Patience = Patience {
    read: Duration::from_secs(30),
    answer: Duration::from_secs(10),
    write: Duration::from_secs(10),
    others: Duration::from_secs(1),
};

/// A request on its way to whoever can answer it.
#[derive(Debug)]
pub struct Call {
    /// What is asked.
    pub request: Request,
    /// Where the answer goes; dropping it says that there is none.
    pub reply: oneshot::Sender<Response>,
}

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody answers there.
    #[error("another server is running: something answers at {}", .0.display())]
    Running(PathBuf),
    /// A file of another kind is there, which is not ours to remove.
    #[error("{} exists and is not a socket", .0.display())]
    NotASocket(PathBuf),
    /// The configured group does not exist.
    #[error("there is no group {0:?} on this host (control.group)")]
    NoSuchGroup(String),
    /// The system refused.
    #[error("control socket {}: {what}: {error}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What came of it.
        error: io::Error,
    },
}

/// A bound control socket; its file goes when it is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    listener: StdListener,
    file: SocketFile,
}

/// The name in the file system, with device and inode so that only our own is removed.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            // Nobody is left to tell, and a stale file is replaced at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

impl ControlSocket {
    /// Binds `path`, giving it to `group` (empty: left as it is) with `mode`. A file that a dead
    /// server left behind is replaced; that of a living one, and other kinds of files, are not.
    pub fn bind(path: &Path, group: &str, mode: SocketMode) -> Result<Self, BindError> {
        let io = |what| {
            move |error| BindError::Io {
                path: path.to_owned(),
                what,
                error,
            }
        };
        probe(path)?;
        let group = match group {
            "" => None,
            name => Some(group_id(name).ok_or_else(|| BindError::NoSuchGroup(name.to_owned()))?),
        };
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        fs::create_dir_all(folder).map_err(io("making its folder"))?;
        // Bound under another name and renamed when it has its mode, so that there is no moment
        // in which everybody may connect, nor one in which there is no socket.
        let hidden = folder.join(format!(".{}", std::process::id()));
        let _ = fs::remove_file(&hidden);
        let listener = StdListener::bind(&hidden).map_err(io("binding"))?;
        let prepare = || -> io::Result<(u64, u64)> {
            listener.set_nonblocking(true)?;
            // Not even asked for when nothing is to change: the service's sandbox refuses the call.
            if group.is_some() {
                chown(&hidden, None, group)?;
            }
            fs::set_permissions(&hidden, fs::Permissions::from_mode(mode.0))?;
            let identity = identity(&hidden)?;
            fs::rename(&hidden, path)?;
            Ok(identity)
        };
        let identity = prepare().map_err(|error| {
            let _ = fs::remove_file(&hidden);
            io("setting owner, mode and name")(error)
        })?;
        Ok(Self {
            listener,
            file: SocketFile {
                path: path.to_owned(),
                identity,
            },
        })
    }

    /// Accepts connections until the receiver of `calls` is gone. To be spawned on a runtime.
    pub async fn serve(self, calls: mpsc::Sender<Call>) -> io::Result<()> {
        self.serve_with(calls, PATIENCE).await
    }

    async fn serve_with(self, calls: mpsc::Sender<Call>, patience: Patience) -> io::Result<()> {
        let listener = UnixListener::from_std(self.listener)?;
        let _file = self.file;
        let mut guests = Guests::default();
        let mut told_at: Option<Instant> = None;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = calls.closed() => return Ok(()),
            };
            match accepted {
                Ok((stream, _)) => {
                    // One that is waited for gives way to one that waits.
                    tokio::select! {
                        () = guests.make_room(CONNECTIONS, patience.others) => {}
                        () = calls.closed() => return Ok(()),
                    }
                    let calls = calls.clone();
                    guests.admit(async move |progress| {
                        if let Err(error) = converse(stream, calls, patience, progress).await {
                            tracing::debug!(%error, "control connection ended");
                        }
                    });
                }
                Err(error) => {
                    // Out of descriptors, most likely: others will be closed before long.
                    if told_at.is_none_or(|at| at.elapsed() >= SILENCE) {
                        told_at = Some(Instant::now());
                        let error = told(&error);
                        tracing::warn!("control socket: no connection can be accepted: {error}");
                    }
                    sleep(AGAIN).await;
                }
            }
        }
    }
}

/// Is the name free, or left behind by a server that is gone?
fn probe(path: &Path) -> Result<(), BindError> {
    let io = |what, error| BindError::Io {
        path: path.to_owned(),
        what,
        error,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io("looking for an earlier one", error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(BindError::NotASocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    match StdStream::connect(path) {
        Ok(_) => Err(BindError::Running(path.to_owned())),
        // The file goes when ours is renamed to its name.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::ConnectionRefused | ErrorKind::NotFound
            ) =>
        {
            Ok(())
        }
        Err(error) => Err(io("asking whether an earlier one is alive", error)),
    }
}

/// A group's number, from /etc/group or as digits.
fn group_id(name: &str) -> Option<u32> {
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    let line = groups
        .lines()
        .map(|line| line.split(':'))
        .find_map(|mut fields| {
            (fields.next() == Some(name))
                .then(|| fields.nth(1).map(str::to_owned))
                .flatten()
        });
    line.as_deref().unwrap_or(name).parse().ok()
}

/// One connection: requests and responses in turn.
async fn converse(
    stream: UnixStream,
    calls: mpsc::Sender<Call>,
    patience: Patience,
    progress: Progress,
) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        progress.expect();
        let mut line = Vec::new();
        let mut bounded = (&mut reader).take(LONGEST_LINE);
        if timeout(patience.read, bounded.read_until(b'\n', &mut line)).await?? == 0 {
            return Ok(());
        }
        progress.done();
        let whole = line.ends_with(b"\n");
        let response = if whole || line.len() < LONGEST_LINE as usize {
            respond(&line, &calls, patience).await
        } else {
            error(format!("a request has at most {LONGEST_LINE} bytes"))
        };
        let mut bytes = serde_json::to_vec(&response)?;
        bytes.push(b'\n');
        timeout(patience.write, write(&mut writer, &bytes, &progress)).await??;
        if !whole {
            return Ok(());
        }
    }
}

async fn write(
    writer: &mut OwnedWriteHalf,
    mut bytes: &[u8],
    progress: &Progress,
) -> io::Result<()> {
    while !bytes.is_empty() {
        progress.expect();
        let written = writer.write(bytes).await?;
        bytes = bytes.get(written.max(1)..).unwrap_or_default();
    }
    progress.done();
    Ok(())
}

async fn respond(line: &[u8], calls: &mpsc::Sender<Call>, patience: Patience) -> Response {
    let request = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(wrong) => return error(format!("not a request: {wrong}")),
    };
    let (reply, answer) = oneshot::channel();
    let asked = async {
        calls.send(Call { request, reply }).await.ok()?;
        answer.await.ok()
    };
    match timeout(patience.answer, asked).await {
        Ok(Some(response)) => response,
        Ok(None) => error("the server is shutting down".to_owned()),
        Err(_) => error("the server is too busy to answer".to_owned()),
    }
}

fn error(message: String) -> Response {
    Response::Error { message }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
