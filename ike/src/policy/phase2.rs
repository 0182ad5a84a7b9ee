//! Choosing an ESP transform, and making an offer of our own.

use std::time::Duration;

use super::phase1::{in_words, seconds};
use super::{EspEncryption, EspIntegrity, EspSuite, KeyBits, LegacyOption, Policy, esp};
use crate::Refusal;
use crate::codec::{
    AuthAlgorithm, EncapsulationMode, EspTransformId, GroupId, Phase2Offer, Proposal, ProtocolId,
    Sa, Transform,
};
use crate::crypto::Group;

/// What was chosen from an offer.
#[derive(Debug, Clone)]
pub(crate) struct Phase2Choice {
    /// The SA to answer with, but for its SPI.
    pub(crate) answer: Sa,
    /// The SPI of the side that offered.
    pub(crate) spi: u32,
    /// Its algorithms.
    pub(crate) suite: EspSuite,
    /// Whether ESP goes inside UDP.
    pub(crate) udp: bool,
    /// The group of perfect forward secrecy.
    pub(crate) pfs: Option<Group>,
    /// Its lifetime.
    pub(crate) lifetime: Duration,
    /// Its volume.
    pub(crate) kilobytes: Option<u64>,
}

impl Phase2Choice {
    /// Takes what is shorter in the lifetimes that the peer names afterwards.
    pub(crate) fn shorten(&mut self, wanted: &Phase2Offer) {
        if wanted.life_seconds.is_some() {
            self.lifetime = self.lifetime.min(seconds(wanted.life_seconds));
        }
        if let Some(kilobytes) = volume(wanted.life_kilobytes) {
            self.kilobytes = Some(self.kilobytes.map_or(kilobytes, |k| k.min(kilobytes)));
        }
    }
}

/// The volume that an offer or an answer names. As with seconds, 0 means that there is no limit.
fn volume(offered: Option<u64>) -> Option<u64> {
    offered.filter(|kilobytes| *kilobytes > 0)
}

/// What an offer is judged against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Phase2Context {
    /// NAT traversal was negotiated, or the message came over the NAT-T port.
    pub(crate) traversal: bool,
    /// A NAT was found, or UDP is forced.
    pub(crate) nat: bool,
    /// The message has a KE payload.
    pub(crate) key_exchange: bool,
    /// The peer is one of those Androids that truncate SHA-256 in a way of their own.
    pub(crate) sha256_last: bool,
}

/// Why a transform cannot be taken; the later, the closer it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Miss {
    Suite,
    Tunnel,
    Encapsulation,
}

fn suite_of(offer: &Phase2Offer) -> Option<EspSuite> {
    let key = |default| KeyBits::from_bits(offer.key_bits.unwrap_or(default));
    let encryption = match offer.transform {
        EspTransformId::TRIPLE_DES => EspEncryption::TripleDesCbc,
        // QUIRK(old routers): the key length may be missing, and 128 is meant.
        EspTransformId::AES_CBC => EspEncryption::AesCbc(key(128)?),
        EspTransformId::AES_GCM_16 => EspEncryption::AesGcm16(key(128)?),
        _ => return None,
    };
    let integrity = match (encryption, offer.authentication) {
        (EspEncryption::AesGcm16(_), None) => EspIntegrity::None,
        (EspEncryption::AesGcm16(_), Some(_)) => return None,
        (_, Some(AuthAlgorithm::HMAC_MD5)) => EspIntegrity::Md5,
        (_, Some(AuthAlgorithm::HMAC_SHA1)) => EspIntegrity::Sha1,
        (_, Some(AuthAlgorithm::HMAC_SHA256)) => EspIntegrity::Sha256,
        (_, Some(AuthAlgorithm::HMAC_SHA384)) => EspIntegrity::Sha384,
        (_, Some(AuthAlgorithm::HMAC_SHA512)) => EspIntegrity::Sha512,
        _ => return None,
    };
    offer.unknown.is_empty().then_some(EspSuite {
        encryption,
        integrity,
    })
}

