//! IPv4 forwarding: turned on for clients where it is off, and off again at the end.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use rustix::io::Errno;

use super::netconf::{Netconf, Scope};
use super::netlink::Netlink;

const SYSCTL: &str = "/proc/sys/net/ipv4/ip_forward";

/// Forwarding that is on. What was off before is turned off again when this is dropped.
#[derive(Debug)]
pub struct Forwarding {
    netlink: Netlink,
    undo: Undo,
}

#[derive(Debug)]
enum Undo {
    /// It was on.
    Nothing,
    /// `net.ipv4.ip_forward` was written, which changes all interfaces. These were on before.
    Sysctl(Vec<u32>),
    /// `/proc/sys` is read-only or hidden: these interfaces were turned on, each by itself.
    Interfaces(Vec<u32>),
}

impl Forwarding {
    /// Turns it on. Where the sysctl can be written, that is also what interfaces get that come
    /// later; else each present interface is turned on, and [`Forwarding::cover`] does it for those
    /// that have come since.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn turn_on() -> io::Result<Self> {
        Self::turn_on_by(|| fs::write(SYSCTL, "1"))
    }

    fn turn_on_by(write: impl FnOnce() -> io::Result<()>) -> io::Result<Self> {
        let mut netlink = Netlink::open()?;
        let confs = netlink.netconf()?;
        if is_on(&confs) {
            let undo = Undo::Nothing;
            return Ok(Self { netlink, undo });
        }
        if write().is_ok() {
            let undo = Undo::Sysctl(interfaces(&confs, true).collect());
            return Ok(Self { netlink, undo });
        }
        let mut forwarding = Self {
            netlink,
            undo: Undo::Interfaces(Vec::new()),
        };
        forwarding.cover()?;
        Ok(forwarding)
    }

    /// Whether interfaces that come later are without it until [`Forwarding::cover`] is called.
    pub const fn is_by_interface(&self) -> bool {
        matches!(self.undo, Undo::Interfaces(_))
    }

    /// Turns it on for interfaces that have come since, where that is necessary.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn cover(&mut self) -> io::Result<()> {
        let Undo::Interfaces(turned_on) = &mut self.undo else {
            return Ok(());
        };
        let confs = self.netlink.netconf()?;
        // Those that are gone; their indices may come again.
        let on: BTreeSet<u32> = interfaces(&confs, true).collect();
        turned_on.retain(|index| on.contains(index));
        for index in interfaces(&confs, false) {
            match self.netlink.set_forwarding(index, true) {
                Ok(()) => turned_on.push(index),
                // Gone in the meantime.
                Err(error) if Errno::from_io_error(&error) == Some(Errno::NODEV) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether it is on for all of the host.
fn is_on(confs: &[Netconf]) -> bool {
    confs
        .iter()
        .any(|conf| conf.scope == Scope::All && conf.forwarding)
}

/// The interfaces where it is on, or off.
fn interfaces(confs: &[Netconf], on: bool) -> impl Iterator<Item = u32> {
    confs.iter().filter_map(move |conf| match conf.scope {
        Scope::Interface(index) if conf.forwarding == on => Some(index),
        _ => None,
    })
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        // Nobody is left to tell of an error, and an interface may have gone.
        match &self.undo {
            Undo::Nothing => {}
            Undo::Sysctl(before) => {
                // Somebody else may have written it since.
                let ours = fs::read_to_string(SYSCTL).is_ok_and(|text| text.trim() == "1");
                if ours && fs::write(SYSCTL, "0").is_ok() {
                    for index in before {
                        let _ = self.netlink.set_forwarding(*index, true);
                    }
                }
            }
            Undo::Interfaces(turned_on) => {
                // Somebody else may have turned it on since, for all of them.
                if self.netlink.netconf().is_ok_and(|confs| is_on(&confs)) {
                    return;
                }
                for index in turned_on {
                    let _ = self.netlink.set_forwarding(*index, false);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::tun::Tun;
    use crate::io::tun::tests::in_a_namespace;

    /// Whether forwarding is on at all, and the interfaces on which it is.
    fn state() -> (bool, Vec<u32>) {
        let confs = Netlink::open().unwrap().netconf().unwrap();
        (is_on(&confs), interfaces(&confs, true).collect())
    }

    fn tun(name: &str) -> (Tun, Vec<crate::io::tun::TunQueue>, u32) {
        let (tun, queues) = Tun::create(name, 1, false).unwrap();
        let index = Netlink::open().unwrap().index_of(name).unwrap();
        (tun, queues, index)
    }

    #[test]
    fn the_sysctl_is_put_back_and_interfaces_too() {
        in_a_namespace(
            "io::forwarding::tests::the_sysctl_is_put_back_and_interfaces_too",
            || {
                // `unshare --net` leaves the /proc of the old namespace's mount, which shows the
                // settings of whoever looks: ours.
                let (_a, _a_queues, on) = tun("a0");
                let (_b, _b_queues, _) = tun("b0");
                Netlink::open().unwrap().set_forwarding(on, true).unwrap();
                let before = state();
                assert_eq!(before, (false, vec![on]));

                let forwarding = Forwarding::turn_on().unwrap();
                assert!(!forwarding.is_by_interface());
                assert!(state().0 && state().1.len() >= 3);
                drop(forwarding);
                assert_eq!(state(), before);

                // Off by somebody else: it stays so. On before: it stays so.
                let forwarding = Forwarding::turn_on().unwrap();
                fs::write(SYSCTL, "0").unwrap();
                drop(forwarding);
                assert_eq!(state(), (false, vec![]));
                fs::write(SYSCTL, "1").unwrap();
                drop(Forwarding::turn_on().unwrap());
                assert!(state().0);
            },
        );
    }

    #[test]
    fn without_the_sysctl_each_interface_is_turned_on() {
        in_a_namespace(
            "io::forwarding::tests::without_the_sysctl_each_interface_is_turned_on",
            || {
                let (_a, _a_queues, on) = tun("a0");
                let (_b, _b_queues, off) = tun("b0");
                Netlink::open().unwrap().set_forwarding(on, true).unwrap();
                let before = state();

                let refuse = || Err(io::ErrorKind::ReadOnlyFilesystem.into());
                let mut forwarding = Forwarding::turn_on_by(refuse).unwrap();
                assert!(forwarding.is_by_interface());
                let (all, interfaces) = state();
                assert!(!all && interfaces.contains(&on) && interfaces.contains(&off));

                let (_c, _c_queues, later) = tun("c0");
                assert!(!state().1.contains(&later));
                forwarding.cover().unwrap();
                assert!(state().1.contains(&later));
                drop(forwarding);
                assert_eq!(state(), before);
            },
        );
    }

    #[test]
    fn what_somebody_else_has_turned_on_since_stays_on() {
        in_a_namespace(
            "io::forwarding::tests::what_somebody_else_has_turned_on_since_stays_on",
            || {
                let (_a, _a_queues, index) = tun("a0");
                let refuse = || Err(io::ErrorKind::ReadOnlyFilesystem.into());
                let forwarding = Forwarding::turn_on_by(refuse).unwrap();
                fs::write(SYSCTL, "1").unwrap();
                let before = state();
                assert!(before.0 && before.1.contains(&index));
                drop(forwarding);
                assert_eq!(state(), before);
            },
        );
    }
}
