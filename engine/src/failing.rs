//! Connection attempts: how far each has come, and that each one that fails is reported once.
//!
//! A client that connects goes from stage to stage, and at every one it can be turned away, be
//! told something it does not like, or fall silent. Whoever turns it away says so here; silence
//! is noticed here, by the end of what it had or by a deadline. Whatever comes first is the
//! report, since what follows from it is no news.

use std::time::Duration;

use wire::{Instant, Path, PeerId};

use crate::timers::Timer;
use crate::{Cause, Engine, Event, Failure, Reason, SessionId, Stage};

/// Refusals of one peer that follow one another faster than this belong to one attempt.
const ONE_ATTEMPT: Duration = Duration::from_secs(60);

/// How far a peer has come in connecting, and what has been said about it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Attempt {
    /// The last stage that was completed.
    reached: Option<Stage>,
    /// Its failure has been reported.
    told: bool,
    /// When that was, if somebody turned it away.
    refused: Option<Instant>,
    /// When it was begun another peer of the same client had a session: a phase 1 that the client
    /// renews, and for which nothing need follow.
    renews: bool,
    /// It has had a session that carried traffic.
    arrived: bool,
    /// An L2TP message has come from it.
    heard: bool,
}

impl Attempt {
    /// The stage that comes next.
    fn stage(&self) -> Stage {
        self.reached.map_or(Stage::Phase1, Stage::next)
    }

    /// What it means that nothing more came, where the end itself says less than what was still
    /// to come.
    fn missing(&self) -> Option<Cause> {
        Some(match self.stage() {
            Stage::Phase1 | Stage::Phase2 => Cause::NoPhase2,
            Stage::Tunnel if self.heard => Cause::L2tpUnfinished,
            Stage::Tunnel => Cause::L2tpSilent,
            _ => return None,
        })
    }

    /// Whether silence, or the end, would be the first that is heard of its failure.
    const fn is_untold(&self) -> bool {
        !self.told && !self.arrived && !self.renews
    }

    /// Whether a refusal now is to be reported; from now on it is.
    fn refuse(&mut self, now: Instant) -> bool {
        let told = std::mem::replace(&mut self.told, true);
        let before = self.refused.replace(now);
        !told || before.is_some_and(|before| now - before >= ONE_ATTEMPT)
    }
}

impl Engine {
    /// A peer has completed a stage: the one place where that is noted and reported.
    pub(crate) fn progress(&mut self, id: PeerId, stage: Stage) {
        if let Some(peer) = self.peers.get_mut(&id) {
            let attempt = &mut peer.attempt;
            attempt.reached = Some(stage);
            // A tunnel or a call is the beginning of something new, whatever came of the last.
            if matches!(stage, Stage::Tunnel | Stage::Session) {
                (attempt.told, attempt.renews) = (false, false);
            }
            attempt.arrived |= stage == Stage::Network;
        }
        self.event(Event::Progress { peer: id, stage });
    }

