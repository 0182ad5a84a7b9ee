//! `ipsec.key-choice`: which keys of the secrets file are tried for a client, and a word about
//! files of which strongSwan, libreswan and we would choose differently.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::model::Listen;
use crate::compat::ipsec_secrets::{Entry, Selector};
use crate::diagnostic::Diagnostic;

/// Which of the keys in the secrets file are tried for a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyChoice {
    /// All that can apply, the most specific first.
    #[default]
    Adit,
    /// The one that strongSwan takes for a connection with `left=%any` or `%defaultroute`.
    Strongswan,
    /// The one that strongSwan takes for a connection with `leftid`, or an address for `left`.
    StrongswanLeftid,
    /// The one that libreswan takes for a connection with `right=%any`.
    Libreswan,
}

impl From<KeyChoice> for ike::KeyChoice {
    fn from(choice: KeyChoice) -> Self {
        match choice {
            KeyChoice::Adit => Self::Every,
            KeyChoice::Strongswan => Self::StrongSwan,
            KeyChoice::StrongswanLeftid => Self::StrongSwanOwnIdentity,
            KeyChoice::Libreswan => Self::Libreswan,
        }
    }
}

/// Addresses of a file that are tried out against one another.
const MOST_ADDRESSES: usize = 16;
/// Findings about differences: more would not make it plainer.
const MOST_FINDINGS: usize = 8;
/// Stand for addresses that no line names: class E is nobody's.
const NOT_NAMED: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(240, 0, 0, 1)),
    IpAddr::V4(Ipv4Addr::new(240, 0, 0, 2)),
];

/// Tells where the three programs would take different keys.
pub(super) fn judge(
    entries: &[Entry],
    choice: KeyChoice,
    listen: &Listen,
    findings: &mut Vec<Diagnostic>,
) {
    if choice != KeyChoice::Adit {
        return;
    }
    let keys: Vec<ike::Key> = entries.iter().map(Entry::key).collect();
    let named = entries.iter().flat_map(|entry| &entry.selectors);
    let named: BTreeSet<IpAddr> = named.filter_map(representative).collect();
    let named: Vec<IpAddr> = named.into_iter().take(MOST_ADDRESSES).collect();
    let [nobody, us] = NOT_NAMED;
    // Which of the addresses are ours is known if they are listed.
    let known = !listen.addresses.iter().any(IpAddr::is_unspecified);
    let ours: Vec<IpAddr> = match known {
        true => listen
            .addresses
            .iter()
            .copied()
            .chain(listen.public_address)
            .collect(),
        false => named.iter().copied().chain([us]).collect(),
    };
    let others = named
        .iter()
        .copied()
        .filter(|address| !known || !ours.contains(address));
    let mut told = BTreeSet::new();
    for remote in std::iter::once(nobody).chain(others) {
        for local in ours.iter().copied().filter(|local| *local != remote) {
            let first = |choice: ike::KeyChoice| choice.first(&keys, &[local], remote);
            let (strongswan, libreswan) = (
                first(ike::KeyChoice::StrongSwan),
                first(ike::KeyChoice::Libreswan),
            );
            let case = Case {
                local,
                remote,
                strongswan: strongswan.and_then(|index| entries.get(index)),
                libreswan: libreswan.and_then(|index| entries.get(index)),
                adit: first(ike::KeyChoice::Every).and_then(|index| entries.get(index)),
                untried: [strongswan, libreswan]
                    .into_iter()
                    .filter_map(|index| keys.get(index?))
                    .any(|key| !key.applies(&[local], remote)),
            };
            let odd = case.differs() || case.untried && case.adit.is_none();
            if told.len() < MOST_FINDINGS && odd && told.insert((strongswan, libreswan)) {
                findings.extend(case.finding());
            }
        }
    }
}

/// An address that a selector fits, if it names any.
fn representative(selector: &Selector) -> Option<IpAddr> {
    match selector {
        Selector::Address(address) | Selector::Range(address, _) => Some(*address),
        Selector::Network(network) => Some(network.address()),
        Selector::Any | Selector::Name(_) => None,
    }
}

/// What the three take for one pair of addresses.
struct Case<'a> {
    local: IpAddr,
    remote: IpAddr,
    strongswan: Option<&'a Entry>,
    libreswan: Option<&'a Entry>,
    adit: Option<&'a Entry>,
    /// One of the others takes a key that is not tried here.
    untried: bool,
}

