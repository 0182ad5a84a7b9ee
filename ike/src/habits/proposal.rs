//! Offers as clients write them: which transforms, in which order, with which attributes in which
//! form.

use std::time::Duration;

use crate::codec::{
    Attribute, AuthAlgorithm, AuthMethod, EncapsulationMode, EncryptionId, EspTransformId, GroupId,
    HashId, LifeType, Phase1Attribute, Phase2Attribute, Proposal, ProtocolId, Sa, Transform,
};
use crate::crypto::Group;

/// A phase 1 offer: one proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IkeProposal {
    /// The transforms, in order.
    pub transforms: Vec<IkeTransform>,
    /// The attributes of each transform in order. `LIFE_DURATION` stands for the life type and
    /// the duration; `KEY_LENGTH` is left out where there is none.
    pub attributes: &'static [Phase1Attribute],
    /// The lifetime.
    pub lifetime: Duration,
    /// How the lifetime is written.
    pub durations: Durations,
    /// How proposals and transforms are numbered.
    pub numbering: Numbering,
}

/// The algorithms of a phase 1 transform; they need not be among those this crate has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IkeTransform {
    /// Encryption.
    pub encryption: EncryptionId,
    /// Bits of the key, where the cipher leaves a choice.
    pub key_bits: Option<u16>,
    /// Hash.
    pub hash: HashId,
    /// Diffie-Hellman group.
    pub group: GroupId,
}

/// A phase 2 offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EspProposal {
    /// The transforms, in order.
    pub transforms: Vec<EspTransform>,
    /// Whether they share a proposal.
    pub layout: Layout,
    /// The attributes of each transform in order. `LIFE_DURATION` stands for the life types and
    /// the durations, seconds first; `KEY_LENGTH`, `AUTHENTICATION` and `GROUP` are left out where
    /// there is none.
    pub attributes: &'static [Phase2Attribute],
    /// The lifetime.
    pub lifetime: Duration,
    /// The volume, in units of 1,024 bytes.
    pub kilobytes: Option<u32>,
    /// How lifetime and volume are written.
    pub durations: Durations,
    /// How proposals and transforms are numbered.
    pub numbering: Numbering,
}

/// The algorithms of an ESP transform; they need not be among those this crate has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EspTransform {
    /// Encryption.
    pub transform: EspTransformId,
    /// Bits of the key, where the cipher leaves a choice.
    pub key_bits: Option<u16>,
    /// Integrity, where the cipher has none of its own.
    pub authentication: Option<AuthAlgorithm>,
}

/// Whether the transforms of an offer share a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One proposal with all of them.
    OneProposal,
    /// As many proposals, with one transform each.
    ProposalEach,
}

/// How lifetimes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durations {
    /// As a basic attribute if two bytes will do, else in four bytes.
    Short,
    /// Always in four bytes.
    FourBytes,
}

/// How proposals and transforms are numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// From 1.
    FromOne,
    /// From 0.
    FromZero,
}

impl Numbering {
    /// The number at a place that is counted from zero. No offer has as many as would not fit.
    fn at(self, place: usize) -> u8 {
        let first = match self {
            Self::FromOne => 1,
            Self::FromZero => 0,
        };
        u8::try_from(place).unwrap_or(u8::MAX).saturating_add(first)
    }
}

impl Durations {
    fn push(
        self,
        attributes: &mut Vec<Attribute>,
        classes: (u16, u16),
        unit: LifeType,
        value: u32,
    ) {
        attributes.push(Attribute::basic(classes.0, unit.0));
        attributes.push(match (self, u16::try_from(value)) {
            (Self::Short, Ok(short)) => Attribute::basic(classes.1, short),
            _ => Attribute::variable_u32(classes.1, value),
        });
    }
}

fn in_seconds(lifetime: Duration) -> u32 {
    u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX)
}

impl IkeTransform {
    /// AES-CBC with a key of `bits`.
    pub const fn aes(bits: u16, hash: HashId, group: GroupId) -> Self {
        Self {
            encryption: EncryptionId::AES,
            key_bits: Some(bits),
            hash,
            group,
        }
    }

    /// 3DES-CBC.
    pub const fn triple_des(hash: HashId, group: GroupId) -> Self {
        Self {
            encryption: EncryptionId::TRIPLE_DES,
            key_bits: None,
            hash,
            group,
        }
    }

    /// DES-CBC.
    pub const fn des(hash: HashId, group: GroupId) -> Self {
        Self {
            encryption: EncryptionId::DES,
            key_bits: None,
            hash,
            group,
        }
    }
}

