//! Which packet thread owns a peer.
//!
//! Sequence numbers must leave in order, so all that is sealed for a peer is sealed by one thread.
//! It is best the one whose socket the peer's packets arrive at. The function is therefore so
//! simple that the kernel can compute it too, when it chooses among sockets that share a port.

use std::net::IpAddr;

use wire::{Carrier, Path};

/// Spreads ports over the word: an office's clients differ in nothing else.
pub const PORT_FACTOR: u32 = 0x9e37_79b1;
/// Spreads what differs in the low bits of addresses to the high bits.
pub const MIX_FACTOR: u32 = 0x85eb_ca6b;
/// The high bits are the mixed ones.
pub const MIX_SHIFT: u32 = 16;

/// Which of `threads` packet threads owns whoever is at the other end of a path.
///
/// With UDP encapsulation it depends on address and port, because many are behind one NAT. Else it
/// depends on the address alone, because ISAKMP comes by UDP then and ESP without it, and what is
/// said by the one must not overtake what is said by the other.
pub fn owner(path: &Path, threads: usize) -> usize {
    let address = match path.remote.ip() {
        IpAddr::V4(address) => u32::from(address),
        IpAddr::V6(address) => {
            let half = address.to_bits() ^ (address.to_bits() >> 64);
            (half ^ (half >> 32)) as u32
        }
    };
    let port = match path.carrier {
        Carrier::NatT => u32::from(path.remote.port()),
        Carrier::Ike | Carrier::Raw => 0,
    };
    let word = address ^ port.wrapping_mul(PORT_FACTOR);
    let mixed = word.wrapping_mul(MIX_FACTOR) >> MIX_SHIFT;
    usize::try_from(mixed)
        .unwrap_or(0)
        .checked_rem(threads)
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn path(remote: &str, carrier: Carrier) -> Path {
        Path {
            local: "192.0.2.1:4500".parse().unwrap(),
            remote: remote.parse().unwrap(),
            carrier,
        }
    }

    fn spread(paths: impl Iterator<Item = Path>) -> [usize; 4] {
        let mut counts = [0; 4];
        paths.for_each(|path| counts[owner(&path, 4)] += 1);
        counts
    }

    #[test]
    fn neighbours_and_those_behind_one_nat_are_spread() {
        let neighbours = (0..1000_u32).map(|n| {
            let address = IpAddr::from((0xc633_6400 + n).to_be_bytes());
            let remote = SocketAddr::new(address, 0);
            Path {
                remote,
                ..path("198.51.100.1:0", Carrier::Raw)
            }
        });
        let office = (0..1000).map(|n| path(&format!("198.51.100.7:{}", 1024 + n), Carrier::NatT));
        for counts in [spread(neighbours), spread(office)] {
            assert!(counts.iter().all(|count| *count > 150), "{counts:?}");
        }
    }

    #[test]
    fn isakmp_and_raw_esp_of_a_peer_have_one_owner() {
        for host in 1..=254 {
            let ike = path(&format!("203.0.113.{host}:500"), Carrier::Ike);
            let esp = path(&format!("203.0.113.{host}:0"), Carrier::Raw);
            let v6 = path(&format!("[2001:db8::{host}]:500"), Carrier::Ike);
            assert_eq!(owner(&ike, 7), owner(&esp, 7));
            assert!(owner(&v6, 7) < 7);
        }
        assert_eq!(owner(&path("203.0.113.1:500", Carrier::Ike), 0), 0);
    }
}
