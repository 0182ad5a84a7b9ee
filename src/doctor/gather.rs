//! Looks at this host, and judges nothing.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::Duration;

use super::rules::OLD_SERVICES;
use super::{Host, Plan, Tun, Uplink};
use crate::config::Encapsulation;
use crate::control::{Request, Response, ask};
use crate::io::capability::Needs;
use crate::io::firewall::Firewall;
use crate::io::holders::{holders, processes};
use crate::io::netconf::Scope;
use crate::io::netlink::Netlink;
use crate::io::ports::source_towards;
use crate::io::xfrm::Xfrm;

/// How long a running server may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// RFC 5737's test network stands for the world.
const WORLD: [u8; 4] = [192, 0, 2, 1];

/// Everything that the rules want to know.
pub fn gather(plan: &Plan) -> Host {
    let config = &plan.config;
    let listen = &config.listen;
    let raw_esp = config.ipsec.encapsulation == Encapsulation::Auto;
    let mut host = Host {
        sockets: holders(&[listen.ike_port, listen.natt_port, 1701]),
        serving: serving(plan),
        tun: tun(),
        missing: Needs::of_server(listen.ike_port, raw_esp).missing(),
        firewall: Firewall::read().ok(),
        processes: processes(),
        enabled: enabled(),
        xfrm: Xfrm::read().ok(),
        ..Host::default()
    };
    if let Ok(netlink) = Netlink::open() {
        interfaces(netlink, &mut host);
    }
    host
}

fn serving(plan: &Plan) -> Option<String> {
    let socket = plan.config.control.socket.as_ref()?;
    match ask(socket, &Request::Status, PATIENCE) {
        Ok(Response::Status(report)) => Some(report.version.clone()),
        _ => None,
    }
}

fn tun() -> Tun {
    let mut options = OpenOptions::new();
    match options.read(true).write(true).open("/dev/net/tun") {
        Ok(_) => Tun::Usable,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Tun::Forbidden,
        Err(_) => Tun::Missing,
    }
}

/// What there is of interfaces stays unknown if the kernel does not say.
fn interfaces(mut netlink: Netlink, host: &mut Host) {
    let links = netlink.links().unwrap_or_default();
    let is_ppp = |name: &str| {
        let number = name.strip_prefix("ppp").unwrap_or_default();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    let names = links.iter().map(|link| &link.name);
    host.ppp = names.filter(|name| is_ppp(name)).cloned().collect();
    if let Ok(confs) = netlink.netconf() {
        let mut all = confs.iter().filter(|conf| conf.scope == Scope::All);
        let all = all.next();
        host.forwarding = all.map(|conf| conf.forwarding);
        // The larger of the two counts (Linux, ip-sysctl).
        let of_all = all.map_or(0, |conf| conf.rp_filter);
        host.strict = links
            .iter()
            .filter(|link| {
                confs.iter().any(|conf| {
                    conf.scope == Scope::Interface(link.index) && conf.rp_filter.max(of_all) == 1
                })
            })
            .map(|link| link.name.clone())
            .collect();
    }
    if let Ok(hop) = netlink.next_hop(IpAddr::from(WORLD))
        && let Some(link) = links.iter().find(|link| link.index == hop.device)
    {
        host.uplink = Some(Uplink {
            interface: link.name.clone(),
            mtu: link.mtu,
            address: source_towards(IpAddr::from(WORLD)).ok(),
        });
    }
}

/// The old daemons' services that some target of systemd wants.
fn enabled() -> Vec<String> {
    let folders = fs::read_dir("/etc/systemd/system")
        .into_iter()
        .flatten()
        .flatten();
    let wants = folders.filter(|folder| {
        let name = folder.file_name();
        name.to_string_lossy().ends_with(".wants")
    });
    let wants: Vec<_> = wants.map(|folder| folder.path()).collect();
    OLD_SERVICES
        .into_iter()
        .filter(|service| {
            let link = format!("{service}.service");
            wants
                .iter()
                .any(|folder| fs::symlink_metadata(folder.join(&link)).is_ok())
        })
        .map(str::to_owned)
        .collect()
}
