//! Files of the programs that adit takes the place of, read as they are.
//!
//! A reader takes bytes and never stops at a mistake: what cannot be understood becomes a finding
//! with its line, and the rest of the file counts.

pub mod chap_secrets;
pub mod include;
pub mod ipsec_secrets;
mod words;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::config::layers::cannot_read;
use crate::diagnostic::{Diagnostic, Place};

/// Reads a file of secrets; tells who else may read it.
pub(crate) fn read_secret_file(
    path: &Path,
    findings: &mut Vec<Diagnostic>,
) -> Option<Zeroizing<Vec<u8>>> {
    let place = Place::file(path);
    let bytes = match fs::read(path) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) => {
            findings.push(cannot_read(place, &error));
            return None;
        }
    };
    findings.extend(permissions(path));
    Some(bytes)
}

/// A finding if anybody but the owner has access to `path`.
pub(crate) fn permissions(path: &Path) -> Option<Diagnostic> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    let who = match (mode & 0o007 != 0, mode & 0o070 != 0) {
        (true, _) => "every user of this host",
        (false, true) => "the file's group",
        (false, false) => return None,
    };
    let what = if mode & 0o022 != 0 { "change" } else { "read" };
    let message = format!("holds secrets, but {who} may {what} it (mode {mode:04o})");
    let hint = format!("chmod 600 {}", path.display());
    Some(Diagnostic::warning(Place::file(path), message).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_for_others_is_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets");
        fs::write(&path, "x").unwrap();
        for (mode, expected) in [
            (0o600, None),
            (0o400, None),
            (0o640, Some("the file's group may read")),
            (0o644, Some("every user of this host may read")),
            (0o666, Some("every user of this host may change")),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let found = permissions(&path);
            match expected {
                None => assert_eq!(found, None),
                Some(words) => assert!(found.unwrap().to_string().contains(words), "{mode:o}"),
            }
        }
    }

    #[test]
    fn a_missing_file_is_an_error_with_a_way_out() {
        let mut findings = Vec::new();
        assert!(read_secret_file(Path::new("/nonexistent/secrets"), &mut findings).is_none());
        assert_eq!(
            findings[0].to_string(),
            "/nonexistent/secrets: error: there is no such file \
             (`adit quickstart` makes a whole configuration)"
        );
    }
}
