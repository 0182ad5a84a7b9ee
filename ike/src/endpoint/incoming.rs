//! From a datagram to the exchange it belongs to.

use wire::{Carrier, Path};

use super::Endpoint;
use crate::codec::{Chain, ExchangeType, Header, MessageId, Notification, PayloadType, Trailing};
use crate::context::{Fingerprint, count};
use crate::cookie::without_marker;
use crate::sa::{Established, Frame, PartyKey, Phase, Role};
use crate::{ChildId, Event, Make, Refusal, SaId, make};

/// Major version 1, whatever the minor one.
const MAJOR_1: u8 = 1;

impl Endpoint {
    pub(super) fn on_datagram(&mut self, path: Path, datagram: &[u8]) {
        count(&mut self.context.counters.received);
        self.on_isakmp(path, without_marker(path, datagram), None);
    }

    /// Whether a datagram is of a handshake that somebody else has begun, or begins, or of nothing
    /// known here; and not of an IKE SA that is established or that we started.
    pub fn is_handshake(&self, path: Path, datagram: &[u8]) -> bool {
        let header = Header::parse(without_marker(path, datagram));
        let sa = header.ok().and_then(|(header, _)| self.find(&header));
        let phase = sa.and_then(|sa| self.sas.get(&sa)).map(|sa| &sa.phase);
        !matches!(phase, Some(Phase::Established(_) | Phase::Initiating(_)))
    }

    /// An ISAKMP message: a datagram, or what fragments with the header `outer` make together.
    pub(super) fn on_isakmp(&mut self, path: Path, datagram: &[u8], outer: Option<&Header>) {
        let Ok((header, body)) = Header::parse(datagram) else {
            return count(&mut self.context.counters.malformed);
        };
        let (major, minor) = (header.version >> 4, header.version & 0x0f);
        if major != MAJOR_1 {
            count(&mut self.context.counters.malformed);
            if major == 2 {
                let refusal = Refusal::Version { major, minor };
                self.context.refuse_unproven(path, Make::Unknown, refusal);
            }
            return;
        }
        // QUIRK(Apple): sets the encryption flag on fragments. Encrypted messages do not begin with
        // one, so that the first payload alone tells.
        if header.next == PayloadType::FRAGMENT {
            return self.on_fragment(path, &header, body, outer);
        }
        if outer.is_some_and(|outer| !same_cookies(outer, &header)) {
            return count(&mut self.context.counters.fragments.malformed);
        }
        match self.find(&header) {
            Some(sa) => self.on_message(sa, path, &header, body, datagram),
            None if header.responder.is_zero() => self.on_unknown(path, &header, body, datagram),
            None => count(&mut self.context.counters.unknown_cookies),
        }
    }

    /// The IKE SA a message belongs to: by our cookie, and then by the peer's too.
    pub(super) fn find(&self, header: &Header) -> Option<SaId> {
        let fits = |id: &SaId, role| {
            self.sas.get(id).is_some_and(|sa| {
                let responder = sa.frame.responder;
                sa.frame.role == role
                    && sa.frame.initiator == header.initiator
                    && (responder == header.responder || responder.is_zero())
            })
        };
        let answered = self.responding.get(&header.responder);
        let started = || self.initiating.get(&header.initiator);
        answered
            .filter(|id| fits(id, Role::Responder))
            .or_else(|| started().filter(|id| fits(id, Role::Initiator)))
            .copied()
    }

    /// A first message, or something without meaning.
    fn on_unknown(&mut self, path: Path, header: &Header, body: &[u8], datagram: &[u8]) {
        if !self.context.config.respond {
            return count(&mut self.context.counters.unknown_cookies);
        }
        if let Some(sa) = self.firsts.get(&(header.initiator, path.remote)).copied() {
            return self.on_first_message_again(sa, path, datagram);
        }
        match header.exchange {
            ExchangeType::MAIN_MODE
                if header.message_id == MessageId::PHASE_1 && !header.is_encrypted() =>
            {
                self.on_newcomer(path, header, body, datagram);
            }
            // Nothing is answered: a right answer would hand out a hash to guess the key from.
            ExchangeType::AGGRESSIVE => {
                let chain = Chain::parse(header.next, body, Trailing::Nothing);
                let make = chain.map_or(Make::Unknown, |chain| make::of_message(&chain));
                self.context
                    .refuse_unproven(path, make, Refusal::AggressiveMode);
            }
            _ => count(&mut self.context.counters.unknown_cookies),
        }
    }

