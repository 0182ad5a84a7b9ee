//! What lies between the ESP header and what is carried.

use std::sync::atomic::Ordering;

use wire::Ports;

use crate::l2tp;
use crate::net::udp;
use crate::ppp;
use crate::session::{Network, Session};

/// UDP, L2TP and PPP headers, as far as there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Headers {
    bytes: [u8; Headers::MAX_LEN],
    /// They are made from the innermost one outwards, so they end where `bytes` does.
    start: usize,
}

impl Headers {
    /// All of them at their longest.
    pub(crate) const MAX_LEN: usize = udp::HEADER_LEN + l2tp::MAX_HEADER_LEN + ppp::MAX_HEADER_LEN;

    /// In front of an L2TP message of `len` bytes. Like the others `None` if that is too long.
    pub(crate) fn of_message(ports: Ports, len: usize) -> Option<Self> {
        Self::NONE.with_udp(ports, len)
    }

    /// In front of a PPP frame of `len` bytes: with the next Ns, where the peer wants them.
    pub(crate) fn of_frame(session: &Session, len: usize) -> Option<Self> {
        Self::NONE.with_l2tp(session, len)
    }

    /// In front of an IP packet of `len` bytes.
    pub(crate) fn of_packet(
        session: &Session,
        network: &Network,
        is_v4: bool,
        len: usize,
    ) -> Option<Self> {
        let protocol = if is_v4 { ppp::IP } else { ppp::IPV6 };
        let (header, header_len) = ppp::header(protocol, network.acfc, network.pfc);
        Self::NONE
            .with(header.get(..header_len)?)?
            .with_l2tp(session, len)
    }

    const NONE: Self = Self {
        bytes: [0; Self::MAX_LEN],
        start: Self::MAX_LEN,
    };

    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    fn with_l2tp(self, session: &Session, len: usize) -> Option<Self> {
        let link = &session.link;
        let ns = link
            .sequencing
            .then(|| session.next_ns.fetch_add(1, Ordering::Relaxed));
        let frame = len.checked_add(self.len())?;
        let length = link.length.then_some(frame);
        let (header, header_len) =
            l2tp::header(link.remote_tunnel, link.remote_session, length, ns)?;
        self.with(header.get(..header_len)?)?
            .with_udp(link.ports, len)
    }

    fn with_udp(self, ports: Ports, len: usize) -> Option<Self> {
        let message = len.checked_add(self.len())?;
        self.with(&udp::header(ports.local, ports.remote, message)?)
    }

    /// One more in front.
    fn with(mut self, header: &[u8]) -> Option<Self> {
        let start = self.start.checked_sub(header.len())?;
        self.bytes
            .get_mut(start..self.start)?
            .copy_from_slice(header);
        self.start = start;
        Some(self)
    }

    fn len(&self) -> usize {
        Self::MAX_LEN.saturating_sub(self.start)
    }
}
