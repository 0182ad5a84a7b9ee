//! What a script is told: pppd's six arguments, and the variables that pppd sets.
//!
//! There is no terminal and no line speed here; their places are taken by the word `l2tp` and by 0.
//! What pppd does not know (the outer address, the number of the session) is in variables that begin
//! with `ADIT_`.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::ffi::OsStringExt;

use super::Kind;

/// What stands where pppd has the name of a terminal.
const TTY: &str = "l2tp";
/// What stands where pppd has the speed of a line.
const SPEED: &str = "0";
/// In `ipparam` it stands for the client's outer address: what xl2tpd's `pass peer` gives.
const OUTER: &str = "%outer";

/// What the operator wants every script to be told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// The sixth argument.
    pub ipparam: Vec<u8>,
    /// Variables, beside those set here, which win.
    pub set: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Whom it is about.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Number of the session, as in the log and in `adit session`.
    pub session: u64,
    /// The interface of the session's packets.
    pub interface: String,
    /// The number at the end of its name, where it is the session's own.
    pub unit: Option<u32>,
    /// The user's name as the administrator writes it.
    pub user: Vec<u8>,
    /// Where the client is, outside.
    pub outer: SocketAddr,
    /// What IPCP has agreed on.
    pub network: Option<Network>,
    /// How it was, once it is over.
    pub summary: Option<Summary>,
    /// The user's own words, which come before those for everybody.
    pub own: Own,
}

/// What a user's entry says to scripts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Own {
    /// The sixth argument, in the place of the one for everybody.
    pub ipparam: Option<Vec<u8>>,
    /// More variables.
    pub set: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What IPCP has agreed on.
#[derive(Debug, Clone, Copy)]
pub struct Network {
    /// Our address inside.
    pub local: IpAddr,
    /// The client's.
    pub remote: IpAddr,
    /// Name servers given to the client.
    pub dns: [Option<Ipv4Addr>; 2],
    /// WINS servers given to the client.
    pub wins: [Option<Ipv4Addr>; 2],
}

/// How a session was.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// How long it carried traffic, in seconds.
    pub seconds: u64,
    /// Bytes of IP packets sent to the client.
    pub sent: u64,
    /// Bytes of IP packets received from the client.
    pub received: u64,
    /// Why it ended, as in the log.
    pub reason: String,
}

impl Subject {
    /// The six arguments.
    pub fn arguments(&self, kind: Kind, words: &Words) -> Vec<OsString> {
        let ipparam = self.ipparam(words);
        let interface = self.interface.clone().into_bytes();
        let address = |of: fn(&Network) -> IpAddr| {
            let network = self.network.as_ref();
            network.map_or_else(Vec::new, |network| of(network).to_string().into_bytes())
        };
        let arguments = match kind {
            Kind::IpPreUp | Kind::IpUp | Kind::IpDown => [
                interface,
                TTY.into(),
                SPEED.into(),
                address(|network| network.local),
                address(|network| network.remote),
                ipparam,
            ],
            Kind::AuthUp | Kind::AuthDown => [
                interface,
                self.user.clone(),
                own_name().into(),
                TTY.into(),
                SPEED.into(),
                ipparam,
            ],
        };
        arguments.into_iter().map(word).collect()
    }

    fn ipparam(&self, words: &Words) -> Vec<u8> {
        let ipparam = self.own.ipparam.as_ref().unwrap_or(&words.ipparam);
        if ipparam == OUTER.as_bytes() {
            return self.outer.ip().to_string().into_bytes();
        }
        ipparam.clone()
    }

    /// All variables. Later ones of the same name win.
    pub fn variables(&self, kind: Kind, words: &Words) -> Vec<(OsString, OsString)> {
        let mut all = Variables(Vec::new());
        for (name, value) in words.set.iter().chain(&self.own.set) {
            all.0.push((word(name.clone()), word(value.clone())));
        }
        all.add("DEVICE", TTY);
        all.add("IFNAME", &self.interface);
        if let Some(unit) = self.unit {
            all.add("UNIT", unit);
        }
        all.add("SPEED", SPEED);
        all.0.push(("PEERNAME".into(), word(self.user.clone())));
        all.add("ORIG_UID", rustix::process::getuid().as_raw());
        all.add("PPPLOGNAME", own_name());
        all.add("PPPD_PID", std::process::id());
        all.add("ADIT_SESSION", self.session);
        all.add("ADIT_OUTER", self.outer.ip());
        let after_ipcp = !matches!(kind, Kind::AuthUp);
        if let Some(network) = self.network.as_ref().filter(|_| after_ipcp) {
            all.add("IPLOCAL", network.local);
            all.add("IPREMOTE", network.remote);
            let servers = [
                ("DNS1", network.dns[0]),
                ("DNS2", network.dns[1]),
                ("WINS1", network.wins[0]),
                ("WINS2", network.wins[1]),
            ];
            for (name, address) in servers {
                if let Some(address) = address {
                    all.add(name, address);
                }
            }
        }
        let over = matches!(kind, Kind::IpDown | Kind::AuthDown);
        if let Some(summary) = self.summary.as_ref().filter(|_| over) {
            all.add("CONNECT_TIME", summary.seconds);
            all.add("BYTES_SENT", summary.sent);
            all.add("BYTES_RCVD", summary.received);
            all.0.push((
                "ADIT_REASON".into(),
                word(summary.reason.clone().into_bytes()),
            ));
        }
        all.0
    }
}

