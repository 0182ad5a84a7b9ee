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
use super::places::Places;
use crate::cli::secrets::{self, Surroundings, Wanted};
use crate::cli::{Failure, Load};
use crate::client::{RETRANSMIT, resolve};
use crate::io::ports;
use crate::io::prefix::Prefix;
use crate::io::udp::UdpSocket;

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
    places: Places,
    /// Where each pair of sockets is bound: for IKE, and for IKE and ESP behind the marker.
    sockets: Vec<[SocketAddr; 2]>,
    users: Vec<String>,
    passwords: Vec<Secret>,
    key: Secret,
    habits: Habits,
    policy: ike::Policy,
}

impl Plan {
    /// Reads the secrets, and checks that there are addresses and descriptors.
    ///
    /// # Errors
    /// As a sentence that says what to do.
    pub(super) fn new(arguments: &Load, from: Surroundings<'_>) -> Result<Self, Failure> {
        let server = resolve(&arguments.server)?;
        let here = ports::source_towards(server)
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
        let clients = u64::from(arguments.clients);
        let exactly = arguments.ports.is_some();
        let places = Places::new(addresses.count(), clients, ports, exactly);
        // Whoever takes the place of another that has left takes it elsewhere.
        let needed = places.addresses_of(match arguments.churn {
            Some(_) => enough(places, clients),
            None => clients,
        });
        if let Some((address, error)) = addresses.stranger(needed) {
            let network = networks.iter().find(|network| network.contains(address));
            let network = network.copied().unwrap_or(Prefix::host(address));
            return Err(Failure::Usage(format!(
                "{address} is no address of this host ({error}): `ip route add local {network} dev \
                 lo` makes the whole network its own"
            )));
        }
        let habits = habits(arguments)?;
        let policy = policy(arguments, &habits)?;
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
            places,
            sockets: Vec::new(),
            users,
            passwords,
            key,
            habits,
            policy,
        })
    }

    /// Where clients may be: an address and ports that no other client has.
    pub(super) fn endpoints(&self) -> u32 {
        let places = enough(self.places, self.clients.into());
        u32::try_from(places).unwrap_or(u32::MAX)
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
        for _ in 0..self.places.ports() {
            let pair = ports::ephemeral(any)?;
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
        let (address, pair) = self.places.at(endpoint.into())?;
        let address = self.addresses.nth(address)?;
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
    pub(super) fn engine_config(&self) -> engine::Config {
        let arguments = &self.arguments;
        let mut ike = ike::Config {
            respond: false,
            policy: self.policy.clone(),
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
        engine::Config {
            ike,
            l2tp,
            ..engine::Config::default()
        }
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

/// So many places that a client that has vanished is not soon met again at its old one.
fn enough(places: Places, clients: u64) -> u64 {
    let enough = clients.saturating_mul(2).saturating_add(1_024);
    places.count().min(enough)
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

/// What is offered where the habits leave it open.
fn policy(arguments: &Load, habits: &Habits) -> Result<ike::Policy, Failure> {
    let wrong = |error: ike::PolicyError| Failure::Usage(error.to_string());
    let mut policy = ike::Policy::default();
    if let Some(group) = &arguments.dh
        && habits.ike.ike_proposal.is_none()
    {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn arguments(options: &str) -> Load {
        let line = format!("adit load 127.0.0.1 {options}");
        match Cli::try_parse_from(line.split_whitespace())
            .unwrap()
            .command
        {
            Command::Load(load) => *load,
            other => panic!("{other:?}"),
        }
    }

    fn plan(options: &str) -> Result<Plan, String> {
        let variable = |name: &str| Some(name.to_lowercase().into());
        let surroundings = Surroundings {
            variable: &variable,
            input: &mut &b""[..],
        };
        Plan::new(&arguments(options), surroundings).map_err(|error| error.to_string())
    }

    #[test]
    fn every_client_has_an_endpoint_and_a_user_of_its_own() {
        let mut plan = plan("--clients 700 --user u{} --from 127.64.0.0/24").unwrap();
        assert_eq!(plan.places.ports(), 3, "254 addresses are too few for 700");
        plan.open().unwrap();
        let dials: Vec<Dial> = (0..plan.endpoints())
            .map(|slot| plan.dial(slot, slot).unwrap())
            .collect();
        assert_eq!(dials.len(), 762, "places that are free for others");
        let ends = dials
            .iter()
            .flat_map(|dial| [dial.ike.local, dial.natt.local]);
        assert_eq!(ends.collect::<BTreeSet<_>>().len(), 2 * 762);
        let user = |dial: &Dial| match &dial.link.role {
            ppp::Role::Client(client) => client.user.to_string(),
            ppp::Role::Server(_) => panic!("a server"),
        };
        assert_eq!(
            (user(&dials[0]), user(&dials[699])),
            ("u1".into(), "u700".into())
        );
        assert!(dials.iter().all(|dial| dial.force_udp && !dial.routed));
        let one = self::plan("--clients 5 --user same").unwrap();
        assert_eq!(
            (one.user(0).unwrap().0, one.user(4).unwrap().0),
            ("same", "same")
        );
    }

    #[test]
    fn addresses_are_used_as_they_were_asked_for() {
        let mut plan = plan("--clients 100 --user u --from 127.64.0.0/16 --ports 50").unwrap();
        plan.open().unwrap();
        let of = |slots: std::ops::Range<u32>| -> BTreeSet<IpAddr> {
            let dials = slots.map(|slot| plan.dial(slot, slot).unwrap());
            dials.map(|dial| dial.ike.local.ip()).collect()
        };
        assert_eq!(of(0..100).len(), 2, "fifty on each");
        assert!(of(0..100).is_disjoint(&of(100..200)));
    }

    #[test]
    fn what_does_not_suffice_is_said_before_anything_is_sent() {
        for (options, words) in [
            (
                "--clients 5000 --user u --from 127.0.0.1",
                "1000: name more networks",
            ),
            (
                "--clients 9 --user u --from 127.64.0.0/29 --ports 1",
                "there may be 1",
            ),
            (
                "--clients 9 --user u --from 198.51.100.0/24",
                "route add local 198.51.100.0/24",
            ),
            ("--clients 9 --user u --from fd00::/64", "two families"),
            (
                "--clients 9 --user u --dh modp768",
                "no Diffie-Hellman group",
            ),
            ("--clients 9 --user u --dh modp1024", "legacy-android"),
            ("--clients 9 --user u --esp rot13", "unknown name"),
            (
                "--clients 9 --user u --pfs ecp99",
                "no Diffie-Hellman group",
            ),
            (
                "--clients 9 --user u --profile android --dh ecp521",
                "does not offer ecp521",
            ),
            (
                "--clients 9 --user u --my-server 192.0.2.1",
                "the server's address is 127.0.0.1",
            ),
        ] {
            let error = plan(options).err().unwrap();
            assert!(error.contains(words), "{options}: {error}");
        }
    }

    #[test]
    fn keys_are_replaced_when_asked_for() {
        for (after, from, to) in [(20, 65, 68), (270, 882, 918), (3_600, 882, 918)] {
            let after = Duration::from_secs(after);
            let rekey = rekey(Rekey::default(), after);
            assert_eq!((rekey.from, rekey.to), (from, to), "{after:?}");
            let at = lifetime(after).mul_f64(f64::from(rekey.from + rekey.to) / 2_000.0);
            let off = at.abs_diff(after).as_secs_f64() / after.as_secs_f64();
            assert!(off < 0.02, "{after:?}: {at:?}");
        }
        let android = "--clients 1 --user u --profile android --rekey-esp 40s --dh modp1024";
        let habits = habits(&arguments(android)).unwrap();
        let proposal = habits.ike.esp_proposal.unwrap();
        assert_eq!(proposal.lifetime, SHORTEST_LIFETIME);
        assert!(habits.ike.child_rekey.to < 140);
        assert!(!habits.ike.ike_proposal.unwrap().transforms.is_empty());
    }

    #[test]
    fn never_is_not_at_once() {
        let plan = plan("--clients 1 --user u --keep-alive 0 --hello 0 --echo 0").unwrap();
        let config = plan.engine_config();
        assert_eq!(
            (config.ike.timing.keepalive, config.l2tp.timing.hello),
            (NEVER, NEVER)
        );
        let mut plan = plan;
        plan.open().unwrap();
        assert_eq!(plan.dial(0, 0).unwrap().link.timers.echo_interval, None);
    }
}
