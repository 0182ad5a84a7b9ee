//! Whose implementation a peer is, told from its vendor ids and its offer.
//!
//! Nothing is decided by this but what an administrator reads, how much is hidden from a client
//! that trips over it, and how long its silence is borne: vendor ids are claims in clear text.

use std::fmt;

use crate::codec::{
    Chain, EncryptionId, GroupId, HashId, NatTraversal, PayloadType, Phase1Offer, Sa, Vendor,
    VendorId,
};

/// What a peer's vendor ids, and in doubt its offer, say about its make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Make {
    /// Nothing known.
    #[default]
    Unknown,
    /// Windows (MS NT5 ISAKMPOAKLEY).
    Windows(WindowsVersion),
    /// macOS, iOS.
    Apple,
    /// Android's racoon.
    Android,
    /// ChromeOS: strongSwan with a list of algorithms of its own.
    ChromeOs,
    /// strongSwan.
    StrongSwan,
    /// libreswan or Openswan.
    Libreswan,
    /// racoon of ipsec-tools, or one of its kin.
    Racoon,
    /// Cisco.
    Cisco,
    /// MikroTik RouterOS. Its vendor ids are racoon's; L2TP tells.
    MikroTik,
    /// adit. Only L2TP tells.
    Adit,
}

/// Which Windows, as far as its vendor id tells: servers count as the clients of their time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowsVersion {
    /// The vendor id has no number.
    Unknown,
    /// 2000, XP, Server 2003.
    Xp,
    /// Vista, Server 2008.
    Vista,
    /// 7, Server 2008 R2.
    Seven,
    /// 8, 10, 11 and all servers since 2012.
    Eight,
}

impl WindowsVersion {
    /// From the number behind the vendor id.
    const fn from_number(number: u32) -> Self {
        match number {
            0 | 1 => Self::Unknown,
            2..=4 => Self::Xp,
            5 | 6 => Self::Vista,
            7 | 8 => Self::Seven,
            _ => Self::Eight,
        }
    }
}

impl Make {
    /// Any Windows.
    pub const fn is_windows(self) -> bool {
        matches!(self, Self::Windows(_))
    }

    /// Whether it is a phone, or may be one: those sleep for minutes without answering anything,
    /// and go on afterwards as if nothing had been.
    pub const fn dozes(self) -> bool {
        matches!(self, Self::Apple | Self::Android)
    }
}

impl fmt::Display for Make {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::Windows(WindowsVersion::Unknown) => "Windows",
            Self::Windows(WindowsVersion::Xp) => "Windows XP or older",
            Self::Windows(WindowsVersion::Vista) => "Windows Vista",
            Self::Windows(WindowsVersion::Seven) => "Windows 7",
            Self::Windows(WindowsVersion::Eight) => "Windows 8 or later",
            Self::Apple => "Apple",
            Self::Android => "Android",
            Self::ChromeOs => "ChromeOS",
            Self::StrongSwan => "strongSwan",
            Self::Libreswan => "libreswan",
            Self::Racoon => "racoon",
            Self::Cisco => "Cisco",
            Self::MikroTik => "MikroTik",
            Self::Adit => "adit",
        })
    }
}

/// The first characters of Openswan's vendor ids, which are twelve printable ones.
const OPENSWAN: &[u8] = b"OE";

/// What has been seen in the messages of a peer that tells its make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Marks {
    /// It names itself.
    named: Make,
    apple_draft: bool,
    draft_00: bool,
    draft_02: bool,
    draft_02_newline: bool,
    draft_03: bool,
    rfc_3947: bool,
    xauth: bool,
    /// The very first vendor id was Xauth's: strongSwan's order.
    xauth_first: bool,
    /// Dead peer detection or fragmentation came before NAT traversal.
    extras_first: bool,
    /// Other drafts of NAT traversal than 00, 02 and 03.
    other_drafts: bool,
    any: bool,
    unity: bool,
    /// The first transform of the offer is the one that ChromeOS puts there.
    chrome_offer: bool,
}

impl Marks {
    /// Takes note of one vendor id; they come in the order in which the peer sent them.
    pub(crate) fn note(&mut self, body: &[u8], vendor: Vendor) {
        let first = !std::mem::replace(&mut self.any, true);
        match vendor {
            Vendor::NatTraversal(version) => self.note_traversal(body, version),
            Vendor::DeadPeerDetection | Vendor::Fragmentation(_) if !self.rfc_3947 => {
                self.extras_first = true;
            }
            Vendor::Xauth => {
                self.xauth = true;
                self.xauth_first |= first;
            }
            Vendor::Windows(number) => {
                self.named = Make::Windows(WindowsVersion::from_number(number));
            }
            Vendor::StrongSwan => self.named = Make::StrongSwan,
            Vendor::Racoon => self.named = Make::Racoon,
            Vendor::CiscoUnity => self.unity = true,
            Vendor::Unknown
                if body.starts_with(OPENSWAN)
                    && body.len() == 12
                    && body.iter().all(|byte| byte.is_ascii_graphic()) =>
            {
                self.named = Make::Libreswan;
            }
            _ => {}
        }
    }