impl IkeProposal {
    /// The offer as an SA payload.
    pub(crate) fn to_sa(&self) -> Sa {
        let transforms = self
            .transforms
            .iter()
            .enumerate()
            .map(|(place, transform)| Transform {
                number: self.numbering.at(place),
                id: Transform::KEY_IKE,
                attributes: self.attributes_of(transform),
            });
        Sa::new(vec![Proposal {
            number: self.numbering.at(0),
            protocol: ProtocolId::ISAKMP,
            spi: Vec::new(),
            transforms: transforms.collect(),
        }])
    }

    fn attributes_of(&self, transform: &IkeTransform) -> Vec<Attribute> {
        let mut attributes = Vec::new();
        for class in self.attributes {
            let value = match *class {
                Phase1Attribute::ENCRYPTION => Some(transform.encryption.0),
                Phase1Attribute::KEY_LENGTH => transform.key_bits,
                Phase1Attribute::HASH => Some(transform.hash.0),
                Phase1Attribute::GROUP => Some(transform.group.0),
                Phase1Attribute::AUTH_METHOD => Some(AuthMethod::PSK.0),
                Phase1Attribute::LIFE_DURATION => {
                    let classes = (Phase1Attribute::LIFE_TYPE.0, class.0);
                    let lifetime = in_seconds(self.lifetime);
                    self.durations
                        .push(&mut attributes, classes, LifeType::SECONDS, lifetime);
                    None
                }
                _ => None,
            };
            attributes.extend(value.map(|value| Attribute::basic(class.0, value)));
        }
        attributes
    }
}

impl EspTransform {
    /// AES-CBC with a key of `bits`.
    pub const fn aes(bits: u16, authentication: AuthAlgorithm) -> Self {
        Self {
            transform: EspTransformId::AES_CBC,
            key_bits: Some(bits),
            authentication: Some(authentication),
        }
    }

    /// AES-GCM with an ICV of 16 bytes and a key of `bits`.
    pub const fn aes_gcm(bits: u16) -> Self {
        Self {
            transform: EspTransformId::AES_GCM_16,
            key_bits: Some(bits),
            authentication: None,
        }
    }

    /// 3DES-CBC.
    pub const fn triple_des(authentication: AuthAlgorithm) -> Self {
        Self::unsized_key(EspTransformId::TRIPLE_DES, authentication)
    }

    /// A transform whose key has one size only, or that has none.
    pub const fn unsized_key(transform: EspTransformId, authentication: AuthAlgorithm) -> Self {
        Self {
            transform,
            key_bits: None,
            authentication: Some(authentication),
        }
    }
}

impl EspProposal {
    /// The offer as an SA payload.
    pub(crate) fn to_sa(
        &self,
        spi: u32,
        encapsulation: EncapsulationMode,
        pfs: Option<Group>,
    ) -> Sa {
        let proposal = |number, transforms| Proposal {
            number: self.numbering.at(number),
            protocol: ProtocolId::ESP,
            spi: spi.to_be_bytes().to_vec(),
            transforms,
        };
        let transform = |number, transform: &EspTransform| Transform {
            number: self.numbering.at(number),
            id: transform.transform.0,
            attributes: self.attributes_of(transform, encapsulation, pfs),
        };
        let all = self.transforms.iter().enumerate();
        Sa::new(match self.layout {
            Layout::OneProposal => {
                vec![proposal(
                    0,
                    all.map(|(place, one)| transform(place, one)).collect(),
                )]
            }
            Layout::ProposalEach => all
                .map(|(place, one)| proposal(place, vec![transform(0, one)]))
                .collect(),
        })
    }

    fn attributes_of(
        &self,
        transform: &EspTransform,
        encapsulation: EncapsulationMode,
        pfs: Option<Group>,
    ) -> Vec<Attribute> {
        let mut attributes = Vec::new();
        for class in self.attributes {
            let value = match *class {
                Phase2Attribute::GROUP => pfs.map(|group| group.id().0),
                Phase2Attribute::ENCAPSULATION => Some(encapsulation.0),
                Phase2Attribute::AUTHENTICATION => transform.authentication.map(|id| id.0),
                Phase2Attribute::KEY_LENGTH => transform.key_bits,
                Phase2Attribute::LIFE_DURATION => {
                    let classes = (Phase2Attribute::LIFE_TYPE.0, class.0);
                    let lifetime = in_seconds(self.lifetime);
                    self.durations
                        .push(&mut attributes, classes, LifeType::SECONDS, lifetime);
                    if let Some(volume) = self.kilobytes {
                        self.durations
                            .push(&mut attributes, classes, LifeType::KILOBYTES, volume);
                    }
                    None
                }
                _ => None,
            };
            attributes.extend(value.map(|value| Attribute::basic(class.0, value)));
        }
        attributes
    }
}
