//! From what operators write to what the engine is told.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use engine::AddressRange;
use esp::{Integrity, SideBySide};
use tracing::debug;

use crate::compat::ipsec_secrets::Entry;
use crate::config::{Authentication, Bundle, Config, Encapsulation, OnLimit};
use crate::io::{clock, prefix::Prefix, worker};
use crate::scripts::Scripts;
use crate::scripts::environment::Words;

/// Peers that the tables of a server have room for.
pub const PEERS: usize = 65_536;
/// ESP SAs towards us that they have room for.
pub const ESP_SAS: usize = 4 * PEERS;

/// The engine of a server.
pub fn engine_config(bundle: &Bundle) -> engine::Config {
    let config = &bundle.config;
    let local = ipv4(&config.pool.local).unwrap_or(Ipv4Addr::UNSPECIFIED);
    engine::Config {
        ike: ike_config(config),
        l2tp: l2tp_config(bundle),
        server: Some(engine::Server {
            link: link_config(config),
            local,
            dns: two(&config.ppp.dns),
            wins: two(&config.ppp.wins),
            // A bundle is validated, so they fit.
            parameters: config.clients.parameters(local).unwrap_or_default(),
            ranges: config
                .pool
                .ranges
                .iter()
                .filter_map(|range| AddressRange::new(range.first, range.last))
                .collect(),
            reserved: bundle.users.fixed_addresses(config.ppp.name.as_bytes()),
            idle_timeout: never_if_zero(config.clients.idle_timeout),
            session_timeout: never_if_zero(config.clients.session_timeout),
            session_limit: session_limit(config),
        }),
        guard: config.guard.policy(),
        esp_sas: number(config.limits.esp_sas),
        ..engine::Config::default()
    }
}

/// The tables of so many peers, and what they hold for all of them.
pub fn plane_config(peers: usize) -> dataplane::Config {
    let side_by_side = SideBySide::measured(clock::now);
    for (hash, integrity) in [
        ("SHA-1", Integrity::HmacSha1_96),
        ("SHA-256", Integrity::HmacSha256_128),
    ] {
        match side_by_side.packets(integrity) {
            Some(count) => debug!("HMAC of {hash}: {count} packets or more side by side"),
            None => debug!("HMAC of {hash}: one packet after another"),
        }
    }
    dataplane::Config {
        side_by_side,
        ..dataplane::Config::for_peers(peers)
    }
}

/// How the packet threads use the cores.
pub const fn cores(config: &Config) -> worker::Cores {
    worker::Cores {
        pin: config.workers.pin,
        busy_poll: config.workers.busy_poll,
    }
}

/// What packet threads let through.
pub fn worker_limits(config: &Config) -> worker::Limits {
    let limits = &config.limits;
    worker::Limits {
        first_messages: limits.first_messages,
        messages: limits.messages,
        control_queue: number(limits.control_queue),
        control_queue_per_client: limits.control_queue_per_client,
        ike_queue: number(limits.ike_queue),
        first_ike_queue: number(limits.first_ike_queue),
    }
}

fn ike_config(config: &Config) -> ike::Config {
    let (ipsec, limits) = (&config.ipsec, &config.limits);
    let defaults = ike::Timing::default();
    let pause = defaults.dpd_interval.as_secs().max(1);
    let tries = ipsec.dpd_timeout.as_secs().div_ceil(pause);
    ike::Config {
        // A bundle is validated, so the names mean something; else what is secure by default.
        policy: ipsec.policy().unwrap_or_default(),
        encapsulation: match ipsec.encapsulation {
            Encapsulation::Auto => ike::Encapsulation::Auto,
            Encapsulation::Always => ike::Encapsulation::Always,
        },
        public_address: config.listen.public_address,
        respond: true,
        fragment_size: ipsec.fragment_size,
        limits: ike::Limits {
            half_open_per_source: number(ipsec.half_open_per_source),
            half_open_total: number(ipsec.half_open),
            backlog: limits.handshake_backlog,
            waiting: number(limits.waiting_handshakes),
            // Each may be a peer of its own, and the tables of the data plane do not grow.
            established_total: number(limits.ike_sas).min(PEERS),
            established_per_source: number(limits.ike_sas_per_address),
            quick_modes_per_sa: number(limits.quick_modes),
            children_per_sa: number(limits.child_sas),
            fragment_bytes: number(limits.fragment_memory),
            fragmented_per_source: number(limits.fragmented_messages),
            ..ike::Limits::default()
        },
        timing: ike::Timing {
            half_open: ipsec.half_open_timeout,
            dpd_idle: ipsec.dpd_interval,
            dpd_tries: u16::try_from(tries).unwrap_or(u16::MAX).max(1),
            ..defaults
        },
    }
}