/// The proposals that stand alone and are for ESP: those with a number that occurs twice are
/// "and" combinations, with AH or IPCOMP, which nobody needs.
fn single_esp(sa: &Sa) -> impl Iterator<Item = (&Proposal, u32)> {
    sa.proposals.iter().filter_map(|proposal| {
        let alone = sa
            .proposals
            .iter()
            .filter(|other| other.number == proposal.number)
            .count();
        let spi = u32::from_be_bytes(proposal.spi.as_slice().try_into().ok()?);
        // RFC 4303 §2.1: 0 to 255 are reserved.
        (proposal.protocol == ProtocolId::ESP && alone == 1 && spi > 255).then_some((proposal, spi))
    })
}

impl Policy {
    fn esp_rank(&self, suite: EspSuite, context: Phase2Context) -> Option<(bool, usize)> {
        let place = self.esp.iter().position(|known| *known == suite)?;
        // QUIRK(Android 6, 7): SHA-256 is cut to 96 bits instead of 128, and nothing gets through.
        Some((
            context.sha256_last && suite.integrity == EspIntegrity::Sha256,
            place,
        ))
    }

    /// The group for perfect forward secrecy, if it is allowed.
    fn pfs_group(&self, group: GroupId) -> Option<Group> {
        let group = Group::from_id(group)?;
        let allowed = match group {
            Group::Modp1024 => self.is_on(LegacyOption::PfsModp1024),
            _ => self.groups.contains(&group),
        };
        allowed.then_some(group)
    }

    /// Chooses from a phase 2 offer: the best by our order, and of equals the first.
    pub(crate) fn choose_phase2(
        &self,
        offer: &Sa,
        context: Phase2Context,
    ) -> Result<Phase2Choice, Refusal> {
        let mut misses = Vec::new();
        let mut best: Option<((bool, usize), Phase2Choice)> = None;
        for (proposal, spi) in single_esp(offer) {
            for transform in &proposal.transforms {
                let offered = Phase2Offer::read(transform);
                let (suite, udp) = match self.judge(&offered, context) {
                    Ok(found) => found,
                    Err(miss) => {
                        misses.push(miss);
                        continue;
                    }
                };
                let Some(rank) = self.esp_rank(suite, context) else {
                    continue;
                };
                if best.as_ref().is_some_and(|(known, _)| *known <= rank) {
                    continue;
                }
                let answer = Proposal {
                    number: proposal.number,
                    protocol: proposal.protocol,
                    spi: Vec::new(),
                    transforms: vec![transform.clone()],
                };
                let choice = Phase2Choice {
                    answer: Sa {
                        doi: offer.doi,
                        situation: offer.situation,
                        proposals: vec![answer],
                    },
                    spi,
                    suite,
                    udp,
                    pfs: offered.group.and_then(|group| self.pfs_group(group)),
                    lifetime: seconds(offered.life_seconds),
                    kilobytes: volume(offered.life_kilobytes),
                };
                best = Some((rank, choice));
            }
        }
        best.map(|(_, choice)| choice)
            .ok_or_else(|| match misses.iter().max() {
                Some(Miss::Encapsulation) => Refusal::NeedsUdpEncapsulation,
                Some(Miss::Tunnel) => Refusal::TunnelMode,
                Some(Miss::Suite) | None => self.refuse_phase2(offer, context),
            })
    }

    /// The suite of a transform and whether it goes in UDP, if it can be taken.
    fn judge(&self, offer: &Phase2Offer, context: Phase2Context) -> Result<(EspSuite, bool), Miss> {
        let suite = suite_of(offer)
            .filter(|suite| self.esp.contains(suite))
            .ok_or(Miss::Suite)?;
        let pfs = match offer.group {
            None => !context.key_exchange,
            Some(group) => context.key_exchange && self.pfs_group(group).is_some(),
        };
        if !pfs {
            return Err(Miss::Suite);
        }
        // RFC 2407 §4.5: without the attribute the mode is for the receiver to guess; transport
        // is all there is here.
        let mode = offer.encapsulation.unwrap_or(EncapsulationMode::TRANSPORT);
        match (mode.is_transport(), mode.is_udp()) {
            (false, _) => Err(Miss::Tunnel),
            // ESP in UDP where no NAT was found does no harm; the peer may know better.
            (true, true) if context.traversal => Ok((suite, true)),
            (true, true) => Err(Miss::Encapsulation),
            // A peer that cannot traverse NATs may be lucky with one that passes ESP on.
            (true, false) if context.nat && context.traversal => Err(Miss::Encapsulation),
            (true, false) => Ok((suite, false)),
        }
    }

