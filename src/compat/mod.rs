//! Files of the programs that adit takes the place of, read as they are.
//!
//! A reader takes bytes and never stops at a mistake: what cannot be understood becomes a finding
//! with its line, and the rest of the file counts.

pub mod chap_secrets;
pub mod hwdsl2_env;
pub mod include;
pub mod ipsec_conf;
pub mod ipsec_secrets;
pub mod l2tp_secrets;
pub mod pppd_options;
pub mod psk_txt;
pub mod racoon;
pub mod setkey;
mod stamp;
pub mod swanctl;
mod words;
pub mod xl2tpd;

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::config::layers::cannot_read;
use crate::diagnostic::{Diagnostic, Place};

use stamp::Stamp;

/// What becomes of a file of secrets that somebody else than root and ourselves can change: who
/// changes it chooses the keys and passwords that let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InsecurePermissions {
    /// It is not used.
    #[default]
    Refuse,
    /// It is used, with a warning: in a container files may belong to a user who is only known
    /// outside.
    Allow,
}

/// Reads a file of secrets; tells who else may read or change it. None, with an error among the
/// findings, if it cannot be read or must not be trusted.
pub(crate) fn read_secret_file(
    path: &Path,
    insecure: InsecurePermissions,
    findings: &mut Vec<Diagnostic>,
) -> Option<Zeroizing<Vec<u8>>> {
    read_stamped(path, insecure, findings).map(|(bytes, _)| bytes)
}

/// The same, with what tells later whether the file has changed.
fn read_stamped(
    path: &Path,
    insecure: InsecurePermissions,
    findings: &mut Vec<Diagnostic>,
) -> Option<(Zeroizing<Vec<u8>>, Stamp)> {
    let (metadata, bytes) = match read_regular(path) {
        Ok(read) => read,
        Err(error) => {
            findings.push(cannot_read(Place::file(path), &error));
            return None;
        }
    };
    let found = judge(path, &metadata, insecure);
    let refused = found.as_ref().is_some_and(Diagnostic::is_error);
    findings.extend(found);
    (!refused).then(|| (bytes, Stamp::from(&metadata)))
}

/// Opens a regular file: from a pipe a server could wait for ever. Judged is what was opened, whatever
/// has the name by now.
pub(crate) fn open_regular(path: &Path) -> io::Result<(File, Metadata)> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits();
    let file = File::options()
        .read(true)
        .custom_flags(flags.cast_signed())
        .open(path)?;
    let metadata = file.metadata()?;
    match metadata.is_file() {
        true => Ok((file, metadata)),
        false => Err(io::Error::other("this is not a regular file")),
    }
}

/// Reads a regular file. The metadata are those from before its contents: what is written meanwhile
/// makes it another one.
fn read_regular(path: &Path) -> io::Result<(Metadata, Zeroizing<Vec<u8>>)> {
    let (file, metadata) = open_regular(path)?;
    let too_large = || io::Error::other("this file is too large to hold secrets");
    if metadata.len() > LARGEST {
        return Err(too_large());
    }
    // Room for all of it: what a vector leaves behind when it grows is not wiped.
    let size = usize::try_from(metadata.len()).unwrap_or(0);
    let mut bytes = Zeroizing::new(Vec::with_capacity(size.saturating_add(1)));
    // Files of the kernel have no length, and some have no end.
    file.take(LARGEST.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|read| read > LARGEST) {
        return Err(too_large());
    }
    Ok((metadata, bytes))
}

/// Longest file that is read, in bytes: a million users. A line of a file of users may name any
/// other file, one that would fill the memory as well.
const LARGEST: u64 = 64 << 20;

/// A finding if anybody but the owner has access to `path`, or it is somebody else's.
pub(crate) fn permissions(path: &Path, insecure: InsecurePermissions) -> Option<Diagnostic> {
    judge(path, &path.metadata().ok()?, insecure)
}

fn judge(path: &Path, metadata: &Metadata, insecure: InsecurePermissions) -> Option<Diagnostic> {
    let us = rustix::process::geteuid().as_raw();
    let rights = Rights {
        mode: metadata.permissions().mode() & 0o777,
        owner: metadata.uid(),
    };
    rights.judge(path, us, insecure)
}

