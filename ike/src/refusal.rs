//! Why a peer is turned away, in sentences an administrator can act on.

use std::net::IpAddr;

use wire::Source;

use crate::codec::NotifyType;
use crate::policy::LegacyOption;

/// Well-formed but unacceptable. `Display` is a full sentence for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Message 5 did not decrypt with any key, or the answer to ours did not.
    #[error(
        "the pre-shared key does not match: {remote} uses another key than {}; compare it with \
         the secrets file", tried_keys(*tried)
    )]
    WrongKey {
        /// The peer's address.
        remote: IpAddr,
        /// How many keys were tried.
        tried: usize,
    },
    /// No key is configured for the peer.
    #[error(
        "there is no pre-shared key for {remote}: no line of the secrets file names it or %any"
    )]
    NoKey {
        /// The peer's address.
        remote: IpAddr,
    },
    /// No transform of the phase 1 offer is acceptable.
    #[error(
        "no IKE proposal in common: the peer offers {offer}; {}",
        admitted_by(admitted_by_options)
    )]
    NoIkeProposal {
        /// The offer in words, in its order.
        offer: String,
        /// The options that would admit some of it.
        admitted_by_options: Vec<LegacyOption>,
    },
    /// No transform of the phase 2 offer is acceptable.
    #[error(
        "no ESP proposal in common: the peer offers {offer}; {}",
        admitted_by(admitted_by_options)
    )]
    NoEspProposal {
        /// The offer in words, in its order.
        offer: String,
        /// The options that would admit some of it.
        admitted_by_options: Vec<LegacyOption>,
    },
    /// A phase 2 offer of tunnel mode only.
    #[error(
        "the peer asks for tunnel mode, but L2TP needs transport mode: it is set up for another \
         kind of VPN (IKEv1 tunnel, Xauth)"
    )]
    TunnelMode,
    /// A phase 2 offer without UDP encapsulation although a NAT was found.
    #[error("the peer wants ESP without UDP encapsulation although there is a NAT on the way")]
    NeedsUdpEncapsulation,
    /// Quick Mode identities that are not L2TP between two hosts.
    #[error(
        "the peer asks to protect {initiator} to {responder}, but only UDP port 1701 of this \
         server is offered"
    )]
    Traffic {
        /// The initiator's side in words.
        initiator: String,
        /// The responder's side in words.
        responder: String,
    },
    /// Aggressive Mode.
    #[error(
        "the peer uses Aggressive Mode, which would let anybody guess the pre-shared key: clear \
         the field \"Group Name\" (macOS, iOS) or \"IPSec identifier\" (Android) on the client"
    )]
    AggressiveMode,
    /// An authentication method other than pre-shared key only.
    #[error(
        "the peer does not offer authentication by pre-shared key but {0}: choose \"pre-shared key\" (\"shared secret\") on the client"
    )]
    AuthenticationMethod(String),
    /// IKEv2, or a version that does not exist.
    #[error(
        "the peer speaks IKE version {major}.{minor}, but L2TP/IPsec uses version 1.0: choose the connection type \"L2TP/IPsec with pre-shared key\" on the client"
    )]
    Version {
        /// Major version.
        major: u8,
        /// Minor version.
        minor: u8,
    },
    /// An exchange that is not supported.
    #[error(
        "the peer starts exchange type {0}, which is not supported (Xauth and mode config are not used by L2TP/IPsec)"
    )]
    ExchangeType(u8),
    /// A public value that the group does not allow, or the wrong group.
    #[error("the peer's Diffie-Hellman value is not acceptable: {0}")]
    KeyExchange(&'static str),
    /// A payload that must be there is missing, or one that must not be there is.
    #[error("the peer's {message} is not acceptable: {what}")]
    Malformed {
        /// Which message.
        message: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Message 1 came again and again, message 3 never.
    #[error(
        "the peer repeats its first message and never sends the third: our answers do not reach \
         it; let UDP port 500 out to it, and see that answers leave from the address it called"
    )]
    Unheard,
    /// Message 4 was answered by nothing.
    #[error(
        "the peer stopped after the key exchange{}",
        if *nat {
            ": its messages to UDP port 4500 do not arrive, or it refuses a server behind NAT"
        } else {
            ", where it would have proved that it knows the pre-shared key"
        }
    )]
    Unfinished {
        /// There is NAT, so that the next message was to come to UDP port 4500.
        nat: bool,
        /// The peer sees that we are behind a NAT.
        server_behind_nat: bool,
    },
    /// A handshake that had begun made room for newer ones.
    #[error(
        "too many handshakes are under way, of all together ({half_open}) or of this address \
         ({per_source})"
    )]
    Overloaded {
        /// The limit of all.
        half_open: usize,
        /// The limit of one source.
        per_source: usize,
    },
    /// Nobody had time for the computations of a handshake.
    #[error("this server had no time to compute what the handshake needs")]
    NotComputed,
    /// All IKE SAs are in use.
    #[error("all {0} IKE SAs are in use")]
    Full(usize),
    /// All IKE SAs that the peer's address may have are in use.
    #[error("all {limit} IKE SAs that {remote} may have are in use")]
    SourceFull {
        /// Where the peer is.
        remote: Source,
        /// How many it may have.
        limit: usize,
    },
    /// There is no number for another ESP SA.
    #[error("the table of ESP SAs is full")]
    NoSpi,
    /// An authenticated refusal by the peer, or its answer is not what was asked for.
    #[error("the peer refuses: {0}")]
    ByPeer(String),
}

