//! The keys of xl2tpd.conf, as its program accepts them; the manual spells some differently.

use super::Section;

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Number { least: u32 },
    Truth,
    Range,
}

/// A key, and where it may stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub name: &'static str,
    pub of: Type,
    places: Places,
}

/// Of what sections a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Places {
    Global,
    Lns,
    Lac,
    /// Of servers and clients.
    Both,
}

impl Key {
    /// The key of this name in `section`.
    pub fn find(name: &str, section: &Section) -> Option<&'static Self> {
        KEYS.iter().find(|key| {
            let here = match section {
                Section::Global => key.places == Places::Global,
                Section::Lns(_) => matches!(key.places, Places::Lns | Places::Both),
                Section::Lac(_) => matches!(key.places, Places::Lac | Places::Both),
            };
            here && key.name == name
        })
    }

    /// Whether any section has a key of this name.
    pub fn is_anywhere(name: &str) -> bool {
        KEYS.iter().any(|key| key.name == name)
    }
}

const NUMBER: Type = Type::Number { least: 0 };
const POSITIVE: Type = Type::Number { least: 1 };

const fn key(name: &'static str, places: Places, of: Type) -> Key {
    Key { name, of, places }
}

const KEYS: &[Key] = &[
    key("listen-addr", Places::Global, Type::Text),
    key("port", Places::Global, NUMBER),
    key("auth file", Places::Global, Type::Text),
    key("access control", Places::Global, Type::Truth),
    key("max retries", Places::Global, NUMBER),
    key("cap backoff", Places::Global, NUMBER),
    key("force userspace", Places::Global, Type::Truth),
    key("ipsec saref", Places::Global, Type::Truth),
    key("saref refinfo", Places::Global, NUMBER),
    key("rand source", Places::Global, Type::Text),
    key("debug avp", Places::Global, Type::Truth),
    key("debug network", Places::Global, Type::Truth),
    key("debug packet", Places::Global, Type::Truth),
    key("debug state", Places::Global, Type::Truth),
    key("debug tunnel", Places::Global, Type::Truth),
    key("ip range", Places::Lns, Type::Range),
    key("no ip range", Places::Lns, Type::Range),
    key("assign ip", Places::Lns, Type::Truth),
    key("local ip", Places::Both, Type::Text),
    key("local ip range", Places::Lns, Type::Range),
    key("lac", Places::Lns, Type::Text),
    key("no lac", Places::Lns, Type::Text),
    key("exclusive", Places::Lns, Type::Truth),
    key("hidden bit", Places::Both, Type::Truth),
    key("length bit", Places::Both, Type::Truth),
    key("flow bit", Places::Both, Type::Truth),
    key("call rws", Places::Both, NUMBER),
    key("tunnel rws", Places::Both, POSITIVE),
    key("challenge", Places::Both, Type::Truth),
    key("hostname", Places::Both, Type::Text),
    key("name", Places::Both, Type::Text),
    key("require chap", Places::Both, Type::Truth),
    key("require pap", Places::Both, Type::Truth),
    key("require authentication", Places::Both, Type::Truth),
    key("require auth", Places::Both, Type::Truth),
    key("refuse chap", Places::Both, Type::Truth),
    key("refuse pap", Places::Both, Type::Truth),
    key("refuse authentication", Places::Both, Type::Truth),
    key("refuse auth", Places::Both, Type::Truth),
    key("unix authentication", Places::Both, Type::Truth),
    key("unix auth", Places::Both, Type::Truth),
    key("ppp debug", Places::Both, Type::Truth),
    key("pass peer", Places::Both, Type::Truth),
    key("pppoptfile", Places::Both, Type::Text),
    key("tx bps", Places::Both, POSITIVE),
    key("rx bps", Places::Both, POSITIVE),
    key("bps", Places::Both, POSITIVE),
    key("lns", Places::Lac, Type::Text),
    key("autodial", Places::Lac, Type::Truth),
    key("redial", Places::Lac, Type::Truth),
    key("redial timeout", Places::Lac, NUMBER),
    key("max redials", Places::Lac, NUMBER),
    key("defaultroute", Places::Lac, Type::Truth),
    key("remote ip", Places::Lac, Type::Text),
];
