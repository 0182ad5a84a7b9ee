//! Vendor ids: what a party says about its implementation (RFC 2408 §3.16).
//!
//! Most are the MD5 of some string. An id that is not in the table is [`Vendor::Unknown`] and
//! never an error.

use std::fmt;

use wire::DecodeError;
use wire::emit::Emit;

use super::{EncapsulationMode, PayloadBody, PayloadType};

/// The body of a vendor id payload.
#[derive(Clone, PartialEq, Eq)]
pub struct VendorId(pub Vec<u8>);

/// A version of NAT traversal: they differ in payload and encapsulation numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NatTraversal {
    /// Drafts 00 and 01: without a change of port, so of no use here.
    Draft00,
    /// Draft 02, in either spelling of its string (with and without a newline).
    Draft02,
    /// Draft 03.
    Draft03,
    /// Drafts 04 to 08, and Apple's id without a number.
    Draft04,
    /// RFC 3947.
    Rfc3947,
}

impl NatTraversal {
    /// The payload number of NAT-D.
    pub const fn nat_d(self) -> PayloadType {
        match self {
            Self::Rfc3947 => PayloadType::NAT_D,
            Self::Draft04 => PayloadType::NAT_D_DRAFT_04,
            Self::Draft00 | Self::Draft02 | Self::Draft03 => PayloadType::NAT_D_DRAFT_02,
        }
    }

    /// The payload number of NAT-OA.
    pub const fn nat_oa(self) -> PayloadType {
        match self {
            Self::Rfc3947 => PayloadType::NAT_OA,
            Self::Draft04 => PayloadType::NAT_OA_DRAFT_04,
            Self::Draft00 | Self::Draft02 | Self::Draft03 => PayloadType::NAT_OA_DRAFT_02,
        }
    }

    /// The number of UDP-encapsulated transport mode.
    pub const fn udp_transport(self) -> EncapsulationMode {
        match self {
            Self::Rfc3947 | Self::Draft04 => EncapsulationMode::UDP_TRANSPORT,
            Self::Draft00 | Self::Draft02 | Self::Draft03 => EncapsulationMode::UDP_TRANSPORT_DRAFT,
        }
    }
}

/// What a vendor id says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    /// The party can traverse NATs.
    NatTraversal(NatTraversal),
    /// Dead peer detection (RFC 3706): only who sends it may be asked.
    DeadPeerDetection,
    /// Xauth.
    Xauth,
    /// Cisco Unity.
    CiscoUnity,
    /// The party can put fragments together; what follows the sixteen bytes of the id.
    Fragmentation(Option<u32>),
    /// racoon.
    Racoon,
    /// Windows. Its version: 2 for 2000, 3 XP, 4 Server 2003, 5 Vista, 6 Server 2008, 7 for
    /// Windows 7, 8 Server 2008 R2, 9 for everything since Windows 8.
    Windows(u32),
    /// Windows' extensions of key modules: 0 IKEv1, 1 AuthIP, 2 IKEv2.
    WindowsKeyModules(u32),
    /// Windows can negotiate in clear.
    NegotiationDiscovery,
    /// The party knows INITIAL-CONTACT. Says nothing about live SAs.
    InitialContact,
    /// Cryptographically generated addresses.
    Cga,
    /// AuthIP is present.
    MamieExists,
    /// Network load balancing.
    LoadBalancing,
    /// Kerberos.
    Gssapi,
    /// strongSwan.
    StrongSwan,
    /// Anything else.
    Unknown,
}