    fn note_traversal(&mut self, body: &[u8], version: NatTraversal) {
        match version {
            NatTraversal::Rfc3947 => self.rfc_3947 = true,
            NatTraversal::Draft03 => self.draft_03 = true,
            NatTraversal::Draft02 if body == VendorId::draft_02_newline().0 => {
                self.draft_02_newline = true;
            }
            NatTraversal::Draft02 => self.draft_02 = true,
            NatTraversal::Draft00 => self.draft_00 = true,
            NatTraversal::Draft04 if body == VendorId::apple_nat_traversal().0 => {
                self.apple_draft = true
            }
            NatTraversal::Draft04 => self.other_drafts = true,
        }
    }

    /// Takes note of a phase 1 offer.
    pub(crate) fn note_offer(&mut self, offer: &Sa) {
        let first = offer.proposals.first().and_then(|p| p.transforms.first());
        self.chrome_offer |= first.map(Phase1Offer::read).is_some_and(|first| {
            (first.encryption, first.key_bits, first.hash, first.group)
                == (
                    Some(EncryptionId::AES),
                    Some(128),
                    Some(HashId::SHA256),
                    Some(GroupId::MODP_3072),
                )
        });
    }

    const fn is_strongswan(&self) -> bool {
        self.xauth_first
            && self.rfc_3947
            && !self.draft_00
            && !self.draft_02
            && !self.draft_03
            && !self.other_drafts
    }

    /// The set of Openswan's heirs; adit sends the same ids in another order.
    const fn is_libreswan(&self) -> bool {
        self.extras_first
            && self.draft_03
            && self.draft_02
            && self.draft_02_newline
            && !self.draft_00
            && !self.other_drafts
            && !self.xauth
    }

    /// All drafts that racoon knows, and not Apple's.
    const fn is_racoon(&self) -> bool {
        self.other_drafts && self.draft_03 && self.draft_02 && self.draft_02_newline
    }

    /// The peer's make.
    pub(crate) const fn make(&self) -> Make {
        match self.named {
            Make::Unknown if self.apple_draft => Make::Apple,
            Make::Unknown | Make::StrongSwan if self.is_strongswan() && self.chrome_offer => {
                Make::ChromeOs
            }
            Make::Unknown if self.is_strongswan() => Make::StrongSwan,
            Make::Unknown if self.is_libreswan() => Make::Libreswan,
            // strongSwan can be told to send that, too.
            Make::Unknown if self.unity => Make::Cisco,
            Make::Unknown if self.is_racoon() => Make::Racoon,
            // QUIRK(SoftEther): it sends draft 00 as well, with all the others.
            Make::Unknown if self.draft_00 && !self.draft_03 => Make::Android,
            named => named,
        }
    }
}