    fn refuse_phase2(&self, offer: &Sa, context: Phase2Context) -> Refusal {
        let offers: Vec<Phase2Offer> = offer
            .proposals
            .iter()
            .filter(|proposal| proposal.protocol == ProtocolId::ESP)
            .flat_map(|proposal| proposal.transforms.iter().map(Phase2Offer::read))
            .collect();
        let all = esp::suites();
        let everything = self.with_all_options();
        let missing = offers.iter().filter_map(|offer| {
            let suite = suite_of(offer).filter(|suite| everything.esp.contains(suite))?;
            let mut needs = all.iter().find(|(known, ..)| *known == suite)?.2.to_vec();
            match offer.group {
                Some(GroupId::MODP_1024) => needs.push(LegacyOption::PfsModp1024),
                Some(GroupId::MODP_1536) => needs.push(LegacyOption::Modp1536),
                _ => {}
            }
            let known_group = match offer.group {
                None => true,
                Some(group) => context.key_exchange && everything.pfs_group(group).is_some(),
            };
            needs.retain(|option| !self.is_on(*option));
            (known_group && !needs.is_empty()).then_some(needs)
        });
        Refusal::NoEspProposal {
            admitted_by_options: missing.min_by_key(Vec::len).unwrap_or_default(),
            offer: in_words(&offers),
        }
    }

    /// Our own offer of all suites in one proposal, best first.
    pub(crate) fn offer_phase2(
        &self,
        spi: u32,
        encapsulation: EncapsulationMode,
        pfs: Option<Group>,
        lifetime: Duration,
    ) -> Sa {
        let transforms = (1..=u8::MAX).zip(&self.esp).map(|(number, suite)| {
            let (transform, key_bits) = suite.transform();
            Phase2Offer {
                key_bits,
                authentication: suite.authentication().map(AuthAlgorithm),
                encapsulation: Some(encapsulation),
                group: pfs.map(Group::id),
                life_seconds: Some(lifetime.as_secs()),
                ..Phase2Offer::new(EspTransformId(transform))
            }
            .to_transform(number)
        });
        Sa::new(vec![Proposal {
            number: 1,
            protocol: ProtocolId::ESP,
            spi: spi.to_be_bytes().to_vec(),
            transforms: transforms.collect(),
        }])
    }

    /// Reads the answer to an offer of ours.
    pub(crate) fn accept_phase2(&self, offer: &Sa, answer: &Sa) -> Result<Phase2Choice, Refusal> {
        let wrong = |what| Refusal::Malformed {
            message: "answer to our ESP proposal",
            what,
        };
        let [Proposal { transforms, .. }] = &answer.proposals[..] else {
            return Err(wrong("it does not hold exactly one proposal"));
        };
        let ([transform], Some((_, spi))) = (&transforms[..], single_esp(answer).next()) else {
            return Err(wrong(
                "it does not hold exactly one ESP transform with an SPI",
            ));
        };
        let essence = |transform: &Transform| {
            let read = Phase2Offer::read(transform);
            (suite_of(&read), read.encapsulation, read.group)
        };
        let chosen = Phase2Offer::read(transform);
        let offered = offer
            .proposals
            .iter()
            .flat_map(|proposal| &proposal.transforms);
        let ours = offered
            .map(essence)
            .any(|offered| offered == essence(transform));
        let (Some(suite), true) = (suite_of(&chosen), ours) else {
            return Err(wrong("the transform is not one of ours"));
        };
        Ok(Phase2Choice {
            answer: answer.clone(),
            spi,
            suite,
            udp: chosen.encapsulation.is_some_and(EncapsulationMode::is_udp),
            pfs: chosen.group.and_then(Group::from_id),
            lifetime: seconds(chosen.life_seconds),
            kilobytes: volume(chosen.life_kilobytes),
        })
    }
}
