//! What a link is told at its construction.

use std::net::Ipv4Addr;
use std::time::Duration;

use wire::Secret;

use crate::{Habits, Method, UserName};

/// Settings of a link. Shared by all links of one kind.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which end we are.
    pub role: Role,
    /// The Maximum-Receive-Unit to ask for, in bytes of the PPP information field. Windows asks
    /// for 1400 itself; with it an ESP packet fits 1500 bytes under nearly every suite.
    pub mru: u16,
    /// Whether to invite the peer to compress the protocol, address and control fields
    /// (RFC 1661 §6.5, §6.6). We understand such frames in any case.
    pub compression: bool,
    /// Periods and limits.
    pub timers: Timers,
    /// How we behave in the client's role.
    pub habits: Habits,
}

impl Config {
    /// A server that calls itself `name` and accepts MS-CHAPv2 only.
    pub fn server(name: &str) -> Self {
        Self::new(Role::Server(ServerConfig {
            name: name.to_owned(),
            methods: vec![Method::MsChapV2],
        }))
    }

    /// A client that logs in as `user` with MS-CHAPv2 only.
    pub fn client(user: &str, password: Secret) -> Self {
        Self::new(Role::Client(ClientConfig {
            user: UserName::from(user),
            password,
            methods: vec![Method::MsChapV2],
            allow_unauthenticated: false,
        }))
    }

    fn new(role: Role) -> Self {
        Self {
            role,
            mru: 1400,
            compression: false,
            timers: Timers::default(),
            habits: Habits::default(),
        }
    }
}

/// Which end of the link we are.
#[derive(Debug, Clone)]
pub enum Role {
    /// We authenticate the peer and assign it an address.
    Server(ServerConfig),
    /// The peer authenticates us and assigns us an address.
    Client(ClientConfig),
}

/// What a server needs to know beforehand.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The name in our CHAP Challenge; clients may select a secret by it.
    pub name: String,
    /// Acceptable methods, best first; the first is asked for, the others are fallen back to
    /// when the peer refuses it. Empty means MS-CHAPv2: a link is never without authentication.
    pub methods: Vec<Method>,
}

/// What a client needs to know beforehand.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Who we say we are.
    pub user: UserName,
    /// The password: the bytes to send with PAP and to hash with CHAP; UTF-8 for MS-CHAPv2.
    pub password: Secret,
    /// The methods we are willing to use, best first.
    pub methods: Vec<Method>,
    /// Whether to go on with a server that asks for no authentication. Such a server has not
    /// proven to know our password either, so the default is to hang up.
    pub allow_unauthenticated: bool,
}

/// Periods and limits of a link.
#[derive(Debug, Clone)]
pub struct Timers {
    /// Period after which an unanswered request is repeated (RFC 1661 §4.6 says 3 s; one second
    /// suits a path that is up and loses little).
    pub restart: Duration,
    /// How often a Configure-Request is sent in vain (Max-Configure).
    pub max_configure: u32,
    /// How often a Terminate-Request is sent in vain (Max-Terminate).
    pub max_terminate: u32,
    /// How often a Configure-Nak is sent before what is still wrong is rejected (Max-Failure).
    pub max_failure: u32,
    /// How often a Challenge, a Response or an Authenticate-Request is sent in vain.
    pub max_authenticate: u32,
    /// From the opening to an agreed network layer, all repetitions included.
    pub network_deadline: Duration,
    /// Silence after which we ask whether the peer is there (LCP Echo-Request); `None` never.
    pub echo_interval: Option<Duration>,
    /// Echo-Requests in a row that may stay unanswered.
    pub echo_failures: u32,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            restart: Duration::from_secs(1),
            max_configure: 10,
            max_terminate: 2,
            max_failure: 5,
            max_authenticate: 10,
            network_deadline: Duration::from_secs(60),
            echo_interval: Some(Duration::from_secs(30)),
            echo_failures: 6,
        }
    }
}

/// The addresses a server gives with its acceptance of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkConfig {
    /// Our own address inside the link.
    pub local: Ipv4Addr,
    /// The address the peer is to use.
    pub peer: Ipv4Addr,
    /// Primary and secondary DNS server. Where there is none, the peer's wish for one is rejected.
    pub dns: [Option<Ipv4Addr>; 2],
    /// Primary and secondary NetBIOS name server (WINS), likewise.
    pub wins: [Option<Ipv4Addr>; 2],
}
