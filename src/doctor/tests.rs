use std::net::SocketAddr;

use super::*;
use crate::diagnostic::Place;
use crate::io::firewall::{Chain, Hook};

/// A host with nothing in the way, and a firewall that translates clients.
fn healthy() -> Host {
    Host {
        forwarding: Some(true),
        firewall: Some(Firewall {
            chains: vec![chain("ip nat POSTROUTING", Hook::Other, false, 1)],
            legacy: Vec::new(),
        }),
        uplink: Some(Uplink {
            interface: "eth0".to_owned(),
            mtu: 1500,
            address: Some([198, 51, 100, 7].into()),
        }),
        xfrm: Some(Xfrm::default()),
        ..Host::default()
    }
}

fn chain(name: &str, hook: Hook, drops: bool, rules: usize) -> Chain {
    Chain {
        name: name.to_owned(),
        hook,
        drops,
        rules,
        translates: hook == Hook::Other,
    }
}

fn plan(toml: &str) -> Plan {
    Plan {
        file: "/etc/adit/adit.toml".into(),
        config: toml::from_str(toml).unwrap(),
        findings: Vec::new(),
    }
}

fn process(name: &str) -> Process {
    Process {
        id: 812,
        name: name.to_owned(),
    }
}

fn socket(local: &str, name: Option<&str>) -> Holder {
    Holder {
        local: local.parse::<SocketAddr>().unwrap(),
        process: name.map(process),
    }
}

fn firewall(chains: Vec<Chain>) -> Option<Firewall> {
    let translating = chain("ip nat POSTROUTING", Hook::Other, false, 1);
    Some(Firewall {
        chains: [vec![translating], chains].concat(),
        legacy: Vec::new(),
    })
}

#[test]
fn a_healthy_host_has_nothing_to_mend() {
    for row in examine(&healthy(), &plan("")) {
        assert_eq!(row.state, State::Ok, "{row:?}");
        assert_eq!(row.command, None, "{row:?}");
    }
}

/// One fault each: exactly one row is not ok, and that one says so and names the remedy.
#[test]
fn each_fault_is_one_row_with_its_remedy() {
    use State::{Problem, Warning};
    type Fault = fn(&mut Host);
    let cases: &[(Fault, State, &str, &str)] = &[
        (
            |h| h.sockets.push(socket("0.0.0.0:500", Some("charon"))),
            Problem,
            "UDP port 500 (0.0.0.0:500) is taken by charon (process 812)",
            "systemctl disable --now strongswan-starter",
        ),
        (
            |h| h.sockets.push(socket("[::]:4500", Some("pluto"))),
            Problem,
            "UDP port 4500",
            "systemctl disable --now ipsec",
        ),
        (
            |h| h.sockets.push(socket("192.0.2.1:4500", Some("python3"))),
            Problem,
            "python3 (process 812)",
            "kill 812",
        ),
        (
            |h| h.sockets.push(socket("0.0.0.0:500", None)),
            Problem,
            "by a process of another user",
            "ss -lunp",
        ),
        (
            // One that does not answer: of another configuration.
            |h| h.sockets.push(socket("0.0.0.0:500", Some("adit"))),
            Problem,
            "taken by adit",
            "systemctl stop adit",
        ),
        (
            |h| h.sockets.push(socket("0.0.0.0:1701", Some("xl2tpd"))),
            Warning,
            "which adit does not need, is taken by xl2tpd",
            "systemctl disable --now xl2tpd",
        ),
        (
            |h| h.tun = Tun::Missing,
            Problem,
            "no /dev/net/tun",
            "modprobe tun",
        ),
        (
            |h| h.tun = Tun::Forbidden,
            Problem,
            "does not open",
            "/dev/net/tun",
        ),
        (
            |h| h.missing = vec!["CAP_NET_ADMIN", "CAP_NET_RAW"],
            Warning,
            "lacks CAP_NET_ADMIN, CAP_NET_RAW",
            "sudo adit doctor",
        ),
        (
            |h| h.forwarding = Some(false),
            Warning,
            "clients reach this host only",
            "net.ipv4.ip_forward=1",
        ),
        (
            |h| h.firewall = firewall(vec![chain("inet f in", Hook::Input, true, 0)]),
            Problem,
            "inet f in drops everything that comes in",
            "nft insert rule inet f in udp dport '{' 500, 4500 '}' accept; nft insert rule inet f in \
             meta l4proto esp accept",
        ),
        (
            |h| h.firewall = firewall(vec![chain("inet f in", Hook::Input, true, 9)]),
            Warning,
            "must be one for UDP 500, 4500",
            "nft insert rule inet f in",
        ),
        (
            |h| h.firewall = firewall(vec![chain("ip filter FORWARD", Hook::Forward, true, 3)]),
            Warning,
            "ip filter FORWARD drops what no rule of it accepts",
            "nft insert rule ip filter FORWARD ip saddr '{' 10.10.1.2-10.10.1.100 '}' accept",
        ),
        (
            |h| h.firewall = Some(Firewall::default()),
            Warning,
            "Nothing translates",
            "masquerade = true",
        ),
        (
            |h| h.firewall = None,
            Warning,
            "cannot be read",
            "sudo adit doctor",
        ),
        (
            |h| h.uplink.as_mut().unwrap().mtu = 1492,
            Warning,
            "do not fit into the 1492 of eth0",
            "set mtu = 1392 in [tun] and mru = 1392 in [ppp]",
        ),
        (
            |h| h.uplink.as_mut().unwrap().address = Some([10, 0, 0, 4].into()),
            Warning,
            "The address of this host is 10.0.0.4: clients from the Internet come through a NAT",
            "public-address",
        ),
        (
            |h| h.processes.push(process("xl2tpd")),
            Warning,
            "xl2tpd (process 812) is running",
            "systemctl disable --now xl2tpd",
        ),
        (
            |h| h.enabled.push("strongswan-starter".to_owned()),
            Warning,
            "starts at boot",
            "systemctl disable --now strongswan-starter",
        ),
        (
            |h| {
                h.ppp.push("ppp0".to_owned());
                h.processes.push(process("pppd"));
            },
            Warning,
            "pppd has ppp0",
            "systemctl stop xl2tpd",
        ),
        (
            |h| {
                h.xfrm = Some(Xfrm {
                    states: 2,
                    policies: 3,
                })
            },
            Warning,
            "3 IPsec policies and 2 security associations",
            "ip xfrm state flush",
        ),
    ];
    for (fault, state, sentence, command) in cases {
        let mut host = healthy();
        fault(&mut host);
        let rows = examine(&host, &plan(""));
        let found: Vec<&Row> = rows.iter().filter(|row| row.state != State::Ok).collect();
        let [row] = found[..] else {
            panic!("{sentence}: {found:?}");
        };
        assert_eq!(row.state, *state, "{row:?}");
        assert!(row.sentence.contains(sentence), "{sentence}: {row:?}");
        let said = row.command.as_deref().unwrap_or_default();
        assert!(said.contains(command), "{command}: {row:?}");
    }
}

