//! Sending several packets on one path: as one message, with `UDP_SEGMENT`, or as many with one
//! system call.

use std::array;
use std::cell::Cell;
use std::fmt;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};
use tracing::info;
use wire::Instant;

use super::clock;

/// Messages per `sendmmsg`.
const MESSAGES: usize = 32;
/// Remote addresses that are remembered. Two that fall on one place cost a system call that fails
/// now and then.
const PLACES: usize = 256;
/// How long it is remembered that a path takes no joined packets: routes and devices change.
const REMEMBERED: Duration = Duration::from_secs(60);

/// What became of some packets.
#[derive(Debug, Default)]
pub struct Sent {
    /// How many have left.
    pub packets: usize,
    /// How many have not.
    pub lost: usize,
    /// Why the last of these has not.
    pub error: Option<io::Error>,
}

impl Sent {
    /// Counts what became of a number of packets that stand and fall together.
    pub(super) fn add(&mut self, packets: usize, result: io::Result<()>) {
        match result {
            Ok(()) => self.packets = self.packets.saturating_add(packets),
            Err(error) => {
                self.lost = self.lost.saturating_add(packets);
                self.error = Some(error);
            }
        }
    }
}

/// Whether the kernel has no room. The packets are lost then: there will be room for later ones.
pub fn is_full(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM)
    )
}

/// Sends packets as messages of their own, with few system calls. Does not wait.
///
/// Where they come from is the kernel's choice among what the socket is bound to.
pub(super) fn send_each<'a>(
    socket: impl AsFd,
    remote: SocketAddr,
    mut packets: impl ExactSizeIterator<Item = &'a [u8]>,
) -> Sent {
    let remote = SocketAddrAny::from(remote);
    let mut sent = Sent::default();
    while packets.len() > 0 {
        let count = packets.len().min(MESSAGES);
        let mut messages: [_; MESSAGES] = array::from_fn(|_| {
            let packet = packets.next().unwrap_or_default();
            ([IoSlice::new(packet)], SendAncillaryBuffer::default())
        });
        let mut messages = messages
            .each_mut()
            .map(|(contents, control)| MMsgHdr::new_with_addr(&remote, &*contents, control));
        let mut rest = messages.get_mut(..count).unwrap_or_default();
        let mut reported = false;
        while !rest.is_empty() {
            let done = match sendmmsg(&socket, rest, SendFlags::empty()) {
                Ok(done) => {
                    sent.add(done, Ok(()));
                    done
                }
                Err(Errno::INTR) => 0,
                // An ICMP error of an earlier packet, told instead of sending this one.
                Err(Errno::CONNREFUSED) if !reported => {
                    reported = true;
                    0
                }
                Err(error) => {
                    let error = io::Error::from(error);
                    if is_full(&error) {
                        sent.add(rest.len().saturating_add(packets.len()), Err(error));
                        return sent;
                    }
                    sent.add(1, Err(error));
                    1
                }
            };
            rest = rest.split_off_mut(done..).unwrap_or_default();
        }
    }
    sent
}

/// Remote addresses to which packets cannot be sent as one message, which is tried only now and
/// then: a segment that does not fit the device is not cut into fragments as a datagram is, and some
/// devices and IPsec policies of the host do not go together with it at all.
pub(super) struct Refusals {
    places: Box<[Cell<Option<Refusal>>; PLACES]>,
    told: Cell<bool>,
}

#[derive(Debug, Clone, Copy)]
struct Refusal {
    remote: IpAddr,
    /// The shortest packets that were refused, in bytes.
    segment: usize,
    until: Instant,
}

impl Refusals {
    pub(super) fn new() -> Self {
        Self {
            places: Box::new(array::from_fn(|_| Cell::new(None))),
            told: Cell::new(false),
        }
    }

    /// Whether packets of `segment` bytes are known to be refused.
    pub(super) fn covers(&self, remote: IpAddr, segment: usize) -> bool {
        let known = self.place(remote).and_then(Cell::get);
        known.is_some_and(|known| {
            known.remote == remote && known.segment <= segment && clock::now() < known.until
        })
    }

