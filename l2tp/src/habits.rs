//! How a client behaves on the wire where RFC 2661 leaves it a choice, or where it does as it
//! likes: [`Habits`]. Plain data, which the client role reads; the LNS knows nothing of it.
//!
//! [`Habits::default`] is our own way. The functions of this module are the ways of others, to
//! meet servers, above all our own, as those clients do.

mod clients;
mod emit;

use std::time::Duration;

use crate::codec::{AvpType, FramingCapabilities};
use crate::reliable::Backoff;

pub use clients::{
    android, apple, chromeos, cisco, dlink, mikrotik, network_manager_libreswan,
    network_manager_strongswan, windows_7, windows_10, windows_xp,
};

/// How a client behaves. `None` stands for what the [`Config`](crate::Config) says, or for our
/// own way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Habits {
    /// What it says of itself in SCCRQ.
    pub introduction: Introduction,
    /// AVPs of ICRQ after the Message Type, in this order; those not in the list are left out.
    pub icrq: Vec<AvpType>,
    /// AVPs of ICCN, likewise.
    pub iccn: Vec<AvpType>,
    /// AVPs of CDN, likewise.
    pub cdn: Vec<AvpType>,
    /// AVPs of StopCCN, likewise.
    pub stop_ccn: Vec<AvpType>,
    /// Where the ids come from that it assigns to tunnels and sessions.
    pub ids: Ids,
    /// Call Serial Number; `None` draws one.
    pub serial: Option<u32>,
    /// Bearer Type.
    pub bearer: u32,
    /// Framing Type of ICCN.
    pub iccn_framing: FramingCapabilities,
    /// What it claims for the speed of its line in both directions, in bit/s.
    pub speed: u32,
    /// HELLOs on tunnel 0 that precede SCCRQ.
    pub wake_up_hellos: u32,
    /// Whether the step after SCCCN and the one after ICCN wait until that message has been
    /// acknowledged.
    pub waits_for_acknowledgement: bool,
    /// Whether a message is only looked at if its header is exactly `c802`, its Length that of
    /// the datagram, its first AVP a mandatory Message Type, and it comes from the very port that
    /// SCCRQ went to.
    pub strict: bool,
    /// Retransmission of SCCRQ, which also ends the attempt.
    pub first_retransmit: Option<Backoff>,
    /// Retransmission of all other messages.
    pub retransmit: Option<Backoff>,
    /// See [`Timing::dead_after`](crate::Timing::dead_after); zero for a client that gives a
    /// tunnel up as soon as a message has been repeated often enough.
    pub dead_after: Option<Duration>,
    /// When it asks whether the server is there.
    pub keep_alive: KeepAlive,
    /// Tunnel id in the headers of control messages once the tunnel is up.
    pub header: HeaderId,
    /// How a tunnel is ended.
    pub farewell: Farewell,
    /// Whether data messages carry the Length field (the L bit, RFC 2661 §3.1). Data does not
    /// pass through here: [`SessionUp::length`](crate::SessionUp::length) tells the packet path.
    pub length_in_data: bool,
}

/// What a client says of itself in SCCRQ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introduction {
    /// AVPs after the Message Type, in this order; those not in the list are left out. A
    /// Challenge is sent only if the configuration wants one as well.
    pub avps: Vec<AvpType>,
    /// Framing Capabilities.
    pub framing: FramingCapabilities,
    /// Firmware Revision.
    pub firmware_revision: Option<u16>,
    /// Host Name.
    pub host_name: Option<Vec<u8>>,
    /// Whether a NUL follows the Host Name and is counted in.
    pub terminated_host_name: bool,
    /// Vendor Name.
    pub vendor_name: Option<Vec<u8>>,
    /// Receive Window Size.
    pub receive_window: Option<u16>,
}

/// Where a client's tunnel and session ids come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// Drawn.
    Random,
    /// The smallest that is free, from 1 on.
    Smallest,
}

/// When a client sends HELLO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepAlive {
    /// After [`Timing::hello`](crate::Timing::hello) of silence.
    Configured,
    /// After this silence.
    After(Duration),
    /// Not at all.
    Never,
}

/// The tunnel id in the headers of a client's control messages once the tunnel is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderId {
    /// The one that the server assigned.
    Assigned,
    /// 0.
    Zero,
}

/// How a client ends a tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Farewell {
    /// Which messages say so.
    pub messages: Farewells,
    /// Result code of StopCCN when nothing went wrong; `None` for the one that fits best.
    pub result: Option<u16>,
    /// What the Result Code AVP looks like.
    pub form: ResultForm,
    /// Whether the header of StopCCN has the client's own tunnel id instead of the server's.
    pub misaddressed: bool,
}

/// The messages that end a tunnel with a session in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewells {
    /// CDN if the session ends, StopCCN if the tunnel does, which includes its sessions
    /// (RFC 2661 §5.7).
    AsNeeded,
    /// CDN and then StopCCN.
    Both,
    /// Never CDN.
    OnlyStopCcn,
}

/// What a client makes of the Result Code AVP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultForm {
    /// Result code, error code and text (RFC 2661 §4.4.2).
    Full,
    /// The result code alone.
    Short,
    /// The result code alone, its bytes swapped, in an AVP whose length counts the header twice.
    SwappedAndTooLong,
}

impl Default for Habits {
    /// Our own way: the AVPs of Windows and xl2tpd, which every server knows.
    fn default() -> Self {
        Self {
            introduction: Introduction {
                avps: vec![
                    AvpType::PROTOCOL_VERSION,
                    AvpType::FRAMING_CAPABILITIES,
                    AvpType::BEARER_CAPABILITIES,
                    AvpType::FIRMWARE_REVISION,
                    AvpType::HOST_NAME,
                    AvpType::VENDOR_NAME,
                    AvpType::ASSIGNED_TUNNEL_ID,
                    AvpType::RECEIVE_WINDOW_SIZE,
                    AvpType::CHALLENGE,
                ],
                framing: FramingCapabilities::BOTH,
                firmware_revision: None,
                host_name: None,
                terminated_host_name: false,
                vendor_name: None,
                receive_window: None,
            },
            icrq: vec![
                AvpType::ASSIGNED_SESSION_ID,
                AvpType::CALL_SERIAL_NUMBER,
                AvpType::BEARER_TYPE,
            ],
            iccn: vec![AvpType::TX_CONNECT_SPEED, AvpType::FRAMING_TYPE],
            cdn: vec![
                AvpType::RESULT_CODE,
                AvpType::ASSIGNED_SESSION_ID,
                AvpType::PPP_DISCONNECT_CAUSE,
            ],
            stop_ccn: vec![AvpType::ASSIGNED_TUNNEL_ID, AvpType::RESULT_CODE],
            ids: Ids::Random,
            serial: None,
            bearer: 0,
            iccn_framing: FramingCapabilities::BOTH,
            speed: 100_000_000,
            wake_up_hellos: 0,
            waits_for_acknowledgement: false,
            strict: false,
            first_retransmit: None,
            retransmit: None,
            dead_after: None,
            keep_alive: KeepAlive::Configured,
            header: HeaderId::Assigned,
            farewell: Farewell {
                messages: Farewells::AsNeeded,
                result: None,
                form: ResultForm::Full,
                misaddressed: false,
            },
            length_in_data: false,
        }
    }
}
