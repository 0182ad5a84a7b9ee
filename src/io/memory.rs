//! Memory of this process: what it has, and what the allocator keeps, given back to the kernel.
//!
//! An allocator keeps most of what is freed, so as to have it at hand. What thousands of handshakes
//! took that came to nothing would so stay with the process for good, in pieces that lie between
//! those in use.
//!
//! The one module of the program in which `unsafe` is permitted.

/// Gives the pages back of which nothing is in use, those of all threads. It takes time by how much
/// is free and holds up who allocates meanwhile: a millisecond for ten MiB. Returns whether there was
/// any; never, where the allocator is not the GNU C library's.
pub fn give_back() -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[expect(unsafe_code, reason = "no crate wraps malloc_trim(3)")]
        // SAFETY: takes a number and touches nothing but the allocator's own state, under its own
        // locks, as any free(3) does; any thread may call it (malloc_trim(3): MT-Safe).
        let trimmed = unsafe { libc::malloc_trim(0) };
        trimmed == 1
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    false
}

/// Memory of this process at one moment, in KiB; signed, since it may be less later.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    /// Resident altogether: `VmRSS`.
    pub resident: i64,
    /// The part of it that no file stands behind (heap, stacks): `RssAnon`.
    pub anonymous: i64,
    /// The most that was ever resident: `VmHWM`.
    pub most_resident: i64,
}

impl Memory {
    /// What the kernel says now; `None` where there is no `/proc` that has it.
    pub fn now() -> Option<Self> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        Some(Self {
            resident: field("VmRSS:")?,
            anonymous: field("RssAnon:")?,
            most_resident: field("VmHWM:")?,
        })
    }
}

#[cfg(test)]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    #[test]
    fn what_was_freed_among_what_is_in_use_is_given_back() {
        const KIB: i64 = 64 * 1024;
        let mut pieces: Vec<Option<Box<[u8]>>> =
            (0..KIB).map(|_| Some(vec![1; 1024].into())).collect();
        // One in 64 stays: about every 16th page.
        for (number, piece) in pieces.iter_mut().enumerate() {
            if number % 64 != 0 {
                *piece = None;
            }
        }
        let resident = || Memory::now().unwrap().resident;
        let before = resident();
        assert!(give_back());
        let after = resident();
        // Other tests run in other threads meanwhile.
        assert!(
            before - after > KIB / 2,
            "{before} KiB before, {after} KiB after"
        );
        assert!(pieces.iter().flatten().all(|piece| piece[0] == 1));
    }
}
