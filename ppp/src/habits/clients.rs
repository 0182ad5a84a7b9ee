//! The ways of the clients that are built into operating systems and routers.
//!
//! Where nothing is known of a client beyond what it shares with others, it does as we do.

use std::time::Duration;

use super::{
    AddressControl, Companion, Echo, Farewell, Habits, Identifiers, IpcpOption, LcpOption, Start,
};
use crate::frame::Protocol;

/// A CCP Configure-Request for MPPE, stateless and with 128 bits (RFC 3078 §2.1).
const MPPE: [u8; 6] = [0x12, 6, 1, 0, 0, 0x40];

/// The PPP of Windows Vista to 8.
pub fn windows_7() -> Habits {
    windows()
}

/// The PPP of Windows 10 and 11, which is not known to differ.
pub fn windows_10() -> Habits {
    windows()
}

fn windows() -> Habits {
    let correlation = [
        0x7a, 0x10, 0xc5, 0x0b, 0x93, 0xfe, 0x4d, 0x46, 0x8e, 0x11, 0x00, 0xd2, 0x6c, 0xff, 0x81,
        0x05,
    ];
    Habits {
        // Its own PPP comes up a moment after L2TP.
        start: Start::Deaf(Duration::from_millis(30)),
        identifiers: Identifiers::SharedFromZero,
        fresh_identifiers: true,
        repeats_when_prompted: false,
        lcp: vec![
            LcpOption::Mru,
            LcpOption::Magic,
            LcpOption::Pfc,
            LcpOption::Acfc,
            LcpOption::Callback(6),
        ],
        address_control: AddressControl::AgreedEvenForLcp,
        mru: Some(1400),
        compression: Some(true),
        identifications: vec![
            b"MSRASV5.20".to_vec(),
            b"MSRAS-0-DESKTOP".to_vec(),
            correlation.to_vec(),
        ],
        companions: vec![
            Companion {
                protocol: Protocol::IPV6CP,
                options: interface_identifier(),
                first: true,
                awaited: false,
            },
            Companion {
                protocol: Protocol::CCP,
                options: MPPE.to_vec(),
                first: true,
                awaited: false,
            },
        ],
        ipcp: vec![
            IpcpOption::Address,
            IpcpOption::PrimaryDns,
            IpcpOption::PrimaryWins,
            IpcpOption::SecondaryDns,
            IpcpOption::SecondaryWins,
        ],
        restart: Some(Duration::from_secs(2)),
        echo: Echo::Never,
        farewell: Farewell::MagicAndNumber,
        ..Habits::default()
    }
}

/// An IPV6CP Configure-Request's Interface-Identifier (RFC 5072 §4.1).
fn interface_identifier() -> Vec<u8> {
    vec![1, 10, 0x38, 0x9d, 0x91, 0x64, 0x5c, 0x0a, 0x4e, 0xb6]
}

/// macOS and iOS.
pub fn apple() -> Habits {
    Habits {
        lcp: vec![
            LcpOption::Accm(0),
            LcpOption::Magic,
            LcpOption::Pfc,
            LcpOption::Acfc,
        ],
        mru: Some(1500),
        compression: Some(true),
        repeats_when_prompted: false,
        suggestions: vec![vec![0xc2, 0x27], vec![0xc2, 0x23, 0x81]],
        companions: vec![Companion {
            protocol: Protocol::ACSP,
            // Routes, then domains, both empty.
            options: Vec::new(),
            first: false,
            awaited: true,
        }],
        ipcp: vec![
            IpcpOption::Address,
            IpcpOption::VanJacobson,
            IpcpOption::PrimaryDns,
            IpcpOption::SecondaryDns,
        ],
        restart: Some(Duration::from_secs(3)),
        echo: Echo::Never,
        farewell: Farewell::Text("User request"),
        mtu: Some(1280),
        ..Habits::default()
    }
}

/// pppd as it is, with an MRU.
fn pppd(mru: u16) -> Habits {
    Habits {
        lcp: vec![
            LcpOption::Mru,
            LcpOption::Accm(0),
            LcpOption::Magic,
            LcpOption::Pfc,
            LcpOption::Acfc,
        ],
        mru: Some(mru),
        repeats_when_prompted: false,
        compression: Some(true),
        ipcp: vec![
            IpcpOption::Address,
            IpcpOption::VanJacobson,
            IpcpOption::PrimaryDns,
            IpcpOption::SecondaryDns,
        ],
        restart: Some(Duration::from_secs(3)),
        echo: Echo::Never,
        farewell: Farewell::Text("User request"),
        mtu: Some(mru),
        ..Habits::default()
    }
}

/// Android up to 11: pppd.
pub fn android() -> Habits {
    pppd(1400)
}

/// ChromeOS: pppd that waits up to five seconds for the server's first word.
pub fn chromeos() -> Habits {
    Habits {
        start: Start::Listening(Duration::from_secs(5)),
        echo: Echo::After(Duration::from_secs(30), 4),
        mtu: Some(1280),
        ..pppd(1410)
    }
}

/// NetworkManager with strongSwan: pppd with IPv6.
pub fn network_manager_strongswan() -> Habits {
    network_manager()
}

/// NetworkManager with libreswan: pppd with IPv6.
pub fn network_manager_libreswan() -> Habits {
    network_manager()
}

fn network_manager() -> Habits {
    Habits {
        companions: vec![Companion {
            protocol: Protocol::IPV6CP,
            options: interface_identifier(),
            first: false,
            awaited: false,
        }],
        ..pppd(1400)
    }
}

/// MikroTik RouterOS. Nothing is known for sure but the MRU.
pub fn mikrotik() -> Habits {
    Habits {
        mru: Some(1450),
        ..Habits::default()
    }
}

/// The app "VPN Client Pro" of Android, which needs its Ack of the server's address to be the
/// first thing that is settled.
pub fn vpn_client_pro() -> Habits {
    Habits {
        ipcp_after_server: true,
        ..android()
    }
}
