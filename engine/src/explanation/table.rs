//! The table itself. Numbers and sentences stand here only where somebody has reported them for
//! that cause, or where the system's own text for the number says just that; the rest is left
//! out rather than guessed.

use super::{Cause, Explanation, Family};
use crate::Stage;

/// What macOS and iOS say of everything before PPP.
const APPLE_SILENCE: &str = "\"The L2TP-VPN server did not respond.\"";
/// What macOS says of a name or password that is refused.
const APPLE_LOGIN: &str = "\"Authentication failed.\"";
/// What Android says of everything.
const ANDROID: &str = "\"Unsuccessful\"";

/// `families! { Windows: "…", Apple: "…" }`
macro_rules! families {
    ($($family:ident: $text:expr),* $(,)?) => {
        &[$((Family::$family, $text)),*]
    };
}

/// An entry that says only what it has to say.
macro_rules! explain {
    ($cause:ident at any: $what:literal $(, $field:ident: $value:expr)* $(,)?) => {
        const {
            &Explanation {
                $($field: $value,)*
                ..Explanation::new(Cause::$cause, None, $what)
            }
        }
    };
    ($cause:ident at $stage:ident: $what:literal $(, $field:ident: $value:expr)* $(,)?) => {
        const {
            &Explanation {
                $($field: $value,)*
                ..Explanation::new(Cause::$cause, Some(Stage::$stage), $what)
            }
        }
    };
}

impl Explanation {
    const fn new(cause: Cause, stage: Option<Stage>, what: &'static str) -> Self {
        Self {
            cause,
            stage,
            what,
            server: "",
            client: "",
            fields: &[],
            shown: families! { Android: ANDROID },
            logged: true,
        }
    }
}

