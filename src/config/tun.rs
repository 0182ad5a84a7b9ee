//! `[tun]`: the interface of all clients, or one for each session; and what is wrong with it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::validate::Check;

/// Linux' IFNAMSIZ is 16, with the terminating NUL.
const INTERFACE_NAME: usize = 15;
/// Digits of the number behind the name of a session's interface.
const DIGITS: usize = 5;
/// What pppd calls its interfaces.
const PPP: &str = "ppp";

/// Whose an interface is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TunMode {
    /// One for all clients.
    #[default]
    Shared,
    /// One for each session, as with pppd.
    PerSession,
}

/// `[tun]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Tun {
    /// Whose an interface is.
    pub mode: TunMode,
    /// Name of the interface, at most 15 bytes; what comes before the number, if there are many.
    pub name: String,
    /// Its MTU in bytes, where there is one for all.
    pub mtu: u16,
    /// Whether the kernel and we hand each other many packets as one.
    pub offload: bool,
}

impl Default for Tun {
    fn default() -> Self {
        Self {
            mode: TunMode::default(),
            name: "adit0".to_owned(),
            mtu: 1400,
            offload: true,
        }
    }
}

impl Tun {
    /// What comes before the number of a session's interface. A name that nobody has set is one for
    /// all, and stands for pppd's.
    pub fn base(&self) -> &str {
        if self.name == Self::default().name {
            PPP
        } else {
            &self.name
        }
    }

    /// The name of the interface or, as a pattern of nftables, of all of them.
    pub fn pattern(&self) -> Cow<'_, str> {
        match self.mode {
            TunMode::Shared => Cow::Borrowed(&self.name),
            TunMode::PerSession => Cow::Owned(format!("{}*", self.base())),
        }
    }
}

impl Check<'_> {
    pub(super) fn tun(&mut self, tun: &Tun) {
        let name = &tun.name;
        let path = "tun.name";
        if name.is_empty() || name == "." || name == ".." {
            self.error(path, "the interface must have a name", "such as \"adit0\"");
        }
        let (digits, room) = match tun.mode {
            TunMode::Shared => (0, ""),
            TunMode::PerSession => (DIGITS, ", the number among them"),
        };
        if name.len() + digits > INTERFACE_NAME {
            let message = format!(
                "{name:?} is {} bytes long; Linux takes {INTERFACE_NAME}{room}",
                name.len()
            );
            self.error(path, message, "");
        }
        if tun.mode == TunMode::PerSession && tun.base().ends_with(|c: char| c.is_ascii_digit()) {
            let message = format!("{name:?} ends in a digit, and a number follows");
            self.warning(path, message, "such as \"ppp\"");
        }
        if name
            .chars()
            .any(|c| c == '/' || c == ':' || c.is_whitespace() || c.is_control())
        {
            let message = format!("{name:?} holds a character that Linux refuses");
            self.error(path, message, "letters, digits, '-', '_' and '.' are safe");
        } else if name.contains('%') {
            let message = format!("{name:?} would be taken for a pattern");
            self.error(path, message, "name one interface, without '%'");
        }
        self.mtu("tun.mtu", tun.mtu);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_by_the_mode() {
        let tun = |mode, name: &str| Tun {
            mode,
            name: name.to_owned(),
            ..Tun::default()
        };
        assert_eq!(Tun::default().pattern(), "adit0");
        assert_eq!(tun(TunMode::PerSession, "adit0").pattern(), "ppp*");
        assert_eq!(tun(TunMode::PerSession, "vpn").base(), "vpn");
        assert_eq!(tun(TunMode::Shared, "vpn").pattern(), "vpn");
    }
}
