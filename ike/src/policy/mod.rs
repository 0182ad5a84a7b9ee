//! Which algorithms are taken, and in which order (the server's order decides, not the client's).

mod esp;
mod phase1;
mod phase2;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

pub use esp::{EspEncryption, EspIntegrity, EspSuite, KeyBits};
pub(crate) use phase1::accept_phase1;
pub(crate) use phase2::{Phase2Choice, Phase2Context};

use crate::crypto::{Cipher, Group, HashAlgorithm, Phase1Suite};

/// An option that admits something weak for the sake of an old client. Its name is how the
/// configuration spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LegacyOption {
    /// `legacy-android`: group 2 in phase 1, with AES only.
    Android,
    /// `legacy-modp1536`: group 5.
    Modp1536,
    /// `legacy-3des`: 3DES in IKE and ESP.
    TripleDes,
    /// `legacy-md5`: HMAC-MD5 in IKE and ESP.
    Md5,
    /// `pfs-modp1024`: group 2 for perfect forward secrecy.
    PfsModp1024,
    /// `esp-sha256-96`: SHA-256 in ESP cut to 96 bits, for peers whose first packets show it.
    EspSha256Cut,
}

impl LegacyOption {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Android,
        Self::Modp1536,
        Self::TripleDes,
        Self::Md5,
        Self::PfsModp1024,
        Self::EspSha256Cut,
    ];

    /// The name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Android => "legacy-android",
            Self::Modp1536 => "legacy-modp1536",
            Self::TripleDes => "legacy-3des",
            Self::Md5 => "legacy-md5",
            Self::PfsModp1024 => "pfs-modp1024",
            Self::EspSha256Cut => "esp-sha256-96",
        }
    }

    /// What to warn about when it is on.
    pub const fn warning(self) -> &'static str {
        match self {
            Self::Android => "1024-bit Diffie-Hellman can be precomputed by large attackers",
            Self::Modp1536 => "1536-bit Diffie-Hellman is below today's margin",
            Self::TripleDes => "3DES has blocks of 64 bits, which leak after some gigabytes",
            Self::Md5 => "MD5 is broken as a hash; as HMAC it is merely old",
            Self::PfsModp1024 => "1024-bit forward secrecy adds little to a stronger phase 1",
            Self::EspSha256Cut => {
                "check values of 96 bits are easier to forge than the 128 that are agreed on"
            }
        }
    }
}

impl fmt::Display for LegacyOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for LegacyOption {
    type Err = PolicyError;

    fn from_str(name: &str) -> Result<Self, PolicyError> {
        Self::ALL
            .into_iter()
            .find(|option| option.name() == name)
            .ok_or_else(|| PolicyError::Unknown(name.to_owned()))
    }
}

/// A list of algorithms that cannot be a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A name that means nothing.
    #[error("unknown name \"{0}\"")]
    Unknown(String),
    /// Something that is never offered.
    #[error("{0} is not supported, because it is not safe or not known")]
    Never(String),
    /// Something that needs an option.
    #[error("{what} needs the option `{option}`")]
    NeedsOption {
        /// The algorithm.
        what: String,
        /// The option that admits it.
        option: LegacyOption,
    },
    /// Nothing at all.
    #[error("the list is empty")]
    Empty,
}

/// The suite in the words of the configuration: `aes256-sha1-ecp384`.
pub(crate) fn suite_name(suite: Phase1Suite) -> String {
    let (cipher, hash) = (
        name_of(&CIPHERS, suite.cipher),
        name_of(&HASHES, suite.hash),
    );
    format!("{cipher}-{hash}-{}", group_name(suite.group))
}

/// The options without which something is not taken; all of them must be on.
type Need = &'static [LegacyOption];

/// Hashes, their names in the configuration, and what they need.
const HASHES: [(HashAlgorithm, &str, Need); 5] = [
    (HashAlgorithm::Sha256, "sha256", &[]),
    (HashAlgorithm::Sha384, "sha384", &[]),
    (HashAlgorithm::Sha512, "sha512", &[]),
    (HashAlgorithm::Sha1, "sha1", &[]),
    (HashAlgorithm::Md5, "md5", &[LegacyOption::Md5]),
];

/// Ciphers of phase 1 in order of preference.
const CIPHERS: [(Cipher, &str, Need); 4] = [
    (Cipher::Aes256, "aes256", &[]),
    (Cipher::Aes192, "aes192", &[]),
    (Cipher::Aes128, "aes128", &[]),
    (Cipher::TripleDes, "3des", &[LegacyOption::TripleDes]),
];

/// Groups in order of preference: elliptic curves first, since they cost least; 3072 before 4096,
/// since 128 bits of strength are enough.
const GROUPS: [(Group, &str, Need); 8] = [
    (Group::Ecp384, "ecp384", &[]),
    (Group::Ecp256, "ecp256", &[]),
    (Group::Ecp521, "ecp521", &[]),
    (Group::Modp3072, "modp3072", &[]),
    (Group::Modp4096, "modp4096", &[]),
    (Group::Modp2048, "modp2048", &[]),
    (Group::Modp1536, "modp1536", &[LegacyOption::Modp1536]),
    (Group::Modp1024, "modp1024", &[LegacyOption::Android]),
];

