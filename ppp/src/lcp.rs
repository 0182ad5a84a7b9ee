//! LCP's options (RFC 1661 §6): what we ask for, what we accept, what was agreed.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects
)]

use rand_core::Rng as _;
use wire::Rng;

use crate::auth::describe_option;
use crate::config::{Config, Role};
use crate::habits::LcpOption;
use crate::negotiation::{Opinion, Protocol};
use crate::option::{self, ConfigOption, lcp};
use crate::{CloseReason, LcpUp, Method};

/// The MRU where none is negotiated (RFC 1661 §6.1).
pub(crate) const DEFAULT_MRU: u16 = 1500;

/// The smallest MRU a peer may have; below it even our own control packets would not fit.
const MIN_MRU: u16 = 128;

/// How often the authentication protocol may go back and forth.
const MAX_METHOD_NAKS: u32 = 4;

/// How often the peer may show our own magic number before the link counts as looped back.
const MAX_COLLISIONS: u32 = 3;

/// What the peer's acknowledged request says.
#[derive(Debug, Clone, Copy)]
struct Peer {
    mru: u16,
    pfc: bool,
    acfc: bool,
    method: Option<Method>,
}

const UNNEGOTIATED: Peer = Peer {
    mru: DEFAULT_MRU,
    pfc: false,
    acfc: false,
    method: None,
};

pub(crate) struct Lcp {
    server: bool,
    /// The methods we accept, best first.
    methods: Vec<Method>,
    /// The one we ask the client for at present, as a server.
    asked: Method,
    /// The MRU to ask for, unless the peer rejects the option.
    mru: Option<u16>,
    /// What to ask for, in this order; without what the peer has rejected.
    asks: Vec<LcpOption>,
    /// Authentication protocols to name in our Naks.
    suggestions: Vec<Vec<u8>>,
    /// Our magic number; 0 once the peer has rejected the option.
    magic: u32,
    pfc: bool,
    acfc: bool,
    peer: Peer,
    collisions: u32,
    method_naks: u32,
    /// The method in the place of which the client has named EAP.
    eap_for: Option<Method>,
    /// What the client would rather have, in words.
    wanted: String,
    trouble: Option<CloseReason>,
}

impl Lcp {
    pub fn new(config: &Config, rng: &mut Rng) -> Self {
        let (server, mut methods) = match &config.role {
            Role::Server(server) => (true, server.methods.clone()),
            Role::Client(client) => (false, client.methods.clone()),
        };
        let best = *methods.first().unwrap_or(&Method::MsChapV2);
        if methods.is_empty() {
            methods.push(best);
        }
        Self {
            server,
            methods,
            asked: best,
            mru: (config.mru != DEFAULT_MRU).then_some(config.mru.max(MIN_MRU)),
            asks: config.habits.lcp.clone(),
            suggestions: config.habits.suggestions.clone(),
            magic: magic(rng),
            pfc: config.compression,
            acfc: config.compression,
            peer: UNNEGOTIATED,
            collisions: 0,
            method_naks: 0,
            eap_for: None,
            wanted: String::new(),
            trouble: None,
        }
    }

    /// What was agreed; meaningful once LCP is open.
    pub fn agreed(&self) -> LcpUp {
        LcpUp {
            local_mru: self.mru.unwrap_or(DEFAULT_MRU),
            peer_mru: self.peer.mru,
            pfc: self.peer.pfc,
            acfc: self.peer.acfc,
            method: if self.server {
                Some(self.asked)
            } else {
                self.peer.method
            },
        }
    }

    /// A reason to hang up that came out of the negotiation, once.
    pub fn take_trouble(&mut self) -> Option<CloseReason> {
        self.trouble.take()
    }

    /// Hang up once what is being sent has been sent.
    pub fn give_up(&mut self, reason: CloseReason) {
        self.trouble = Some(reason);
    }