/// Who may do what with a file.
#[derive(Clone, Copy)]
struct Rights {
    mode: u32,
    owner: u32,
}

impl Rights {
    fn judge(self, path: &Path, us: u32, insecure: InsecurePermissions) -> Option<Diagnostic> {
        let Self { mode, owner } = self;
        let others = |bits: u32| match (mode & bits & 0o007 != 0, mode & bits & 0o070 != 0) {
            (true, _) => Some("every user of this host"),
            (false, true) => Some("the file's group"),
            (false, false) => None,
        };
        let foreign = owner != 0 && owner != us;
        let (who, what) = match (foreign, others(0o022), others(0o044)) {
            (true, ..) => (format!("user {owner}, whose file it is,"), "change"),
            (false, Some(who), _) => (who.to_owned(), "change"),
            (false, None, Some(who)) => (who.to_owned(), "read"),
            (false, None, None) => return None,
        };
        let place = Place::file(path);
        let message = format!("holds secrets, but {who} may {what} it (mode {mode:04o})");
        let mut hint = match foreign {
            true => format!("chown root {0} && chmod 600 {0}", path.display()),
            false => format!("chmod 600 {}", path.display()),
        };
        if what == "change" && insecure == InsecurePermissions::Refuse {
            hint.push_str("; secrets.insecure-permissions = \"allow\" uses it all the same");
            return Some(Diagnostic::error(place, message).hint(hint));
        }
        Some(Diagnostic::warning(place, message).hint(hint))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Who may only read is warned of; who may change decides who gets in, so that is refused.
    #[test]
    fn access_for_others_is_a_finding() {
        use InsecurePermissions::{Allow, Refuse};
        for (mode, owner, expected) in [
            (0o600, 1000, None),
            (0o400, 1000, None),
            (0o600, 0, None),
            (
                0o640,
                1000,
                Some("warning: holds secrets, but the file's group may read"),
            ),
            (
                0o644,
                0,
                Some("warning: holds secrets, but every user of this host may read"),
            ),
            (0o611, 0, None),
            (
                0o666,
                0,
                Some("error: holds secrets, but every user of this host may change"),
            ),
            (
                0o602,
                1000,
                Some("error: holds secrets, but every user of this host may change"),
            ),
            (
                0o620,
                0,
                Some("error: holds secrets, but the file's group may change"),
            ),
            (
                0o600,
                1001,
                Some("error: holds secrets, but user 1001, whose file it is, may change"),
            ),
        ] {
            let judge = |insecure| {
                let found = Rights { mode, owner }.judge(Path::new("keys"), 1000, insecure);
                found.map(|found| found.to_string())
            };
            let case = format!("{mode:o} of {owner}");
            let Some(words) = expected else {
                assert_eq!(judge(Refuse), None, "{case}");
                continue;
            };
            let found = judge(Refuse).unwrap();
            assert!(found.contains(words), "{case}: {found}");
            let found = judge(Allow).unwrap();
            assert!(found.contains("keys: warning: "), "{case}: {found}");
        }
    }

    #[test]
    fn a_file_that_others_can_change_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets");
        fs::write(&path, "x").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o622)).unwrap();
        let read = |insecure| {
            let mut findings = Vec::new();
            let bytes = read_secret_file(&path, insecure, &mut findings);
            (bytes.map(|bytes| bytes.to_vec()), findings.len())
        };
        assert_eq!(read(InsecurePermissions::Refuse), (None, 1));
        assert_eq!(read(InsecurePermissions::Allow), (Some(b"x".to_vec()), 1));
    }

    #[test]
    fn a_file_without_end_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets");
        File::create(&path).unwrap().set_len(LARGEST + 1).unwrap();
        let error = read_regular(&path).unwrap_err();
        assert!(error.to_string().contains("too large"), "{error}");
    }

    #[test]
    fn a_missing_file_is_an_error_with_a_way_out() {
        let mut findings = Vec::new();
        let path = Path::new("/nonexistent/secrets");
        let insecure = InsecurePermissions::default();
        assert!(read_secret_file(path, insecure, &mut findings).is_none());
        assert_eq!(
            findings[0].to_string(),
            "/nonexistent/secrets: error: there is no such file \
             (`adit quickstart` makes a whole configuration)"
        );
    }
}
