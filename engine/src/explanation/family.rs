//! Whose client it is: coarse, by what it shows its user and where its fields are.

use std::fmt;

use ike::{Make, WindowsVersion};

/// Clients that show the same and are set up alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Windows.
    Windows,
    /// macOS, iOS, iPadOS.
    Apple,
    /// Android.
    Android,
    /// Linux with strongSwan or libreswan, ChromeOS, `adit connect`.
    Linux,
    /// Routers, and what is not recognised.
    Other,
}

impl Family {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Windows,
        Self::Apple,
        Self::Android,
        Self::Linux,
        Self::Other,
    ];

    /// The family of a make.
    pub const fn of(make: Make) -> Self {
        match make {
            Make::Windows(_) => Self::Windows,
            Make::Apple => Self::Apple,
            Make::Android => Self::Android,
            Make::StrongSwan | Make::Libreswan | Make::ChromeOs | Make::Adit => Self::Linux,
            Make::Unknown | Make::Racoon | Make::Cisco | Make::MikroTik => Self::Other,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Windows => "Windows",
            Self::Apple => "macOS, iOS",
            Self::Android => "Android",
            Self::Linux => "Linux",
            Self::Other => "others",
        })
    }
}

/// What L2TP adds to what IKE says about a peer's make. Vendor ids are the better witness: they
/// are only helped out.
pub fn recognise(make: Make, l2tp: &l2tp::PeerInfo) -> Make {
    if !matches!(make, Make::Unknown | Make::Racoon) {
        return make;
    }
    match (l2tp.vendor_name.as_str(), l2tp.host_name.as_str()) {
        ("Microsoft", _) => Make::Windows(WindowsVersion::Unknown),
        ("MikroTik", _) => Make::MikroTik,
        ("adit", _) => Make::Adit,
        // QUIRK(Android): mtpd never says another name.
        ("", "anonymous") => Make::Android,
        _ => make,
    }
}
