//! Files that are replaced as a whole: whoever reads one sees the old text or the new one.

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

/// Writes a draft of this mode beside `path`, lets `prepare` give it what else it is to have, brings it
/// to the disk, and puts it into the place.
///
/// # Errors
/// What the system reports; the place is then as it was, and no draft is left.
pub(super) fn replace(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    prepare: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&draft)?;
    let done = (|| {
        file.write_all(bytes)?;
        prepare(&file)?;
        file.sync_all()?;
        fs::rename(&draft, path)
    })();
    if done.is_err() {
        // Nothing of it is of use to anybody.
        let _ = fs::remove_file(&draft);
    }
    done
}

/// Gives a draft the owner and the permissions of the file that it takes the place of.
pub(super) fn take_after(old: &Metadata, draft: &File) -> io::Result<()> {
    let own = draft.metadata()?;
    let owner = (old.uid(), old.gid());
    if (own.uid(), own.gid()) != owner {
        fchown(draft, Some(owner.0), Some(owner.1))?;
    }
    let mode = old.permissions().mode() & 0o7777;
    draft.set_permissions(fs::Permissions::from_mode(mode))
}
