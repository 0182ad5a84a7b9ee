//! Choosing a phase 1 transform, and making an offer of our own.

use std::time::Duration;

use super::{CIPHERS, GROUPS, HASHES, LegacyOption, Policy};
use crate::Refusal;
use crate::codec::{AuthMethod, Phase1Offer, Proposal, ProtocolId, Sa, Transform};
use crate::crypto::{Cipher, Group, HashAlgorithm, Phase1Suite};

/// Lifetime of an SA whose proposal names none (RFC 2407 §4.5).
const DEFAULT_LIFETIME: u64 = 28_800;

/// Transforms named in a log sentence; more would bury the sentence.
const SHOWN: usize = 24;

/// What was chosen from an offer.
#[derive(Debug, Clone)]
pub(crate) struct Phase1Choice {
    /// The SA to answer with: one proposal, one transform, exactly as it came.
    pub(crate) answer: Sa,
    /// Its algorithms.
    pub(crate) suite: Phase1Suite,
    /// Its lifetime.
    pub(crate) lifetime: Duration,
}

/// The suite a transform stands for, if it is one that could be taken at all.
fn suite_of(offer: &Phase1Offer) -> Option<Phase1Suite> {
    let known = offer.unknown.is_empty() && offer.auth == Some(AuthMethod::PSK);
    known.then_some(Phase1Suite {
        cipher: Cipher::from_id(offer.encryption?, offer.key_bits)?,
        hash: HashAlgorithm::from_id(offer.hash?)?,
        group: Group::from_id(offer.group?)?,
    })
}

/// The lifetime that an offer or an answer names.
///
/// QUIRK(strongSwan): without rekeying it offers 0, and means that there is no limit. When its IKE
/// SA is deleted all the same, its child SAs go as well.
pub(super) fn seconds(offered: Option<u64>) -> Duration {
    match offered {
        Some(0) => Duration::MAX,
        offered => Duration::from_secs(offered.unwrap_or(DEFAULT_LIFETIME)),
    }
}

impl Policy {
    /// The place of a suite in our order; smaller is better.
    fn rank(&self, suite: Phase1Suite) -> Option<(usize, usize, usize)> {
        let group = self.groups.iter().position(|group| *group == suite.group)?;
        let cipher = self
            .ciphers
            .iter()
            .position(|cipher| *cipher == suite.cipher)?;
        let hash = self.hashes.iter().position(|hash| *hash == suite.hash)?;
        // Android's group comes with AES only: 1024-bit Diffie-Hellman and 3DES together would
        // protect nothing.
        let too_weak = suite.group == Group::Modp1024 && suite.cipher == Cipher::TripleDes;
        (!too_weak).then_some((group, cipher, hash))
    }

    /// Chooses from a phase 1 offer: the best by our order, and of equals the first.
    pub(crate) fn choose_phase1(&self, offer: &Sa) -> Result<Phase1Choice, Refusal> {
        let candidates = offer
            .proposals
            .iter()
            .filter(|proposal| proposal.protocol == ProtocolId::ISAKMP)
            .flat_map(|proposal| proposal.transforms.iter().map(move |t| (proposal, t)))
            .filter(|(_, transform)| transform.id == Transform::KEY_IKE)
            .filter_map(|(proposal, transform)| {
                let offered = Phase1Offer::read(transform);
                let suite = suite_of(&offered)?;
                Some((
                    self.rank(suite)?,
                    suite,
                    offered.life_seconds,
                    proposal,
                    transform,
                ))
            });
        // `min_by_key` keeps the first of equals.
        match candidates.min_by_key(|(rank, ..)| *rank) {
            Some((_, suite, life, proposal, transform)) => Ok(Phase1Choice {
                answer: Sa {
                    doi: offer.doi,
                    situation: offer.situation,
                    proposals: vec![Proposal {
                        number: proposal.number,
                        protocol: proposal.protocol,
                        spi: proposal.spi.clone(),
                        transforms: vec![transform.clone()],
                    }],
                },
                suite,
                lifetime: seconds(life),
            }),
            None => Err(self.refuse_phase1(offer)),
        }
    }

    fn refuse_phase1(&self, offer: &Sa) -> Refusal {
        let offers: Vec<Phase1Offer> = offer
            .proposals
            .iter()
            .flat_map(|proposal| proposal.transforms.iter().map(Phase1Offer::read))
            .collect();
        let psk = |offer: &Phase1Offer| offer.auth == Some(AuthMethod::PSK);
        if !offers.iter().any(psk)
            && let Some(auth) = offers.iter().find_map(|offer| offer.auth)
        {
            return Refusal::AuthenticationMethod(auth.to_string());
        }
        let everything = self.with_all_options();
        let missing = offers
            .iter()
            .filter_map(suite_of)
            .filter(|suite| everything.rank(*suite).is_some())
            .filter_map(|suite| self.missing_options(suite))
            .min_by_key(Vec::len);
        Refusal::NoIkeProposal {
            offer: in_words(&offers),
            admitted_by_options: missing.unwrap_or_default(),
        }
    }

