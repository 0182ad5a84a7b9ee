//! Logins: the question goes out, the verdict comes in, an address is found.

use std::net::IpAddr;
use std::sync::Arc;

use ppp::NetworkConfig;
use wire::{Instant, Source};

use crate::engine::Pending;
use crate::guard::{Hold, WRONG};
use crate::session::PendingLogin;
use crate::{
    AtLimit, Cause, Engine, Event, Login, Reason, Request, RequestId, SessionId, Terms, Verdict,
};

/// Why somebody who has proved to be a user does not get in.
struct Refused {
    cause: Cause,
    /// A clause for the log.
    why: String,
}

impl Engine {
    pub(crate) fn on_authenticate(
        &mut self,
        now: Instant,
        id: SessionId,
        request: ppp::Authenticate,
    ) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let Some(peer) = self.peers.get(&session.peer) else {
            return;
        };
        let Some(path) = peer.outer_path() else {
            return;
        };
        let source = self.source_of(id);
        let hold = source.and_then(|source| self.guard.hold(now, &request.user, source));
        if let Some(hold) = hold {
            let verdict = self.turn_away(now, id, &request.user, hold);
            return self.touch_link(id, |link| link.handle_verdict(now, request.id, verdict));
        }
        let key = peer
            .info
            .as_ref()
            .map_or_else(String::new, |info| info.key.to_string());
        let (login, user) = (request.id, request.user.clone());
        let question = Request::Login(Login {
            session: id,
            path,
            key,
            request,
        });
        let request = self.request(Pending::Login(id), question);
        if let Some(session) = self.sessions.get_mut(&id) {
            // A new login makes the answer to an older one worthless.
            if let Some(older) = session.pending.replace(PendingLogin {
                request,
                id: login,
                user,
            }) {
                self.requests.remove(&older.request);
            }
        }
    }

    pub(crate) fn on_verdict(
        &mut self,
        now: Instant,
        id: SessionId,
        request: RequestId,
        verdict: Verdict,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(login) = session
            .pending
            .take_if(|pending| pending.request == request)
        else {
            return;
        };
        let source = self.source_of(id);
        let hold = source.and_then(|source| self.guard.hold(now, &login.user, source));
        let verdict = match (verdict, hold) {
            // Somebody has failed since this was asked: of many tries at once, those beyond what
            // is allowed are not answered either.
            (_, Some(hold)) => self.turn_away(now, id, &login.user, hold),
            (Verdict::Reject { cause, why }, None) => {
                self.on_login_failed(now, id, &login.user, cause, why);
                if let Some(source) = source.filter(|_| cause.is_guess()) {
                    self.on_guess(now, &login.user, source, cause);
                }
                reject(cause, told(cause))
            }
            (
                Verdict::Accept {
                    account,
                    proof,
                    terms,
                },
                None,
            ) => match self.admit_from(now, id, source, &login.user, account, terms) {
                Ok(network) => ppp::Verdict::Accept {
                    authenticator_response: proof,
                    network,
                },
                Err(Refused { cause, why }) => {
                    self.on_login_failed(now, id, &login.user, cause, why);
                    reject(cause, told(cause))
                }
            },
        };
        self.touch_link(id, |link| link.handle_verdict(now, login.id, verdict));
    }

    /// Where the client of a session has proved to be.
    fn source_of(&self, id: SessionId) -> Option<Source> {
        let peer = self.peers.get(&self.sessions.get(&id)?.peer)?;
        Some(Source::of(peer.proven_outer()?.ip()))
    }

    /// A login is refused, whatever was shown.
    fn turn_away(
        &mut self,
        now: Instant,
        id: SessionId,
        user: &ppp::UserName,
        hold: Hold,
    ) -> ppp::Verdict {
        self.guard.note_refused();
        self.on_login_failed(now, id, user, hold.cause(), hold.why());
        reject(hold.cause(), &hold.told())
    }

    /// A login has failed that may have been a guess.
    fn on_guess(&mut self, now: Instant, user: &ppp::UserName, source: Source, cause: Cause) {
        let exists = cause == Cause::WrongPassword;
        for slowed in self.guard.on_failed_login(now, user, source, exists) {
            self.event(Event::Slowed(Box::new(slowed)));
        }
    }

    /// [`Self::admit`]; and nobody who has proved to be a user is a guesser.
    fn admit_from(
        &mut self,
        now: Instant,
        id: SessionId,
        source: Option<Source>,
        user: &ppp::UserName,
        account: ppp::UserName,
        terms: Arc<Terms>,
    ) -> Result<NetworkConfig, Refused> {
        if let Some(source) = source {
            self.guard.on_login(now, user, source);
        }
        self.admit(id, account, terms)
    }

    /// What becomes of a user who has proved to be `account`: an address, and a place among that
    /// user's sessions. The error is a clause for the log.
    fn admit(
        &mut self,
        id: SessionId,
        account: ppp::UserName,
        terms: Arc<Terms>,
    ) -> Result<NetworkConfig, Refused> {
        let replaced = self.replaced(id, &account)?;
        let network = self.find_address(id, &account, &terms, replaced.first().copied())?;
        for session in replaced {
            self.end_session(session, Reason::Replaced);
        }
        if let Some(session) = self.sessions.get_mut(&id) {
            session.terms = terms;
            if let Some(before) = session.account.replace(account.clone()) {
                if before != account {
                    session.expires = None;
                }
                self.users.remove(&before, id);
            }
        }
        self.users.add(account, id);
        Ok(network)
    }

    /// The sessions that must make room before `account` may have this one too.
    fn replaced(&self, id: SessionId, account: &ppp::UserName) -> Result<Vec<SessionId>, Refused> {
        let server = self.config.server.as_ref();
        let Some(limit) = server.and_then(|server| server.session_limit) else {
            return Ok(Vec::new());
        };
        let most = usize::try_from(limit.sessions.get()).unwrap_or(usize::MAX);
        let mut others = self.users.others(account, id);
        // This one comes on top of the others.
        let excess = others.len().saturating_add(1).saturating_sub(most);
        others.truncate(excess);
        match limit.beyond {
            AtLimit::Refuse if excess > 0 => Err(Refused {
                cause: Cause::SessionsLimit,
                why: match most {
                    1 => "the user has 1 session already, as many as allowed".to_owned(),
                    _ => format!("the user has {most} sessions already, as many as allowed"),
                },
            }),
            AtLimit::Refuse | AtLimit::Replace => Ok(others),
        }
    }

    /// The addresses of a session whose user may come in: one of the pool if the user may have
    /// any of those, else the user's fixed one. A session that it replaces leaves it its address of
    /// the pool: connections survive a change of networks that way.
    fn find_address(
        &mut self,
        id: SessionId,
        account: &ppp::UserName,
        terms: &Terms,
        replaced: Option<SessionId>,
    ) -> Result<NetworkConfig, Refused> {
        let server = self
            .config
            .server
            .as_ref()
            .ok_or_else(|| refused(Cause::Other, "this side serves nobody"))?;
        let local = server.local;
        let (dns, wins) = (
            terms.dns.unwrap_or(server.dns),
            terms.wins.unwrap_or(server.wins),
        );
        let policy = &terms.addresses;
        let lent = |session: Option<SessionId>| {
            let address = self.sessions.get(&session?)?.address?;
            (self.pool.lends(address) && policy.permits(address)).then_some(address)
        };
        let (own, left) = (lent(Some(id)), lent(replaced));
        let of_pool = match (own, left) {
            // The user logs in again in the same session, as after a renegotiation.
            (Some(own), _) => Some(own),
            (None, Some(left)) => {
                self.claim(id, account, left)?;
                Some(left)
            }
            (None, None) => self.pool.allocate(id, policy),
        };
        let address = match (of_pool, policy.fixed()) {
            (Some(address), _) => address,
            (None, Some(fixed)) => {
                self.claim(id, account, fixed)?;
                fixed
            }
            (None, None) if self.pool.suits(policy) => {
                let why = "all addresses of the pool that the user may have are in use";
                return Err(refused(Cause::NoAddressLeft, why));
            }
            (None, None) if !policy.permits_nothing() && self.pool.is_empty() => {
                return Err(refused(Cause::NoAddressLeft, "the pool has no addresses"));
            }
            (None, None) => {
                let why = "the users' file permits no address of the pool";
                return Err(refused(Cause::NoAddressPermitted, why));
            }
        };
        let IpAddr::V4(peer) = address else {
            let why = format!("{address} cannot be assigned: only IPv4 is, so far");
            return Err(refused(Cause::NoAddressPermitted, why));
        };
        if let Some(session) = self.sessions.get_mut(&id) {
            let before = session.address.replace(peer.into());
            if let Some(before) = before.filter(|before| *before != IpAddr::from(peer)) {
                self.pool.release(before);
            }
        }
        Ok(NetworkConfig {
            local,
            peer,
            dns,
            wins,
        })
    }

    /// Takes a certain address. A session that holds it for the same user has been left behind (a
    /// phone that came back on another network, a client that was killed) and makes room; that of
    /// another user does not.
    fn claim(
        &mut self,
        id: SessionId,
        account: &ppp::UserName,
        address: IpAddr,
    ) -> Result<(), Refused> {
        let Err(holder) = self.pool.claim(address, id) else {
            return Ok(());
        };
        if let Some(session) = self.sessions.get_mut(&holder) {
            if session.account.as_ref() != Some(account) {
                let peer = session.peer;
                let why = format!("the fixed address {address} is in use by peer {peer}");
                return Err(refused(Cause::AddressInUse, why));
            }
            session.address = None;
            self.end_session(holder, Reason::Replaced);
        }
        self.pool.release(address);
        self.pool
            .claim(address, id)
            .map_err(|_| refused(Cause::AddressInUse, format!("{address} is in use")))
    }
}

fn refused(cause: Cause, why: impl Into<String>) -> Refused {
    Refused {
        cause,
        why: why.into(),
    }
}

/// What the client is told of why somebody is not let in: who has not proved to be known learns
/// nothing.
const fn told(cause: Cause) -> &'static str {
    match cause {
        Cause::SessionsLimit => "too many sessions of this user",
        _ if cause.login_error() == 649 => "no address for this user",
        _ => WRONG,
    }
}

fn reject(cause: Cause, message: &str) -> ppp::Verdict {
    ppp::Verdict::Reject {
        code: cause.login_error(),
        message: message.to_owned(),
    }
}
