//! Logins: the question goes out, the verdict comes in, an address is found.

use std::net::IpAddr;

use ppp::NetworkConfig;
use wire::Instant;

use crate::engine::Pending;
use crate::session::PendingLogin;
use crate::{AddressPolicy, Cause, Engine, Login, Reason, Request, RequestId, SessionId, Verdict};

/// Why somebody who has proved to be a user does not get in.
struct Refused {
    cause: Cause,
    /// A clause for the log.
    why: String,
}

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
            Verdict::Reject { cause, why } => {
                self.on_login_failed(now, id, &login.user, cause, why);
                reject(cause, "wrong user name or password")
            }
            Verdict::Accept { proof, address } => match self.find_address(id, &login.user, address)
            {
                Ok(network) => ppp::Verdict::Accept {
                    authenticator_response: proof,
                    network,
                },
                Err(Refused { cause, why }) => {
                    self.on_login_failed(now, id, &login.user, cause, why);
                    reject(cause, "no address for this user")
                }
            },
        };
        self.touch_link(id, |link| link.handle_verdict(now, login.id, verdict));
    }

    /// The addresses of a session whose user may come in; the error is a clause for the log.
    fn find_address(
        &mut self,
        id: SessionId,
        user: &ppp::UserName,
        policy: AddressPolicy,
    ) -> Result<NetworkConfig, Refused> {
        let server = self.config.server.as_ref().ok_or_else(|| Refused {
            cause: Cause::Other,
            why: "this side serves nobody".to_owned(),
        })?;
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
                None => Refused {
                    cause: Cause::NoAddressLeft,
                    why: "all addresses of the pool are in use".to_owned(),
                },
                Some(other) => Refused {
                    cause: Cause::NoAddressPermitted,
                    why: format!("{other} cannot be assigned: only IPv4 is, so far"),
                },
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
    ) -> Result<(), Refused> {
        let Err(holder) = self.pool.claim(address, id) else {
            return Ok(());
        };
        let theirs = self.sessions.get(&holder);
        let same = theirs
            .and_then(|s| s.login.as_ref())
            .is_some_and(|(name, _)| name == user);
        match theirs.map(|session| session.peer) {
            Some(peer) if !same => Err(Refused {
                cause: Cause::AddressInUse,
                why: format!("the fixed address {address} is in use by peer {peer}"),
            }),
            peer => {
                if let Some(session) = self.sessions.get_mut(&holder) {
                    session.address = None;
                }
                self.pool.release(address);
                if let Some(peer) = peer {
                    self.end_peer(peer, Reason::StartedAgain, false);
                }
                self.pool.claim(address, id).map_err(|_| Refused {
                    cause: Cause::AddressInUse,
                    why: format!("{address} is in use"),
                })
            }
        }
    }
}

fn reject(cause: Cause, message: &str) -> ppp::Verdict {
    ppp::Verdict::Reject {
        code: cause.login_error(),
        message: message.to_owned(),
    }
}
