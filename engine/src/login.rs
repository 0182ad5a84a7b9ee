//! Logins: the question goes out, the verdict comes in, an address is found.

use std::net::IpAddr;

use ppp::NetworkConfig;
use wire::Instant;

use crate::engine::Pending;
use crate::session::PendingLogin;
use crate::{AddressPolicy, Engine, Event, Login, Reason, Request, RequestId, SessionId, Verdict};

/// What the client's user is shown: the number of RFC 2759 §6 that every client translates.
const WRONG_NAME_OR_PASSWORD: u32 = 691;
/// The number for somebody who is known and still not let in.
const NO_DIAL_IN_PERMISSION: u32 = 649;

impl Engine {
    pub(crate) fn on_authenticate(&mut self, id: SessionId, request: ppp::Authenticate) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let Some(peer) = self.peers.get(&session.peer) else {
            return;
        };
        let Some(path) = peer.outer_path() else {
            return;
        };
        let key = peer
            .info
            .as_ref()
            .map_or_else(String::new, |info| info.key.clone());
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
        let verdict = match verdict {
            Verdict::Reject { why } => {
                self.report_failed_login(id, &login.user, why);
                reject(WRONG_NAME_OR_PASSWORD, "wrong user name or password")
            }
            Verdict::Accept { proof, address } => match self.find_address(id, &login.user, address)
            {
                Ok(network) => ppp::Verdict::Accept {
                    authenticator_response: proof,
                    network,
                },
                Err(why) => {
                    self.report_failed_login(id, &login.user, why);
                    reject(NO_DIAL_IN_PERMISSION, "no address for this user")
                }
            },
        };
        self.touch_link(id, |link| link.handle_verdict(now, login.id, verdict));
    }

    fn report_failed_login(&mut self, id: SessionId, user: &ppp::UserName, why: String) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        if let Some(path) = self
            .peers
            .get(&session.peer)
            .and_then(|peer| peer.outer_path())
        {
            self.event(Event::LoginFailed {
                user: user.to_string(),
                path,
                why,
            });
        }
    }

    /// The addresses of a session whose user may come in; the error is a clause for the log.
    fn find_address(
        &mut self,
        id: SessionId,
        user: &ppp::UserName,
        policy: AddressPolicy,
    ) -> Result<NetworkConfig, String> {
        let server = self
            .config
            .server
            .as_ref()
            .ok_or("this side serves nobody")?;
        let (local, dns, wins) = (server.local, server.dns, server.wins);
        let held = self.sessions.get(&id).and_then(|session| session.address);
        let address = match policy {
            // The user logs in again in the same session, as after a renegotiation; but a fixed
            // address stays with the user it is fixed for.
            AddressPolicy::Pool if held.is_some_and(|held| self.pool.lends(held)) => held,
            AddressPolicy::Pool => self.pool.allocate(id),
            AddressPolicy::Fixed(address) => {
                self.claim(id, user, address)?;
                Some(address)
            }
        };
        let Some(IpAddr::V4(peer)) = address else {
            return Err(match address {
                None => "all addresses of the pool are in use".to_owned(),
                Some(other) => format!("{other} cannot be assigned: only IPv4 is, so far"),
            });
        };
        if let Some(before) = held.filter(|before| *before != IpAddr::from(peer)) {
            self.pool.release(before);
        }
        if let Some(session) = self.sessions.get_mut(&id) {
            session.address = Some(peer.into());
        }
        Ok(NetworkConfig {
            local,
            peer,
            dns,
            wins,
        })
    }

    /// Takes a fixed address. Whoever holds it under the same name has left it behind (a phone
    /// that came back on another network) and makes room; another user does not.
    fn claim(
        &mut self,
        id: SessionId,
        user: &ppp::UserName,
        address: IpAddr,
    ) -> Result<(), String> {
        let Err(holder) = self.pool.claim(address, id) else {
            return Ok(());
        };
        let theirs = self.sessions.get(&holder);
        let same = theirs
            .and_then(|s| s.login.as_ref())
            .is_some_and(|(name, _)| name == user);
        match theirs.map(|session| session.peer) {
            Some(peer) if !same => Err(format!(
                "the fixed address {address} is in use by peer {peer}"
            )),
            peer => {
                if let Some(session) = self.sessions.get_mut(&holder) {
                    session.address = None;
                }
                self.pool.release(address);
                if let Some(peer) = peer {
                    self.end_peer(peer, Reason::StartedAgain, false);
                }
                self.pool
                    .claim(address, id)
                    .map_err(|_| format!("{address} is in use"))
            }
        }
    }
}

fn reject(code: u32, message: &str) -> ppp::Verdict {
    ppp::Verdict::Reject {
        code,
        message: message.to_owned(),
    }
}