/// The sixteen bytes of the fragmentation vendor id.
const FRAGMENTATION: [u8; 16] = hex(b"4048b7d56ebce88525e7de7f00d6c2d3");
/// The first sixteen bytes of Windows' vendor id.
const WINDOWS: [u8; 16] = hex(b"1e2b516905991c7d7c96fcbfb587e461");
/// The first sixteen bytes of Windows' key modules vendor id.
const WINDOWS_KEY_MODULES: [u8; 16] = hex(b"01528bbbc00696121849ab9a1c5b2a51");
/// All of Cisco Unity's vendor id but its version.
const CISCO_UNITY: [u8; 14] = hex(b"12f5f28c457168a9702d9fe274cc");
/// The whole of Xauth's vendor id.
const XAUTH: [u8; 8] = hex(b"09002689dfd6b712");
const RFC_3947: [u8; 16] = hex(b"4a131c81070358455c5728f20e95452f");
const DRAFT_02_NEWLINE: [u8; 16] = hex(b"90cb80913ebb696e086381b5ec427b1f");
const DRAFT_02: [u8; 16] = hex(b"cd60464335df21f87cfdb2fc68b6a448");
const DRAFT_03: [u8; 16] = hex(b"7d9419a65310ca6f2c179d9215529d56");
const DEAD_PEER_DETECTION: [u8; 16] = hex(b"afcad71368a1f1c96b8696fc77570100");
const DRAFT_00: [u8; 16] = hex(b"4485152d18b6bbcd0be8a8469579ddcc");
const DRAFT_04: [u8; 16] = hex(b"9909b64eed937c6573de52ace952fa6b");
const DRAFT_05: [u8; 16] = hex(b"80d0bb3def54565ee84645d4c85ce3ee");
const DRAFT_06: [u8; 16] = hex(b"4d1e0e136deafa34c4f3ea9f02ec7285");
const DRAFT_07: [u8; 16] = hex(b"439b59f8ba676c4c7737ae22eab8f582");
const DRAFT_08: [u8; 16] = hex(b"8f8d83826d246b6fc7a8a6a428c11de8");
const APPLE_NAT_TRAVERSAL: [u8; 16] = hex(b"4df37928e9fc4fd1b3262170d515c662");
const NEGOTIATION_DISCOVERY: [u8; 16] = hex(b"fb1de3cdf341b7ea16b7e5be0855f120");
const INITIAL_CONTACT: [u8; 16] = hex(b"26244d38eddb61b3172a36e3d0cfb819");
const GENERATED_ADDRESSES: [u8; 16] = hex(b"e3a5966a76379fe707228231e5ce8652");
/// What follows the fragmentation vendor id of those who put Main Mode together from fragments.
const OF_MAIN_MODE: u32 = 0x8000_0000;

/// Vendor ids of sixteen bytes that mean one thing.
const TABLE: [([u8; 16], Vendor); 21] = {
    use NatTraversal::{Draft00, Draft02, Draft03, Draft04, Rfc3947};
    [
        (RFC_3947, Vendor::NatTraversal(Rfc3947)),
        (DRAFT_02_NEWLINE, Vendor::NatTraversal(Draft02)),
        (DRAFT_02, Vendor::NatTraversal(Draft02)),
        (DRAFT_03, Vendor::NatTraversal(Draft03)),
        (DRAFT_00, Vendor::NatTraversal(Draft00)),
        (
            hex(b"16f6ca16e4a4066d83821a0f0aeaa862"),
            Vendor::NatTraversal(Draft00),
        ),
        (DRAFT_04, Vendor::NatTraversal(Draft04)),
        (DRAFT_05, Vendor::NatTraversal(Draft04)),
        (DRAFT_06, Vendor::NatTraversal(Draft04)),
        (DRAFT_07, Vendor::NatTraversal(Draft04)),
        (DRAFT_08, Vendor::NatTraversal(Draft04)),
        (APPLE_NAT_TRAVERSAL, Vendor::NatTraversal(Draft04)),
        (DEAD_PEER_DETECTION, Vendor::DeadPeerDetection),
        (hex(b"7003cbc1097dbe9c2600ba6983bc8b35"), Vendor::Racoon),
        (NEGOTIATION_DISCOVERY, Vendor::NegotiationDiscovery),
        (INITIAL_CONTACT, Vendor::InitialContact),
        (GENERATED_ADDRESSES, Vendor::Cga),
        (
            hex(b"214ca4faffa7f32d6748e5303395ae83"),
            Vendor::MamieExists,
        ),
        (
            hex(b"72872b95fcda2eb708efe322119b4971"),
            Vendor::LoadBalancing,
        ),
        (hex(b"621b04bb09882ac1e15935fefa24aeee"), Vendor::Gssapi),
        (hex(b"882fe56d6fd20dbc2251613b2ebe5beb"), Vendor::StrongSwan),
    ]
};

impl VendorId {
    /// RFC 3947.
    pub fn rfc_3947() -> Self {
        Self(RFC_3947.to_vec())
    }

    /// Draft 03 of NAT traversal.
    pub fn draft_03() -> Self {
        Self(DRAFT_03.to_vec())
    }

    /// Draft 02 of NAT traversal, as the draft says.
    pub fn draft_02() -> Self {
        Self(DRAFT_02.to_vec())
    }

    /// Draft 02 of NAT traversal, with the newline that real stacks put into the string.
    pub fn draft_02_newline() -> Self {
        Self(DRAFT_02_NEWLINE.to_vec())
    }

    /// Dead peer detection.
    pub fn dead_peer_detection() -> Self {
        Self(DEAD_PEER_DETECTION.to_vec())
    }

    /// Fragmentation, in its short form.
    pub fn fragmentation() -> Self {
        Self(FRAGMENTATION.to_vec())
    }

