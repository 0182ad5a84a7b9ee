//! Files that are replaced as a whole: whoever reads one sees the old text or the new one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
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
