//! What can be configured. One struct per section of the file, every field with a default, so that
//! the empty file is a configuration. `etc/adit.toml` shows all of it; a test compares the two.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use ike::LegacyOption;
use serde::{Deserialize, Serialize};

use super::algorithms::legacy;
use super::guard::Guard;
use super::key_choice::KeyChoice;
use super::limits::Limits;
use super::nat::Nat;
use super::network::Network;
use super::psk::Psk;
use super::scripts::Scripts;
use super::tun::Tun;
use super::values::{AddressRange, SocketMode, duration, optional};
use super::workers::Workers;
use crate::compat::InsecurePermissions;

/// The whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Config {
    /// `[listen]`: where clients reach us.
    pub listen: Listen,
    /// `[ipsec]`: keys and algorithms.
    pub ipsec: Ipsec,
    /// `[secrets]`: how files of keys and passwords are treated.
    pub secrets: Secrets,
    /// `[l2tp]`: tunnels.
    pub l2tp: L2tp,
    /// `[ppp]`: users and what they are given.
    pub ppp: Ppp,
    /// `[pool]`: inner addresses.
    pub pool: Pool,
    /// `[tun]`: the interface of all clients, or those of each.
    pub tun: Tun,
    /// `[workers]`: the threads that packets go through.
    pub workers: Workers,
    /// `[nat]`: what other networks see of clients.
    pub nat: Nat,
    /// `[clients]`: what clients may do and are told.
    pub clients: Clients,
    /// `[guard]`: how often somebody may fail.
    pub guard: Guard,
    /// `[limits]`: how much of everything there may be.
    pub limits: Limits,
    /// `[scripts]`: programs that are run when sessions come and go.
    pub scripts: Scripts,
    /// `[control]`: the socket of `adit status`.
    pub control: Control,
    /// `[log]`: what is written down, and how.
    pub log: Log,
    /// `[[psk]]`: pre-shared keys with a name, beside those of the secrets file.
    pub psk: Vec<Psk>,
}

/// `[listen]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Listen {
    /// Addresses of IKE and ESP; `0.0.0.0` is every IPv4 address of the host.
    pub addresses: Vec<IpAddr>,
    /// UDP port of IKE. Clients built into systems know no other than 500.
    pub ike_port: u16,
    /// UDP port of IKE and ESP behind NAT. Clients built into systems know no other than 4500.
    pub natt_port: u16,
    /// The address clients use when it is not one of this host (a cloud server, a port forward):
    /// sent as our identity.
    #[serde(with = "optional")]
    pub public_address: Option<IpAddr>,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            addresses: vec![Ipv4Addr::UNSPECIFIED.into()],
            ike_port: 500,
            natt_port: 4500,
            public_address: None,
        }
    }
}

/// When ESP travels inside UDP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encapsulation {
    /// Only when there is NAT on the way.
    #[default]
    Auto,
    /// Always: for paths that lose protocol 50.
    Always,
}

/// `[ipsec]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Ipsec {
    /// The file of pre-shared keys, in the form of strongSwan and libreswan.
    pub secrets: PathBuf,
    /// Which of the keys in that file are tried for a client.
    pub key_choice: KeyChoice,
    /// Whether a user whom a `[[psk]]` names may log in with no other key.
    pub own_key_only: bool,
    /// When ESP travels inside UDP.
    pub encapsulation: Encapsulation,
    /// Weak algorithms let in for old clients.
    #[serde(with = "legacy")]
    pub legacy: Vec<LegacyOption>,
    /// Diffie-Hellman groups of phase 1, best first; empty: the built-in list. Phase 1 is ranked
    /// by group, then by cipher, then by hash. [`Ipsec::policy`] reads the four lists.
    pub groups: Vec<String>,
    /// Ciphers of phase 1, best first; empty: the built-in list.
    pub ciphers: Vec<String>,
    /// Hashes of phase 1, best first; empty: the built-in list.
    pub hashes: Vec<String>,
    /// Suites of phase 2, best first; empty: the built-in list.
    pub esp: Vec<String>,
    /// Quiet time after which a peer is asked whether it lives (RFC 3706), two seconds later;
    /// `0s`: never.
    #[serde(with = "duration")]
    pub dpd_interval: Duration,
    /// Time without an answer after which a peer is taken for dead, in whole pauses of ten seconds;
    /// phones get ten minutes at least.
    #[serde(with = "duration")]
    pub dpd_timeout: Duration,
    /// Unfinished phase 1 exchanges, in all.
    pub half_open: u32,
    /// Unfinished phase 1 exchanges, of one source address.
    pub half_open_per_source: u32,
    /// Time after which an unfinished phase 1 exchange is forgotten.
    #[serde(with = "duration")]
    pub half_open_timeout: Duration,
    /// Phase 1 and 2 messages that make larger IP packets than this many bytes are sent in
    /// fragments of IKE's own, to clients that take them; 0: never.
    pub fragment_size: u16,
}

