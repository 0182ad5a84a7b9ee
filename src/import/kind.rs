//! The kinds of files there are, by their names, their usual places and what is in them.

use std::path::Path;
use std::str::FromStr;

use serde::Serialize;

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// adit's own configuration.
    Adit,
    /// The environment of hwdsl2's container and scripts: `VPN_IPSEC_PSK=…`.
    Hwdsl2Env,
    /// strongSwan's or libreswan's ipsec.conf.
    IpsecConf,
    /// strongSwan's swanctl.conf.
    Swanctl,
    /// racoon.conf.
    Racoon,
    /// racoon's psk.txt.
    PskTxt,
    /// Input of setkey: security policies of the BSD world.
    Setkey,
    /// xl2tpd.conf.
    Xl2tpd,
    /// xl2tpd's secrets of tunnels.
    L2tpSecrets,
    /// A file of pppd's options.
    PppdOptions,
    /// The pre-shared keys, which adit reads as they are.
    IpsecSecrets,
    /// The users, which adit reads as they are.
    ChapSecrets,
    /// The users of PAP.
    PapSecrets,
    /// libreswan's users of XAuth.
    XauthPasswords,
}

impl Kind {
    /// All of them, in the order in which they are read: of two that say the same thing, the later
    /// has the last word.
    pub const ALL: [Self; 14] = [
        Self::Adit,
        Self::Hwdsl2Env,
        Self::IpsecConf,
        Self::Swanctl,
        Self::Racoon,
        Self::PskTxt,
        Self::Setkey,
        Self::Xl2tpd,
        Self::L2tpSecrets,
        Self::PppdOptions,
        Self::IpsecSecrets,
        Self::ChapSecrets,
        Self::PapSecrets,
        Self::XauthPasswords,
    ];

