//! The queues of one packet thread.
//!
//! What is in a queue of the device leaves it in its order, and nothing in the kernel holds a
//! sender back before it is full. So a thread has several, over which the connections of its peers
//! spread: one that has filled its queue is in the way of few others.
//!
//! Which queue a connection is in is ours to say. The kernel puts what it sends within one into the
//! queue through which we last wrote what it received (`tun_flow_update` in drivers/net/tun.c). Where
//! we have written nothing yet, it goes by a hash of its own.

use std::io::{self, IoSlice};

use dataplane::net::ip::{TCP, UDP, V6_HEADER_LEN};
use dataplane::owner::MIX_FACTOR;

use super::offload::Offload;
use super::queue::TunQueue;

/// The queues of a device at most (`MAX_TAP_QUEUES` in the kernel).
const OF_DEVICE: usize = 256;

/// Queues of a TUN device that one thread reads and writes.
#[derive(Debug)]
pub struct TunQueues(Box<[TunQueue]>);

impl TunQueues {
    /// A thread has so many at most.
    pub const MOST: usize = 8;

    /// How many queues a device should have that so many threads share.
    pub fn wanted(threads: usize) -> usize {
        let each = OF_DEVICE.checked_div(threads).unwrap_or(Self::MOST);
        threads.saturating_mul(each.clamp(1, Self::MOST))
    }

    /// The shares of so many threads in the queues of a device, as equal as may be.
    pub fn shared(queues: Vec<TunQueue>, threads: usize) -> Vec<Self> {
        let mut shares: Vec<Vec<TunQueue>> = (0..threads).map(|_| Vec::new()).collect();
        for (at, queue) in queues.into_iter().enumerate() {
            if let Some(share) = at.checked_rem(threads).and_then(|at| shares.get_mut(at)) {
                share.push(queue);
            }
        }
        shares.into_iter().map(Self::from).collect()
    }

    /// All of them, by their places.
    pub const fn all(&self) -> &[TunQueue] {
        &self.0
    }

    /// Which super-packets come out of them, and may be written: the same for all.
    pub fn offload(&self) -> Offload {
        self.0.first().map(TunQueue::offload).unwrap_or_default()
    }

    /// As [`TunQueue::send`], through the queue of the packet's connection.
    ///
    /// # Errors
    /// What the kernel reports.
    pub fn send(&self, header_and_packet: &[IoSlice<'_>]) -> io::Result<()> {
        let packet = header_and_packet.get(1).map_or(&[][..], |part| part);
        match self.0.get(self.place(packet)) {
            Some(queue) => queue.send(header_and_packet),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// The place of the queue that a packet is written through.
    pub(super) fn place(&self, packet: &[u8]) -> usize {
        place(packet, self.0.len())
    }
}

impl From<Vec<TunQueue>> for TunQueues {
    /// What is above [`Self::MOST`] is closed.
    fn from(mut queues: Vec<TunQueue>) -> Self {
        queues.truncate(Self::MOST);
        Self(queues.into())
    }
}

/// As [`TunQueues::place`], of so many.
fn place(packet: &[u8], queues: usize) -> usize {
    // The upper bits are the better mixed ones.
    let share = u64::from(flow(packet)).saturating_mul(u64::try_from(queues).unwrap_or(0));
    usize::try_from(share >> u32::BITS).unwrap_or(0)
}

/// A number that the packets of one connection have in common, and those of others mostly have
/// not. The headers are enough of a packet.
fn flow(packet: &[u8]) -> u32 {
    let word = |at: usize| {
        let bytes = packet.get(at..).and_then(<[u8]>::first_chunk);
        bytes.map_or(0, |bytes| u32::from_be_bytes(*bytes))
    };
    let [first, ..] = word(0).to_be_bytes();
    // RFC 791 §3.1, RFC 8200 §3.
    let (protocol, addresses, ports) = match first >> 4 {
        4 => {
            let header_len = usize::from(first & 0xf).saturating_mul(4);
            let is_fragment = word(4) & 0x3fff != 0;
            (9, 12..20, Some(header_len).filter(|_| !is_fragment))
        }
        _ => (6, 8..40, Some(V6_HEADER_LEN)),
    };
    let protocol = packet.get(protocol).copied().unwrap_or(0);
    let ports = ports.filter(|_| matches!(protocol, TCP | UDP));
    addresses
        .step_by(4)
        .chain(ports)
        .fold(u32::from(protocol), |mixed, at| {
            (mixed ^ word(at)).wrapping_mul(MIX_FACTOR)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn udp(source: [u8; 4], port: u16) -> Vec<u8> {
        let mut packet = Vec::new();
        etherparse::PacketBuilder::ipv4(source, [10, 10, 1, 1], 64)
            .udp(port, 53)
            .write(&mut packet, b"query")
            .unwrap();
        packet
    }

    #[test]
    fn a_connection_has_one_number_and_others_have_others() {
        let mut packet = udp([10, 10, 1, 2], 40_000);
        let number = flow(&packet);
        // Lengths, identification, time to live and contents do not matter; the headers will do.
        packet[2..6].fill(0x55);
        packet[8] = 3;
        packet[28..].fill(0);
        assert_eq!(flow(&packet), number);
        assert_eq!(flow(&packet[..24]), number);
        for end in 0..packet.len() {
            flow(&packet[..end]);
        }
        let others = [
            udp([10, 10, 1, 2], 40_001),
            udp([10, 10, 1, 3], 40_000),
            packet
                .iter()
                .enumerate()
                .map(|(at, byte)| if at == 9 { 6 } else { *byte })
                .collect(),
        ];
        assert!(others.iter().all(|other| flow(other) != number));
    }

    #[test]
    fn what_has_no_ports_goes_by_its_addresses() {
        let fragment = |words: u8| {
            let mut packet = udp([10, 10, 1, 2], 40_000);
            packet[7] = words;
            packet[20..24].fill(words);
            packet
        };
        assert_eq!(flow(&fragment(1)), flow(&fragment(2)));
        let echo = |number| {
            let mut packet = udp([10, 10, 1, 2], number);
            packet[9] = 1;
            packet
        };
        assert_eq!(flow(&echo(1)), flow(&echo(2)));
    }

    #[test]
    fn connections_spread_over_all_queues() {
        let mut counts = [0; TunQueues::MOST];
        for port in 0..4000 {
            counts[place(&udp([10, 10, 1, 2], 30_000 + port), counts.len())] += 1;
        }
        assert!(
            counts.iter().all(|count| (350..650).contains(count)),
            "{counts:?}"
        );
        let mut counts = [0; TunQueues::MOST];
        for host in 0..=250 {
            counts[place(&udp([10, 10, 1, host], 50_000), counts.len())] += 1;
        }
        assert!(
            counts.iter().all(|count| (10..60).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn a_device_has_no_more_queues_than_the_kernel_gives() {
        assert_eq!(TunQueues::wanted(1), 8);
        assert_eq!(TunQueues::wanted(2), 16);
        assert_eq!(TunQueues::wanted(64), 256);
        assert_eq!(TunQueues::wanted(100), 200);
    }
}
