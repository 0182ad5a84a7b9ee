//! The file of users: locked against a second `adit user`, and replaced as a whole.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use zeroize::Zeroizing;

use crate::cli::replace::{replace, take_after};
use crate::compat::open_regular;

/// A file that nobody else changes by the same means.
pub(super) struct Locked {
    /// Without symbolic links: what they lead to is replaced, not they.
    path: PathBuf,
    /// Keeps the lock.
    file: File,
    text: Zeroizing<Vec<u8>>,
}

impl Locked {
    /// Waits for the lock, and reads the file.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let path = fs::canonicalize(path)?;
        loop {
            let (mut file, _) = open_regular(&path)?;
            flock(&file, FlockOperation::LockExclusive)?;
            // Whoever had the lock before has put another file into its place.
            let (held, there) = (file.metadata()?, fs::metadata(&path)?);
            if (held.dev(), held.ino()) == (there.dev(), there.ino()) {
                let text = contents(&mut file)?;
                return Ok(Self { path, file, text });
            }
        }
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Puts a file with this text, of the same owner and permissions, into its place.
    pub(super) fn replace(self, text: &[u8]) -> io::Result<()> {
        let old = self.file.metadata()?;
        replace(&self.path, text, 0o600, |draft| take_after(&old, draft))?;
        File::open(self.path.parent().unwrap_or(Path::new("/")))?.sync_all()
    }
}

/// Makes the file if there is none.
pub(super) fn create(path: &Path) -> io::Result<()> {
    let made = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

/// Reads it without a lock.
pub(super) fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    contents(&mut open_regular(path)?.0)
}

fn contents(file: &mut File) -> io::Result<Zeroizing<Vec<u8>>> {
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(0);
    let mut text = Zeroizing::new(Vec::with_capacity(length.saturating_add(1)));
    file.read_to_end(&mut text)?;
    Ok(text)
}