    /// Fragmentation, with the word that says that Main Mode may come in fragments.
    pub fn fragmentation_of_main_mode() -> Self {
        Self::with_word(FRAGMENTATION, OF_MAIN_MODE)
    }

    /// Draft 00 of NAT traversal.
    pub fn draft_00() -> Self {
        Self(DRAFT_00.to_vec())
    }

    /// Draft 04 of NAT traversal.
    pub fn draft_04() -> Self {
        Self(DRAFT_04.to_vec())
    }

    /// Draft 05 of NAT traversal.
    pub fn draft_05() -> Self {
        Self(DRAFT_05.to_vec())
    }

    /// Draft 06 of NAT traversal.
    pub fn draft_06() -> Self {
        Self(DRAFT_06.to_vec())
    }

    /// Draft 07 of NAT traversal.
    pub fn draft_07() -> Self {
        Self(DRAFT_07.to_vec())
    }

    /// Draft 08 of NAT traversal.
    pub fn draft_08() -> Self {
        Self(DRAFT_08.to_vec())
    }

    /// Apple's NAT traversal, after the drafts without a number.
    pub fn apple_nat_traversal() -> Self {
        Self(APPLE_NAT_TRAVERSAL.to_vec())
    }

    /// Windows, in the [version](Vendor::Windows) given.
    pub fn windows(version: u32) -> Self {
        Self::with_word(WINDOWS, version)
    }

    /// Windows' extensions of [key modules](Vendor::WindowsKeyModules).
    pub fn windows_key_modules(modules: u32) -> Self {
        Self::with_word(WINDOWS_KEY_MODULES, modules)
    }

    /// Windows can negotiate in clear.
    pub fn negotiation_discovery() -> Self {
        Self(NEGOTIATION_DISCOVERY.to_vec())
    }

    /// The party knows INITIAL-CONTACT.
    pub fn initial_contact() -> Self {
        Self(INITIAL_CONTACT.to_vec())
    }

    /// Cryptographically generated addresses.
    pub fn generated_addresses() -> Self {
        Self(GENERATED_ADDRESSES.to_vec())
    }

    /// Xauth.
    pub fn xauth() -> Self {
        Self(XAUTH.to_vec())
    }

    fn with_word(id: [u8; 16], word: u32) -> Self {
        Self([&id[..], &word.to_be_bytes()].concat())
    }

    /// Reads the body of a vendor id payload: any bytes.
    ///
    /// # Errors
    /// None; the signature is that of every payload.
    pub fn parse(body: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self(body.to_vec()))
    }

    /// What the bytes of a vendor id say.
    pub fn classify(body: &[u8]) -> Vendor {
        if body == XAUTH {
            return Vendor::Xauth;
        }
        if let Some((id, _version)) = body.split_first_chunk::<14>()
            && *id == CISCO_UNITY
            && body.len() == 16
        {
            return Vendor::CiscoUnity;
        }
        let Some((id, rest)) = body.split_first_chunk::<16>() else {
            return Vendor::Unknown;
        };
        let word = <[u8; 4]>::try_from(rest).ok().map(u32::from_be_bytes);
        match (*id, word) {
            (FRAGMENTATION, word) => return Vendor::Fragmentation(word),
            (WINDOWS, word) => return Vendor::Windows(word.unwrap_or(0)),
            (WINDOWS_KEY_MODULES, word) => return Vendor::WindowsKeyModules(word.unwrap_or(0)),
            _ => {}
        }
        if !rest.is_empty() {
            return Vendor::Unknown;
        }
        TABLE
            .iter()
            .find(|(known, _)| known == id)
            .map_or(Vendor::Unknown, |(_, vendor)| *vendor)
    }
}

impl PayloadBody for VendorId {
    fn emit(&self, out: &mut Vec<u8>) {
        out.put(&self.0);
    }
}

impl fmt::Debug for VendorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VendorId(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// Hexadecimal digits as bytes, when the program is compiled: a digit or a length that is wrong
/// stops the compiler.
#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic
)]
const fn hex<const N: usize>(digits: &[u8]) -> [u8; N] {
    const fn digit(c: u8) -> u8 {
        match c {
            b'0'..=b'9' => c - b'0',
            b'a'..=b'f' => c - b'a' + 10,
            _ => panic!("not a hexadecimal digit"),
        }
    }
    assert!(digits.len() == 2 * N);
    let mut bytes = [0; N];
    let mut place = 0;
    while place < N {
        bytes[place] = digit(digits[2 * place]) << 4 | digit(digits[2 * place + 1]);
        place += 1;
    }
    bytes
}
