//! `[clients]`: what clients are told, and what is wrong with it.

use std::net::{IpAddr, Ipv4Addr};

use engine::dhcp::{Parameters, Route, TooLong};

use super::model::{Clients, Config};
use super::validate::Check;

/// RFC 1035 §2.3.4, as text.
const LONGEST_DOMAIN: usize = 253;
/// The same for a label.
const LONGEST_LABEL: usize = 63;

impl Clients {
    /// What the answers to DHCPINFORM tell: `local` is our inner address, and with that the way
    /// to every network.
    ///
    /// # Errors
    /// If it does not fit into one. A validated configuration does.
    pub fn parameters(&self, local: Ipv4Addr) -> Result<Parameters, TooLong> {
        let route = |network: &super::Network| Route::new(network.address, network.width, local);
        Parameters::new(self.routes.iter().map(route).collect(), &self.domain)
    }
}

impl Check<'_> {
    pub(super) fn clients(&mut self, config: &Config) {
        let clients = &config.clients;
        let path = "clients.routes";
        for (index, network) in clients.routes.iter().enumerate() {
            let address = network.address;
            if network.width == 0 {
                let message = "this is everything, and no split tunnel";
                let hint = "leave clients.routes empty and the client's \"use default gateway on \
                            remote network\" on";
                self.element_error(path, index, message, hint);
            } else if address.is_loopback() || address.is_multicast() || address.octets()[0] == 0 {
                let message = format!("{network} is not a network to route");
                self.element_error(path, index, message, "");
            } else if clients.routes.iter().take(index).any(|n| n == network) {
                self.element_error(path, index, format!("{network} is listed twice"), "");
            }
        }
        if !clients.routes.is_empty() {
            self.name_servers_within(config);
        }
        let domain = "clients.domain";
        if !clients.domain.is_empty() && !is_domain(&clients.domain) {
            let message = format!("{:?} is not a domain", clients.domain);
            self.error(domain, message, "such as \"corp.example\"");
        }
        if let Err(error) = clients.parameters(Ipv4Addr::UNSPECIFIED) {
            self.error(path, error, "join neighbouring networks into larger ones");
        }
    }

    /// A private name server that no route leads to is one that a client in split tunnel asks
    /// in vain.
    fn name_servers_within(&mut self, config: &Config) {
        for (index, server) in config.ppp.dns.iter().enumerate() {
            let IpAddr::V4(address) = *server else {
                continue;
            };
            let routed = config.clients.routes.iter().any(|n| n.contains(address));
            if address.is_private() && !routed && *server != config.pool.local {
                let message = format!("{server} lies in none of clients.routes");
                let hint = "clients that send only those networks into the tunnel may not reach it";
                self.element_warning("ppp.dns", index, message, hint);
            }
        }
    }
}

fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= LONGEST_LABEL
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    text.len() <= LONGEST_DOMAIN && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::layers::Origins;
    use crate::config::validate::validate;

    fn findings(toml: &str) -> Vec<String> {
        let config: Config = toml::from_str(toml).unwrap();
        let mut findings = Vec::new();
        validate(&config, &Origins::default(), &mut findings);
        let text = findings.iter().map(ToString::to_string);
        text.filter(|text| text.contains("clients.")).collect()
    }

    #[test]
    fn good_ones() {
        for toml in [
            "",
            "[clients]\nroutes = [\"10.0.0.0/8\", \"192.168.7.0/24\"]\ndomain = \"corp.example\"",
            "[clients]\ndomain = \"local\"",
            "[clients]\nroutes = [\"10.0.0.0/8\"]\n[ppp]\ndns = [\"10.1.1.1\", \"9.9.9.9\"]",
            "[clients]\nroutes = [\"192.168.7.0/24\"]\n[ppp]\ndns = [\"10.10.1.1\"]",
        ] {
            assert_eq!(findings(toml), [] as [String; 0], "{toml}");
        }
    }

    #[test]
    fn each_mistake_is_found() {
        for (toml, words) in [
            (
                "routes = [\"0.0.0.0/0\"]",
                "everything, and no split tunnel",
            ),
            ("routes = [\"127.0.0.0/8\"]", "not a network to route"),
            ("routes = [\"224.0.0.0/4\"]", "not a network to route"),
            ("routes = [\"10.0.0.0/8\", \"10.0.0.0/8\"]", "listed twice"),
            ("domain = \"corp example\"", "is not a domain"),
            ("domain = \"corp..example\"", "is not a domain"),
            ("domain = \"-corp.example\"", "is not a domain"),
            (
                "routes = [\"192.168.7.0/24\"]\n[ppp]\ndns = [\"10.1.1.1\"]",
                "lies in none of clients.routes",
            ),
        ] {
            let found = findings(&format!("[clients]\n{toml}"));
            assert!(
                matches!(&found[..], [one] if one.contains(words)),
                "{toml}: {found:?}"
            );
        }
        let many: Vec<String> = (0..30).map(|n| format!("\"10.{n}.0.0/16\"")).collect();
        let found = findings(&format!("[clients]\nroutes = [{}]", many.join(", ")));
        assert!(
            matches!(&found[..], [one] if one.contains("have room for 282")),
            "{found:?}"
        );
    }
}