fn name_of<T: PartialEq + Copy>(table: &[(T, &'static str, Need)], id: T) -> &'static str {
    table
        .iter()
        .find(|(known, ..)| *known == id)
        .map_or("?", |(_, name, _)| name)
}

impl Group {
    /// The group of a short name, `modp2048`; whether it is taken is a [`Policy`]'s to say.
    pub fn named(name: &str) -> Option<Self> {
        let found = GROUPS.iter().find(|(_, known, _)| *known == name);
        found.map(|(group, ..)| *group)
    }
}

/// The short name of a group: `modp2048`.
pub(crate) fn group_name(group: Group) -> &'static str {
    name_of(&GROUPS, group)
}

/// Which algorithms are taken, in order of preference.
///
/// Phase 1 is ranked by group first, then cipher, then hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    options: Vec<LegacyOption>,
    groups: Vec<Group>,
    ciphers: Vec<Cipher>,
    hashes: Vec<HashAlgorithm>,
    esp: Vec<EspSuite>,
    given: Given,
}

/// Which lists of a [`Policy`] somebody has given, so that no option adds to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Given {
    groups: bool,
    ciphers: bool,
    hashes: bool,
    esp: bool,
}

impl Default for Policy {
    /// The policy without any legacy option.
    fn default() -> Self {
        Self::new(&[])
    }
}

impl Policy {
    /// The recommended lists, with what `options` admit at their ends.
    pub fn new(options: &[LegacyOption]) -> Self {
        fn admitted<T: Copy>(
            table: &[(T, &'static str, Need)],
            options: &[LegacyOption],
        ) -> Vec<T> {
            let on = |need: Need| need.iter().all(|option| options.contains(option));
            table
                .iter()
                .filter(|(.., need)| on(need))
                .map(|(id, ..)| *id)
                .collect()
        }
        Self {
            options: options.to_vec(),
            groups: admitted(&GROUPS, options),
            ciphers: admitted(&CIPHERS, options),
            hashes: admitted(&HASHES, options),
            esp: admitted(&esp::suites(), options),
            given: Given::default(),
        }
    }

    /// The same policy with all options on. Lists that are given stay as they are.
    fn with_all_options(&self) -> Self {
        let mut all = Self::new(&LegacyOption::ALL);
        if self.given.groups {
            all.groups.clone_from(&self.groups);
        }
        if self.given.ciphers {
            all.ciphers.clone_from(&self.ciphers);
        }
        if self.given.hashes {
            all.hashes.clone_from(&self.hashes);
        }
        if self.given.esp {
            all.esp.clone_from(&self.esp);
        }
        all
    }

    /// The same policy with another list of groups, best first: `["modp2048"]`.
    ///
    /// # Errors
    /// An empty list, an unknown name, or one that needs an option that is off.
    pub fn with_groups(self, names: &[&str]) -> Result<Self, PolicyError> {
        Ok(Self {
            groups: self.named(&GROUPS, names)?,
            given: Given {
                groups: true,
                ..self.given
            },
            ..self
        })
    }

    /// The same policy with another list of phase 1 ciphers, best first: `["aes256"]`.
    ///
    /// # Errors
    /// As for [`with_groups`](Self::with_groups).
    pub fn with_ciphers(self, names: &[&str]) -> Result<Self, PolicyError> {
        Ok(Self {
            ciphers: self.named(&CIPHERS, names)?,
            given: Given {
                ciphers: true,
                ..self.given
            },
            ..self
        })
    }

    /// The same policy with another list of phase 1 hashes, best first: `["sha256"]`.
    ///
    /// # Errors
    /// As for [`with_groups`](Self::with_groups).
    pub fn with_hashes(self, names: &[&str]) -> Result<Self, PolicyError> {
        Ok(Self {
            hashes: self.named(&HASHES, names)?,
            given: Given {
                hashes: true,
                ..self.given
            },
            ..self
        })
    }

    /// The same policy with another list of phase 2 suites, best first:
    /// `["aes256gcm16", "aes256-sha1"]`.
    ///
    /// # Errors
    /// As for [`with_groups`](Self::with_groups).
    pub fn with_esp(self, names: &[&str]) -> Result<Self, PolicyError> {
        let suites = esp::suites();
        let named: Vec<String> = suites.iter().map(|(suite, ..)| suite.to_string()).collect();
        let table: Vec<(EspSuite, &str, Need)> = suites
            .iter()
            .zip(&named)
            .map(|((suite, _, need), name)| (*suite, name.as_str(), *need))
            .collect();
        Ok(Self {
            esp: self.named(&table, names)?,
            given: Given {
                esp: true,
                ..self.given
            },
            ..self
        })
    }

    fn named<T: Copy>(
        &self,
        table: &[(T, &str, Need)],
        names: &[&str],
    ) -> Result<Vec<T>, PolicyError> {
        if names.is_empty() {
            return Err(PolicyError::Empty);
        }
        names
            .iter()
            .map(
                |name| match table.iter().find(|(_, known, _)| known == name) {
                    Some((id, _, need)) => match need.iter().find(|option| !self.is_on(**option)) {
                        Some(option) => Err(PolicyError::NeedsOption {
                            what: (*name).to_owned(),
                            option: *option,
                        }),
                        None => Ok(*id),
                    },
                    None if matches!(*name, "des" | "null" | "modp768") => {
                        Err(PolicyError::Never((*name).to_owned()))
                    }
                    None => Err(PolicyError::Unknown((*name).to_owned())),
                },
            )
            .collect()
    }

    /// The legacy options that are on.
    pub fn options(&self) -> &[LegacyOption] {
        &self.options
    }

    /// The phase 2 suites, best first.
    pub fn esp(&self) -> &[EspSuite] {
        &self.esp
    }

    /// Whether an option is on.
    pub fn is_on(&self, option: LegacyOption) -> bool {
        self.options.contains(&option)
    }
}
