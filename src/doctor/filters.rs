//! The rules about packet filters and forwarding.

use super::{Host, Plan, Row};
use crate::io::firewall::{Chain, Hook};
use crate::io::nftables::TABLE;

pub(super) fn examine(host: &Host, plan: &Plan) -> Vec<Row> {
    let mut rows = vec![forwarding(host, plan)];
    let Some(firewall) = &host.firewall else {
        let sentence =
            "The packet filter cannot be read by this process, or the kernel has no nftables";
        rows.push(Row::warning("packet filter", sentence).mend("sudo adit doctor"));
        return rows;
    };
    rows.push(incoming(&firewall.chains, plan));
    rows.push(passing(&firewall.chains, plan));
    rows.push(masquerading(host, &firewall.chains, plan));
    if !firewall.legacy.is_empty() {
        let sentence = format!(
            "There are tables of the old iptables ({}), which are not read here",
            firewall.legacy.join(", ")
        );
        rows.push(Row::warning("old iptables", sentence).mend("iptables-legacy-save"));
    }
    rows
}

fn forwarding(host: &Host, plan: &Plan) -> Row {
    let check = "forwarding";
    let command = "echo net.ipv4.ip_forward=1 >/etc/sysctl.d/60-adit.conf && sysctl --system";
    match host.forwarding {
        Some(true) => Row::ok(check, "IPv4 packets are forwarded"),
        Some(false) if plan.config.nat.masquerade => Row::ok(
            check,
            "Off; the server turns it on while it runs (nat.masquerade)",
        ),
        Some(false) => Row::warning(
            check,
            "IPv4 packets are not forwarded: clients reach this host only",
        )
        .mend(command),
        None => Row::warning(check, "Whether IPv4 packets are forwarded cannot be read"),
    }
}

fn dropping(chains: &[Chain], hook: Hook) -> Option<&Chain> {
    let mut found = chains.iter().filter(|c| c.hook == hook && c.drops);
    // One without any rule is the clearer case.
    found
        .clone()
        .find(|c| c.rules == 0)
        .or_else(|| found.next())
}

fn incoming(chains: &[Chain], plan: &Plan) -> Row {
    let check = "packet filter, in";
    let listen = &plan.config.listen;
    let Some(chain) = dropping(chains, Hook::Input) else {
        return Row::ok(check, "No nftables chain drops by default what comes in");
    };
    let ports = format!("{}, {}", listen.ike_port, listen.natt_port);
    let command = format!(
        "nft insert rule {0} udp dport '{{' {ports} '}}' accept; nft insert rule {0} meta l4proto esp accept",
        chain.name
    );
    if chain.rules == 0 {
        let sentence = format!("The chain {} drops everything that comes in", chain.name);
        return Row::problem(check, sentence).mend(command);
    }
    let sentence = format!(
        "The chain {} drops what no rule of it accepts: there must be one for UDP {ports} and for ESP",
        chain.name
    );
    Row::warning(check, sentence).mend(command)
}

fn passing(chains: &[Chain], plan: &Plan) -> Row {
    let check = "packet filter, forward";
    let Some(chain) = dropping(chains, Hook::Forward) else {
        return Row::ok(
            check,
            "No nftables chain drops by default what is forwarded",
        );
    };
    let ranges: Vec<String> = plan
        .config
        .pool
        .ranges
        .iter()
        .map(ToString::to_string)
        .collect();
    let ranges = ranges.join(", ");
    let command = format!(
        "nft insert rule {0} ip saddr '{{' {ranges} '}}' accept; \
         nft insert rule {0} ip daddr '{{' {ranges} '}}' ct state established,related accept",
        chain.name
    );
    let sentence = if chain.rules == 0 {
        format!(
            "The chain {} drops everything that is forwarded: clients reach this host only",
            chain.name
        )
    } else {
        format!(
            "The chain {} drops what no rule of it accepts: there must be one for clients",
            chain.name
        )
    };
    Row::warning(check, sentence).mend(command)
}

fn masquerading(host: &Host, chains: &[Chain], plan: &Plan) -> Row {
    let check = "masquerading";
    let ours = format!("ip {TABLE} ");
    let translating: Vec<&str> = chains
        .iter()
        .filter(|chain| chain.translates)
        .map(|chain| chain.name.as_str())
        .collect();
    let (own, others): (Vec<&str>, Vec<&str>) = translating
        .into_iter()
        .partition(|name| name.starts_with(&ours));
    match (plan.config.nat.masquerade, host.serving.is_some()) {
        (true, true) if own.is_empty() => Row::warning(
            check,
            "Wanted (nat.masquerade), but the server that runs has not set it up",
        )
        .mend("adit reload"),
        (true, true) => Row::ok(check, "The server translates the addresses of clients"),
        (true, false) => Row::ok(check, "The server will translate the addresses of clients"),
        (false, _) if others.is_empty() => Row::warning(
            check,
            "Nothing translates the addresses of clients: they reach only networks that have a route \
             back to them",
        )
        .mend("set masquerade = true in [nat]"),
        (false, _) => {
            let sentence = format!("Sources are translated by {}", others.join(", "));
            Row::ok(check, sentence)
        }
    }
}
