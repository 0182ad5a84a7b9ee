//! From the arguments to what is done: checked before anything is sent.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use engine::{Dial, Habits};
use ike::crypto::Group;
use ike::habits::Rekey;
use rustix::process::{Resource, getrlimit};
use wire::{Carrier, Path, Secret};

use super::addresses::Addresses;
use super::aim;
use crate::cli::secrets::{self, Surroundings, Wanted};
use crate::cli::{Failure, Load};
use crate::client::{RETRANSMIT, resolve};
use crate::io::prefix::Prefix;
use crate::io::udp::{self, UdpSocket};

/// The most clients that one address may have, each on ports of its own: a packet's socket is
/// searched for.
const MOST_PORTS: u64 = 1_000;
/// Descriptors that are no sockets of clients.
const OTHER_DESCRIPTORS: u64 = 32;
/// Shortest lifetime that both sides take.
const SHORTEST_LIFETIME: Duration = Duration::from_secs(300);
/// As good as never, and far from where times overflow.
const NEVER: Duration = Duration::from_secs(1_000_000_000);

/// What to do.
pub(super) struct Plan {
    pub(super) server: IpAddr,
    pub(super) clients: u32,
    pub(super) arguments: Load,
    addresses: Addresses,
    /// Clients of each address.
    ports: u64,
    /// Where each pair of sockets is bound: for IKE, and for IKE and ESP behind the marker.
    sockets: Vec<[SocketAddr; 2]>,
    users: Vec<String>,
    passwords: Vec<Secret>,
    key: Secret,
    habits: Habits,
}

impl Plan {
    /// Reads the secrets, and checks that there are addresses and descriptors.
    ///
    /// # Errors
    /// As a sentence that says what to do.
    pub(super) fn new(arguments: &Load, from: Surroundings<'_>) -> Result<Self, Failure> {
        let server = resolve(&arguments.server)?;
        let here = udp::source_towards(server)
            .map_err(|error| Failure::Failed(format!("there is no route to {server}: {error}")))?;
        aim::check(server, here, arguments.my_server)?;
        let networks = match arguments.from.as_slice() {
            [] => vec![Prefix::host(here)],
            networks => networks.to_vec(),
        };
        if let Some(other) = networks
            .iter()
            .find(|network| network.address().is_ipv4() != server.is_ipv4())
        {
            let message = format!("--from {other} and the server {server} are of two families");
            return Err(Failure::Usage(message));
        }
        let addresses = Addresses::new(&networks);
        let ports = ports(arguments, &addresses)?;
        check_descriptors(ports)?;
        let needed = u64::from(arguments.clients).div_ceil(ports);
        if let Some((address, error)) = addresses.stranger(needed) {
            let network = networks.iter().find(|network| network.contains(address));
            let network = network.copied().unwrap_or(Prefix::host(address));
            return Err(Failure::Usage(format!(
                "{address} is no address of this host ({error}): `ip route add local {network} dev \
                 lo` makes the whole network its own"
            )));
        }
        let habits = habits(arguments)?;
        let users = users(arguments);
        let wanted = Wanted {
            psk_file: arguments.psk_file.as_deref(),
            password_file: arguments.password_file.as_deref(),
            server: Some(server),
        };
        let (key, passwords) = secrets::read_all(wanted, &users, from)?;
        Ok(Self {
            server,
            clients: arguments.clients,
            arguments: arguments.clone(),
            addresses,
            ports,
            sockets: Vec::new(),
            users,
            passwords,
            key,
            habits,
        })
    }

    /// Where clients may be: an address and ports that no other client has.
    pub(super) fn endpoints(&self) -> u32 {
        let all = self.addresses.count().saturating_mul(self.ports);
        // So many that a client that has vanished is not soon met again at its old place.
        let enough = u64::from(self.clients)
            .saturating_mul(2)
            .saturating_add(1_024);
        u32::try_from(all.min(enough)).unwrap_or(u32::MAX)
    }

