//! Which of the two programs a file was written for.

use std::fmt;
use std::str::FromStr;

use super::{SectionKind, Statement, What};

/// Whose ipsec.conf it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// strongSwan: `#` ends a value even within a word, sections of one name are one, only `yes`
    /// and `no` are booleans.
    StrongSwan,
    /// libreswan, and before it openswan: `#` within a word belongs to it, a section's name may
    /// occur once, several spellings of booleans.
    Libreswan,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StrongSwan => "strongSwan",
            Self::Libreswan => "libreswan",
        })
    }
}

impl FromStr for Dialect {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word.to_ascii_lowercase().as_str() {
            "strongswan" => Ok(Self::StrongSwan),
            "libreswan" | "openswan" => Ok(Self::Libreswan),
            _ => Err(format!(
                "{word:?} is not a dialect of ipsec.conf; known are strongswan and libreswan"
            )),
        }
    }
}

/// Keys that only strongSwan has, `left` standing for `right` as well.
const STRONGSWAN: [&str; 23] = [
    "charondebug",
    "cachecrls",
    "charonstart",
    "margintime",
    "forceencaps",
    "closeaction",
    "eap_identity",
    "aaa_identity",
    "xauth_identity",
    "lifebytes",
    "lifepackets",
    "marginbytes",
    "inactivity",
    "installpolicy",
    "leftfirewall",
    "lefthostaccess",
    "leftauth2",
    "leftca2",
    "leftid2",
    "leftgroups",
    "leftdns",
    "mark_in",
    "mark_out",
];

/// Keys that only libreswan has. openswan's spellings with `_` count as those with `-`.
const LIBRESWAN: [&str; 32] = [
    "virtual-private",
    "protostack",
    "ikev2",
    "ikev1-policy",
    "phase2",
    "phase2alg",
    "salifetime",
    "encapsulation",
    "sha2-truncbug",
    "nat-ikev1-method",
    "logfile",
    "logtime",
    "logappend",
    "ipsecdir",
    "nssdir",
    "dnssec-enable",
    "listen-tcp",
    "ddos-mode",
    "leftxauthserver",
    "leftxauthclient",
    "leftmodecfgserver",
    "leftmodecfgclient",
    "leftaddresspool",
    "leftusername",
    "modecfgdns",
    "modecfgdomains",
    "modecfgpull",
    "xauthby",
    "cisco-unity",
    "overlapip",
    "sareftrack",
    "narrowing",
];

impl Dialect {
    /// The one whose keys and values there are more of; none if that does not tell.
    pub(super) fn recognise(statements: &[Statement]) -> Option<Self> {
        let (mut strongswan, mut libreswan) = (0u32, 0u32);
        for statement in statements {
            match &statement.what {
                What::Section(SectionKind::Ca, _) => strongswan = strongswan.saturating_add(2),
                What::Setting { key, value } => {
                    let plain = key.replace("right", "left").to_ascii_lowercase();
                    if STRONGSWAN.contains(&plain.as_str()) {
                        strongswan = strongswan.saturating_add(2);
                    }
                    // libreswan 5 knows `keyexchange` too; then others of its own are there.
                    if plain == "keyexchange" || plain == "strictcrlpolicy" {
                        strongswan = strongswan.saturating_add(1);
                    }
                    // strongSwan ignores the old spelling of this one.
                    if plain != "virtual_private"
                        && LIBRESWAN.contains(&plain.replace('_', "-").as_str())
                    {
                        libreswan = libreswan.saturating_add(2);
                    }
                    if plain.starts_with("x-") || plain.starts_with("x_") || value == "%forever" {
                        libreswan = libreswan.saturating_add(2);
                    }
                    if matches!(value.as_str(), "true" | "false" | "on" | "off" | "ondemand") {
                        libreswan = libreswan.saturating_add(1);
                    }
                }
                _ => {}
            }
        }
        match strongswan.cmp(&libreswan) {
            std::cmp::Ordering::Greater => Some(Self::StrongSwan),
            std::cmp::Ordering::Less => Some(Self::Libreswan),
            std::cmp::Ordering::Equal => None,
        }
    }
}