impl Case<'_> {
    /// Whether there are different keys among them, other than of lines for the same parties:
    /// those are told of by themselves.
    fn differs(&self) -> bool {
        let parties = |entry: &Entry| {
            let mut parties = entry.selectors.clone();
            parties.sort();
            parties
        };
        let mut entries = [self.strongswan, self.libreswan, self.adit]
            .into_iter()
            .flatten();
        entries.next().is_some_and(|first| {
            entries.any(|entry| entry.secret != first.secret && parties(entry) != parties(first))
        })
    }

    fn finding(&self) -> Option<Diagnostic> {
        let place = &self.adit.or(self.libreswan).or(self.strongswan)?.place;
        let key = |entry: Option<&Entry>| match entry.map(|entry| &entry.place) {
            None => "none".to_owned(),
            Some(other) if other.file == place.file => {
                format!("the key of line {}", other.line.unwrap_or_default())
            }
            Some(other) => format!("the key at {other}"),
        };
        let client = match NOT_NAMED.contains(&self.remote) {
            true => "a client from anywhere".to_owned(),
            false => format!("a client at {}", self.remote),
        };
        let server = match NOT_NAMED.contains(&self.local) {
            true => "an address of ours that no line names".to_owned(),
            false => self.local.to_string(),
        };
        let message = format!(
            "for {client} that comes to {server}, strongSwan takes {}, libreswan {}; tried first \
             here is {}",
            key(self.strongswan),
            key(self.libreswan),
            key(self.adit),
        );
        let hint = match self.untried {
            true => {
                "a key for others is not tried; with ipsec.key-choice only that of one program is"
            }
            false => "all that apply are tried; with ipsec.key-choice only that of one program is",
        };
        Some(Diagnostic::warning(place.clone(), message).hint(hint))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::compat::ipsec_secrets::parse;
    use crate::diagnostic::Place;

    fn judged(text: &str) -> Vec<String> {
        judged_at(text, &["0.0.0.0"])
    }

    fn judged_at(text: &str, listen: &[&str]) -> Vec<String> {
        let listen = Listen {
            addresses: listen
                .iter()
                .map(|address| address.parse().unwrap())
                .collect(),
            ..Listen::default()
        };
        let entries = parse(
            &Place::file(Path::new("keys")),
            text.as_bytes(),
            &mut Vec::new(),
        );
        let mut findings = Vec::new();
        judge(&entries, KeyChoice::Adit, &listen, &mut findings);
        let mut nothing = Vec::new();
        judge(&entries, KeyChoice::Libreswan, &listen, &mut nothing);
        assert_eq!(nothing, Vec::new(), "the choice is made");
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn files_on_which_all_agree() {
        for text in [
            "",
            ": PSK a\n",
            // The same key is the same whatever the line.
            "%any %any : PSK a\n: PSK a\n",
            // Two lines for the same parties have a finding of their own.
            "%any %any : PSK a\n%any %any : PSK b\n",
        ] {
            assert_eq!(judged(text), [] as [&str; 0], "{text}");
        }
    }

    /// Where our addresses are listed, no others are thought of.
    #[test]
    fn only_addresses_that_may_be_ours() {
        let text = "%any %any : PSK c\n192.0.2.1 %any : PSK b\n";
        assert_eq!(judged(text).len(), 1);
        assert_eq!(judged_at(text, &["192.0.2.1"]), [] as [&str; 0]);
        assert_eq!(judged_at(text, &["192.0.2.1", "192.0.2.2"]).len(), 1);
    }

    #[test]
    fn files_on_which_they_do_not() {
        insta::assert_snapshot!(
            [
                "%any %any : PSK c\n192.0.2.1 %any : PSK b\n",
                "%any %any : PSK c\n: PSK d\n",
                "192.0.2.1 : PSK e\n%any %any : PSK c\n",
                "203.0.113.9 : PSK f\n192.0.2.1 %any : PSK b\n",
                "192.0.2.1 198.51.100.7 : PSK i\n",
                "192.0.2.1 198.51.100.7 : PSK i\n: PSK d\n",
            ]
            .map(|text| format!("{text}{}\n", judged(text).join("\n")))
            .join("\n")
        );
    }

    #[test]
    fn many_keys_are_judged_in_no_time() {
        let line = |n: u32| format!("{} %any : PSK k{n}\n", Ipv4Addr::from_bits(n << 8));
        let text: String = (1..2000).map(line).collect();
        assert!(judged(&text).len() <= MOST_FINDINGS);
    }
}