    /// A client has completed phase 1, and should go on.
    pub(crate) fn on_attempt(&mut self, now: Instant, id: PeerId) {
        let kin = self.kin(id);
        let renews = kin.is_some_and(|kin| self.kindred.has_sessions(&kin));
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.attempt.renews = renews;
        }
        let deadline = now + self.config.timing.attempt;
        self.timers.set(Timer::Attempt(id), Some(deadline));
    }

    /// An L2TP message has come from a peer.
    pub(crate) fn note_l2tp(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.attempt.heard = true;
        }
    }

    /// A client has had its time to open a tunnel. L2TP and PPP have deadlines of their own.
    pub(crate) fn on_attempt_overdue(&mut self, now: Instant, id: PeerId) {
        let waiting = self.peers.get(&id).filter(|peer| peer.tunnels.is_empty());
        let attempt = waiting.map(|peer| peer.attempt);
        if let Some(cause) = attempt.filter(Attempt::is_untold).and_then(|a| a.missing()) {
            self.refuse(now, id, cause, cause.explanation().what.to_owned());
        }
    }

    /// IKE has turned somebody away, who may be no peer yet.
    pub(crate) fn on_ike_refused(
        &mut self,
        now: Instant,
        path: Path,
        make: ike::Make,
        peer: Option<PeerId>,
        proven: bool,
        refusal: &ike::Refusal,
    ) {
        let cause = Cause::of_ike(refusal);
        let (at, make) = match peer.and_then(|id| self.peers.get(&id)) {
            Some(peer) => (peer.attempt.stage(), peer.make()),
            None => (Stage::Phase1, make),
        };
        if peer.is_some_and(|id| !self.tell(now, id)) {
            return;
        }
        let mut failure = Failure::new(path.remote, make, at, cause, refusal.to_string())
            .with_options_of(refusal);
        failure.proven = proven;
        self.event(Event::Refused(Box::new(failure)));
    }

    /// Refusals of IKE that no event tells of, by cause: the same had been told lately, or too much
    /// at once of clients that may be forged. A cause may come several times.
    pub fn silent_refusals(&self) -> impl Iterator<Item = (Cause, u64)> {
        let silent = self.ike.refused_silently();
        silent.map(|(refusal, count)| (Cause::of_ike(refusal), count))
    }

    /// A peer is turned away.
    pub(crate) fn refuse(&mut self, now: Instant, id: PeerId, cause: Cause, what: String) {
        if self.tell(now, id)
            && let Some(failure) = self.failure(id, cause, what)
        {
            self.event(Event::Refused(Box::new(failure)));
        }
    }

    /// Somebody could not log in. Each time counts: others count these, too.
    pub(crate) fn on_login_failed(
        &mut self,
        now: Instant,
        id: SessionId,
        user: &ppp::UserName,
        cause: Cause,
        why: String,
    ) {
        let Some(peer) = self.sessions.get(&id).map(|session| session.peer) else {
            return;
        };
        if let Some(failure) = self.failure(peer, cause, why) {
            let user = user.to_string();
            let failure = Box::new(failure);
            self.event(Event::LoginFailed { user, failure });
        }
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.attempt.refuse(now);
        }
    }

    /// A session has ended that never carried traffic.
    pub(crate) fn on_session_missed(&mut self, id: PeerId, reason: &Reason) {
        self.report_end(id, reason, |attempt| !attempt.told);
    }

    /// A tunnel has ended; nothing has been heard of one that never had a session.
    pub(crate) fn on_tunnel_missed(&mut self, id: PeerId, reason: &Reason) {
        self.report_end(id, reason, |attempt| {
            !attempt.told && attempt.reached == Some(Stage::Tunnel)
        });
    }

    /// A peer is about to be forgotten.
    pub(crate) fn on_peer_missed(&mut self, id: PeerId, reason: &Reason) {
        self.report_end(id, reason, Attempt::is_untold);
    }

    /// Reports that a client has come to an end before it had arrived, if that is news.
    fn report_end(&mut self, id: PeerId, reason: &Reason, is_news: impl FnOnce(&Attempt) -> bool) {
        let Some(peer) = self.peers.get(&id).filter(|peer| peer.dialled.is_none()) else {
            return;
        };
        let Some(cause) = Cause::of_reason(reason).filter(|_| is_news(&peer.attempt)) else {
            return;
        };
        let (cause, what) = match peer.attempt.missing() {
            Some(cause) => (cause, format!("{} ({reason})", cause.explanation().what)),
            None => (cause, reason.to_string()),
        };
        if let Some(failure) = self.failure(id, cause, what) {
            self.event(Event::Refused(Box::new(failure)));
        }
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.attempt.told = true;
        }
    }

    /// Whether a refusal of a peer is to be reported. Servers that we dialled make no attempts.
    fn tell(&mut self, now: Instant, id: PeerId) -> bool {
        let peer = self.peers.get_mut(&id);
        peer.is_some_and(|peer| peer.dialled.is_some() || peer.attempt.refuse(now))
    }

    /// Addresses in lines about failures may end up in a packet filter, so that they are proven ones.
    fn failure(&self, id: PeerId, cause: Cause, what: String) -> Option<Failure> {
        let peer = self.peers.get(&id)?;
        let outer = peer.proven_outer()?;
        let at = peer.attempt.stage();
        Some(Failure::new(outer, peer.make(), at, cause, what))
    }
}