/// What looks like a fault and is none.
#[test]
fn no_false_alarms() {
    type Change = fn(&mut Host);
    let cases: &[(&str, Change, &str)] = &[
        (
            "",
            |h| {
                h.serving = Some("1".to_owned());
                h.sockets.push(socket("0.0.0.0:500", Some("adit")));
                h.sockets.push(socket("0.0.0.0:4500", Some("adit")));
            },
            "UDP port 4500 is the server's",
        ),
        (
            // Somebody on another address.
            "[listen]\naddresses = [\"192.0.2.1\"]",
            |h| h.sockets.push(socket("192.0.2.2:500", Some("charon"))),
            "UDP port 500 is free",
        ),
        (
            "[nat]\nmasquerade = true",
            |h| {
                h.forwarding = Some(false);
                h.firewall = Some(Firewall::default());
            },
            "the server turns it on while it runs",
        ),
        (
            "[listen]\npublic-address = \"203.0.113.1\"",
            |h| h.uplink.as_mut().unwrap().address = Some([172, 31, 0, 9].into()),
            "Clients know this server as 203.0.113.1",
        ),
        (
            "[tun]\nmtu = 1280",
            |h| h.uplink.as_mut().unwrap().mtu = 1400,
            "fit into the 1400 of eth0",
        ),
        ("", |h| h.strict.push("eth0".to_owned()), "Strict on eth0"),
        // A line of the provider's, without pppd at work for clients.
        ("", |h| h.ppp.push("ppp0".to_owned()), "fit into the 1500"),
    ];
    for (toml, change, sentence) in cases {
        let mut host = healthy();
        change(&mut host);
        let rows = examine(&host, &plan(toml));
        for row in &rows {
            assert_eq!(row.state, State::Ok, "{sentence}: {row:?}");
        }
        assert!(
            rows.iter().any(|row| row.sentence.contains(sentence)),
            "{sentence}: {rows:?}"
        );
    }
}

#[test]
fn masquerading_that_is_wanted_and_not_there() {
    let mut host = healthy();
    host.serving = Some("1".to_owned());
    let wanted = plan("[nat]\nmasquerade = true");
    let state = |host: &Host| {
        let rows = examine(host, &wanted);
        rows.into_iter()
            .find(|row| row.check == "masquerading")
            .unwrap()
            .state
    };
    // Another's table is not the server's.
    assert_eq!(state(&host), State::Warning);
    let ours = chain("ip adit postrouting", Hook::Other, false, 1);
    host.firewall.as_mut().unwrap().chains.push(ours);
    assert_eq!(state(&host), State::Ok);
}

#[test]
fn findings_of_the_configuration_are_summed_up() {
    let place = Place::file("/etc/adit/adit.toml".as_ref());
    let mut plan = plan("");
    let of = |plan: &Plan| examine(&healthy(), plan).swap_remove(0);
    plan.findings
        .push(Diagnostic::note(place.at_line(2), "as it should be"));
    assert_eq!(of(&plan).state, State::Ok);
    plan.findings
        .push(Diagnostic::warning(place.at_line(3), "odd"));
    let row = of(&plan);
    assert_eq!(row.state, State::Warning);
    assert_eq!(
        row.sentence,
        "/etc/adit/adit.toml and the secrets it names: 1 warning"
    );
    assert_eq!(
        row.command.unwrap(),
        "adit check --config /etc/adit/adit.toml"
    );
    plan.findings
        .push(Diagnostic::error(place.at_line(5), "wrong"));
    plan.findings
        .push(Diagnostic::error(place.at_line(7), "wrong too"));
    let row = of(&plan);
    assert_eq!(row.state, State::Problem);
    assert!(
        row.sentence.ends_with("error: wrong, and 1 more"),
        "{row:?}"
    );
}