    /// The word for it, as in `KIND:FILE`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Adit => "adit",
            Self::Hwdsl2Env => "hwdsl2-env",
            Self::IpsecConf => "ipsec-conf",
            Self::Swanctl => "swanctl",
            Self::Racoon => "racoon",
            Self::PskTxt => "psk-txt",
            Self::Setkey => "setkey",
            Self::Xl2tpd => "xl2tpd",
            Self::L2tpSecrets => "l2tp-secrets",
            Self::PppdOptions => "pppd-options",
            Self::IpsecSecrets => "ipsec-secrets",
            Self::ChapSecrets => "chap-secrets",
            Self::PapSecrets => "pap-secrets",
            Self::XauthPasswords => "xauth-passwords",
        }
    }

    /// Where it usually is. Of several places the first that exists counts.
    pub(super) fn places(self) -> &'static [&'static str] {
        match self {
            Self::Adit => &[],
            Self::Hwdsl2Env => &["/opt/src/vpn.env", "/etc/ipsec.d/vpn-gen.env"],
            Self::IpsecConf => &["/etc/ipsec.conf"],
            Self::Swanctl => &["/etc/swanctl/swanctl.conf"],
            Self::Racoon => &[
                "/etc/racoon/racoon.conf",
                "/usr/local/etc/racoon/racoon.conf",
            ],
            Self::PskTxt => &["/etc/racoon/psk.txt", "/usr/local/etc/racoon/psk.txt"],
            Self::Setkey => &["/etc/ipsec-tools.conf", "/etc/racoon/setkey.conf"],
            Self::Xl2tpd => &["/etc/xl2tpd/xl2tpd.conf", "/etc/l2tpd/l2tpd.conf"],
            Self::L2tpSecrets => &["/etc/xl2tpd/l2tp-secrets", "/etc/l2tpd/l2tp-secrets"],
            Self::PppdOptions => &["/etc/ppp/options"],
            Self::IpsecSecrets => &["/etc/ipsec.secrets"],
            Self::ChapSecrets => &["/etc/ppp/chap-secrets"],
            Self::PapSecrets => &["/etc/ppp/pap-secrets"],
            Self::XauthPasswords => &["/etc/ipsec.d/passwd"],
        }
    }

    /// What a file is: by its name where that is unmistakable, else by what is in it.
    pub fn of(path: &Path, text: &[u8]) -> Option<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let by_name = match &*name {
            "xl2tpd.conf" | "l2tpd.conf" => Self::Xl2tpd,
            "l2tp-secrets" => Self::L2tpSecrets,
            "chap-secrets" => Self::ChapSecrets,
            "pap-secrets" => Self::PapSecrets,
            "swanctl.conf" => Self::Swanctl,
            "racoon.conf" => Self::Racoon,
            "psk.txt" => Self::PskTxt,
            "passwd"
                if path
                    .parent()
                    .is_some_and(|folder| folder.ends_with("ipsec.d")) =>
            {
                Self::XauthPasswords
            }
            "ipsec-tools.conf" | "setkey.conf" => Self::Setkey,
            name if name.ends_with(".toml") => Self::Adit,
            name if name.ends_with(".env") => Self::Hwdsl2Env,
            name if name.ends_with(".secrets") => Self::IpsecSecrets,
            name if name.starts_with("options") => Self::PppdOptions,
            _ => return Self::by_content(text),
        };
        Some(by_name)
    }

    /// The first line that only one kind of file can hold decides.
    fn by_content(text: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(text);
        text.lines().find_map(|line| {
            let indented = line.starts_with([' ', '\t']);
            let line = line.trim();
            let mut words = line.split_whitespace();
            let first = words.next()?;
            let second = words.next().unwrap_or("");
            Some(match first {
                _ if first.starts_with('#') => return None,
                "spdadd" | "spdflush;" | "flush;" => Self::Setkey,
                "config" | "conn" | "ca" | "version" if !indented => Self::IpsecConf,
                "include" if !indented && !line.ends_with(';') => Self::IpsecConf,
                "remote" | "sainfo" | "path" | "mode_cfg" => Self::Racoon,
                "connections" | "secrets" | "pools" | "authorities" => Self::Swanctl,
                "[global]" | "[lns" | "[lac" | "[lns]" => Self::Xl2tpd,
                _ if first.starts_with("VPN_") && first.contains('=') => Self::Hwdsl2Env,
                _ if line.contains(": PSK ") => Self::IpsecSecrets,
                "auth" | "noauth" | "require-mschap-v2" | "ms-dns" | "mtu" | "mru" | "proxyarp"
                | "+mschap-v2" | "noccp" | "name" | "lock" | "asyncmap"
                    if second.is_empty() || !line.contains('=') =>
                {
                    Self::PppdOptions
                }
                _ => return None,
            })
        })
    }
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert!("xl2tp".parse::<Kind>().is_err());
    }

    #[test]
    fn usual_places_are_recognised() {
        for kind in Kind::ALL {
            for place in kind.places() {
                // BSD's and Linux' ipsec.conf share the name: what is in them decides.
                let text = if kind == Kind::IpsecConf {
                    "conn a\n"
                } else {
                    ""
                };
                assert_eq!(
                    Kind::of(Path::new(place), text.as_bytes()),
                    Some(kind),
                    "{place}"
                );
            }
        }
    }

    #[test]
    fn contents_are_recognised() {
        for (text, kind) in [
            (
                "# x\nspdadd 10.0.0.0/8 10.1.0.0/16 any -P out;\n",
                Kind::Setkey,
            ),
            ("\n  # x\nconfig setup\n\tuniqueids=no\n", Kind::IpsecConf),
            ("conn %default\n", Kind::IpsecConf),
            ("include /etc/ipsec.d/*.conf\n", Kind::IpsecConf),
            ("log notify;\nremote anonymous {\n", Kind::Racoon),
            ("connections {\n", Kind::Swanctl),
            ("; x\n[lns default]\n", Kind::Xl2tpd),
            ("VPN_IPSEC_PSK=x\n", Kind::Hwdsl2Env),
            ("%any %any : PSK \"x\"\n", Kind::IpsecSecrets),
            ("ipcp-accept-local\nms-dns 1.1.1.1\n", Kind::PppdOptions),
        ] {
            assert_eq!(
                Kind::of(Path::new("/tmp/x"), text.as_bytes()),
                Some(kind),
                "{text}"
            );
        }
        assert_eq!(Kind::of(Path::new("/tmp/x"), b"hello\n"), None);
    }
}
