//! Which connections L2TP clients come through.

use super::path;
use crate::compat::swanctl::Tree;

/// What becomes of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// L2TP clients come through it.
    Taken,
    /// It is for calling a server.
    Client,
    /// It is for something that adit does not do: what, and what that means.
    Other(&'static str),
}

/// A connection.
pub(super) struct Connection {
    pub name: String,
    pub verdict: Verdict,
    /// The sections of its sides and of its children that L2TP clients come through.
    pub sections: Vec<Vec<String>>,
}

/// A value as text; empty if there is none.
pub(super) fn value(tree: &Tree<'_>, path: &[String], key: &str) -> String {
    let value = tree.get(path, key).map(|(value, _)| value.expose());
    String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
}

impl Connection {
    pub(super) fn new(name: String, tree: &Tree<'_>) -> Self {
        let own = path(&["connections", &name]);
        let inner = |name: &str| [own.clone(), path(&[name])].concat();
        let names = tree.children(&own);
        let sides: Vec<Vec<String>> = names
            .iter()
            .filter(|name| name.starts_with("local") || name.starts_with("remote"))
            .map(|name| inner(name))
            .collect();
        let children: Vec<Vec<String>> = tree
            .children(&inner("children"))
            .into_iter()
            .map(|name| [inner("children"), vec![name]].concat())
            .collect();
        let l2tp = |path: &Vec<String>| {
            let port = |key: &str| {
                let value = value(tree, path, key);
                value.contains("1701") || value.contains("/l2tp")
            };
            let mode = value(tree, path, "mode").eq_ignore_ascii_case("transport");
            (mode, port("local_ts"), port("remote_ts"))
        };
        let verdict = verdict(tree, &own, &sides, children.iter().map(l2tp));
        let mut sections = sides;
        sections.push(inner("children"));
        sections.extend(children.into_iter().filter(|child| {
            let (transport, ours, theirs) = l2tp(child);
            transport && (ours || theirs)
        }));
        Self {
            name,
            verdict,
            sections,
        }
    }
}

/// `children`: whether it is transport mode, and whether our and the peer's end is L2TP's port.
fn verdict(
    tree: &Tree<'_>,
    own: &[String],
    sides: &[Vec<String>],
    children: impl Iterator<Item = (bool, bool, bool)>,
) -> Verdict {
    let auth: Vec<String> = sides.iter().map(|side| value(tree, side, "auth")).collect();
    if auth.iter().any(|auth| auth.starts_with("xauth")) {
        return Verdict::Other(
            "it is for XAuth, which adit does not speak: its users need an L2TP connection",
        );
    }
    if value(tree, own, "version") == "2" || auth.iter().any(|auth| auth.starts_with("eap")) {
        return Verdict::Other(
            "it is for IKEv2, which adit does not speak: its users need an L2TP connection, or \
             strongSwan beside adit on another address",
        );
    }
    if auth.len() < 2 || auth.iter().any(|auth| auth != "psk") {
        return Verdict::Other("its clients have certificates, and adit has shared keys only");
    }
    let children: Vec<(bool, bool, bool)> = children.collect();
    if !children.iter().any(|(transport, ..)| *transport) {
        return Verdict::Other(
            "it is a tunnel between networks, and adit has transport mode for L2TP only: keep \
             strongSwan for it, on another address",
        );
    }
    let l2tp = |(transport, ours, theirs): &(bool, bool, bool)| *transport && (*ours || *theirs);
    let Some((_, ours, _)) = children.iter().find(|child| l2tp(child)) else {
        return Verdict::Other("it protects something else than L2TP");
    };
    let remote = value(tree, own, "remote_addrs");
    let anybody = remote.is_empty() || remote.contains('%') || remote.contains('/');
    match *ours || anybody {
        true => Verdict::Taken,
        false => Verdict::Client,
    }
}
