//! Work that takes long, to be run away from the control loop.
//!
//! A [`Job`] owns all it needs, computes without touching anything else, and gives back a
//! [`JobResult`]. What it holds in secret is wiped when it is dropped, run or not.

use std::fmt;

use wire::Secret;

use crate::codec::{HashData, Header, Identification, PayloadType};
use crate::context::same;
use crate::crypto::{
    InvalidPublicValue, Iv, Keymat, Opened, Phase1Suite, PrivateValue, Transcript,
};

/// A computation that is ready to run.
pub struct Job {
    work: Work,
    begins: bool,
}

enum Work {
    DiffieHellman(DiffieHellman),
    KeyTrial(Box<KeyTrial>),
}

/// One half of a Diffie-Hellman exchange: a public value, a shared secret, or both at once, as a
/// responder needs them on message 3.
struct DiffieHellman {
    private: PrivateValue,
    wants_public: bool,
    peer: Option<Vec<u8>>,
}

/// The search for the pre-shared key under which message 5 makes sense.
///
/// A server that has several keys for "any address" cannot know which one a client uses: its
/// identity is encrypted under that key (RFC 2409 §5.4).
pub struct KeyTrial {
    /// What phase 1 agreed on.
    pub suite: Phase1Suite,
    /// What messages 1 to 4 said.
    pub transcript: Transcript,
    /// g^xy.
    pub shared: Secret,
    /// The keys with a number by which the caller knows each, likely ones first. Only the first
    /// [`KeyTrial::MAX_CANDIDATES`] are tried.
    pub candidates: Vec<(usize, Secret)>,
    /// Message 5 as it came, with its header and without non-ESP marker.
    pub message: Vec<u8>,
}

impl KeyTrial {
    /// The most keys that one job tries.
    pub const MAX_CANDIDATES: usize = 256;
}

impl fmt::Debug for KeyTrial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "KeyTrial({}, {} keys)",
            self.suite,
            self.candidates.len()
        )
    }
}

/// What a [`Job`] found out.
#[derive(Debug)]
pub enum JobResult {
    /// Of [`Job::public_value`], [`Job::shared_secret`] and [`Job::exchange`].
    DiffieHellman(Result<DhOutcome, InvalidPublicValue>),
    /// Of [`Job::key_trial`].
    KeyTrial(KeyTrialOutcome),
}

/// The results of a Diffie-Hellman job.
#[derive(Debug)]
pub struct DhOutcome {
    /// The private value, given back for the next step.
    pub private: PrivateValue,
    /// Our public value, if it was asked for.
    pub public: Option<Vec<u8>>,
    /// The shared secret, if it was asked for.
    pub shared: Option<Secret>,
}

/// The result of a key trial.
#[derive(Debug)]
pub enum KeyTrialOutcome {
    /// A key fits: the message decrypts and its HASH_I is right.
    Match(Box<KeyMatch>),
    /// No key gives a well-formed message with a right HASH_I.
    NoMatch {
        /// The number of the first key under which the message was at least well-formed, if any.
        /// Garbage hardly ever is, so that HASH_I being wrong then speaks of a different view of
        /// the exchange (a changed proposal, for example) and not of a wrong key.
        well_formed: Option<usize>,
    },
    /// The message cannot be decrypted under any key: its header is wrong or it is not a whole
    /// number of blocks.
    Malformed(wire::DecodeError),
}

/// The key that fits, and what came of it.
#[derive(Debug)]
pub struct KeyMatch {
    /// The caller's number of the key.
    pub index: usize,
    /// The keys of the IKE SA.
    pub keymat: Keymat,
    /// Message 5, decrypted and authentic; its `next_iv` is the one of message 6.
    pub message: Opened,
}

impl Job {
    const fn of(power: DiffieHellman) -> Self {
        Self {
            work: Work::DiffieHellman(power),
            begins: false,
        }
    }

    /// The same job, for somebody who has just begun.
    pub(crate) const fn of_a_beginning(mut self) -> Self {
        self.begins = true;
        self
    }

    /// Whether it is for a handshake that somebody has just begun. Where there is more to do than time,
    /// most others come first: they finish what much has been done for already.
    pub const fn begins_handshake(&self) -> bool {
        self.begins
    }

    /// Computes g^x.
    pub const fn public_value(private: PrivateValue) -> Self {
        Self::of(DiffieHellman {
            private,
            wants_public: true,
            peer: None,
        })
    }

    /// Computes g^xy from the body of the peer's KE payload.
    pub const fn shared_secret(private: PrivateValue, peer: Vec<u8>) -> Self {
        Self::of(DiffieHellman {
            private,
            wants_public: false,
            peer: Some(peer),
        })
    }

    /// Computes both g^x and g^xy.
    pub const fn exchange(private: PrivateValue, peer: Vec<u8>) -> Self {
        Self::of(DiffieHellman {
            private,
            wants_public: true,
            peer: Some(peer),
        })
    }

    /// Looks for the key of message 5.
    pub fn key_trial(trial: KeyTrial) -> Self {
        Self {
            work: Work::KeyTrial(Box::new(trial)),
            begins: false,
        }
    }