    fn on_message(&mut self, id: SaId, path: Path, header: &Header, body: &[u8], datagram: &[u8]) {
        let Some(sa) = self.sas.get_mut(&id) else {
            return;
        };
        match (header.exchange, &mut sa.phase) {
            (ExchangeType::MAIN_MODE, Phase::Established(established)) => {
                // Message 6 may have been lost.
                match &established.answered {
                    Some(last) if last.request == Fingerprint::of(datagram) => {
                        count(&mut self.context.counters.repeated);
                        self.context.send(sa.frame.route(), last.answer.clone());
                    }
                    _ => count(&mut self.context.counters.unexpected),
                }
            }
            (ExchangeType::MAIN_MODE, _) if header.message_id == MessageId::PHASE_1 => {
                self.on_main_mode(id, path, header, body, datagram);
            }
            (ExchangeType::QUICK_MODE, Phase::Established(_))
                if header.is_encrypted() && header.message_id != MessageId::PHASE_1 =>
            {
                self.on_quick_mode(id, path, header, body, datagram);
            }
            (ExchangeType::INFORMATIONAL, Phase::Established(_))
                if header.is_encrypted() && header.message_id != MessageId::PHASE_1 =>
            {
                self.on_informational(id, path, header, body);
            }
            (ExchangeType::INFORMATIONAL, Phase::Initiating(initiating))
                if !header.is_encrypted() =>
            {
                if let Ok(chain) = Chain::parse(header.next, body, Trailing::Nothing) {
                    chain
                        .all(PayloadType::NOTIFICATION)
                        .filter_map(|payload| Notification::parse(payload.body).ok())
                        .for_each(|notification| initiating.note_clear(&notification));
                }
            }
            (
                ExchangeType::TRANSACTION | ExchangeType::NEW_GROUP,
                Phase::Established(established),
            ) => {
                // Nothing of the message is proven; it is told of whoever has the IKE SA.
                let path = sa.frame.proven_path(sa.frame.path);
                let refusal = Refusal::ExchangeType(header.exchange.0);
                self.context
                    .refuse(path, Some(id), established.make, refusal);
            }
            _ => count(&mut self.context.counters.unexpected),
        }
    }

    /// An authentic message that was not seen before has come over `path`: answers go there, and
    /// over the NAT-T port ESP follows.
    pub(super) fn on_fresh(&mut self, id: SaId, path: Path) {
        let now = self.context.now;
        let Some((frame, established)) = self.sas.get_mut(&id).and_then(|sa| sa.established())
        else {
            return;
        };
        established.dpd.note(now);
        let before = frame.path;
        let moved = move_path(frame, established, path);
        self.rehome(id, before);
        if moved {
            self.context.event(Event::PathChanged { sa: id, path });
        }
    }

    /// ESP of the peer has come from elsewhere.
    pub(super) fn on_esp_moved(&mut self, id: SaId, path: Path) {
        let Some((frame, established)) = self.sas.get_mut(&id).and_then(|sa| sa.established())
        else {
            return;
        };
        if path.carrier == Carrier::NatT && established.wants_udp() {
            let before = std::mem::replace(&mut frame.path, path);
            established.natt_path = Some(path);
            self.rehome(id, before);
        }
    }

    /// Where a peer is belongs to who it is: after a change of its address the IKE SAs that it
    /// makes there must be able to speak for the child SAs that it has. Its other IKE SAs that were
    /// where this one was go with it and, if none stays, the child SAs whose IKE SA is gone.
    ///
    /// They do so only if it was there when it began, which is proven: whoever has the keys may
    /// write any address on later messages.
    fn rehome(&mut self, id: SaId, before: Path) {
        let Some((frame, established)) = self.sas.get_mut(&id).and_then(|sa| sa.established())
        else {
            return;
        };
        let (path, old) = (frame.path, established.party.clone());
        if old.remote == path.remote.ip() {
            return;
        }
        let leads = frame.proven == before.remote.ip();
        let party = PartyKey {
            remote: path.remote.ip(),
            ..(*old).clone()
        };
        // Many share one key in the map; the new one is shared as well.
        let known = self
            .parties
            .get_key_value(&party)
            .map(|(known, _)| known.clone());
        let party = known.unwrap_or_else(|| party.into());
        let Some(members) = self.parties.get(&old) else {
            return;
        };
        let goes = |sa: &SaId| {
            let there = self.sas.get(sa).map(|sa| sa.frame.path);
            *sa == id || (leads && there == Some(before))
        };
        let (movers, stayers): (Vec<SaId>, Vec<SaId>) = members.sas.iter().copied().partition(goes);
        let all = leads && stayers.is_empty();
        let children = members.children.iter().copied().filter(|child| {
            let sa = self.children.get(child).map(|child| child.sa);
            all || sa.is_some_and(|sa| movers.contains(&sa))
        });
        let children: Vec<ChildId> = children.collect();
        self.leave_party(&old, |members| {
            members.sas.retain(|sa| !movers.contains(sa));
            members.children.retain(|child| !children.contains(child));
        });
        let members = self.parties.entry(party.clone()).or_default();
        members.sas.extend(movers.iter().copied());
        members.children.extend(children.iter().copied());
        for mover in movers {
            let sa = self.sas.get_mut(&mover).and_then(|sa| sa.established());
            let Some((frame, established)) = sa else {
                continue;
            };
            move_path(frame, established, path);
            established.party = party.clone();
            self.established.relocate(old.remote, party.remote);
        }
        for name in children {
            let Some(child) = self.children.get_mut(&name) else {
                continue;
            };
            child.party = party.clone();
            let key = (old.clone(), child.outbound);
            if self.by_spi.get(&key) == Some(&name) {
                self.by_spi.remove(&key);
                self.by_spi.insert((party.clone(), child.outbound), name);
            }
        }
    }
}

/// A message belongs to the IKE SA that its fragments came for.
fn same_cookies(outer: &Header, header: &Header) -> bool {
    (outer.initiator, outer.responder) == (header.initiator, header.responder)
}

/// Follows a peer to another path; whether ESP follows too.
fn move_path(frame: &mut Frame, established: &mut Established, path: Path) -> bool {
    frame.path = path;
    if path.carrier != Carrier::NatT || established.natt_path == Some(path) {
        return false;
    }
    let moved = established.natt_path.replace(path).is_some();
    moved && established.wants_udp()
}