    /// The options that are off and that `suite` needs; `None` if it needs none.
    fn missing_options(&self, suite: Phase1Suite) -> Option<Vec<LegacyOption>> {
        let needs = [
            GROUPS.iter().find(|(id, ..)| *id == suite.group)?.2,
            CIPHERS.iter().find(|(id, ..)| *id == suite.cipher)?.2,
            HASHES.iter().find(|(id, ..)| *id == suite.hash)?.2,
        ]
        .concat();
        let missing: Vec<_> = needs
            .into_iter()
            .filter(|option| !self.is_on(*option))
            .collect();
        (!missing.is_empty()).then_some(missing)
    }

    /// Our own offer: every group with the usual ciphers and hashes, best first.
    ///
    /// AES-192, SHA-384 and SHA-512 are left out where there is something else, because 72
    /// transforms would not fit a datagram, and nobody wants just those.
    pub(crate) fn offer_phase1(&self, lifetime: Duration) -> Sa {
        fn short<T: Copy + PartialEq>(all: &[T], rare: impl Fn(T) -> bool) -> Vec<T> {
            let usual: Vec<T> = all.iter().copied().filter(|one| !rare(*one)).collect();
            if usual.is_empty() {
                all.to_vec()
            } else {
                usual
            }
        }
        let ciphers = short(&self.ciphers, |cipher| cipher == Cipher::Aes192);
        let hashes = short(&self.hashes, |hash| {
            matches!(hash, HashAlgorithm::Sha384 | HashAlgorithm::Sha512)
        });
        let mut transforms = Vec::new();
        for group in &self.groups {
            for cipher in &ciphers {
                for hash in &hashes {
                    let suite = Phase1Suite {
                        cipher: *cipher,
                        hash: *hash,
                        group: *group,
                    };
                    let number = u8::try_from(transforms.len().saturating_add(1));
                    let (Some(_), Ok(number)) = (self.rank(suite), number) else {
                        continue;
                    };
                    transforms.push(
                        Phase1Offer {
                            encryption: Some(suite.cipher.id()),
                            key_bits: suite.cipher.key_bits(),
                            hash: Some(suite.hash.id()),
                            auth: Some(AuthMethod::PSK),
                            group: Some(suite.group.id()),
                            life_seconds: Some(lifetime.as_secs()),
                            ..Phase1Offer::default()
                        }
                        .to_transform(number),
                    );
                }
            }
        }
        Sa::new(vec![Proposal {
            number: 1,
            protocol: ProtocolId::ISAKMP,
            spi: Vec::new(),
            transforms,
        }])
    }

    /// Whether a choice from an offer that [`offer_phase1`](Self::offer_phase1) made stands.
    pub(crate) fn admit_phase1(&self, choice: &Phase1Choice) -> Result<(), Refusal> {
        match self.rank(choice.suite) {
            Some(_) => Ok(()),
            None => Err(wrong_answer("the transform is not one of ours")),
        }
    }
}

fn wrong_answer(what: &'static str) -> Refusal {
    Refusal::Malformed {
        message: "answer to our IKE proposal",
        what,
    }
}

/// Reads the answer to an offer of ours: one transform, which must be one of those offered, and
/// one that we can do.
pub(crate) fn accept_phase1(offer: &Sa, answer: &Sa) -> Result<Phase1Choice, Refusal> {
    let [
        Proposal {
            transforms,
            protocol: ProtocolId::ISAKMP,
            ..
        },
    ] = &answer.proposals[..]
    else {
        return Err(wrong_answer("it does not hold exactly one proposal"));
    };
    let [transform] = &transforms[..] else {
        return Err(wrong_answer("it does not hold exactly one transform"));
    };
    let chosen = Phase1Offer::read(transform);
    let suite = suite_of(&chosen).ok_or(wrong_answer("the transform is not one of ours"))?;
    let offered = offer
        .proposals
        .iter()
        .flat_map(|proposal| &proposal.transforms);
    let ours = offered
        .map(Phase1Offer::read)
        .any(|offered| suite_of(&offered) == Some(suite));
    if !ours {
        return Err(wrong_answer("the transform is not one of ours"));
    }
    Ok(Phase1Choice {
        answer: answer.clone(),
        suite,
        lifetime: seconds(chosen.life_seconds),
    })
}

/// A list of offers for a log sentence: each once, in order, not too many.
pub(super) fn in_words<T: ToString>(offers: &[T]) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut more = 0_usize;
    for offer in offers {
        let word = offer.to_string();
        if words.contains(&word) {
            continue;
        }
        if words.len() < SHOWN {
            words.push(word);
        } else {
            more = more.saturating_add(1);
        }
    }
    match (words.is_empty(), more) {
        (true, _) => "nothing".to_owned(),
        (false, 0) => words.join(", "),
        (false, more) => format!("{} and {more} more", words.join(", ")),
    }
}
