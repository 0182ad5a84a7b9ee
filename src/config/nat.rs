//! `[nat]`: what other networks see of clients, and what is wrong with it.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::model::Config;
use super::validate::Check;

/// `[nat]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Nat {
    /// Whether we turn on IPv4 forwarding and give the packets of clients to others the address of
    /// the interface they leave by.
    pub masquerade: bool,
}

impl Check<'_> {
    pub(super) fn nat(&mut self, config: &Config) {
        if !config.nat.masquerade {
            return;
        }
        let public = |address: IpAddr| matches!(address, IpAddr::V4(a) if !is_inner(a));
        let mut ranges = config.pool.ranges.iter();
        if let Some(range) = ranges.find(|r| public(r.first) || public(r.last)) {
            let message = format!("hides the public addresses {range} that clients have");
            let hint = "turn it off if those are routed to this server, or lend private ones";
            self.warning("nat.masquerade", message, hint);
        }
    }
}

/// RFC 1918, RFC 6598, RFC 3927, and the networks of documentation (RFC 5737) and of benchmarks
/// (RFC 2544), in which nobody on the Internet is.
pub(crate) const fn is_inner(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    address.is_private()
        || address.is_link_local()
        || address.is_loopback()
        || address.is_documentation()
        || (a == 100 && b & 0xc0 == 64)
        || (a == 198 && b & 0xfe == 18)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::layers::Origins;
    use crate::config::validate::validate;

    #[test]
    fn public_addresses_are_not_hidden_without_a_word() {
        for (range, expected) in [
            ("10.10.1.2-10.10.1.100", false),
            ("100.64.0.1-100.127.255.254", false),
            ("8.8.4.2-8.8.4.9", true),
            ("100.63.0.1-100.63.0.9", true),
        ] {
            for masquerade in [false, true] {
                let text =
                    format!("[nat]\nmasquerade = {masquerade}\n[pool]\nranges = [\"{range}\"]\n");
                let config: Config = toml::from_str(&text).unwrap();
                let mut findings = Vec::new();
                validate(&config, &Origins::default(), &mut findings);
                let found = findings
                    .iter()
                    .any(|f| f.message.contains("nat.masquerade"));
                assert_eq!(found, expected && masquerade, "{text}{findings:?}");
            }
        }
    }
}