fn l2tp_config(bundle: &Bundle) -> l2tp::Config {
    let (settings, limits) = (&bundle.config.l2tp, &bundle.config.limits);
    let defaults = l2tp::Config::default();
    let host_name = match settings.host_name.as_str() {
        "" => rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned(),
        name => name.to_owned(),
    };
    l2tp::Config {
        host_name,
        receive_window: settings.window,
        secret: bundle.tunnel_secret.clone(),
        // The secret is for routers that ask for it. Windows, macOS and iOS have none, and would not
        // get in if they were asked.
        challenge: false,
        hide: settings.hide_avps,
        timing: l2tp::Timing {
            hello: never_if_zero(settings.hello).unwrap_or(Duration::MAX),
            retransmit: l2tp::reliable::Backoff {
                tries: u32::from(settings.retransmissions),
                ..defaults.timing.retransmit
            },
            ..defaults.timing
        },
        limits: l2tp::Limits {
            tunnels: number(limits.tunnels),
            tunnels_per_peer: number(limits.tunnels_per_client),
            sessions_per_tunnel: number(limits.sessions_per_tunnel),
            sessions_per_peer: number(limits.sessions_per_client),
            sessions: number(limits.sessions),
            ..defaults.limits
        },
        ..defaults
    }
}

fn link_config(config: &Config) -> ppp::Config {
    let mut link = ppp::Config::server(&config.ppp.name);
    link.mru = config.ppp.mru;
    link.timers.echo_interval = never_if_zero(config.ppp.echo_interval);
    link.timers.echo_failures = u32::from(config.ppp.echo_failures);
    if let ppp::Role::Server(server) = &mut link.role {
        server.methods = config
            .ppp
            .authentication
            .iter()
            .map(|method| method_of(*method))
            .collect();
    }
    link
}

/// The method a word of the configuration stands for.
pub const fn method_of(word: Authentication) -> ppp::Method {
    match word {
        Authentication::MschapV2 => ppp::Method::MsChapV2,
        Authentication::Chap => ppp::Method::Chap,
        Authentication::Pap => ppp::Method::Pap,
    }
}

/// The operator's scripts.
pub fn scripts(config: &Config) -> Scripts {
    let settings = &config.scripts;
    let words = Words {
        ipparam: settings.ipparam.clone().into_bytes(),
        set: settings
            .variables()
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
    };
    let paths = settings.paths().map(|(kind, path)| (kind, path.to_owned()));
    Scripts::new(paths, settings.timeout, words)
}

fn session_limit(config: &Config) -> Option<engine::SessionLimit> {
    Some(engine::SessionLimit {
        sessions: NonZeroU32::new(config.clients.sessions_per_user)?,
        beyond: match config.clients.on_limit {
            OnLimit::Replace => engine::AtLimit::Replace,
            OnLimit::Refuse => engine::AtLimit::Refuse,
        },
    })
}

/// The pre-shared keys as IKE wants them: each is known by its name, or by its place in the
/// secrets file.
pub fn keyring(bundle: &Bundle) -> ike::Keyring {
    let named = bundle.named_keys.iter().map(|key| ike::Key {
        label: key.name.clone(),
        selectors: match &key.from[..] {
            [] => vec![ike::Selector::Any],
            networks => networks.iter().map(peers).collect(),
        },
        secret: key.secret.clone(),
    });
    let listed = bundle.keys.iter().map(Entry::key);
    let choice = bundle.config.ipsec.key_choice;
    ike::Keyring::with_choice(named.collect(), listed.collect(), choice.into())
}

fn peers(network: &Prefix) -> ike::Selector {
    ike::Selector::Peers {
        address: network.address(),
        prefix: network.length(),
    }
}

fn two(addresses: &[IpAddr]) -> [Option<Ipv4Addr>; 2] {
    let mut addresses = addresses.iter().filter_map(ipv4);
    [addresses.next(), addresses.next()]
}

fn ipv4(address: &IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(*address),
        IpAddr::V6(_) => None,
    }
}

fn never_if_zero(period: Duration) -> Option<Duration> {
    (!period.is_zero()).then_some(period)
}

fn number(setting: u32) -> usize {
    usize::try_from(setting).unwrap_or(usize::MAX)
}
