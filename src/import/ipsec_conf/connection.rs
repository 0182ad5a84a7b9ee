//! Which connections L2TP clients come through, and which of its two sides is ours.

use std::net::IpAddr;

use crate::compat::ipsec_conf::{Dialect, Effective, Section, boolean};

/// What becomes of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// L2TP clients come through it.
    Taken,
    /// It is for calling a server.
    Client,
    /// It would never be loaded.
    Idle,
    /// It is for something that adit does not do: what, and what that means.
    Other(String),
}

/// The sides of a connection. Neither name says which one is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

impl Side {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

/// A connection with all that holds for it.
pub(super) struct Connection<'a> {
    pub name: &'a str,
    pub settings: Effective<'a>,
    pub verdict: Verdict,
    /// Which side is ours.
    pub ours: Side,
}

impl<'a> Connection<'a> {
    pub(super) fn new(
        section: &'a Section,
        settings: Effective<'a>,
        dialect: Option<Dialect>,
    ) -> Self {
        let ours = our_side(&settings);
        Self {
            name: &section.name,
            verdict: judge(&settings, ours, dialect),
            settings,
            ours,
        }
    }

    pub(super) fn is_taken(&self) -> bool {
        self.verdict == Verdict::Taken
    }

    /// Whether the statement takes part in it.
    pub(super) fn has(&self, statement: usize) -> bool {
        self.settings.iter().any(|(_, _, own)| own == statement)
    }

    /// Whether it is only there for others to take settings from.
    pub(super) fn template(&self, sections: &[Section]) -> bool {
        let named = sections
            .iter()
            .any(|section| section.also.iter().any(|(name, _)| name == self.name));
        named && !matches!(self.verdict, Verdict::Taken | Verdict::Client)
    }
}

/// UDP and port 1701, as `17/1701` or in words: the protocol and the port; none for any.
fn protoport(value: &str) -> (Option<&str>, Option<&str>) {
    let (protocol, port) = value.split_once('/').unwrap_or((value, "%any"));
    let any = |text: &'static str, value| match value {
        "%any" | "0" | "any" => None,
        value if value == text => Some(text),
        value => Some(value),
    };
    let protocol = match protocol {
        "17" => "udp",
        other => other,
    };
    let port = match port {
        "l2tp" | "l2f" => "1701",
        other => other,
    };
    (any("udp", protocol), any("1701", port))
}

/// The side that is this host's: the one whose address is found out by itself, else the one that
/// is not anybody, else the one that has L2TP's port. The host's own addresses are not asked: the
/// files may come from another one.
fn our_side(settings: &Effective<'_>) -> Side {
    let value = |side: Side| settings.value(side.name()).unwrap_or("");
    let sides = [Side::Left, Side::Right];
    let one = |wanted: &dyn Fn(Side) -> bool| {
        let mut found = sides.into_iter().filter(|side| wanted(*side));
        found.next().filter(|_| found.next().is_none())
    };
    let local = |side| matches!(value(side), "%defaultroute" | "%eth0" | "%ethernet");
    let anybody = |side: Side| {
        matches!(
            value(side),
            "%any" | "%any4" | "%any6" | "0.0.0.0" | "0.0.0.0/0" | "%opportunistic"
        )
    };
    let port = |side: Side| {
        let key = format!("{}protoport", side.name());
        settings.value(&key).and_then(|value| protoport(value).1) == Some("1701")
    };
    one(&local)
        .or_else(|| one(&anybody).map(Side::other))
        .or_else(|| one(&port))
        .unwrap_or(Side::Left)
}

fn judge(settings: &Effective<'_>, ours: Side, dialect: Option<Dialect>) -> Verdict {
    let value = |key: &str| settings.value(key).unwrap_or("");
    let is_true = |key: &str| settings.value(key).and_then(|v| boolean(v, dialect)) == Some(true);
    let other = |why: &str| Verdict::Other(why.to_owned());

    let authentications = ["authby", "leftauth", "rightauth", "auth"];
    let with = |word: &str| authentications.iter().any(|key| value(key).contains(word));
    if with("xauth")
        || matches!(value("xauth"), "server" | "client")
        || is_true("leftxauthserver")
        || is_true("rightxauthserver")
        || is_true("leftxauthclient")
        || is_true("rightxauthclient")
    {
        return other(
            "it is for XAuth (\"Cisco IPsec\"), which adit does not speak: its users need an L2TP \
             connection",
        );
    }
    if matches!(
        value("ikev2"),
        "insist" | "yes" | "always" | "propose" | "true" | "on"
    ) || value("keyexchange").eq_ignore_ascii_case("ikev2")
    {
        return other(
            "it is for IKEv2, which adit does not speak: its users need an L2TP connection, or the \
             old program beside adit on another address",
        );
    }
    match value("type") {
        "transport" => {}
        "passthrough" | "pass" | "drop" | "reject" => {
            return other("it exempts traffic from IPsec, which adit does not handle at all");
        }
        _ => {
            return other(
                "it is a tunnel between networks, and adit has transport mode for L2TP only: keep \
                 the old program for it, on another address",
            );
        }
    }
    if !(with("secret") || with("psk")) {
        return other("its clients have certificates, and adit has shared keys only");
    }
    let ends = [ours, ours.other()].map(|side| {
        let value = value(&format!("{}protoport", side.name()));
        if value.is_empty() {
            (None, None)
        } else {
            protoport(value)
        }
    });
    let [(protocol, port), (peer_protocol, peer_port)] = ends;
    let udp = |protocol: Option<&str>| protocol.is_none_or(|protocol| protocol == "udp");
    let peer = value(ours.other().name());
    let l2tp = |port: Option<&str>| port.is_none_or(|port| port == "1701");
    if !udp(protocol) || !udp(peer_protocol) || !(l2tp(port) || peer_port == Some("1701")) {
        return other("it protects something else than L2TP");
    }
    // A client goes to port 1701 of one certain host, and need not have that port itself.
    let certain = peer
        .parse::<IpAddr>()
        .is_ok_and(|address| !address.is_unspecified())
        || peer.contains(|c: char| c.is_ascii_alphabetic()) && !peer.starts_with('%');
    if certain && peer_port == Some("1701") {
        return Verdict::Client;
    }
    match value("auto") {
        "" | "ignore" => Verdict::Idle,
        _ => Verdict::Taken,
    }
}