    /// Remembers that packets of `segment` bytes were refused, if it is for this reason. Returns
    /// whether they may yet go one by one.
    pub(super) fn learn(&self, remote: IpAddr, segment: usize, error: &io::Error) -> bool {
        let segment = match Errno::from_io_error(error) {
            // Before Linux 6.14, INVAL is what is said of a segment that does not fit.
            Some(Errno::MSGSIZE | Errno::INVAL) => segment,
            // A device that makes no checksums, or a policy of the host's own IPsec.
            Some(Errno::IO | Errno::OPNOTSUPP) => 0,
            _ => return false,
        };
        if let Some(place) = self.place(remote) {
            let until = clock::now() + REMEMBERED;
            place.set(Some(Refusal {
                remote,
                segment,
                until,
            }));
        }
        if !self.told.replace(true) {
            info!(
                "Packets of {segment} bytes to {remote} cannot be sent many at a time ({error}): \
                 they are sent one by one, which costs more (said for the first client only; it is \
                 tried again every minute)"
            );
        }
        true
    }

    fn place(&self, remote: IpAddr) -> Option<&Cell<Option<Refusal>>> {
        let folded = match remote {
            IpAddr::V4(address) => address.to_bits(),
            IpAddr::V6(address) => {
                let bits = address.to_bits();
                let half = (bits >> 64) ^ bits;
                ((half >> 32) ^ half) as u32
            }
        };
        // Neighbours fall on different places.
        self.places.get(folded as usize % PLACES)
    }
}

impl fmt::Debug for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusals").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_and_to_whom() {
        let refusals = Refusals::new();
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        let other: IpAddr = "2001:db8::7".parse().unwrap();
        // Not for these reasons.
        for errno in [Errno::AGAIN, Errno::NETUNREACH, Errno::PERM] {
            assert!(!refusals.learn(one, 1400, &errno.into()), "{errno}");
            assert!(!refusals.covers(one, 1400));
        }
        // Too long: shorter ones may do.
        assert!(refusals.learn(one, 1400, &Errno::MSGSIZE.into()));
        assert!(refusals.covers(one, 1400) && refusals.covers(one, 1460));
        assert!(!refusals.covers(one, 1399) && !refusals.covers(other, 1400));
        // Never.
        assert!(refusals.learn(other, 1400, &Errno::IO.into()));
        assert!(refusals.covers(other, 100));
        // A place holds the last one, and is no other's.
        let same_place: IpAddr = "198.18.2.1".parse().unwrap();
        assert!(refusals.learn(same_place, 1000, &Errno::INVAL.into()));
        assert!(refusals.covers(same_place, 1000) && !refusals.covers(one, 1400));
    }

    #[test]
    fn more_packets_than_one_call_takes() {
        let receiver = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let packets: Vec<u8> = (0..100).flat_map(|n| [n; 3]).collect();
        let remote = receiver.local_addr().unwrap();
        let sent = send_each(&sender, remote, packets.chunks(3));
        assert_eq!((sent.packets, sent.lost), (100, 0));
        for expected in packets.chunks(3) {
            let mut packet = [0; 10];
            let length = receiver.recv(&mut packet).unwrap();
            assert_eq!(&packet[..length], expected);
        }
    }

    #[test]
    fn one_that_cannot_be_sent_does_not_hold_up_the_others() {
        let receiver = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let too_long = vec![0; 65_508];
        let packets = [&b"first"[..], &too_long, b"last"];
        let remote = receiver.local_addr().unwrap();
        let sent = send_each(&sender, remote, packets.into_iter());
        assert_eq!((sent.packets, sent.lost), (2, 1));
        let error = Errno::from_io_error(&sent.error.unwrap());
        assert_eq!(error, Some(Errno::MSGSIZE));
        let mut packet = [0; 10];
        for expected in [&b"first"[..], b"last"] {
            let length = receiver.recv(&mut packet).unwrap();
            assert_eq!(&packet[..length], expected);
        }
    }
}