    /// Our magic number at the start of an Echo-Request or another packet of ours.
    pub fn magic(&self) -> [u8; 4] {
        self.magic.to_be_bytes()
    }

    /// Whether a packet that starts with a magic number is one of ours come back.
    pub fn is_own(&self, data: &[u8]) -> bool {
        self.magic != 0 && data.first_chunk() == Some(&self.magic())
    }

    /// The peer does not authenticate itself in any way we accept.
    pub fn refused(&self) -> CloseReason {
        let (offered, wanted) = (self.methods.clone(), self.wanted.clone());
        CloseReason::AuthenticationRefused { offered, wanted }
    }

    /// The peer's opinion of the method we ask for (server).
    fn on_method_nak(&mut self, value: &[u8]) {
        self.method_naks = self.method_naks.saturating_add(1);
        self.wanted = describe_option(value);
        if self.method_naks > MAX_METHOD_NAKS {
            self.trouble = Some(self.refused());
            return;
        }
        match Method::from_option(value) {
            Some(method) if self.methods.contains(&method) => self.asked = method,
            // QUIRK(macOS): its Nak names EAP before anything else, and MS-CHAPv2 when it is
            // asked for once more.
            _ if value.starts_with(&[0xc2, 0x27]) && self.eap_for != Some(self.asked) => {
                self.eap_for = Some(self.asked);
            }
            // Something we do not do. Perhaps it likes the next of ours; else ours stands.
            //
            // QUIRK(pppd): with a password and without CHAP it names EAP whenever it is asked for
            // CHAP, and never PAP, which it may do.
            _ => {
                let tried = self.methods.iter().position(|method| *method == self.asked);
                let next = tried.and_then(|at| self.methods.get(at.saturating_add(1)));
                self.asked = next.copied().unwrap_or(self.asked);
            }
        }
    }

    /// What we think of the method a server asks us for (client).
    fn method_opinion(&mut self, value: &[u8]) -> Opinion {
        if self.server {
            // A client that wants us to log in with it: we have no account there.
            return Opinion::Reject;
        }
        if Method::from_option(value).is_some_and(|method| self.methods.contains(&method)) {
            return Opinion::Accept;
        }
        self.method_naks = self.method_naks.saturating_add(1);
        if self.method_naks > MAX_METHOD_NAKS {
            self.trouble = Some(CloseReason::AuthenticationUnacceptable {
                wanted: describe_option(value),
                allowed: self.methods.clone(),
            });
            return Opinion::Reject;
        }
        let best = self.methods.first().unwrap_or(&self.asked);
        let tried = usize::try_from(self.method_naks).unwrap_or(usize::MAX);
        let suggestion = self.suggestions.get(tried.saturating_sub(1));
        let suggestion = suggestion.or(self.suggestions.last()).map(Vec::as_slice);
        nak(lcp::AUTHENTICATION, suggestion.unwrap_or(best.option()))
    }

    fn magic_opinion(&mut self, value: [u8; 4], rng: &mut Rng) -> Opinion {
        if self.is_own(&value) {
            self.collisions = self.collisions.saturating_add(1);
            if self.collisions > MAX_COLLISIONS {
                self.trouble = Some(CloseReason::LoopedBack);
            }
        } else if value != [0; 4] {
            return Opinion::Accept;
        }
        nak(lcp::MAGIC, &magic(rng).to_be_bytes())
    }
}

/// A magic number, which is never zero (RFC 1661 §6.4).
fn magic(rng: &mut Rng) -> u32 {
    rng.next_u32().max(1)
}

fn nak(kind: u8, value: &[u8]) -> Opinion {
    let mut out = Vec::new();
    option::put(&mut out, kind, value);
    Opinion::Nak(out)
}

impl Protocol for Lcp {
    const NAME: &'static str = "LCP";
    const HAS_ECHO: bool = true;
    const PROMPTED: bool = true;

