//! What a transform offers, read from its attributes (RFC 2409 App. A, RFC 2407 §4.5).
//!
//! An offer is a view for deciding and for log sentences; the answer repeats the
//! [`Transform`] itself.

use std::fmt;

use super::{
    Attribute, AuthAlgorithm, AuthMethod, EncapsulationMode, EncryptionId, EspTransformId, GroupId,
    HashId, LifeType, Phase1Attribute, Phase2Attribute, Transform,
};

/// A phase 1 transform. What the sender left out is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Phase1Offer {
    /// Encryption.
    pub encryption: Option<EncryptionId>,
    /// Key length in bits.
    pub key_bits: Option<u16>,
    /// Hash.
    pub hash: Option<HashId>,
    /// Authentication method.
    pub auth: Option<AuthMethod>,
    /// Diffie-Hellman group.
    pub group: Option<GroupId>,
    /// Lifetime in seconds.
    pub life_seconds: Option<u64>,
    /// Lifetime in kilobytes.
    pub life_kilobytes: Option<u64>,
    /// Classes of attributes that are not understood: the transform cannot be chosen.
    pub unknown: Vec<u16>,
}

/// A phase 2 transform for ESP. What the sender left out is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase2Offer {
    /// The ESP transform.
    pub transform: EspTransformId,
    /// Key length in bits.
    pub key_bits: Option<u16>,
    /// Integrity algorithm.
    pub authentication: Option<AuthAlgorithm>,
    /// Encapsulation mode.
    pub encapsulation: Option<EncapsulationMode>,
    /// Group of perfect forward secrecy.
    pub group: Option<GroupId>,
    /// Lifetime in seconds.
    pub life_seconds: Option<u64>,
    /// Lifetime in kilobytes.
    pub life_kilobytes: Option<u64>,
    /// Classes of attributes that are not understood: the transform cannot be chosen.
    pub unknown: Vec<u16>,
}

/// The two lifetimes and the unit that the next duration is in.
#[derive(Default)]
struct Lives {
    unit: Option<LifeType>,
    seconds: Option<u64>,
    kilobytes: Option<u64>,
}

impl Lives {
    /// Whether the duration could be taken.
    fn take(&mut self, duration: Option<u64>) -> bool {
        let place = match self.unit.take() {
            Some(LifeType::SECONDS) => &mut self.seconds,
            Some(LifeType::KILOBYTES) => &mut self.kilobytes,
            _ => return false,
        };
        *place = duration;
        duration.is_some()
    }
}

/// Takes a number of two bytes through a newtype into its field; false if there is none.
fn take<T>(field: &mut Option<T>, make: fn(u16) -> T, attribute: &Attribute) -> bool {
    *field = attribute.number_u16().map(make);
    field.is_some()
}

impl Phase1Offer {
    /// Reads the attributes of a phase 1 transform. Of repeated attributes the last one counts.
    pub fn read(transform: &Transform) -> Self {
        let mut offer = Self::default();
        let mut lives = Lives::default();
        for attribute in &transform.attributes {
            let known = match Phase1Attribute(attribute.class) {
                Phase1Attribute::ENCRYPTION => take(&mut offer.encryption, EncryptionId, attribute),
                Phase1Attribute::HASH => take(&mut offer.hash, HashId, attribute),
                Phase1Attribute::AUTH_METHOD => take(&mut offer.auth, AuthMethod, attribute),
                Phase1Attribute::GROUP => take(&mut offer.group, GroupId, attribute),
                Phase1Attribute::KEY_LENGTH => take(&mut offer.key_bits, |bits| bits, attribute),
                Phase1Attribute::LIFE_TYPE => take(&mut lives.unit, LifeType, attribute),
                Phase1Attribute::LIFE_DURATION => lives.take(attribute.number()),
                // 1 is MODP, 2 is ECP: they say again what the group's number says.
                Phase1Attribute::GROUP_TYPE => {
                    attribute.number().is_some_and(|kind| matches!(kind, 1 | 2))
                }
                _ => false,
            };
            if !known {
                offer.unknown.push(attribute.class);
            }
        }
        offer.life_seconds = lives.seconds;
        offer.life_kilobytes = lives.kilobytes;
        offer
    }

    /// The transform that makes this offer, in the order in which most clients write attributes.
    /// Durations beyond two bytes are written in four.
    pub fn to_transform(&self, number: u8) -> Transform {
        let mut attributes = Vec::new();
        let mut basic = |class: Phase1Attribute, value: Option<u16>| {
            attributes.extend(value.map(|value| Attribute::basic(class.0, value)));
        };
        basic(Phase1Attribute::ENCRYPTION, self.encryption.map(|id| id.0));
        basic(Phase1Attribute::KEY_LENGTH, self.key_bits);
        basic(Phase1Attribute::HASH, self.hash.map(|id| id.0));
        basic(Phase1Attribute::GROUP, self.group.map(|id| id.0));
        basic(Phase1Attribute::AUTH_METHOD, self.auth.map(|id| id.0));
        let classes = (
            Phase1Attribute::LIFE_TYPE.0,
            Phase1Attribute::LIFE_DURATION.0,
        );
        push_life(
            &mut attributes,
            classes,
            LifeType::SECONDS,
            self.life_seconds,
        );
        push_life(
            &mut attributes,
            classes,
            LifeType::KILOBYTES,
            self.life_kilobytes,
        );
        Transform {
            number,
            id: Transform::KEY_IKE,
            attributes,
        }
    }
}

