//! Sessions: one PPP link over one L2TP call of one peer.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use wire::{Instant, PeerId};

use crate::dhcp::{Given, Inform};
use crate::limits::Idleness;
use crate::on_network::Held;
use crate::{Reason, RequestId, SessionId, Terms};

/// One PPP link and what it was given.
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) peer: PeerId,
    /// The L2TP session under it.
    pub(crate) call: l2tp::SessionId,
    pub(crate) remote_tunnel: u16,
    pub(crate) remote_session: u16,
    /// Whether data messages to the peer carry the length field.
    pub(crate) length_in_data: bool,
    /// Whether they carry sequence numbers: the peer required it.
    pub(crate) sequencing: bool,
    pub(crate) link: ppp::Link,
    /// Who is logged in, and how.
    pub(crate) login: Option<(ppp::UserName, ppp::Method)>,
    /// Whose session it is, from the verdict on: the name it is counted under.
    pub(crate) account: Option<ppp::UserName>,
    /// What its user was let in on.
    pub(crate) terms: Arc<Terms>,
    /// When connecting began: with the IKE SA for the first session of a peer, else with the call.
    pub(crate) begun: Instant,
    /// How long it took, once traffic could flow for the first time.
    pub(crate) setup: Option<Duration>,
    /// When its time is over, if there is a limit.
    pub(crate) expires: Option<Instant>,
    pub(crate) idleness: Idleness,
    /// The login that waits for a verdict.
    pub(crate) pending: Option<PendingLogin>,
    /// The address taken from the pool (server role).
    pub(crate) address: Option<IpAddr>,
    /// Set while the world around prepares for the traffic.
    pub(crate) held: Option<Held>,
    /// Set while traffic can flow.
    pub(crate) network: Option<Network>,
    /// Our DHCPINFORM that waits for an answer (client role).
    pub(crate) inform: Option<Box<Inform>>,
    /// The answer.
    pub(crate) given: Option<Box<Given>>,
    /// Whether it was reported up, so that its end is reported too.
    pub(crate) announced: bool,
    /// Why it is ending, once the first cause is known.
    pub(crate) reason: Option<Reason>,
}

/// A login that waits for a verdict.
#[derive(Debug)]
pub(crate) struct PendingLogin {
    pub(crate) request: RequestId,
    pub(crate) id: ppp::AuthenticateId,
    pub(crate) user: ppp::UserName,
}

/// What IPCP agreed on, and since when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Network {
    pub(crate) local: Ipv4Addr,
    pub(crate) remote: Ipv4Addr,
    pub(crate) dns: [Option<Ipv4Addr>; 2],
    pub(crate) wins: [Option<Ipv4Addr>; 2],
    pub(crate) mtu: u16,
    pub(crate) since: Instant,
}
