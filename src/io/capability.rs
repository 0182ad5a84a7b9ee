//! Which rights are missing, in words.

use rustix::thread::{CapabilitySet, capabilities};

/// The rights that some part of the program asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// A TUN device, its address and its routes.
    pub net_admin: bool,
    /// Protocol 50 without UDP around it.
    pub net_raw: bool,
    /// UDP ports below 1024.
    pub net_bind_service: bool,
}

impl Needs {
    /// What `adit serve` needs for the listening port `ike` and whether it serves peers without
    /// a NAT in raw ESP.
    pub fn of_server(ike: u16, raw_esp: bool) -> Self {
        Self {
            net_admin: true,
            net_raw: raw_esp,
            net_bind_service: ike != 0 && ike < first_unprivileged_port(),
        }
    }

    /// Those that this thread has not, as `CAP_…` names; empty if none is missing.
    pub fn missing(self) -> Vec<&'static str> {
        let effective = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
        self.missing_from(effective)
    }

    fn missing_from(self, effective: CapabilitySet) -> Vec<&'static str> {
        self.named()
            .filter(|(capability, _)| !effective.contains(*capability))
            .map(|(_, name)| name)
            .collect()
    }

    /// All of them.
    pub fn set(self) -> CapabilitySet {
        self.named().map(|(capability, _)| capability).collect()
    }

    fn named(self) -> impl Iterator<Item = (CapabilitySet, &'static str)> {
        [
            (self.net_admin, CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN"),
            (self.net_raw, CapabilitySet::NET_RAW, "CAP_NET_RAW"),
            (
                self.net_bind_service,
                CapabilitySet::NET_BIND_SERVICE,
                "CAP_NET_BIND_SERVICE",
            ),
        ]
        .into_iter()
        .filter(|(needed, _, _)| *needed)
        .map(|(_, capability, name)| (capability, name))
    }

    /// A sentence that names the missing rights and how to get them; `None` if none is missing.
    pub fn complaint(self) -> Option<String> {
        sentence(&self.missing())
    }
}

fn sentence(missing: &[&str]) -> Option<String> {
    let (last, others) = missing.split_last()?;
    let names = match others {
        [] => (*last).to_owned(),
        others => format!("{} and {last}", others.join(", ")),
    };
    let what = if others.is_empty() {
        "The capability"
    } else {
        "The capabilities"
    };
    let verb = if others.is_empty() { "is" } else { "are" };
    Some(format!(
        "{what} {names} {verb} missing: run adit as root, through its systemd unit, or with \
         `setcap {}+ep` on the binary",
        missing.join(",").to_lowercase(),
    ))
}

/// The first port that needs no right: 1024 unless the administrator of this network namespace
/// chose otherwise (`net.ipv4.ip_unprivileged_port_start`).
pub fn first_unprivileged_port() -> u16 {
    std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_needed_and_absent_is_missing() {
        let needs = Needs {
            net_admin: true,
            net_raw: true,
            net_bind_service: false,
        };
        assert_eq!(
            needs.missing_from(CapabilitySet::empty()),
            ["CAP_NET_ADMIN", "CAP_NET_RAW"]
        );
        assert_eq!(
            needs.missing_from(CapabilitySet::NET_RAW),
            ["CAP_NET_ADMIN"]
        );
        assert_eq!(
            Needs::default().missing_from(CapabilitySet::empty()),
            [""; 0]
        );
    }

    #[test]
    fn the_sentence_names_each_right_and_a_remedy() {
        assert_eq!(sentence(&[]), None);
        let one = sentence(&["CAP_NET_RAW"]).unwrap();
        assert!(
            one.starts_with("The capability CAP_NET_RAW is missing"),
            "{one}"
        );
        let three = sentence(&["CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_NET_BIND_SERVICE"]).unwrap();
        assert!(
            three.starts_with(
                "The capabilities CAP_NET_ADMIN, CAP_NET_RAW and CAP_NET_BIND_SERVICE are missing"
            ),
            "{three}"
        );
        assert!(three.contains("setcap cap_net_admin,cap_net_raw,cap_net_bind_service+ep"));
    }

    #[test]
    fn high_ports_need_no_right() {
        assert!(!Needs::of_server(50_500, false).net_bind_service);
        assert!(!Needs::of_server(50_500, false).net_raw);
    }
}