/// The entry of a cause. Exhaustive, so that no cause is without one.
#[allow(clippy::too_many_lines, reason = "one table")]
pub(super) const fn explanation(cause: Cause) -> &'static Explanation {
    match cause {
        Cause::NothingArrives => explain! {
            NothingArrives at Phase1:
            "no packet of the client reaches this server, or no answer reaches the client",
            server: "let UDP ports 500 and 4500 and IP protocol 50 in, at this host and in front of it; see that the name clients call is this server's address",
            client: "try another network: some let no VPN out",
            shown: families! { Windows: "error 809", Apple: APPLE_SILENCE, Android: ANDROID },
            logged: false,
        },
        Cause::NoClientCertificate => explain! {
            NoClientCertificate at Phase1:
            "the client is set up for certificates and has none, so that it does not even call",
            fields: families! {
                Windows: "choose \"Use preshared key for authentication\" under Security > Advanced settings",
            },
            shown: families! { Windows: "error 766 or 786" },
            logged: false,
        },
        Cause::PlainL2tp => explain! {
            PlainL2tp at Phase1:
            "the client sends L2TP without IPsec, to UDP port 1701, where nothing listens",
            fields: families! {
                Windows: "set the registry value ProhibitIpSec below HKLM\\SYSTEM\\CurrentControlSet\\Services\\RasMan\\Parameters to 0 and restart",
                Linux: "switch IPsec on for the connection",
            },
            shown: families! { Windows: "error 809" },
            logged: false,
        },
        Cause::IkeVersion => explain! {
            IkeVersion at Phase1:
            "the client speaks IKEv2, or something else that is not IKE version 1",
            client: "choose the connection type L2TP/IPsec with pre-shared key",
            fields: families! {
                Windows: "choose the type \"Layer 2 Tunneling Protocol with IPsec (L2TP/IPsec)\" instead of \"Automatic\" or \"IKEv2\"",
                Apple: "make a configuration of the type \"L2TP\" instead of \"IKEv2\"",
                Android: "choose the type \"L2TP/IPSec PSK\"",
                Linux: "set keyexchange=ikev1 (libreswan: ikev2=no)",
            },
        },
        Cause::AggressiveMode => explain! {
            AggressiveMode at Phase1:
            "the client uses Aggressive Mode, which would let anybody guess the pre-shared key",
            fields: families! {
                Apple: "clear the field \"Group Name\"",
                Android: "clear the field \"IPSec identifier\"",
                Linux: "set aggressive=no",
            },
            shown: families! { Apple: APPLE_SILENCE, Android: ANDROID },
        },
        Cause::Certificate => explain! {
            Certificate at Phase1:
            "the client wants to authenticate itself otherwise than by pre-shared key",
            client: "choose authentication by pre-shared key",
            fields: families! {
                Windows: "choose \"Use preshared key for authentication\" under Security > Advanced settings",
                Apple: "choose \"Shared Secret\" instead of \"Certificate\" for the machine",
                Android: "choose the type \"L2TP/IPSec PSK\" instead of \"L2TP/IPSec RSA\"",
                Linux: "set authby=secret",
            },
            shown: families! { Apple: APPLE_SILENCE, Android: ANDROID },
        },
        Cause::NoIkeProposal => explain! {
            NoIkeProposal at Phase1:
            "nothing of what the client offers for phase 1 is acceptable here",
            server: "see which algorithms `ipsec.legacy`, `ipsec.groups`, `ipsec.ciphers` and `ipsec.hashes` admit",
            fields: families! {
                Android: "its only group is MODP-1024, which the option \"legacy-android\" admits",
                Linux: "leave the list of phase 1 algorithms empty, or put aes256-sha256-modp2048 in front",
            },
            shown: families! {
                Windows: "error 788 or 789",
                Apple: APPLE_SILENCE,
                Android: ANDROID,
                Linux: "NO_PROPOSAL_CHOSEN in its log",
            },
        },
        Cause::Unheard => explain! {
            Unheard at Phase1:
            "the client asks again and again and does not hear the answers",
            server: "let UDP port 500 out; see that answers leave from the address that was called (`listen.addresses`)",
            shown: families! { Windows: "error 809", Apple: APPLE_SILENCE, Android: ANDROID },
        },
        Cause::NeverFinished => explain! {
            NeverFinished at Phase1:
            "the client stopped after the key exchange: from there on it uses UDP port 4500 if there is NAT",
            server: "let UDP port 4500 in; if this server is behind NAT, set `listen.public-address`",
            fields: families! {
                Windows: "if it still refuses a server behind NAT, set the registry value AssumeUDPEncapsulationContextOnSendRule below HKLM\\SYSTEM\\CurrentControlSet\\Services\\PolicyAgent to 2 and restart",
            },
            shown: families! { Windows: "error 809", Apple: APPLE_SILENCE, Android: ANDROID },
        },
        Cause::NoKey => explain! {
            NoKey at Phase1:
            "no pre-shared key is configured for the address of the client",
            server: "add a line for it, or for %any, to the file of `ipsec.secrets`",
            shown: families! { Apple: APPLE_SILENCE, Android: ANDROID },
        },
        Cause::WrongKey => explain! {
            WrongKey at Phase1:
            "the client uses another pre-shared key",
            server: "compare it with the file of `ipsec.secrets`; after a change there, reload",
            client: "type the pre-shared key in again",
            fields: families! {
                Windows: "type the key in again under Security > Advanced settings",
                Apple: "type it in again in the field \"Shared Secret\" (macOS) or \"Secret\" (iOS)",
                Android: "type it in again in the field \"IPSec pre-shared key\"",
            },
            shown: families! {
                Windows: "error 789",
                Apple: APPLE_SILENCE,
                Android: ANDROID,
                Linux: "AUTHENTICATION_FAILED in its log",
            },
        },
        Cause::Overload => explain! {
            Overload at Phase1:
            "more handshakes are under way than this server has room or time for",
            server: "if these are clients, raise `ipsec.half-open` and `ipsec.half-open-per-source`",
            client: "try again",
        },
        Cause::Full => explain! {
            Full at any:
            "all places for clients, or for tunnels of one client, are taken",
            client: "try again later",
        },
        Cause::IkeProtocol => explain! {
            IkeProtocol at Phase1:
            "a message of the key exchange is not as it must be",
            client: "update it; a packet capture shows whether something on the way changes messages",
        },
        Cause::Xauth => explain! {
            Xauth at Phase1:
            "the client wants Xauth or mode config, which belong to another kind of VPN",
            client: "choose L2TP/IPsec instead of \"Cisco IPSec\" or \"IPSec Xauth\"",
        },
        Cause::NoEspProposal => explain! {
            NoEspProposal at Phase2:
            "nothing of what the client offers for phase 2 is acceptable here",
            server: "see which algorithms `ipsec.legacy` and `ipsec.esp` admit",
            fields: families! {
                Linux: "leave the list of phase 2 algorithms empty, or put aes256-sha1 in front",
            },
            shown: families! {
                Windows: "error 788 or 789",
                Apple: APPLE_SILENCE,
                Android: ANDROID,
                Linux: "NO_PROPOSAL_CHOSEN in its log",
            },
        },
        Cause::TunnelMode => explain! {
            TunnelMode at Phase2:
            "the client asks for tunnel mode, and L2TP needs transport mode",
            client: "choose L2TP/IPsec instead of plain IPsec",
            fields: families! { Linux: "set type=transport" },
            shown: families! { Android: ANDROID, Linux: "NO_PROPOSAL_CHOSEN in its log" },
        },
        Cause::NeedsUdpEncapsulation => explain! {
            NeedsUdpEncapsulation at Phase2:
            "the client wants ESP without UDP although there is NAT on the way",
            client: "switch NAT traversal on",
        },
        Cause::WrongTraffic => explain! {
            WrongTraffic at Phase2:
            "the client wants to protect something else than L2TP between itself and this server",
            client: "let it protect UDP port 1701 of this server only",
            fields: families! { Linux: "set leftprotoport=17/%any and rightprotoport=17/1701" },
        },
        Cause::NoPhase2 => explain! {
            NoPhase2 at Phase2:
            "the client knows the pre-shared key, and began no phase 2 or did not finish it",
            client: "see its own log: it does not accept something about this server",
            shown: families! { Apple: APPLE_SILENCE, Android: ANDROID },
        },
        Cause::L2tpSilent => explain! {
            L2tpSilent at Tunnel:
            "there are keys, and no L2TP comes: the client's ESP packets do not arrive, or it does not send any",
            server: "let UDP port 4500 and IP protocol 50 in, or set `ipsec.encapsulation = \"always\"` for networks that lose protocol 50",
            fields: families! {
                Windows: "if this server or the client is behind NAT, set the registry value AssumeUDPEncapsulationContextOnSendRule below HKLM\\SYSTEM\\CurrentControlSet\\Services\\PolicyAgent to 2 and restart",
                Linux: "see that xl2tpd or the like runs and calls this server",
            },
            shown: families! { Windows: "error 809", Apple: APPLE_SILENCE, Android: ANDROID },
        },
        Cause::TunnelSecret => explain! {
            TunnelSecret at Tunnel:
            "one side wants L2TP's own authentication, and the other has no secret for it or another one",
            server: "set the same secret in the file of `l2tp.secret-file`, or none at either end",
            client: "clear the L2TP secret",
            fields: families! { Android: "clear the field \"L2TP secret\"" },
        },
        Cause::L2tpProtocol => explain! {
            L2tpProtocol at any:
            "the client asks for something in L2TP that does not exist here, or that nobody may ask for",
            client: "switch off what it has beyond plain L2TP version 2",
        },
        Cause::L2tpUnfinished => explain! {
            L2tpUnfinished at any:
            "the client began an L2TP tunnel or a call in it, and did not go on",
            client: "see its own log; packets that are lost in one direction look like this too",
        },
        Cause::LcpSilent => explain! {
            LcpSilent at Link:
            "no PPP packet that can be understood comes through the tunnel",
            client: "see that its PPP starts: the tunnel itself is up",
            shown: families! { Windows: "error 619, 628 or 718", Android: ANDROID },
        },
        Cause::LcpTimeout => explain! {
            LcpTimeout at Link:
            "the client and this server come to no agreement about the PPP link",
            client: "set its PPP options back to their defaults",
            shown: families! { Windows: "error 619, 628 or 718", Android: ANDROID },
        },
        Cause::NoCommonAuthentication => explain! {
            NoCommonAuthentication at Authentication:
            "the client refuses to log in with what is allowed here",
            server: "or add the client's method to `ppp.authentication`",
            client: "allow MS-CHAPv2 in the client",
            fields: families! {
                Windows: "tick \"Microsoft CHAP Version 2 (MS-CHAP v2)\" under Security > Allow these protocols",
                Linux: "remove refuse-mschap-v2 and the like from the options of pppd",
            },
            shown: families! { Windows: "error 628, 691 or 734", Android: ANDROID },
        },
        Cause::AuthenticationTimeout => explain! {
            AuthenticationTimeout at Authentication:
            "the client was asked who it is, and did not answer in time",
            client: "see whether it waits for its user to type a name and a password",
        },
        Cause::UnknownUser => explain! {
            UnknownUser at Authentication:
            "there is no such user",
            server: "add the name to the file of `ppp.secrets`, with `ppp.name` or * in its second column",
            client: "type the user name in again: capital letters count",
            shown: families! { Windows: "error 691", Apple: APPLE_LOGIN, Android: ANDROID },
        },
        Cause::WrongPassword => explain! {
            WrongPassword at Authentication:
            "the password is wrong",
            server: "compare it with the file of `ppp.secrets`; after a change there, reload",
            client: "type the password in again",
            shown: families! { Windows: "error 691", Apple: APPLE_LOGIN, Android: ANDROID },
        },
        Cause::Slowed => explain! {
            Slowed at Authentication:
            "logins have failed too often here, and the next one is looked at only after a wait",
            server: "adit user unlock NAME, or --source ADDRESS, ends the wait; `guard.wait` and `guard.longest-wait` say how long it is",
            client: "wait, then type name and password in with care: what is tried before does not count, and does not get in either",
            shown: families! { Windows: "error 691", Apple: APPLE_LOGIN, Android: ANDROID },
        },
        Cause::LockedOut => explain! {
            LockedOut at Authentication:
            "the user is locked out: logins under this name have failed too often",
            server: "adit user unlock NAME lets the user in again; `guard.lock-out-after = 0` locks out nobody",
            shown: families! { Windows: "error 691", Apple: APPLE_LOGIN, Android: ANDROID },
        },
        Cause::PasswordHashed => explain! {
            PasswordHashed at Authentication:
            "the users' file has only a hash of the user's password, and the client asks for CHAP with MD5, which needs the password itself",
            server: "take \"chap\" out of `ppp.authentication`, or store the user's password",
            client: "allow MS-CHAPv2",
            shown: families! { Windows: "error 691", Apple: APPLE_LOGIN, Android: ANDROID },
        },
        Cause::KeyOfAnotherUser => explain! {
            KeyOfAnotherUser at Authentication:
            "the user may not come with the pre-shared key that the client used",
            server: "or name the user among those of that key",
            client: "use the pre-shared key that belongs to the user",
            shown: families! { Windows: "error 691", Apple: APPLE_LOGIN, Android: ANDROID },
        },
        Cause::SessionsLimit => explain! {
            SessionsLimit at Authentication:
            "the user has as many sessions as one may have",
            server: "or allow more of them",
            client: "end one of the others",
            shown: families! { Windows: "error 649", Android: ANDROID },
        },
        Cause::NoAddressPermitted => explain! {
            NoAddressPermitted at Authentication:
            "the users' file gives this user no address",
            server: "put an address or * into the fourth column of the user's line in the file of `ppp.secrets`",
            shown: families! { Windows: "error 649", Android: ANDROID },
        },
        Cause::AddressInUse => explain! {
            AddressInUse at Authentication:
            "the address that is fixed for this user is in use by somebody else",
            server: "give each user another address in the file of `ppp.secrets`",
            shown: families! { Windows: "error 649", Android: ANDROID },
        },
        Cause::NoAddressLeft => explain! {
            NoAddressLeft at Authentication:
            "all addresses for clients are lent",
            server: "add addresses to `pool.ranges`",
            shown: families! { Windows: "error 649", Android: ANDROID },
        },
        Cause::UsersUnavailable => explain! {
            UsersUnavailable at Authentication:
            "the passwords could not be asked, or do not fit the client's method",
            server: "see the log for errors about the users' file",
            shown: families! { Windows: "error 691", Apple: APPLE_LOGIN, Android: ANDROID },
        },
        Cause::IpcpFailed => explain! {
            IpcpFailed at Network:
            "the client and this server come to no agreement about IP addresses",
            client: "let it take the address it is given, and IPv4",
            fields: families! {
                Windows: "set \"Obtain an IP address automatically\" for IPv4 of the connection, and see that IPv4 is ticked",
            },
            shown: families! { Windows: "error 720", Android: ANDROID },
        },
        Cause::HungUp => explain! {
            HungUp at any:
            "the client ended the attempt itself: its user did, or it does not accept something",
            client: "see its own log",
            shown: &[],
        },
        Cause::Gone => explain! {
            Gone at any:
            "the client went silent in the middle",
            client: "see whether it lost its network; try again",
            shown: &[],
        },
        Cause::Other => explain! {
            Other at any:
            "something else ended the attempt, as the line says",
            shown: &[],
        },
    }
}