    /// Binds the sockets: each pair speaks for one client of every address.
    ///
    /// # Errors
    /// As a sentence.
    pub(super) fn open(&mut self) -> anyhow::Result<Vec<UdpSocket>> {
        let any: IpAddr = match self.server {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let mut opened = Vec::new();
        for _ in 0..self.ports {
            let pair = udp::ephemeral(any)?;
            self.sockets.push(pair.each_ref().map(UdpSocket::local));
            opened.extend(pair);
        }
        Ok(opened)
    }

    /// The user that a client logs in as, by its number from 0.
    fn user(&self, slot: u32) -> Option<(&str, &Secret)> {
        let slot = usize::try_from(slot).ok()?;
        let (users, passwords) = (&self.users, &self.passwords);
        let at = slot.checked_rem(users.len())?;
        Some((users.get(at)?, passwords.get(at)?))
    }

    /// The dial of a client from one of the [`Self::endpoints`].
    pub(super) fn dial(&self, slot: u32, endpoint: u32) -> Option<Dial> {
        let (user, password) = self.user(slot)?;
        let endpoint = u64::from(endpoint);
        // Neighbours have other addresses, not only other ports.
        let count = self.addresses.count();
        let address = self.addresses.nth(endpoint.checked_rem(count)?)?;
        let pair = usize::try_from(endpoint.checked_div(count)?).ok()?;
        let [ike, natt] = *self.sockets.get(pair)?;
        let arguments = &self.arguments;
        let path = |bound: SocketAddr, port, carrier| Path {
            local: SocketAddr::new(address, bound.port()),
            remote: SocketAddr::new(self.server, port),
            carrier,
        };
        let mut link = ppp::Config::client(user, password.clone());
        link.timers.echo_interval = Some(arguments.echo).filter(|echo| !echo.is_zero());
        if let ppp::Role::Client(client) = &mut link.role {
            client.methods = vec![ppp::Method::MsChapV2, ppp::Method::Chap];
        }
        Some(Dial {
            ike: path(ike, arguments.port, Carrier::Ike),
            natt: path(natt, arguments.natt_port, Carrier::NatT),
            key: self.key.clone(),
            force_udp: true,
            link,
            habits: self.habits.clone(),
            routed: false,
        })
    }

    /// The engine of all clients.
    ///
    /// # Errors
    /// A name of an algorithm that means nothing.
    pub(super) fn engine_config(&self) -> Result<engine::Config, Failure> {
        let arguments = &self.arguments;
        let mut ike = ike::Config {
            respond: false,
            policy: policy(arguments)?,
            ..ike::Config::default()
        };
        ike.timing.keepalive = never_if_zero(arguments.keep_alive);
        if let Some(after) = arguments.rekey_ike {
            ike.timing.ike_lifetime = lifetime(after);
        }
        if let Some(after) = arguments.rekey_esp {
            ike.timing.child_lifetime = lifetime(after);
        }
        let mut l2tp = l2tp::Config::default();
        l2tp.timing.retransmit = RETRANSMIT;
        l2tp.timing.hello = never_if_zero(arguments.hello);
        let most = usize::try_from(self.clients).unwrap_or(usize::MAX);
        l2tp.limits.tunnels = l2tp.limits.tunnels.max(most.saturating_mul(4));
        Ok(engine::Config {
            ike,
            l2tp,
            ..engine::Config::default()
        })
    }
}

fn users(arguments: &Load) -> Vec<String> {
    match arguments.user.contains("{}") {
        true => (1..=arguments.clients)
            .map(|number| arguments.user.replace("{}", &number.to_string()))
            .collect(),
        false => vec![arguments.user.clone()],
    }
}

/// How many clients an address has.
fn ports(arguments: &Load, addresses: &Addresses) -> Result<u64, Failure> {
    let clients = u64::from(arguments.clients);
    let needed = clients.div_ceil(addresses.count().max(1));
    let ports = arguments.ports.map_or(needed, u64::from);
    if ports < needed || ports > MOST_PORTS {
        let (count, most) = (addresses.count(), ports.min(MOST_PORTS));
        return Err(Failure::Usage(format!(
            "{clients} clients on {count} addresses are {needed} on each, and there may be {most}: \
             name more networks with --from"
        )));
    }
    Ok(ports)
}

fn check_descriptors(ports: u64) -> Result<(), Failure> {
    let needed = ports.saturating_mul(2).saturating_add(OTHER_DESCRIPTORS);
    match getrlimit(Resource::Nofile).current {
        Some(most) if most < needed => Err(Failure::Usage(format!(
            "{needed} descriptors are needed and this process may have {most}: raise the limit \
             (`ulimit -n {needed}`), or spread the clients over more addresses with --from"
        ))),
        _ => Ok(()),
    }
}

fn policy(arguments: &Load) -> Result<ike::Policy, Failure> {
    let wrong = |error: ike::PolicyError| Failure::Usage(error.to_string());
    let mut policy = ike::Policy::default();
    if let Some(group) = &arguments.dh {
        policy = policy.with_groups(&[group]).map_err(wrong)?;
    }
    if let Some(suite) = &arguments.esp {
        policy = policy.with_esp(&[suite]).map_err(wrong)?;
    }
    Ok(policy)
}

/// What clients do on the wire: the profile's habits, but for what is asked for.
fn habits(arguments: &Load) -> Result<Habits, Failure> {
    let mut habits = arguments.profile.habits();
    let ike = &mut habits.ike;
    if let Some(name) = &arguments.dh {
        let group = group(name)?;
        if let Some(proposal) = &mut ike.ike_proposal {
            proposal
                .transforms
                .retain(|transform| transform.group == group.id());
            if proposal.transforms.is_empty() {
                let profile = arguments.profile;
                let message = format!("{profile} does not offer {name}: leave out --dh");
                return Err(Failure::Usage(message));
            }
        }
    }
    if let Some(name) = &arguments.pfs {
        ike.pfs = Some(group(name)?);
    }
    if arguments.esp.is_some() {
        // The policy has it.
        ike.esp_proposal = None;
    }
    if let Some(after) = arguments.rekey_ike {
        ike.ike_rekey = rekey(ike.ike_rekey, after);
        if let Some(proposal) = &mut ike.ike_proposal {
            proposal.lifetime = lifetime(after);
        }
    }
    if let Some(after) = arguments.rekey_esp {
        ike.child_rekey = rekey(ike.child_rekey, after);
        if let Some(proposal) = &mut ike.esp_proposal {
            proposal.lifetime = lifetime(after);
        }
    }
    Ok(habits)
}

fn group(name: &str) -> Result<Group, Failure> {
    Group::named(name)
        .ok_or_else(|| Failure::Usage(format!("there is no Diffie-Hellman group {name:?}")))
}

/// The lifetime to propose where an SA is to be replaced after some time: a little more.
fn lifetime(after: Duration) -> Duration {
    (after.saturating_mul(10) / 9).max(SHORTEST_LIFETIME)
}

/// When the SA of [`lifetime`] is replaced, so that not all are at the same moment.
fn rekey(habit: Rekey, after: Duration) -> Rekey {
    let share = after.as_secs_f64() / lifetime(after).as_secs_f64() * 1_000.0;
    let thousandths = |factor: f64| (share * factor).round().clamp(1.0, 1_000.0) as u16;
    Rekey {
        from: thousandths(0.98),
        to: thousandths(1.02),
        ..habit
    }
}

fn never_if_zero(period: Duration) -> Duration {
    match period.is_zero() {
        true => NEVER,
        false => period,
    }
}
