//! Which files may be run with our rights: as since pppd 2.5.3, regular files that nobody but root (or
//! we) could have written, and that can be executed.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Why a file is no script.
#[derive(Debug)]
pub enum Fault {
    /// It is not there, or cannot be looked at.
    Unreadable(io::Error),
    /// A folder, a device, a pipe.
    NotAFile,
    /// The owner is somebody who could put other orders into it; by number.
    Owner(u32),
    /// Others may write it; the permission bits.
    Writable(u32),
    /// Its owner may not execute it; the permission bits.
    NotExecutable(u32),
}

impl Fault {
    /// What to do about it, with the name of the file.
    pub fn hint(&self, path: &Path) -> String {
        let path = path.display();
        match self {
            Self::Unreadable(_) => "correct the path, or leave it out".to_owned(),
            Self::NotAFile => "name a program".to_owned(),
            Self::Owner(_) => format!("chown root {path}"),
            Self::Writable(_) => format!("chmod go-w {path}"),
            Self::NotExecutable(_) => format!("chmod u+x {path}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) if error.kind() == io::ErrorKind::NotFound => {
                f.write_str("there is no such file")
            }
            Self::Unreadable(error) => write!(f, "it cannot be looked at: {error}"),
            Self::NotAFile => f.write_str("it is no regular file"),
            Self::Owner(owner) => write!(f, "it belongs to the user {owner} and not to root"),
            Self::Writable(mode) => write!(f, "others may write it (mode {mode:04o})"),
            Self::NotExecutable(mode) => write!(f, "it is not executable (mode {mode:04o})"),
        }
    }
}

/// Whether the file at `path` (a symbolic link is followed) may be run.
///
/// # Errors
/// Why not.
pub fn judge(path: &Path) -> Result<(), Fault> {
    let file = std::fs::metadata(path).map_err(Fault::Unreadable)?;
    let mode = file.mode() & 0o7777;
    if !file.is_file() {
        return Err(Fault::NotAFile);
    }
    if file.uid() != 0 && file.uid() != rustix::process::geteuid().as_raw() {
        return Err(Fault::Owner(file.uid()));
    }
    if mode & 0o022 != 0 {
        return Err(Fault::Writable(mode));
    }
    if mode & 0o100 == 0 {
        return Err(Fault::NotExecutable(mode));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, chown};

    use super::*;

    #[test]
    fn only_what_is_ours_alone_and_executable_is_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ip-up");
        let said = |path: &Path| match judge(path) {
            Ok(()) => "fit".to_owned(),
            Err(fault) => fault.to_string(),
        };
        assert_eq!(said(&path), "there is no such file");
        assert_eq!(said(folder.path()), "it is no regular file");
        fs::write(&path, "#!/bin/sh\n").unwrap();
        for (mode, expected) in [
            (0o755, "fit"),
            (0o700, "fit"),
            (0o644, "it is not executable (mode 0644)"),
            (0o775, "others may write it (mode 0775)"),
            (0o702, "others may write it (mode 0702)"),
            (0o055, "it is not executable (mode 0055)"),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(said(&path), expected, "{mode:o}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(said(&link), "fit");
        if chown(&path, Some(65_534), None).is_err() {
            println!("skipped: giving a file away needs root");
            return;
        }
        assert_eq!(said(&link), "it belongs to the user 65534 and not to root");
    }
}