    fn request(&self, out: &mut Vec<u8>) {
        for ask in &self.asks {
            let mut put = |value: &[u8]| option::put(out, ask.kind(), value);
            match ask {
                LcpOption::Mru => self.mru.iter().for_each(|mru| put(&mru.to_be_bytes())),
                LcpOption::Accm(map) => put(&map.to_be_bytes()),
                LcpOption::Authentication if self.server => put(self.asked.option()),
                LcpOption::Magic if self.magic != 0 => put(&self.magic()),
                LcpOption::Pfc if self.pfc => put(&[]),
                LcpOption::Acfc if self.acfc => put(&[]),
                LcpOption::Callback(operation) => put(&[*operation]),
                LcpOption::Authentication | LcpOption::Magic | LcpOption::Pfc | LcpOption::Acfc => {
                }
            }
        }
    }

    fn opinion(&mut self, option: &ConfigOption<'_>, rng: &mut Rng) -> Opinion {
        match (option.kind, option.value) {
            (lcp::MRU, &[high, low]) if u16::from_be_bytes([high, low]) >= MIN_MRU => {
                Opinion::Accept
            }
            (lcp::MRU, &[_, _]) => nak(lcp::MRU, &MIN_MRU.to_be_bytes()),
            // Without a serial line there are no characters to map, but everybody sends it.
            (lcp::ACCM, &[_, _, _, _]) => Opinion::Accept,
            (lcp::AUTHENTICATION, value) => self.method_opinion(value),
            (lcp::MAGIC, &[a, b, c, d]) => self.magic_opinion([a, b, c, d], rng),
            (lcp::PFC | lcp::ACFC, &[]) => Opinion::Accept,
            // Callback, multilink, link quality, whatever comes: not over a tunnel.
            _ => Opinion::Reject,
        }
    }

    fn missing(&self, _options: &[ConfigOption<'_>], _out: &mut Vec<u8>) {}

    fn accept(&mut self, options: &[ConfigOption<'_>]) {
        self.peer = UNNEGOTIATED;
        for option in options {
            match option.kind {
                lcp::MRU => {
                    self.peer.mru = option.array().map_or(DEFAULT_MRU, u16::from_be_bytes);
                }
                lcp::PFC => self.peer.pfc = true,
                lcp::ACFC => self.peer.acfc = true,
                lcp::AUTHENTICATION => self.peer.method = Method::from_option(option.value),
                _ => {}
            }
        }
    }

    fn on_nak(&mut self, option: &ConfigOption<'_>, rng: &mut Rng) {
        match (option.kind, option.value) {
            (lcp::MRU, &[high, low]) => {
                let wish = u16::from_be_bytes([high, low]);
                let ours = self.mru.unwrap_or(DEFAULT_MRU);
                // A larger one would be fragmented outside; ours stands.
                if (MIN_MRU..ours).contains(&wish) {
                    self.mru = Some(wish);
                }
            }
            (lcp::AUTHENTICATION, value) if self.server => self.on_method_nak(value),
            (lcp::MAGIC, _) if self.magic != 0 => self.magic = magic(rng),
            _ => {}
        }
    }

    fn on_reject(&mut self, option: &ConfigOption<'_>) {
        match option.kind {
            lcp::MRU => self.mru = None,
            lcp::AUTHENTICATION => {
                // Of our own request come back we would reject this option ourselves.
                let looped = self.collisions > 0;
                self.trouble = Some(if looped {
                    CloseReason::LoopedBack
                } else {
                    self.refused()
                });
            }
            lcp::MAGIC => self.magic = 0,
            lcp::PFC => self.pfc = false,
            lcp::ACFC => self.acfc = false,
            kind => self.asks.retain(|ask| ask.kind() != kind),
        }
    }

    /// Our magic number, and the rest of the request (RFC 1661 §5.8).
    fn echo_reply(&self, request: &[u8]) -> Vec<u8> {
        let mut data = self.magic().to_vec();
        data.extend_from_slice(request.get(4..).unwrap_or_default());
        data
    }
}
