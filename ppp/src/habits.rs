//! How a client behaves on the wire where the RFCs leave it a choice, or where it does as it
//! likes: [`Habits`]. Plain data, which the client role reads; a server knows nothing of it.
//!
//! [`Habits::default`] is our own way. The functions of this module are the ways of others, to
//! meet servers, above all our own, as those clients do.

mod clients;

use std::sync::Arc;
use std::time::Duration;

pub use clients::{
    android, apple, chromeos, mikrotik, network_manager_libreswan, network_manager_strongswan,
    vpn_client_pro, windows_7, windows_10,
};

use crate::Config;
use crate::frame::Protocol;
use crate::option::{ipcp, lcp};

/// How a client behaves. `None` stands for what the [`Config`](crate::Config) says. A server's
/// are the default ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Habits {
    /// When it begins with LCP.
    pub start: Start,
    /// Where the identifiers of its packets come from.
    pub identifiers: Identifiers,
    /// Whether a Configure-Request that is repeated gets a new identifier each time.
    pub fresh_identifiers: bool,
    /// Whether an unanswered LCP Configure-Request is repeated at the server's first one.
    pub repeats_when_prompted: bool,
    /// What its LCP Configure-Request asks for, in this order.
    pub lcp: Vec<LcpOption>,
    /// Whose address and control field it leaves out.
    pub address_control: AddressControl,
    /// The MRU it asks for. 1500 is the default of RFC 1661 and not asked for.
    pub mru: Option<u16>,
    /// Whether it asks for compressed protocol, address and control fields.
    pub compression: Option<bool>,
    /// Authentication protocols that it names in its Configure-Naks, one after the other, if it
    /// does not like the one that the server asks for; the last one again and again. Each is the
    /// value of the option. Empty: the best of those that it may use.
    pub suggestions: Vec<Vec<u8>>,
    /// What its Identification packets (RFC 1570 §2.1) say when LCP is open.
    pub identifications: Vec<Vec<u8>>,
    /// Network protocols that it asks for beside IPCP.
    pub companions: Vec<Companion>,
    /// What its IPCP Configure-Request asks for, in this order.
    pub ipcp: Vec<IpcpOption>,
    /// Whether answers to its IPCP requests are dropped until it has acknowledged the server's.
    pub ipcp_after_server: bool,
    /// See [`Timers::restart`](crate::Timers::restart).
    pub restart: Option<Duration>,
    /// When it asks whether the server is there.
    pub echo: Echo,
    /// The data of its Terminate-Requests.
    pub farewell: Farewell,
    /// The longest IP packet that it sends, in bytes, however large the server's MRU is.
    pub mtu: Option<u16>,
}

/// When a client begins with LCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// When the link is opened.
    AtOnce,
    /// After this time, in which it does not hear what the server says.
    Deaf(Duration),
    /// When the server says something, or after this time.
    Listening(Duration),
}

/// Where a client's identifiers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identifiers {
    /// Each protocol counts for itself, from 1.
    EachFromOne,
    /// All protocols share a counter, from 0.
    SharedFromZero,
}

/// An option of LCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LcpOption {
    /// Maximum-Receive-Unit (RFC 1661 §6.1).
    Mru,
    /// Async-Control-Character-Map (RFC 1662 §7.1).
    Accm(u32),
    /// Authentication-Protocol (RFC 1661 §6.2), for which only a server asks.
    Authentication,
    /// Magic-Number (RFC 1661 §6.4).
    Magic,
    /// Protocol-Field-Compression (RFC 1661 §6.5), if compression is wanted.
    Pfc,
    /// Address-and-Control-Field-Compression (RFC 1661 §6.6), likewise.
    Acfc,
    /// Callback (RFC 1570 §2.3), with this operation.
    Callback(u8),
}

/// The frames whose address and control field `ff03` a client leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressControl {
    /// All but LCP's, once that is agreed (RFC 1661 §6.6).
    Standard,
    /// All, LCP's as well, once that is agreed.
    AgreedEvenForLcp,
    /// All from the beginning.
    NeverSent,
    /// None, whatever is agreed.
    AlwaysSent,
}

