//! What an endpoint is told at construction.

use std::time::Duration;

use wire::Secret;

use crate::reliable;

/// Settings of an [`Endpoint`](crate::Endpoint).
#[derive(Debug, Clone)]
pub struct Config {
    /// Host Name AVP, at most 255 bytes are sent.
    pub host_name: String,
    /// Vendor Name AVP, sent with the mandatory bit clear.
    pub vendor_name: String,
    /// Firmware Revision AVP of the client role; the LNS does not send one.
    pub firmware_revision: u16,
    /// Receive Window Size AVP: how many messages a peer may have in flight towards us, and how
    /// many we hold out of order. At least 1.
    pub receive_window: u16,
    /// The shared secret of tunnel authentication and of hidden AVPs (RFC 2661 §4.3, §5.1.1).
    pub secret: Option<Secret>,
    /// Whether we demand that the peer proves that it knows `secret`. Off by default: the clients
    /// built into Windows, macOS and iOS cannot answer a Challenge.
    pub challenge: bool,
    /// Whether we hide the AVPs that may be hidden, as a server only from peers that have sent or
    /// been sent a Challenge. Needs `secret`; off by default.
    pub hide: bool,
    /// Durations.
    pub timing: Timing,
    /// Bounds of what peers can make us keep.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host_name: "adit".into(),
            vendor_name: "adit".into(),
            firmware_revision: 0x0001,
            receive_window: 8,
            secret: None,
            challenge: false,
            hide: false,
            timing: Timing::default(),
            limits: Limits::default(),
        }
    }
}

/// Durations of an [`Endpoint`](crate::Endpoint).
#[derive(Debug, Clone)]
pub struct Timing {
    /// Retransmission of control messages.
    pub retransmit: reliable::Backoff,
    /// Silence after which a HELLO is sent (RFC 2661 §5.5).
    pub hello: Duration,
    /// Silence (neither control nor data) without which unanswered retransmissions do not end an
    /// established tunnel. Phones that doze leave HELLOs unanswered for minutes.
    pub dead_after: Duration,
    /// How long a tunnel or session may take to come up.
    pub half_open: Duration,
    /// How long an established tunnel may be without any session.
    pub empty: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            retransmit: reliable::Backoff::default(),
            hello: Duration::from_secs(60),
            dead_after: Duration::from_secs(150),
            half_open: Duration::from_secs(30),
            empty: Duration::from_secs(60),
        }
    }
}

/// Bounds of an [`Endpoint`](crate::Endpoint).
#[derive(Debug, Clone)]
pub struct Limits {
    /// Tunnels in all, those included that only linger to repeat an acknowledgement.
    pub tunnels: usize,
    /// Tunnels of one peer, likewise.
    pub tunnels_per_peer: usize,
    /// Sessions of one tunnel.
    pub sessions_per_tunnel: usize,
    /// Sessions of one peer.
    pub sessions_per_peer: usize,
    /// Sessions in all.
    pub sessions: usize,
    /// Control messages of one tunnel that wait to be sent or acknowledged.
    pub send_queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tunnels: 131_072,
            tunnels_per_peer: 8,
            sessions_per_tunnel: 4,
            sessions_per_peer: 32,
            sessions: 65_536,
            send_queue: 64,
        }
    }
}