impl Default for Ipsec {
    fn default() -> Self {
        Self {
            secrets: PathBuf::from("/etc/ipsec.secrets"),
            key_choice: KeyChoice::default(),
            own_key_only: false,
            encapsulation: Encapsulation::default(),
            legacy: Vec::new(),
            groups: Vec::new(),
            ciphers: Vec::new(),
            hashes: Vec::new(),
            esp: Vec::new(),
            dpd_interval: Duration::from_secs(30),
            dpd_timeout: Duration::from_secs(150),
            half_open: 4096,
            half_open_per_source: 64,
            half_open_timeout: Duration::from_secs(30),
            fragment_size: 1280,
        }
    }
}

/// `[secrets]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Secrets {
    /// What becomes of a file that others can change.
    pub insecure_permissions: InsecurePermissions,
}

/// `[l2tp]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct L2tp {
    /// Our Host Name AVP; empty: the name of this host.
    pub host_name: String,
    /// Quiet time after which a HELLO is sent (RFC 2661 §5.5); `0s`: never.
    #[serde(with = "duration")]
    pub hello: Duration,
    /// Receive window: control messages the other side may send before it waits for us.
    pub window: u16,
    /// How often a control message is repeated before its tunnel is given up (RFC 2661 §5.8).
    pub retransmissions: u16,
    /// The file with the secret of tunnel authentication (its first line), to answer who asks for
    /// it; empty: there is none.
    #[serde(with = "optional")]
    pub secret_file: Option<PathBuf>,
    /// Whether we hide the AVPs that may be hidden from all but clients that ask for the secret;
    /// needs `secret-file`.
    pub hide_avps: bool,
}

impl Default for L2tp {
    fn default() -> Self {
        Self {
            host_name: String::new(),
            hello: Duration::from_secs(60),
            window: 8,
            retransmissions: 5,
            secret_file: None,
            hide_avps: false,
        }
    }
}

/// A way for a user to prove who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Authentication {
    /// MS-CHAPv2 (RFC 2759), which proves the server to the client as well.
    MschapV2,
    /// CHAP with MD5 (RFC 1994).
    Chap,
    /// The password in the clear within the tunnel (RFC 1334).
    Pap,
}

/// `[ppp]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Ppp {
    /// The file of users, in the form of pppd.
    pub secrets: PathBuf,
    /// The file of users who log in with PAP; none: the same users.
    #[serde(with = "optional")]
    pub pap_secrets: Option<PathBuf>,
    /// Whether an empty secret in that file lets in whoever knows the name, as in pppd.
    pub weak_pap_without_password: bool,
    /// Our name: the server column of the users' file, and what clients are told in CHAP.
    pub name: String,
    /// What we ask for, the best first.
    #[serde(
        serialize_with = "authentication_words",
        deserialize_with = "authentication_list"
    )]
    pub authentication: Vec<Authentication>,
    /// Up to two name servers given to clients.
    pub dns: Vec<IpAddr>,
    /// Up to two WINS servers given to clients.
    pub wins: Vec<IpAddr>,
    /// The largest packet we ask to be sent, in bytes.
    pub mru: u16,
    /// Quiet time after which an LCP echo is sent; `0s`: never.
    #[serde(with = "duration")]
    pub echo_interval: Duration,
    /// Unanswered echoes after which the session ends.
    pub echo_failures: u16,
}

impl Default for Ppp {
    fn default() -> Self {
        Self {
            secrets: PathBuf::from("/etc/ppp/chap-secrets"),
            pap_secrets: None,
            weak_pap_without_password: false,
            name: "l2tpd".to_owned(),
            authentication: vec![Authentication::MschapV2],
            dns: Vec::new(),
            wins: Vec::new(),
            mru: 1400,
            echo_interval: Duration::from_secs(30),
            echo_failures: 6,
        }
    }
}

/// `[pool]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Pool {
    /// Our own inner address, the same towards every client.
    pub local: IpAddr,
    /// The addresses lent to clients.
    pub ranges: Vec<AddressRange>,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            local: Ipv4Addr::new(10, 10, 1, 1).into(),
            ranges: vec![AddressRange {
                first: Ipv4Addr::new(10, 10, 1, 2).into(),
                last: Ipv4Addr::new(10, 10, 1, 100).into(),
            }],
        }
    }
}

