//! Messages whose header names no tunnel of ours, and what they can still mean.

use wire::{Instant, PeerId, Ports};

use super::Endpoint;
use crate::codec::{ControlHeader, Message, MessageType, Received};
use crate::{DropReason, Role, TunnelId};

impl Endpoint {
    /// QUIRK(D-Link): the DIR-300 leaves the tunnel id of its control messages 0 when the tunnel is
    /// there. They came out of the peer's own secured path, so its only tunnel is meant.
    ///
    /// QUIRK(Apple): some eleven HELLOs on tunnel 0, only to make IPsec start. They are ignored,
    /// as is any HELLO before another message has shown that the peer means 0.
    pub(super) fn on_tunnel_zero(
        &mut self,
        now: Instant,
        peer: PeerId,
        ports: Ports,
        header: &ControlHeader,
        body: &[u8],
        kind: Option<MessageType>,
    ) {
        match self.only_tunnel(peer, kind == Some(MessageType::HELLO)) {
            Some(id) => self.with(now, id, |tunnel, cx| {
                tunnel.on_zero_addressed(cx, ports, header, body);
            }),
            None => self.counters.drop(DropReason::TunnelZero),
        }
    }

    /// The one living tunnel that `peer` opened; if `known`, only one that has been addressed by 0.
    fn only_tunnel(&self, peer: PeerId, known: bool) -> Option<TunnelId> {
        let mut living = self
            .tunnels_of(peer)
            .filter(|(_, tunnel)| !tunnel.is_closed() && tunnel.role() == Role::Server);
        let (id, tunnel) = living.next()?;
        let only = living.next().is_none() && (!known || tunnel.is_addressed_by_zero());
        only.then_some(*id)
    }

    /// QUIRK(Windows): a StopCCN with a wrong tunnel id in the header. It came out of the peer's
    /// own secured path, so the Assigned Tunnel ID AVP is enough to know what it means; otherwise
    /// the tunnel would stay until its HELLOs fail. The same finds our half-open tunnel when a
    /// client gives up before it has learnt our id.
    pub(super) fn on_lost_stop_ccn(
        &mut self,
        now: Instant,
        peer: PeerId,
        ports: Ports,
        header: &ControlHeader,
        body: &[u8],
    ) {
        let parsed = Message::parse(body, self.config.secret.as_ref());
        let found = match &parsed {
            Ok(Received {
                message: Message::StopCcn(stop),
                ..
            }) => self
                .tunnels_of(peer)
                .filter(|(_, tunnel)| !tunnel.is_closed() && tunnel.remote_id() != 0)
                .find(|(_, tunnel)| stop.assigned_tunnel_id == Some(tunnel.remote_id()))
                .map(|(id, _)| (*id, stop.clone())),
            _ => None,
        };
        match found {
            Some((id, stop)) => self.with(now, id, |tunnel, cx| {
                tunnel.on_message(cx, ports, header, body);
                tunnel.on_stop_ccn(cx, stop);
            }),
            None if header.tunnel == 0 => self.counters.drop(DropReason::TunnelZero),
            None => self.counters.drop(DropReason::UnknownTunnel),
        }
    }
}