/// The make that a single message in clear gives away: for refusals before there is any state.
pub(crate) fn of_message(chain: &Chain<'_>) -> Make {
    let mut marks = Marks::default();
    for payload in chain.all(PayloadType::VENDOR_ID) {
        marks.note(payload.body, VendorId::classify(payload.body));
    }
    marks.make()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Transform;

    const RFC: &str = "4a131c81070358455c5728f20e95452f";
    const DRAFT_03: &str = "7d9419a65310ca6f2c179d9215529d56";
    const DRAFT_02: &str = "cd60464335df21f87cfdb2fc68b6a448";
    const DRAFT_02_NEWLINE: &str = "90cb80913ebb696e086381b5ec427b1f";
    const DRAFT_00: &str = "4485152d18b6bbcd0be8a8469579ddcc";
    const DRAFT_07: &str = "439b59f8ba676c4c7737ae22eab8f582";
    const APPLE: &str = "4df37928e9fc4fd1b3262170d515c662";
    const XAUTH: &str = "09002689dfd6b712";
    const UNITY: &str = "12f5f28c457168a9702d9fe274cc0100";
    const DPD: &str = "afcad71368a1f1c96b8696fc77570100";
    const FRAGMENTATION: &str = "4048b7d56ebce88525e7de7f00d6c2d3";
    const FRAGMENTATION_MAIN: &str = "4048b7d56ebce88525e7de7f00d6c2d380000000";

    fn marks(ids: &[&str]) -> Marks {
        let mut marks = Marks::default();
        for id in ids {
            let body = hex::decode(id).expect("digits");
            marks.note(&body, VendorId::classify(&body));
        }
        marks
    }

    fn make(ids: &[&str]) -> Make {
        marks(ids).make()
    }

    #[test]
    fn windows_names_its_version() {
        let of = |number: u8| {
            let nt5 = format!("1e2b516905991c7d7c96fcbfb587e461000000{number:02x}");
            make(&[&nt5, RFC, DRAFT_02_NEWLINE, FRAGMENTATION]).to_string()
        };
        assert_eq!(of(4), "Windows XP or older");
        assert_eq!(of(6), "Windows Vista");
        assert_eq!(of(8), "Windows 7");
        assert_eq!(of(9), "Windows 8 or later");
    }

    #[test]
    fn the_clients_by_their_sets_of_ids() {
        let cases: [(&[&str], Make); 8] = [
            (
                &[RFC, APPLE, DRAFT_07, DRAFT_03, DRAFT_02, DRAFT_02_NEWLINE],
                Make::Apple,
            ),
            (
                &[
                    RFC,
                    DRAFT_02,
                    DRAFT_02_NEWLINE,
                    DRAFT_00,
                    FRAGMENTATION_MAIN,
                    DPD,
                ],
                Make::Android,
            ),
            (
                &[XAUTH, DPD, FRAGMENTATION_MAIN, RFC, DRAFT_02_NEWLINE],
                Make::StrongSwan,
            ),
            (
                &[XAUTH, DPD, UNITY, FRAGMENTATION_MAIN, RFC, DRAFT_02_NEWLINE],
                Make::StrongSwan,
            ),
            (
                &[
                    FRAGMENTATION,
                    DPD,
                    RFC,
                    DRAFT_03,
                    DRAFT_02_NEWLINE,
                    DRAFT_02,
                ],
                Make::Libreswan,
            ),
            (&["4f45717a6b5a4e727d576b40"], Make::Libreswan),
            (
                &[RFC, DRAFT_07, DRAFT_03, DRAFT_02_NEWLINE, DPD, XAUTH, UNITY],
                Make::Cisco,
            ),
            // Our own, which L2TP names.
            (
                &[RFC, DRAFT_03, DRAFT_02_NEWLINE, DRAFT_02, DPD],
                Make::Unknown,
            ),
        ];
        for (ids, expected) in cases {
            assert_eq!(make(ids), expected, "{ids:?}");
        }
    }

    #[test]
    fn racoon_s_kin_are_not_taken_for_apple() {
        let numbered = [RFC, DRAFT_07, DRAFT_03, DRAFT_02, DRAFT_02_NEWLINE, DPD];
        assert_eq!(make(&numbered), Make::Racoon);
        assert_eq!(make(&[&[APPLE], &numbered[..]].concat()), Make::Apple);
    }

    #[test]
    fn softether_is_not_taken_for_android() {
        assert_eq!(make(&[RFC, DRAFT_02, DRAFT_00]), Make::Android);
        assert_eq!(make(&[RFC, DRAFT_03, DRAFT_02, DRAFT_00]), Make::Unknown);
    }

    #[test]
    fn chrome_os_is_strongswan_with_its_own_offer() {
        let ids = [XAUTH, DPD, FRAGMENTATION_MAIN, RFC, DRAFT_02_NEWLINE];
        let offer = |transforms: Vec<Transform>| {
            let mut sa =
                crate::Policy::default().offer_phase1(std::time::Duration::from_secs(3600));
            if let Some(proposal) = sa.proposals.first_mut() {
                proposal.transforms = transforms;
            }
            sa
        };
        let first = Phase1Offer {
            encryption: Some(EncryptionId::AES),
            key_bits: Some(128),
            hash: Some(HashId::SHA256),
            group: Some(GroupId::MODP_3072),
            ..Phase1Offer::default()
        };
        let other = Phase1Offer {
            key_bits: Some(256),
            ..first.clone()
        };
        let mut chrome = marks(&ids);
        chrome.note_offer(&offer(vec![first.to_transform(1), other.to_transform(2)]));
        assert_eq!(chrome.make(), Make::ChromeOs);
        let mut plain = marks(&ids);
        plain.note_offer(&offer(vec![other.to_transform(1), first.to_transform(2)]));
        assert_eq!(plain.make(), Make::StrongSwan);
    }
}
