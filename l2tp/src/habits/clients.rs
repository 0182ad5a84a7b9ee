//! The ways of the clients that are built into operating systems and routers.
//!
//! Where nothing is known of a client beyond what it shares with others, it does as we do.

use std::time::Duration;

use super::{Farewell, Farewells, Habits, HeaderId, Ids, Introduction, KeepAlive, ResultForm};
use crate::codec::{AvpType, FramingCapabilities, TunnelResult};
use crate::reliable::Backoff;

const SYNCHRONOUS: FramingCapabilities = FramingCapabilities(1);

/// Windows 7 and Server 2008 R2.
pub fn windows_7() -> Habits {
    windows(0x0601)
}

/// Windows 10 and 11.
pub fn windows_10() -> Habits {
    windows(0x0a00)
}

/// Windows XP, whose every byte is known. Later ones differ in the firmware revision, as far as
/// is known.
pub fn windows_xp() -> Habits {
    windows(0x0500)
}

fn windows(firmware_revision: u16) -> Habits {
    Habits {
        introduction: Introduction {
            avps: vec![
                AvpType::PROTOCOL_VERSION,
                AvpType::FRAMING_CAPABILITIES,
                AvpType::BEARER_CAPABILITIES,
                AvpType::FIRMWARE_REVISION,
                AvpType::HOST_NAME,
                AvpType::VENDOR_NAME,
                AvpType::ASSIGNED_TUNNEL_ID,
                AvpType::RECEIVE_WINDOW_SIZE,
                AvpType::CHALLENGE,
            ],
            framing: SYNCHRONOUS,
            firmware_revision: Some(firmware_revision),
            vendor_name: Some(b"Microsoft".to_vec()),
            receive_window: Some(8),
            ..Habits::default().introduction
        },
        // "No authentication": the client is LAC and PPP peer in one.
        iccn: vec![
            AvpType::TX_CONNECT_SPEED,
            AvpType::FRAMING_TYPE,
            AvpType::PROXY_AUTHEN_TYPE,
        ],
        cdn: vec![AvpType::RESULT_CODE, AvpType::ASSIGNED_SESSION_ID],
        ids: Ids::Smallest,
        serial: Some(0),
        bearer: 2,
        iccn_framing: SYNCHRONOUS,
        keep_alive: KeepAlive::Never,
        farewell: Farewell {
            messages: Farewells::Both,
            result: Some(TunnelResult::SHUTTING_DOWN.0),
            ..Habits::default().farewell
        },
        length_in_data: true,
        ..Habits::default()
    }
}

/// macOS and iOS.
pub fn apple() -> Habits {
    Habits {
        introduction: Introduction {
            avps: vec![
                AvpType::PROTOCOL_VERSION,
                AvpType::FRAMING_CAPABILITIES,
                AvpType::HOST_NAME,
                AvpType::ASSIGNED_TUNNEL_ID,
                AvpType::RECEIVE_WINDOW_SIZE,
            ],
            terminated_host_name: true,
            receive_window: Some(4),
            ..Habits::default().introduction
        },
        icrq: vec![AvpType::ASSIGNED_SESSION_ID, AvpType::CALL_SERIAL_NUMBER],
        cdn: vec![AvpType::ASSIGNED_SESSION_ID, AvpType::RESULT_CODE],
        serial: Some(1),
        speed: 1_000_000,
        wake_up_hellos: 11,
        first_retransmit: Some(Backoff {
            initial: Duration::from_secs(1),
            cap: Duration::from_secs(1),
            tries: 60,
        }),
        retransmit: Some(Backoff {
            initial: Duration::from_secs(1),
            cap: Duration::from_secs(4),
            tries: 9,
        }),
        dead_after: Some(Duration::from_secs(20)),
        // Only after a change of network.
        keep_alive: KeepAlive::Never,
        farewell: Farewell {
            messages: Farewells::Both,
            form: ResultForm::SwappedAndTooLong,
            ..Habits::default().farewell
        },
        length_in_data: true,
        ..Habits::default()
    }
}

/// Android up to 11: mtpd, the strictest of all.
pub fn android() -> Habits {
    let every_two_seconds = Backoff {
        initial: Duration::from_secs(2),
        cap: Duration::from_secs(2),
        tries: 30,
    };
    Habits {
        introduction: Introduction {
            avps: vec![
                AvpType::PROTOCOL_VERSION,
                AvpType::HOST_NAME,
                AvpType::FRAMING_CAPABILITIES,
                AvpType::ASSIGNED_TUNNEL_ID,
                AvpType::RECEIVE_WINDOW_SIZE,
                AvpType::CHALLENGE,
            ],
            host_name: Some(b"anonymous".to_vec()),
            receive_window: Some(1),
            ..Habits::default().introduction
        },
        icrq: vec![AvpType::ASSIGNED_SESSION_ID, AvpType::CALL_SERIAL_NUMBER],
        waits_for_acknowledgement: true,
        strict: true,
        first_retransmit: Some(every_two_seconds.clone()),
        retransmit: Some(every_two_seconds),
        keep_alive: KeepAlive::Never,
        farewell: Farewell {
            messages: Farewells::OnlyStopCcn,
            result: Some(TunnelResult::SHUTTING_DOWN.0),
            form: ResultForm::Short,
            misaddressed: false,
        },
        ..Habits::default()
    }
}

/// ChromeOS, whose L2TP is xl2tpd's.
pub fn chromeos() -> Habits {
    Habits {
        speed: 1_000_000,
        length_in_data: true,
        ..xl2tpd()
    }
}

/// NetworkManager with strongSwan and xl2tpd.
pub fn network_manager_strongswan() -> Habits {
    xl2tpd()
}

/// NetworkManager with libreswan and xl2tpd.
pub fn network_manager_libreswan() -> Habits {
    xl2tpd()
}

fn xl2tpd() -> Habits {
    Habits {
        introduction: Introduction {
            firmware_revision: Some(0x0690),
            vendor_name: Some(b"xelerance.com".to_vec()),
            receive_window: Some(4),
            ..Habits::default().introduction
        },
        iccn: vec![
            AvpType::TX_CONNECT_SPEED,
            AvpType::FRAMING_TYPE,
            AvpType::RX_CONNECT_SPEED,
        ],
        iccn_framing: SYNCHRONOUS,
        serial: Some(1),
        speed: 0,
        keep_alive: KeepAlive::After(Duration::from_secs(60)),
        farewell: Farewell {
            messages: Farewells::Both,
            ..Habits::default().farewell
        },
        ..Habits::default()
    }
}

/// MikroTik RouterOS. Nothing is known of its AVPs; it asks whether the server is there.
pub fn mikrotik() -> Habits {
    Habits {
        introduction: Introduction {
            vendor_name: Some(b"MikroTik".to_vec()),
            ..Habits::default().introduction
        },
        keep_alive: KeepAlive::After(Duration::from_secs(60)),
        ..Habits::default()
    }
}

/// Cisco IOS: its ICCN says neither speed nor framing.
pub fn cisco() -> Habits {
    Habits {
        introduction: Introduction {
            vendor_name: Some(b"Cisco Systems, Inc.".to_vec()),
            ..Habits::default().introduction
        },
        iccn: Vec::new(),
        ..Habits::default()
    }
}

/// D-Link DIR-300: control messages with tunnel id 0 even in a tunnel that is up.
pub fn dlink() -> Habits {
    Habits {
        header: HeaderId::Zero,
        ..Habits::default()
    }
}
