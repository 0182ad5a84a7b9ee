//! What a server gives up once it has what it needs: rights, and the possibility of a core dump.
//!
//! Rights belong to threads, and a thread has those of the one that starts it. So this is done after
//! everything that takes more rights, and before the first thread but that of the log, which needs none.

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};
use tracing::debug;

use super::capability::Needs;

/// The kernel did not let go of something.
#[derive(Debug, thiserror::Error)]
#[error("giving up rights that are not needed: {what}: {source}")]
pub struct Unconfined {
    what: &'static str,
    source: Errno,
}

fn failed(what: &'static str) -> impl Fn(Errno) -> Unconfined {
    move |source| Unconfined { what, source }
}

/// No core dump of this process is written, and no other process of the same user looks into it:
/// its memory holds keys and passwords (prctl(2), `PR_SET_DUMPABLE`).
///
/// # Errors
/// When the kernel refuses.
pub fn keep_memory_private() -> Result<(), Unconfined> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(failed("PR_SET_DUMPABLE"))
}

/// Gives up, for this thread and those that it starts, all rights but those in `needs` and the one to
/// read any file: the files of keys and users are read again, and may belong to somebody else.
///
/// Programs that the operator has started (`scripts`) get the rights that this process was
/// started with; then those are kept aside, and without scripts they are gone for good. With
/// scripts the right to end them stays as well.
///
/// # Errors
/// When the kernel refuses.
pub fn give_up_rights(needs: Needs, scripts: bool) -> Result<(), Unconfined> {
    let before = capabilities(None).map_err(failed("reading them"))?;
    let mut kept = needs.set().union(reading(before.effective));
    if scripts {
        // Those that have become somebody else are ended as well when their time is up.
        kept |= CapabilitySet::KILL;
    } else {
        set_no_new_privs(true).map_err(failed("PR_SET_NO_NEW_PRIVS"))?;
        clear_ambient_capability_set().map_err(failed("the ambient set"))?;
        if before.effective.contains(CapabilitySet::SETPCAP) {
            bound(kept)?;
        }
    }
    let after = match scripts {
        false => CapabilitySets {
            effective: before.effective.intersection(kept),
            permitted: before.permitted.intersection(kept),
            inheritable: CapabilitySet::empty(),
        },
        true => CapabilitySets {
            effective: before.effective.intersection(kept),
            ..before
        },
    };
    match set_capabilities(None, after) {
        // A sandbox may refuse the call, and have left little to give up: the rights to bind ports below
        // 1024 and, where ESP is never raw, to use raw sockets.
        Err(Errno::PERM) if within(before.permitted, kept) => {
            debug!("the sandbox keeps the rights as they are");
            return Ok(());
        }
        done => done.map_err(failed("capset"))?,
    }
    debug!(effective = ?after.effective, permitted = ?after.permitted, "rights that are left");
    Ok(())
}

/// Gives up all rights of this thread, which needs none.
pub fn give_up_all_rights() {
    // Where a sandbox refuses the call, it has left few.
    let _ = set_capabilities(
        None,
        CapabilitySets {
            effective: CapabilitySet::empty(),
            permitted: CapabilitySet::empty(),
            inheritable: CapabilitySet::empty(),
        },
    );
}

fn within(rights: CapabilitySet, kept: CapabilitySet) -> bool {
    kept.union(CapabilitySet::NET_BIND_SERVICE)
        .union(CapabilitySet::NET_RAW)
        .contains(rights)
}

/// The right, of those in `rights`, to read anybody's files. Most containers have only the one that
/// is to write them as well.
fn reading(rights: CapabilitySet) -> CapabilitySet {
    if rights.contains(CapabilitySet::DAC_READ_SEARCH) {
        CapabilitySet::DAC_READ_SEARCH
    } else {
        CapabilitySet::DAC_OVERRIDE
    }
}

/// Takes everything but `kept` out of the bounding set.
fn bound(kept: CapabilitySet) -> Result<(), Unconfined> {
    for number in 0..u64::BITS {
        let right = CapabilitySet::from_bits_retain(1 << number);
        if kept.contains(right) {
            continue;
        }
        match remove_capability_from_bounding_set(right) {
            Ok(()) => {}
            // There are no more of them.
            Err(Errno::INVAL) => break,
            Err(error) => return Err(failed("the bounding set")(error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rustix::thread::{capability_is_in_bounding_set, no_new_privs};

    use super::*;

    const NEEDS: Needs = Needs {
        net_admin: true,
        net_raw: true,
        net_bind_service: false,
    };

    /// In a thread of its own: what it gives up, the other tests keep.
    fn in_a_thread<T: Send>(act: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| scope.spawn(act).join().unwrap())
    }

    #[test]
    fn only_what_is_needed_is_left_also_to_threads_that_follow() {
        let before = capabilities(None).unwrap();
        let most = NEEDS.set().union(reading(before.effective));
        in_a_thread(|| {
            give_up_rights(NEEDS, false).unwrap();
            in_a_thread(|| {
                let after = capabilities(None).unwrap();
                assert_eq!(after.effective, before.effective.intersection(most));
                assert_eq!(after.permitted, before.permitted.intersection(most));
                assert_eq!(after.inheritable, CapabilitySet::empty());
                assert!(no_new_privs().unwrap());
                if before.effective.contains(CapabilitySet::SETPCAP) {
                    let right = CapabilitySet::SYS_ADMIN;
                    assert!(!capability_is_in_bounding_set(right).unwrap());
                } else {
                    println!("skipped: the bounding set: no CAP_SETPCAP");
                }
            });
            // There is no way back.
            if before != capabilities(None).unwrap() {
                assert!(set_capabilities(None, before).is_err());
            }
        });
        assert_eq!(capabilities(None).unwrap(), before);
    }

    #[test]
    fn of_the_rights_to_read_files_the_lesser_one_is_kept() {
        let (read, write) = (CapabilitySet::DAC_READ_SEARCH, CapabilitySet::DAC_OVERRIDE);
        assert_eq!(reading(read.union(write)), read);
        assert_eq!(reading(write.union(CapabilitySet::NET_RAW)), write);
    }

    #[test]
    fn scripts_are_started_with_what_there_was() {
        let before = capabilities(None).unwrap();
        in_a_thread(|| {
            give_up_rights(NEEDS, true).unwrap();
            let after = capabilities(None).unwrap();
            assert!(!after.effective.contains(CapabilitySet::SYS_ADMIN));
            let kill = CapabilitySet::KILL;
            assert_eq!(
                after.effective.contains(kill),
                before.effective.contains(kill)
            );
            assert_eq!(after.permitted, before.permitted);
        });
    }
}
