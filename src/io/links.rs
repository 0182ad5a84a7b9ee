//! The interfaces of this host.

use std::collections::VecDeque;
use std::io;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};
use tokio::net::UnixDatagram;

use super::netlink::{
    IFF_UP, IFINFOMSG, IFLA_MTU, Netlink, RTM_GETLINK, RTM_NEWLINK, attributes_of, ifinfomsg,
    messages_of, number,
};

// linux/rtnetlink.h, linux/if_link.h.
/// The group that hears of interfaces.
const RTMGRP_LINK: u32 = 1;
const IFLA_IFNAME: u16 = 3;

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

    /// Whether an interface is up, as far as administrators decide that.
    ///
    /// # Errors
    /// What the kernel says; also when it is gone.
    pub fn is_up(&mut self, device: u32) -> io::Result<bool> {
        let reply = self.request(RTM_GETLINK, 0, &ifinfomsg(device, 0, 0))?;
        Ok(state(&reply).is_some_and(|(_, up)| up))
    }
}

/// Which interface an `ifinfomsg` is about, and whether it is up.
fn state(body: &[u8]) -> Option<(u32, bool)> {
    let index = u32::from_ne_bytes(number(body, 4)?);
    let flags = u32::from_ne_bytes(number(body, 8)?);
    Some((index, flags & IFF_UP != 0))
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
        let mut happened = false;
        while !happened {
            self.hear(|_| happened = true).await?;
        }
        Ok(())
    }

    /// Waits, and hands over what has come; `None` stands for any number of messages that there was
    /// no room for. May end without anything.
    async fn hear(&mut self, mut each: impl FnMut(Option<&[u8]>)) -> io::Result<()> {
        let mut buffer = [0_u8; 8192];
        self.0.readable().await?;
        loop {
            match self.0.try_recv(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if Errno::from_io_error(&error) == Some(Errno::NOBUFS) => each(None),
                Err(error) => return Err(error),
                Ok(length) => each(buffer.get(..length)),
            }
        }
    }
}

/// An administrator's doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The interface was taken down.
    Down,
    /// It is up again.
    Up,
}

/// Watches one interface, which is up.
#[derive(Debug)]
pub struct LinkWatch {
    events: LinkEvents,
    netlink: Netlink,
    index: u32,
    up: bool,
    /// What has not been told yet.
    turns: VecDeque<Turn>,
}

impl LinkWatch {
    /// Watches the interface of that number from now on. Within a runtime.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn of(index: u32) -> io::Result<Self> {
        Ok(Self {
            events: LinkEvents::open()?,
            netlink: Netlink::open()?,
            index,
            up: true,
            turns: VecDeque::new(),
        })
    }

    /// Waits until it goes down or comes up. What was missed counts as a moment in which it was
    /// down. Nothing is lost if this is dropped while it waits.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn next(&mut self) -> io::Result<Turn> {
        loop {
            if let Some(turn) = self.turns.pop_front() {
                return Ok(turn);
            }
            let Self {
                events,
                netlink,
                index,
                up,
                turns,
            } = self;
            let mut follow = |now: bool| {
                if std::mem::replace(up, now) != now {
                    turns.push_back(if now { Turn::Up } else { Turn::Down });
                }
            };
            let hear = |datagram: Option<&[u8]>| match datagram {
                Some(datagram) => messages_of(datagram)
                    .filter(|(kind, _, _)| *kind == RTM_NEWLINK)
                    .filter_map(|(_, _, body)| state(body))
                    .filter(|(other, _)| other == index)
                    .for_each(|(_, up)| follow(up)),
                None => {
                    follow(false);
                    if netlink.is_up(*index).unwrap_or(false) {
                        follow(true);
                    }
                }
            };
            events.hear(hear).await?;
        }
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
    fn an_interface_is_watched_and_no_other() {
        in_a_namespace(
            "io::links::tests::an_interface_is_watched_and_no_other",
            || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                runtime.unwrap().block_on(async {
                    let mut netlink = Netlink::open().unwrap();
                    let _other = Tun::create("t1", 1, false).unwrap();
                    let (mut tun, _queues) = Tun::create("t0", 1, false).unwrap();
                    tun.up(1400).unwrap();
                    let mut watch = LinkWatch::of(tun.index()).unwrap();
                    let other = netlink.index_of("t1").unwrap();
                    netlink.set_link(other, None, true).unwrap();
                    netlink.take_down(other).unwrap();
                    let brief = Duration::from_millis(50);
                    assert!(tokio::time::timeout(brief, watch.next()).await.is_err());
                    let mut next = async || {
                        let long = Duration::from_secs(5);
                        let turn = tokio::time::timeout(long, watch.next()).await;
                        turn.unwrap().unwrap()
                    };
                    netlink.take_down(tun.index()).unwrap();
                    assert!(!netlink.is_up(tun.index()).unwrap());
                    assert_eq!(next().await, Turn::Down);
                    netlink.set_link(tun.index(), None, true).unwrap();
                    assert_eq!(next().await, Turn::Up);
                    // Too quick to be seen down.
                    netlink.take_down(tun.index()).unwrap();
                    netlink.set_link(tun.index(), None, true).unwrap();
                    assert_eq!([next().await, next().await], [Turn::Down, Turn::Up]);
                });
            },
        );
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