struct Variables(Vec<(OsString, OsString)>);

impl Variables {
    fn add(&mut self, name: &str, value: impl ToString) {
        self.0.push((name.into(), value.to_string().into()));
    }
}

/// As C has it: up to the first zero, which no argument and no variable can hold.
fn word(bytes: Vec<u8>) -> OsString {
    let mut bytes = bytes;
    if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
        bytes.truncate(end);
    }
    OsString::from_vec(bytes)
}

/// What pppd says of the user who has started it.
fn own_name() -> &'static str {
    if rustix::process::getuid().is_root() {
        "root"
    } else {
        "adit"
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn subject() -> Subject {
        Subject {
            session: 7,
            interface: "ppp3".to_owned(),
            unit: Some(3),
            user: b"alice".to_vec(),
            outer: ([203, 0, 113, 5], 4500).into(),
            network: Some(Network {
                local: [10, 10, 1, 1].into(),
                remote: [10, 10, 1, 2].into(),
                dns: [Some([10, 10, 1, 53].into()), None],
                wins: [None; 2],
            }),
            summary: Some(Summary {
                seconds: 61,
                sent: 1000,
                received: 2000,
                reason: "closed by the operator".to_owned(),
            }),
            own: Own::default(),
        }
    }

    fn words(ipparam: &str) -> Words {
        Words {
            ipparam: ipparam.into(),
            set: vec![
                (b"SITE".to_vec(), b"north".to_vec()),
                (b"IPLOCAL".to_vec(), b"forged".to_vec()),
            ],
        }
    }

    #[test]
    fn six_arguments_in_the_order_of_pppd() {
        let subject = subject();
        for kind in [Kind::IpPreUp, Kind::IpUp, Kind::IpDown] {
            assert_eq!(
                subject.arguments(kind, &words("head office")),
                ["ppp3", "l2tp", "0", "10.10.1.1", "10.10.1.2", "head office"]
            );
        }
        for kind in [Kind::AuthUp, Kind::AuthDown] {
            let arguments = subject.arguments(kind, &words(""));
            assert_eq!(arguments.len(), 6);
            assert_eq!(arguments[..2], ["ppp3", "alice"]);
            assert_eq!(arguments[3..], ["l2tp", "0", ""]);
        }
        assert_eq!(
            subject.arguments(Kind::IpUp, &words("%outer"))[5],
            "203.0.113.5"
        );
        let own = Own {
            ipparam: Some(b"mine".to_vec()),
            set: Vec::new(),
        };
        let subject = Subject { own, ..subject };
        assert_eq!(subject.arguments(Kind::IpUp, &words("%outer"))[5], "mine");
    }

    fn variables(subject: &Subject, kind: Kind) -> BTreeMap<String, String> {
        let all = subject.variables(kind, &words("")).into_iter();
        let text = |word: OsString| word.into_string().unwrap();
        all.map(|(name, value)| (text(name), text(value))).collect()
    }

    #[test]
    fn the_variables_of_pppd() {
        let subject = subject();
        let up = variables(&subject, Kind::IpUp);
        for (name, value) in [
            ("DEVICE", "l2tp"),
            ("IFNAME", "ppp3"),
            ("UNIT", "3"),
            ("IPLOCAL", "10.10.1.1"),
            ("IPREMOTE", "10.10.1.2"),
            ("PEERNAME", "alice"),
            ("SPEED", "0"),
            ("DNS1", "10.10.1.53"),
            ("SITE", "north"),
            ("ADIT_OUTER", "203.0.113.5"),
            ("ADIT_SESSION", "7"),
        ] {
            assert_eq!(up.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert_eq!(up["PPPD_PID"], std::process::id().to_string());
        for name in ["ORIG_UID", "PPPLOGNAME"] {
            assert!(up.contains_key(name), "{name}");
        }
        for name in ["DNS2", "WINS1", "CONNECT_TIME", "BYTES_SENT"] {
            assert!(!up.contains_key(name), "{name}");
        }
        let down = variables(&subject, Kind::IpDown);
        for (name, value) in [
            ("IPREMOTE", "10.10.1.2"),
            ("CONNECT_TIME", "61"),
            ("BYTES_SENT", "1000"),
            ("BYTES_RCVD", "2000"),
            ("ADIT_REASON", "closed by the operator"),
        ] {
            assert_eq!(down[name], value, "{name}");
        }
        let early = variables(&subject, Kind::AuthUp);
        assert_eq!(early["IPLOCAL"], "forged", "there is none yet");
        assert!(!early.contains_key("IPREMOTE") && !early.contains_key("CONNECT_TIME"));
    }

    /// A name is bytes; a zero in it must not keep a script from running.
    #[test]
    fn names_are_bytes() {
        let subject = Subject {
            user: b"ali\xffce\0; rm -rf".to_vec(),
            ..subject()
        };
        let expected = OsString::from_vec(b"ali\xffce".to_vec());
        assert_eq!(subject.arguments(Kind::AuthUp, &words(""))[1], expected);
        let all = subject.variables(Kind::IpUp, &words(""));
        assert!(all.contains(&("PEERNAME".into(), expected)));
    }
}
