//! Whether the kernel has IPsec of its own at work, which an IKE daemon left or uses.

use std::io;
use std::time::Duration;

use rustix::net::netlink::XFRM;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use super::netlink;

// linux/xfrm.h.
const GETSA: u16 = 0x12;
const GETPOLICY: u16 = 0x15;
/// Where the direction is in `xfrm_userpolicy_info`.
const DIRECTION: usize = 160;
/// From here on a policy is of one socket: how IKE daemons exempt themselves.
const OF_A_SOCKET: u8 = 3;

/// How much of it there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Xfrm {
    /// Security associations.
    pub states: usize,
    /// Policies that concern packets of all programs.
    pub policies: usize,
}

impl Xfrm {
    /// Counts.
    ///
    /// # Errors
    /// `PermissionDenied` without CAP_NET_ADMIN, and what else the kernel says, such as that it has
    /// nothing of the kind.
    pub fn read() -> io::Result<Self> {
        let kind = (AddressFamily::NETLINK, SocketType::RAW);
        let socket = socket_with(kind.0, kind.1, SocketFlags::CLOEXEC, Some(XFRM))?;
        set_socket_timeout(&socket, Timeout::Recv, Some(Duration::from_secs(2)))?;
        let states = netlink::dump(&socket, GETSA, 1, &[])?;
        let policies = netlink::dump(&socket, GETPOLICY, 2, &[])?;
        let of_all = |body: &&Vec<u8>| body.get(DIRECTION).is_some_and(|d| *d < OF_A_SOCKET);
        Ok(Self {
            states: states.len(),
            policies: policies.iter().filter(of_all).count(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::io::tun::tests::in_a_namespace;

    #[test]
    fn what_a_daemon_left_is_counted() {
        in_a_namespace("io::xfrm::tests::what_a_daemon_left_is_counted", || {
            let ip = |arguments: &str| {
                let done = Command::new("ip").args(arguments.split(' ')).status();
                done.unwrap().success()
            };
            assert_eq!(Xfrm::read().unwrap(), Xfrm::default());
            assert!(ip(
                "xfrm policy add src 192.0.2.1/32 dst 192.0.2.2/32 dir out tmpl proto esp mode transport"
            ));
            let found = Xfrm::read().unwrap();
            assert_eq!((found.states, found.policies), (0, 1));
            // A whole one needs a kernel that can do ESP; one whose keys are still to come does not.
            assert!(ip(
                "xfrm state allocspi src 192.0.2.1 dst 192.0.2.2 proto esp mode transport min 0x1000 max 0x10ff"
            ));
            assert_eq!(Xfrm::read().unwrap().states, 1);
        });
    }
}