/// `[clients]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Clients {
    /// Whether packets from one client to another are dropped.
    pub isolation: bool,
    /// Whether this host answers on its Ethernet for clients whose addresses lie in a network there.
    pub proxy_arp: bool,
    /// How many sessions one user may have at a time; 0: any number.
    pub sessions_per_user: u32,
    /// What becomes of a login beyond that.
    pub on_limit: OnLimit,
    /// Time without traffic after which a session ends; `0s`: never.
    #[serde(with = "duration")]
    pub idle_timeout: Duration,
    /// Time after which a session ends in any case; `0s`: never.
    #[serde(with = "duration")]
    pub session_timeout: Duration,
    /// The networks that clients with a split tunnel send into it.
    pub routes: Vec<Network>,
    /// The domain that clients search; empty: none.
    pub domain: String,
}

impl Default for Clients {
    fn default() -> Self {
        Self {
            isolation: true,
            proxy_arp: false,
            sessions_per_user: 0,
            on_limit: OnLimit::default(),
            idle_timeout: Duration::ZERO,
            session_timeout: Duration::ZERO,
            routes: Vec::new(),
            domain: String::new(),
        }
    }
}

/// What becomes of a login of a user who has as many sessions as allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnLimit {
    /// It is let in, and the user's oldest session ends.
    #[default]
    Replace,
    /// It is turned away.
    Refuse,
}

/// `[control]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Control {
    /// The unix socket of `adit status`; empty: none.
    #[serde(with = "optional")]
    pub socket: Option<PathBuf>,
    /// The group that owns the socket; empty: that of the process.
    pub group: String,
    /// Permission bits of the socket, in octal.
    pub mode: SocketMode,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            socket: Some(PathBuf::from("/run/adit/control.sock")),
            group: String::new(),
            mode: SocketMode(0o600),
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object a line.
    Json,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,ike=debug`.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::default(),
        }
    }
}

/// The word that stands for "mschap-v2" in serde's kebab case is that word already; the list is
/// read with pppd's and Windows' spellings of it as well.
fn authentication_list<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<Vec<Authentication>, D::Error> {
    let words = Vec::<String>::deserialize(from)?;
    words
        .iter()
        .map(|word| match word.to_ascii_lowercase().as_str() {
            "mschap-v2" | "mschapv2" | "ms-chap-v2" | "mschap_v2" => Ok(Authentication::MschapV2),
            "chap" | "chap-md5" => Ok(Authentication::Chap),
            "pap" => Ok(Authentication::Pap),
            _ => Err(serde::de::Error::custom(format!(
                "{word:?} is not a way to authenticate; known are mschap-v2, chap and pap"
            ))),
        })
        .collect()
}

fn authentication_words<S: serde::Serializer>(
    list: &[Authentication],
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_seq(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The empty file changes nothing of what the crates do by themselves.
    #[test]
    fn defaults_are_those_of_the_crates() {
        let config = Config::default();

        let ipsec = &config.ipsec;
        let ike = ike::Config::default();
        assert_eq!(ipsec.policy(), Ok(ike.policy));
        assert_eq!(ipsec.encapsulation, Encapsulation::Auto);
        assert_eq!(ike.encapsulation, ike::Encapsulation::Auto);
        assert_eq!(config.listen.public_address, ike.public_address);
        assert_eq!(ipsec.half_open as usize, ike.limits.half_open_total);
        assert_eq!(
            ipsec.half_open_per_source as usize,
            ike.limits.half_open_per_source
        );
        assert_eq!(ipsec.half_open_timeout, ike.timing.half_open);
        assert_eq!(ipsec.dpd_interval, ike.timing.dpd_idle);

        let l2tp = l2tp::Config::default();
        assert_eq!(config.l2tp.window, l2tp.receive_window);
        assert_eq!(config.l2tp.hello, l2tp.timing.hello);
        assert_eq!(
            u64::from(config.l2tp.retransmissions),
            u64::from(l2tp.timing.retransmit.tries)
        );
        assert_eq!(config.l2tp.secret_file.is_some(), l2tp.secret.is_some());
        assert_eq!(config.l2tp.hide_avps, l2tp.hide);

        let ppp = ppp::Config::server(&config.ppp.name);
        assert_eq!(config.ppp.mru, ppp.mru);
        assert_eq!(Some(config.ppp.echo_interval), ppp.timers.echo_interval);
        assert_eq!(
            u32::from(config.ppp.echo_failures),
            ppp.timers.echo_failures
        );
        let ppp::Role::Server(server) = ppp.role else {
            panic!("not a server")
        };
        assert_eq!(config.ppp.authentication, [Authentication::MschapV2]);
        assert_eq!(server.methods, [ppp::Method::MsChapV2]);
    }
}