    /// Does the work: milliseconds of pure arithmetic. The same job gives the same result.
    pub fn run(self) -> JobResult {
        match self.work {
            Work::DiffieHellman(job) => JobResult::DiffieHellman(job.run()),
            Work::KeyTrial(trial) => JobResult::KeyTrial(trial.run()),
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.work {
            Work::DiffieHellman(job) => write!(f, "Job(Diffie-Hellman {})", job.private.group()),
            Work::KeyTrial(trial) => write!(f, "Job({trial:?})"),
        }
    }
}

impl DiffieHellman {
    fn run(self) -> Result<DhOutcome, InvalidPublicValue> {
        let (public, shared) = match self.peer {
            Some(peer) if self.wants_public => {
                let (public, shared) = self.private.exchange(&peer)?;
                (Some(public), Some(shared))
            }
            Some(peer) => (None, Some(self.private.shared_secret(&peer)?)),
            None => (self.wants_public.then(|| self.private.public_value()), None),
        };
        Ok(DhOutcome {
            private: self.private,
            public,
            shared,
        })
    }
}

impl KeyTrial {
    fn run(&self) -> KeyTrialOutcome {
        let (header, body) = match Header::parse(&self.message) {
            Ok(parts) => parts,
            Err(error) => return KeyTrialOutcome::Malformed(error),
        };
        let iv = self.suite.first_iv(&self.transcript);
        let mut well_formed = None;
        for (index, key) in self.candidates.iter().take(Self::MAX_CANDIDATES) {
            let index = *index;
            match self.try_key(key, &header, body, &iv) {
                Ok(Verdict::Match(keymat, message)) => {
                    return KeyTrialOutcome::Match(Box::new(KeyMatch {
                        index,
                        keymat,
                        message,
                    }));
                }
                Ok(Verdict::WrongHash) => well_formed = well_formed.or(Some(index)),
                Ok(Verdict::Garbage) => {}
                Err(error) => return KeyTrialOutcome::Malformed(error),
            }
        }
        // How long a refusal takes shall not tell how many keys there are, where they are few.
        for _ in self.candidates.len()..padded(self.candidates.len()) {
            let decoy = self.try_key(&Secret::default(), &header, body, &iv);
            std::hint::black_box(decoy.is_ok());
        }
        KeyTrialOutcome::NoMatch { well_formed }
    }

    fn try_key(
        &self,
        key: &Secret,
        header: &Header,
        body: &[u8],
        iv: &Iv,
    ) -> Result<Verdict, wire::DecodeError> {
        let keymat = Keymat::from_psk(self.suite, key.expose(), &self.transcript, &self.shared);
        let message = keymat.open(header, body, iv)?;
        let Some((id, hash)) = id_and_hash(&message) else {
            return Ok(Verdict::Garbage);
        };
        let expected = keymat.hash_i(&self.transcript, &id);
        if !same(&expected, &hash.0) {
            return Ok(Verdict::WrongHash);
        }
        Ok(Verdict::Match(keymat, message))
    }
}

/// How many keys are tried, real ones and decoys, before `candidates` of them have failed.
fn padded(candidates: usize) -> usize {
    const STEP: usize = 32;
    candidates
        .next_multiple_of(STEP)
        .min(KeyTrial::MAX_CANDIDATES)
}

/// What one key makes of message 5.
enum Verdict {
    Match(Keymat, Opened),
    WrongHash,
    Garbage,
}

/// The body of the identification and the hash of a decrypted message 5, if it is one.
fn id_and_hash(message: &Opened) -> Option<(Vec<u8>, HashData)> {
    let chain = message.chain().ok()?;
    let id = chain.first(PayloadType::ID)?;
    Identification::parse(id.body).ok()?;
    let hash = HashData::parse(chain.first(PayloadType::HASH)?.body).ok()?;
    Some((id.body.to_vec(), hash))
}

#[cfg(test)]
mod tests {
    use rand_core::SeedableRng;
    use wire::Rng;

    use super::*;
    use crate::crypto::Group;

    fn outcome(job: Job) -> Result<DhOutcome, InvalidPublicValue> {
        match job.run() {
            JobResult::DiffieHellman(result) => result,
            JobResult::KeyTrial(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn jobs_can_go_to_another_thread() {
        fn can_go<T: Send + 'static>() {}
        can_go::<Job>();
        can_go::<JobResult>();
    }

    #[test]
    fn an_exchange_in_two_steps_and_in_one_gives_one_secret() {
        let mut rng = Rng::seed_from_u64(3);
        for group in [Group::Modp2048, Group::Ecp384] {
            let initiator = group.private_value(&mut rng);
            let responder = group.private_value(&mut rng);
            let step_1 = outcome(Job::public_value(initiator)).unwrap();
            assert!(step_1.shared.is_none());
            let public = step_1.public.unwrap();
            let whole = outcome(Job::exchange(responder, public)).unwrap();
            let step_2 = Job::shared_secret(step_1.private, whole.public.unwrap());
            let step_2 = outcome(step_2).unwrap();
            assert!(step_2.public.is_none());
            assert!(whole.shared.is_some());
            assert_eq!(step_2.shared, whole.shared);
        }
    }

    #[test]
    fn one_key_takes_as_long_as_thirty() {
        assert_eq!([1, 30, 32].map(padded), [32; 3]);
        assert_eq!([33, 256, 1000].map(padded), [64, 256, 256]);
    }

    #[test]
    fn a_bad_public_value_fails_the_job() {
        let group = Group::Modp2048;
        let private = group.private_value(&mut Rng::seed_from_u64(3));
        let bad = vec![0; group.public_len()];
        let error = outcome(Job::exchange(private, bad)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the Diffie-Hellman public value is not between 1 and p-1"
        );
    }

    #[test]
    fn debug_names_the_work_and_shows_no_secret() {
        let private = Group::Modp2048.private_value(&mut Rng::seed_from_u64(3));
        let job = Job::public_value(private);
        assert_eq!(format!("{job:?}"), "Job(Diffie-Hellman MODP-2048)");
    }
}