impl Refusal {
    /// One word for its kind, the same for all of a kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::WrongKey { .. } => "wrong-key",
            Self::NoKey { .. } => "no-key",
            Self::NoIkeProposal { .. } => "no-ike-proposal",
            Self::NoEspProposal { .. } => "no-esp-proposal",
            Self::TunnelMode => "tunnel-mode",
            Self::NeedsUdpEncapsulation => "needs-udp-encapsulation",
            Self::Traffic { .. } => "traffic",
            Self::AggressiveMode => "aggressive-mode",
            Self::AuthenticationMethod(_) => "authentication-method",
            Self::Version { .. } => "version",
            Self::ExchangeType(_) => "exchange-type",
            Self::KeyExchange(_) => "key-exchange",
            Self::Malformed { .. } => "malformed",
            Self::Unheard => "unheard",
            Self::Unfinished { .. } => "unfinished",
            Self::Overloaded { .. } => "overloaded",
            Self::NotComputed => "not-computed",
            Self::Full(_) | Self::SourceFull { .. } => "full",
            Self::NoSpi => "no-spi",
            Self::ByPeer(_) => "by-peer",
        }
    }

    /// The notification that tells the peer (RFC 2408 §3.14.1), if any does.
    pub(crate) const fn notify(&self) -> Option<NotifyType> {
        Some(match self {
            Self::NoIkeProposal { .. }
            | Self::NoEspProposal { .. }
            | Self::TunnelMode
            | Self::NeedsUdpEncapsulation
            | Self::AuthenticationMethod(_) => NotifyType::NO_PROPOSAL_CHOSEN,
            Self::Traffic { .. } => NotifyType::INVALID_ID_INFORMATION,
            Self::WrongKey { .. } | Self::NoKey { .. } => NotifyType::AUTHENTICATION_FAILED,
            Self::KeyExchange(_) => NotifyType::INVALID_KEY_INFORMATION,
            Self::Malformed { .. } => NotifyType::PAYLOAD_MALFORMED,
            Self::AggressiveMode
            | Self::Version { .. }
            | Self::ExchangeType(_)
            | Self::Unheard
            | Self::Unfinished { .. }
            | Self::Overloaded { .. }
            | Self::NotComputed
            | Self::Full(_)
            | Self::SourceFull { .. }
            | Self::NoSpi
            | Self::ByPeer(_) => return None,
        })
    }
}

fn tried_keys(tried: usize) -> String {
    match tried {
        1 => "the one configured for it".to_owned(),
        n => format!("any of the {n} configured for it"),
    }
}

fn admitted_by(options: &[LegacyOption]) -> String {
    match options {
        [] => "none of it is safe enough to be offered at all, or the configured lists exclude it"
            .to_owned(),
        [one] => format!("the option `{one}` would admit it"),
        several => {
            let names: Vec<String> = several.iter().map(|o| format!("`{o}`")).collect();
            format!(
                "the options {} together would admit it",
                names.join(" and ")
            )
        }
    }
}
