//! What a host must have for clients to come in: the rules, in the order in which they are shown.

use std::net::{IpAddr, Ipv4Addr};

use super::{Host, Plan, Row, Tun, filters};
use crate::config::Encapsulation;
use crate::diagnostic::Severity;
use crate::io::holders::{Holder, Process};

/// L2TP's own port (RFC 2661 §8.1).
const L2TP: u16 = 1701;
/// What IPsec, L2TP and PPP put around a packet, with the longest padding and HMAC-SHA2-384: IPv4 and
/// UDP 28, ESP 8, IV 16, UDP and L2TP 16, PPP 4, padding, ICV 24.
const OVERHEAD: u32 = 100;

/// Judges everything.
pub fn examine(host: &Host, plan: &Plan) -> Vec<Row> {
    let mut rows = vec![configuration(plan), server(host)];
    rows.extend(ports(host, plan));
    rows.push(tun(host));
    rows.push(capabilities(host, plan));
    rows.extend(filters::examine(host, plan));
    rows.push(rp_filter(host));
    rows.extend(mtu(host, plan));
    rows.extend(public_address(host, plan));
    rows.extend(old_daemons(host));
    rows.extend(kernel_ipsec(host));
    rows
}

fn configuration(plan: &Plan) -> Row {
    let check = "configuration";
    let file = plan.file.display();
    let count = |severity| {
        plan.findings
            .iter()
            .filter(|f| f.severity == severity)
            .count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let command = format!("adit check --config {file}");
    match plan.findings.iter().find(|finding| finding.is_error()) {
        Some(first) => {
            let more = match errors.saturating_sub(1) {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            Row::problem(check, format!("{first}{more}")).mend(command)
        }
        None if warnings > 0 => {
            let words = if warnings == 1 { "warning" } else { "warnings" };
            Row::warning(
                check,
                format!("{file} and the secrets it names: {warnings} {words}"),
            )
            .mend(command)
        }
        None => Row::ok(check, format!("{file} and the secrets it names are fine")),
    }
}

fn server(host: &Host) -> Row {
    match &host.serving {
        Some(version) => Row::ok("server", format!("adit {version} is serving")),
        None => Row::ok("server", "adit is not serving now"),
    }
}

fn ports(host: &Host, plan: &Plan) -> Vec<Row> {
    let listen = &plan.config.listen;
    let ours = |address: IpAddr| {
        address.is_unspecified()
            || listen
                .addresses
                .iter()
                .any(|a| a.is_unspecified() || *a == address)
    };
    let serving = |holder: &Holder| {
        let name = holder.process.as_ref().map(|process| process.name.as_str());
        host.serving.is_some() && matches!(name, Some("adit") | None)
    };
    let mut rows = Vec::new();
    for (check, port) in [
        ("port of IKE", listen.ike_port),
        ("port of NAT-T", listen.natt_port),
    ] {
        let mut others = host
            .sockets
            .iter()
            .filter(|h| h.local.port() == port && ours(h.local.ip()) && !serving(h));
        rows.push(match others.next() {
            Some(holder) => {
                let local = holder.local;
                match &holder.process {
                    Some(process) => {
                        let sentence = format!("UDP port {port} ({local}) is taken by {process}");
                        Row::problem(check, sentence).mend(stop(process))
                    }
                    None => {
                        let sentence = format!(
                            "UDP port {port} ({local}) is taken by a process of another user"
                        );
                        Row::problem(check, sentence).mend(format!("ss -lunp 'sport = :{port}'"))
                    }
                }
            }
            None if host
                .sockets
                .iter()
                .any(|h| h.local.port() == port && serving(h)) =>
            {
                Row::ok(check, format!("UDP port {port} is the server's"))
            }
            None => Row::ok(check, format!("UDP port {port} is free")),
        });
    }
    // It is not ours to bind, but who has it is what we take the place of.
    rows.extend(
        host.sockets
            .iter()
            .find(|h| h.local.port() == L2TP)
            .map(|holder| {
                let check = "port of L2TP";
                match &holder.process {
                    Some(process) => {
                        let sentence = format!(
                            "UDP port {L2TP}, which adit does not need, is taken by {process}"
                        );
                        Row::warning(check, sentence).mend(stop(process))
                    }
                    None => Row::warning(
                        check,
                        format!("UDP port {L2TP} is taken; adit does not need it"),
                    ),
                }
            }),
    );
    rows
}

/// The services of Debian and its relatives that run a process of this name.
const DAEMONS: [(&str, &str); 9] = [
    ("charon", "strongswan-starter"),
    ("starter", "strongswan-starter"),
    ("charon-systemd", "strongswan"),
    ("pluto", "ipsec"),
    ("racoon", "racoon"),
    ("xl2tpd", "xl2tpd"),
    ("openl2tpd", "openl2tpd"),
    ("accel-pppd", "accel-ppp"),
    ("adit", "adit"),
];

/// What the services of the old daemons are called.
pub(super) const OLD_SERVICES: [&str; 8] = [
    "strongswan-starter",
    "strongswan",
    "strongswan-swanctl",
    "ipsec",
    "racoon",
    "xl2tpd",
    "openl2tpd",
    "accel-ppp",
];

fn service_of(process: &Process) -> Option<&'static str> {
    let mut found = DAEMONS.iter().filter(|(name, _)| *name == process.name);
    found.next().map(|(_, service)| *service)
}

fn stop(process: &Process) -> String {
    match service_of(process) {
        Some("adit") => "systemctl stop adit".to_owned(),
        Some(service) => format!("systemctl disable --now {service}"),
        None => format!("kill {}", process.id),
    }
}

fn tun(host: &Host) -> Row {
    let check = "tun";
    match host.tun {
        Tun::Usable => Row::ok(check, "/dev/net/tun can be used"),
        Tun::Missing => Row::problem(check, "There is no /dev/net/tun, or no driver behind it")
            .mend("modprobe tun   # for a container: --device /dev/net/tun"),
        Tun::Forbidden => Row::problem(check, "/dev/net/tun does not open for this process")
            .mend("chmod 666 /dev/net/tun   # for a container: --device /dev/net/tun"),
    }
}

fn capabilities(host: &Host, plan: &Plan) -> Row {
    let check = "capabilities";
    if host.missing.is_empty() {
        let esp = match plan.config.ipsec.encapsulation {
            Encapsulation::Auto => ", ESP without UDP too",
            Encapsulation::Always => "",
        };
        return Row::ok(
            check,
            format!("This process may do what the server does{esp}"),
        );
    }
    let sentence = format!(
        "This process lacks {}; the service has them, and what needs them could not be checked",
        host.missing.join(", ")
    );
    Row::warning(check, sentence).mend("sudo adit doctor")
}

fn rp_filter(host: &Host) -> Row {
    let check = "rp_filter";
    match &host.strict[..] {
        [] => Row::ok(check, "No interface has a strict reverse path filter"),
        // Answers to clients leave by the TUN device, where their packets come in: strict is fine
        // there, and elsewhere unless there are several ways out.
        strict => {
            let sentence = format!(
                "Strict on {}: fine as long as each network is reached by one way only",
                strict.join(", ")
            );
            Row::ok(check, sentence)
        }
    }
}

fn mtu(host: &Host, plan: &Plan) -> Option<Row> {
    let uplink = host.uplink.as_ref()?;
    let check = "MTU";
    let (outer, inner) = (uplink.mtu, plan.config.tun.mtu);
    let interface = &uplink.interface;
    if u32::from(inner).saturating_add(OVERHEAD) <= outer {
        let sentence =
            format!("Packets of {inner} bytes (tun.mtu) fit into the {outer} of {interface}");
        return Some(Row::ok(check, sentence));
    }
    let fitting = outer.saturating_sub(OVERHEAD) / 4 * 4;
    let sentence = format!(
        "Packets of {inner} bytes (tun.mtu) do not fit into the {outer} of {interface}: they travel in \
         fragments, which some networks lose"
    );
    let command = format!("set mtu = {fitting} in [tun] and mru = {fitting} in [ppp]");
    Some(Row::warning(check, sentence).mend(command))
}

fn public_address(host: &Host, plan: &Plan) -> Option<Row> {
    let listen = &plan.config.listen;
    let check = "public address";
    if let Some(address) = listen.public_address {
        return Some(Row::ok(
            check,
            format!("Clients know this server as {address}"),
        ));
    }
    let outer = host.uplink.as_ref()?.address?;
    let listens = |address: &IpAddr| address.is_unspecified() || *address == outer;
    if !listen.addresses.iter().any(listens) {
        return None;
    }
    let IpAddr::V4(address) = outer else {
        return None;
    };
    Some(if is_behind_nat(address) {
        let sentence = format!(
            "The address of this host is {outer}: clients from the Internet come through a NAT, which \
             must pass on UDP {} and {}, and know another address",
            listen.ike_port, listen.natt_port
        );
        let command = "set public-address = \"…\" in [listen] to the address that clients use";
        Row::warning(check, sentence).mend(command)
    } else {
        Row::ok(
            check,
            format!("The address of this host is {outer}, without NAT"),
        )
    })
}

/// RFC 1918, RFC 6598 and RFC 3927.
const fn is_behind_nat(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    address.is_private() || address.is_link_local() || (a == 100 && b & 0xc0 == 64)
}

/// What of the old daemons runs or will run, beside those that have a port.
fn old_daemons(host: &Host) -> Vec<Row> {
    let mut rows = Vec::new();
    for process in &host.processes {
        let has_a_port = host
            .sockets
            .iter()
            .any(|h| h.process.as_ref() == Some(process));
        let service = service_of(process).filter(|service| *service != "adit");
        if let Some(service) = service
            && !has_a_port
        {
            let sentence = format!("{process} is running");
            let command = format!("systemctl disable --now {service}");
            rows.push(Row::warning("old daemons", sentence).mend(command));
        }
    }
    for service in &host.enabled {
        let sentence = format!("{service} starts at boot and takes the ports then");
        let command = format!("systemctl disable --now {service}");
        rows.push(Row::warning("old daemons", sentence).mend(command));
    }
    if rows.is_empty() {
        rows.push(Row::ok(
            "old daemons",
            "None of them runs or starts at boot",
        ));
    }
    if !host.ppp.is_empty() && host.processes.iter().any(|process| process.name == "pppd") {
        let sentence = format!(
            "pppd has {}: sessions of the old server, or a line",
            host.ppp.join(", ")
        );
        rows.push(
            Row::warning("pppd", sentence)
                .mend("systemctl stop xl2tpd; ip -brief link show type ppp"),
        );
    }
    rows
}

fn kernel_ipsec(host: &Host) -> Option<Row> {
    let check = "kernel IPsec";
    let xfrm = host.xfrm?;
    Some(if xfrm.states == 0 && xfrm.policies == 0 {
        Row::ok(
            check,
            "The kernel has no IPsec policies and security associations",
        )
    } else {
        // Perhaps of a tunnel between sites, which goes on being wanted.
        let sentence = format!(
            "The kernel has {} IPsec policies and {} security associations; those of the old server \
             take the packets of its clients",
            xfrm.policies, xfrm.states
        );
        let command = "ip xfrm policy; ip xfrm state   # to clear all: ip xfrm state flush; ip xfrm policy flush";
        Row::warning(check, sentence).mend(command)
    })
}