impl Phase2Offer {
    /// Reads the attributes of an ESP transform. Of repeated attributes the last one counts.
    pub fn read(transform: &Transform) -> Self {
        let mut offer = Self::new(EspTransformId(transform.id));
        let mut lives = Lives::default();
        for attribute in &transform.attributes {
            let known = match Phase2Attribute(attribute.class) {
                Phase2Attribute::GROUP => take(&mut offer.group, GroupId, attribute),
                Phase2Attribute::ENCAPSULATION => {
                    take(&mut offer.encapsulation, EncapsulationMode, attribute)
                }
                Phase2Attribute::AUTHENTICATION => {
                    take(&mut offer.authentication, AuthAlgorithm, attribute)
                }
                Phase2Attribute::KEY_LENGTH => take(&mut offer.key_bits, |bits| bits, attribute),
                Phase2Attribute::LIFE_TYPE => take(&mut lives.unit, LifeType, attribute),
                Phase2Attribute::LIFE_DURATION => lives.take(attribute.number()),
                _ => false,
            };
            if !known {
                offer.unknown.push(attribute.class);
            }
        }
        offer.life_seconds = lives.seconds;
        offer.life_kilobytes = lives.kilobytes;
        offer
    }

    /// An offer of a transform and nothing else.
    pub const fn new(transform: EspTransformId) -> Self {
        Self {
            transform,
            key_bits: None,
            authentication: None,
            encapsulation: None,
            group: None,
            life_seconds: None,
            life_kilobytes: None,
            unknown: Vec::new(),
        }
    }

    /// The transform that makes this offer. Durations beyond two bytes are written in four.
    pub fn to_transform(&self, number: u8) -> Transform {
        let mut attributes = Vec::new();
        let classes = (
            Phase2Attribute::LIFE_TYPE.0,
            Phase2Attribute::LIFE_DURATION.0,
        );
        push_life(
            &mut attributes,
            classes,
            LifeType::SECONDS,
            self.life_seconds,
        );
        push_life(
            &mut attributes,
            classes,
            LifeType::KILOBYTES,
            self.life_kilobytes,
        );
        let mut basic = |class: Phase2Attribute, value: Option<u16>| {
            attributes.extend(value.map(|value| Attribute::basic(class.0, value)));
        };
        basic(Phase2Attribute::GROUP, self.group.map(|id| id.0));
        basic(
            Phase2Attribute::ENCAPSULATION,
            self.encapsulation.map(|id| id.0),
        );
        basic(
            Phase2Attribute::AUTHENTICATION,
            self.authentication.map(|id| id.0),
        );
        basic(Phase2Attribute::KEY_LENGTH, self.key_bits);
        Transform {
            number,
            id: self.transform.0,
            attributes,
        }
    }
}

fn push_life(
    attributes: &mut Vec<Attribute>,
    (type_class, duration_class): (u16, u16),
    unit: LifeType,
    duration: Option<u64>,
) {
    let Some(duration) = duration else { return };
    attributes.push(Attribute::basic(type_class, unit.0));
    attributes.push(match u16::try_from(duration) {
        Ok(short) => Attribute::basic(duration_class, short),
        Err(_) => {
            let long = u32::try_from(duration).unwrap_or(u32::MAX);
            Attribute::variable_u32(duration_class, long)
        }
    });
}

/// Writes an algorithm and its key length as `AES-CBC-256`.
fn sized(f: &mut fmt::Formatter<'_>, name: &dyn fmt::Display, bits: Option<u16>) -> fmt::Result {
    write!(f, "{name}")?;
    bits.map_or(Ok(()), |bits| write!(f, "-{bits}"))
}

/// `AES-CBC-256/HMAC-SHA1/MODP-2048`; other authentication than a pre-shared key is added.
impl fmt::Display for Phase1Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.encryption {
            Some(encryption) => sized(f, &encryption, self.key_bits)?,
            None => f.write_str("no encryption")?,
        }
        match self.hash {
            Some(hash) => write!(f, "/HMAC-{hash}")?,
            None => f.write_str("/no hash")?,
        }
        match self.group {
            Some(group) => write!(f, "/{group}")?,
            None => f.write_str("/no group")?,
        }
        match self.auth {
            Some(AuthMethod::PSK) => Ok(()),
            Some(auth) => write!(f, " with {auth}"),
            None => f.write_str(" without authentication"),
        }
    }
}

/// `AES-CBC-256/HMAC-SHA1/transport`; a PFS group is added when there is one.
impl fmt::Display for Phase2Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        sized(f, &self.transform, self.key_bits)?;
        if let Some(authentication) = self.authentication {
            write!(f, "/{authentication}")?;
        }
        if let Some(encapsulation) = self.encapsulation {
            write!(f, "/{encapsulation}")?;
        }
        if let Some(group) = self.group {
            write!(f, "/PFS {group}")?;
        }
        Ok(())
    }
}