/// A network protocol beside IPCP that a client asks for, and does without when the server
/// rejects it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Companion {
    /// Which.
    pub protocol: Protocol,
    /// The options of its Configure-Request.
    pub options: Vec<u8>,
    /// Whether the request goes out before that of IPCP.
    pub first: bool,
    /// Whether the link is not used for IP before the server has answered, were it with a
    /// Protocol-Reject.
    pub awaited: bool,
}

/// An option of IPCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum IpcpOption {
    /// IP-Address (RFC 1332 §3.3).
    Address,
    /// IP-Compression-Protocol: Van Jacobson, 16 slots, slot ids compressed (RFC 1332 §4).
    VanJacobson,
    /// Primary DNS server (RFC 1877 §1.1).
    PrimaryDns,
    /// Primary NetBIOS name server (RFC 1877 §1.2).
    PrimaryWins,
    /// Secondary DNS server (RFC 1877 §1.3).
    SecondaryDns,
    /// Secondary NetBIOS name server (RFC 1877 §1.4).
    SecondaryWins,
}

impl LcpOption {
    /// The option's type.
    pub(crate) fn kind(self) -> u8 {
        match self {
            Self::Mru => lcp::MRU,
            Self::Accm(_) => lcp::ACCM,
            Self::Authentication => lcp::AUTHENTICATION,
            Self::Magic => lcp::MAGIC,
            Self::Pfc => lcp::PFC,
            Self::Acfc => lcp::ACFC,
            Self::Callback(_) => lcp::CALLBACK,
        }
    }
}

impl IpcpOption {
    /// The option's type.
    pub(crate) fn kind(self) -> u8 {
        match self {
            Self::Address => ipcp::ADDRESS,
            Self::VanJacobson => ipcp::COMPRESSION,
            Self::PrimaryDns => ipcp::DNS_PRIMARY,
            Self::PrimaryWins => ipcp::WINS_PRIMARY,
            Self::SecondaryDns => ipcp::DNS_SECONDARY,
            Self::SecondaryWins => ipcp::WINS_SECONDARY,
        }
    }
}

/// When a client asks whether the server is there (LCP Echo-Request).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    /// As [`Timers::echo_interval`](crate::Timers::echo_interval) says.
    Configured,
    /// After this silence, and as often in vain.
    After(Duration, u32),
    /// Not at all.
    Never,
}

/// The data of a client's Terminate-Requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// Why, in words.
    Reason,
    /// This text.
    Text(&'static str),
    /// The magic number, `003ccd74` and an error number of Windows, which is 0.
    MagicAndNumber,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            start: Start::AtOnce,
            identifiers: Identifiers::EachFromOne,
            fresh_identifiers: false,
            repeats_when_prompted: true,
            lcp: vec![
                LcpOption::Mru,
                LcpOption::Authentication,
                LcpOption::Magic,
                LcpOption::Pfc,
                LcpOption::Acfc,
            ],
            address_control: AddressControl::Standard,
            mru: None,
            compression: None,
            suggestions: Vec::new(),
            identifications: Vec::new(),
            companions: Vec::new(),
            ipcp: vec![
                IpcpOption::Address,
                IpcpOption::PrimaryDns,
                IpcpOption::SecondaryDns,
            ],
            ipcp_after_server: false,
            restart: None,
            echo: Echo::Configured,
            farewell: Farewell::Reason,
            mtu: None,
        }
    }
}

impl Habits {
    /// Puts what the habits say of settings in the place of the settings.
    pub(crate) fn settle(config: Arc<Config>) -> Arc<Config> {
        let habits = &config.habits;
        let echo = habits.echo != Echo::Configured;
        if habits.mru.is_none() && habits.compression.is_none() && habits.restart.is_none() && !echo
        {
            return config;
        }
        let mut settled = Config::clone(&config);
        settled.mru = habits.mru.unwrap_or(config.mru);
        settled.compression = habits.compression.unwrap_or(config.compression);
        settled.timers.restart = habits.restart.unwrap_or(config.timers.restart);
        match habits.echo {
            Echo::Configured => {}
            Echo::After(interval, failures) => {
                settled.timers.echo_interval = Some(interval);
                settled.timers.echo_failures = failures;
            }
            Echo::Never => settled.timers.echo_interval = None,
        }
        Arc::new(settled)
    }
}
