//! The interfaces of this host.

use std::io;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};
use tokio::net::UnixDatagram;

use super::netlink::{Netlink, attributes_of, number};

// linux/rtnetlink.h, linux/if_link.h.
const RTM_GETLINK: u16 = 18;
/// The group that hears of interfaces.
const RTMGRP_LINK: u32 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
/// Bytes of `ifinfomsg`.
const IFINFOMSG: usize = 16;

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its MTU in bytes.
    pub mtu: u32,
}

impl Netlink {
    /// All of them.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn links(&mut self) -> io::Result<Vec<Link>> {
        let replies = self.dump(RTM_GETLINK, &[0; IFINFOMSG])?;
        Ok(replies.iter().filter_map(|reply| parse(reply)).collect())
    }
}

fn parse(reply: &[u8]) -> Option<Link> {
    let mut link = Link {
        index: u32::from_ne_bytes(number(reply, 4)?),
        name: String::new(),
        mtu: 0,
    };
    for (kind, value) in attributes_of(reply.get(IFINFOMSG..)?) {
        match kind {
            IFLA_IFNAME => {
                let name = value.strip_suffix(b"\0").unwrap_or(value);
                link.name = String::from_utf8_lossy(name).into_owned();
            }
            IFLA_MTU => link.mtu = u32::from_ne_bytes(number(value, 0)?),
            _ => {}
        }
    }
    (!link.name.is_empty()).then_some(link)
}

/// Tells that interfaces have come, gone or changed.
///
/// To the runtime any socket of datagrams that reads like one of the Unix family is one, and needs no
/// unsafe code.
#[derive(Debug)]
pub struct LinkEvents(UnixDatagram);

impl LinkEvents {
    /// From now on. Within a runtime.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        bind(&socket, &SocketAddrNetlink::new(0, RTMGRP_LINK))?;
        Ok(Self(UnixDatagram::from_std(socket.into())?))
    }

    /// Waits until something has happened since the last call. Nothing is lost if it is dropped
    /// while it waits.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn next(&mut self) -> io::Result<()> {
        let mut buffer = [0_u8; 8192];
        let mut happened = false;
        while !happened {
            self.0.readable().await?;
            loop {
                match self.0.try_recv(&mut buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // So many that not all were kept: that something has happened is all we ask.
                    Err(error) if Errno::from_io_error(&error) != Some(Errno::NOBUFS) => {
                        return Err(error);
                    }
                    _ => happened = true,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::io::tun::Tun;
    use crate::io::tun::tests::in_a_namespace;

    #[test]
    fn a_new_interface_is_told_once() {
        in_a_namespace("io::links::tests::a_new_interface_is_told_once", || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                let mut events = LinkEvents::open().unwrap();
                let brief = Duration::from_millis(50);
                assert!(tokio::time::timeout(brief, events.next()).await.is_err());
                let _tun = Tun::create("t0", 1, false).unwrap();
                let long = Duration::from_secs(5);
                tokio::time::timeout(long, events.next())
                    .await
                    .unwrap()
                    .unwrap();
                assert!(tokio::time::timeout(brief, events.next()).await.is_err());
            });
        });
    }

    #[test]
    fn the_loopback_is_there() {
        let mut netlink = Netlink::open().unwrap();
        let links = netlink.links().unwrap();
        let lo = links.iter().find(|link| link.name == "lo").unwrap();
        assert_eq!(lo.index, netlink.index_of("lo").unwrap());
        assert!(lo.mtu >= 16_436, "{lo:?}");
    }
}
