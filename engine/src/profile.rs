//! Whose ways a dialled connection has, from the first message to the last.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::dhcp;

/// What a dialled connection puts on the wire, and when. [`Habits::default`] is our own way,
/// [`Profile::habits`] the ways of others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Habits {
    /// In IKE.
    pub ike: ike::Habits,
    /// In L2TP.
    pub l2tp: Arc<l2tp::Habits>,
    /// In PPP.
    pub ppp: ppp::Habits,
    /// How the server is asked for routes and a search domain once traffic can flow; `None`: it is
    /// not.
    pub dhcp: Option<dhcp::Habits>,
    /// Our UDP port for L2TP inside ESP; the server's is 1701.
    pub port: LocalPort,
}

/// A client's UDP port for L2TP inside ESP (RFC 2661 §8.1 allows any).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LocalPort {
    /// 1701, like the server's.
    #[default]
    L2tp,
    /// One of the dynamic ports, another for each connection.
    Dynamic,
}

/// The clients that people have. Each is a set of [`Habits`]; nothing else depends on its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Profile {
    /// Our own way.
    #[default]
    Adit,
    /// The client built into Windows 7.
    Windows7,
    /// The client built into Windows 10.
    Windows10,
    /// The client built into Windows 11, which is not known to differ from that of Windows 10.
    Windows11,
    /// The client built into macOS.
    MacOs,
    /// The client built into iOS and iPadOS, which shares its code with that of macOS.
    Ios,
    /// The client built into Android up to 12: racoon and mtpd.
    Android,
    /// The client built into ChromeOS: strongSwan, xl2tpd and pppd.
    ChromeOs,
    /// NetworkManager-l2tp with strongSwan.
    NetworkManagerStrongswan,
    /// NetworkManager-l2tp with libreswan.
    NetworkManagerLibreswan,
    /// RouterOS of MikroTik.
    MikroTik,
}

/// A name that is no [`Profile`]'s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownProfile(String);

impl fmt::Display for UnknownProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = Profile::ALL.map(Profile::name).into();
        write!(
            f,
            "there is no profile {:?}; there are {}",
            self.0,
            names.join(", ")
        )
    }
}

impl std::error::Error for UnknownProfile {}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Adit,
        Self::Windows7,
        Self::Windows10,
        Self::Windows11,
        Self::MacOs,
        Self::Ios,
        Self::Android,
        Self::ChromeOs,
        Self::NetworkManagerStrongswan,
        Self::NetworkManagerLibreswan,
        Self::MikroTik,
    ];

    /// Its name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Adit => "adit",
            Self::Windows7 => "windows7",
            Self::Windows10 => "windows10",
            Self::Windows11 => "windows11",
            Self::MacOs => "macos",
            Self::Ios => "ios",
            Self::Android => "android",
            Self::ChromeOs => "chromeos",
            Self::NetworkManagerStrongswan => "networkmanager-strongswan",
            Self::NetworkManagerLibreswan => "networkmanager-libreswan",
            Self::MikroTik => "mikrotik",
        }
    }

    /// What it does in IKE.
    pub fn ike(self) -> ike::Habits {
        match self {
            Self::Adit => ike::Habits::default(),
            Self::Windows7 => ike::habits::windows_7(),
            Self::Windows10 | Self::Windows11 => ike::habits::windows_10(),
            Self::MacOs | Self::Ios => ike::habits::apple(),
            Self::Android => ike::habits::android(),
            Self::ChromeOs => ike::habits::chromeos(),
            Self::NetworkManagerStrongswan => ike::habits::network_manager_strongswan(),
            Self::NetworkManagerLibreswan => ike::habits::network_manager_libreswan(),
            Self::MikroTik => ike::habits::mikrotik(),
        }
    }

    /// What it does in L2TP.
    pub fn l2tp(self) -> l2tp::Habits {
        match self {
            Self::Adit => l2tp::Habits::default(),
            Self::Windows7 => l2tp::habits::windows_7(),
            Self::Windows10 | Self::Windows11 => l2tp::habits::windows_10(),
            Self::MacOs | Self::Ios => l2tp::habits::apple(),
            Self::Android => l2tp::habits::android(),
            Self::ChromeOs => l2tp::habits::chromeos(),
            Self::NetworkManagerStrongswan => l2tp::habits::network_manager_strongswan(),
            Self::NetworkManagerLibreswan => l2tp::habits::network_manager_libreswan(),
            Self::MikroTik => l2tp::habits::mikrotik(),
        }
    }

    /// What it does in PPP.
    pub fn ppp(self) -> ppp::Habits {
        match self {
            Self::Adit => ppp::Habits::default(),
            Self::Windows7 => ppp::habits::windows_7(),
            Self::Windows10 | Self::Windows11 => ppp::habits::windows_10(),
            Self::MacOs | Self::Ios => ppp::habits::apple(),
            Self::Android => ppp::habits::android(),
            Self::ChromeOs => ppp::habits::chromeos(),
            Self::NetworkManagerStrongswan => ppp::habits::network_manager_strongswan(),
            Self::NetworkManagerLibreswan => ppp::habits::network_manager_libreswan(),
            Self::MikroTik => ppp::habits::mikrotik(),
        }
    }

    /// What it does in DHCP.
    pub fn dhcp(self) -> Option<dhcp::Habits> {
        match self {
            Self::Windows7 | Self::Windows10 | Self::Windows11 => Some(dhcp::habits::windows()),
            Self::MacOs | Self::Ios => Some(dhcp::habits::apple()),
            _ => None,
        }
    }

    /// Its UDP port for L2TP.
    pub const fn port(self) -> LocalPort {
        match self {
            Self::MacOs | Self::Ios | Self::Android => LocalPort::Dynamic,
            _ => LocalPort::L2tp,
        }
    }

    /// All of its habits.
    pub fn habits(self) -> Habits {
        Habits {
            ike: self.ike(),
            l2tp: Arc::new(self.l2tp()),
            ppp: self.ppp(),
            dhcp: self.dhcp(),
            port: self.port(),
        }
    }
}

impl From<Profile> for Habits {
    fn from(profile: Profile) -> Self {
        profile.habits()
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let named = |profile: &Self| profile.name() == name;
        let found = Self::ALL.into_iter().find(named);
        found.ok_or_else(|| UnknownProfile(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_again_and_no_other() {
        for profile in Profile::ALL {
            assert_eq!(profile.name().parse(), Ok(profile));
        }
        let error = "amiga".parse::<Profile>().unwrap_err().to_string();
        assert!(error.starts_with("there is no profile \"amiga\"; there are adit, windows7,"));
        assert!(error.ends_with(", mikrotik"));
    }

    #[test]
    fn our_own_habits_are_the_default() {
        assert_eq!(Profile::default().habits(), Habits::default());
        for profile in Profile::ALL.into_iter().skip(1) {
            assert_ne!(profile.habits(), Habits::default(), "{profile}");
        }
    }
}
