//! Keys and hashes of IKE (RFC 2409 §5, §5.5, App. B).

use std::fmt;

use wire::Secret;

use super::{Cipher, CipherKey, Group, HashAlgorithm, Iv, Padding};
use crate::codec::{Cookie, MessageId, ProtocolId};

/// What phase 1 agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Phase1Suite {
    /// Encryption.
    pub cipher: Cipher,
    /// Hash, and PRF.
    pub hash: HashAlgorithm,
    /// Diffie-Hellman group.
    pub group: Group,
}

/// `AES-CBC-256/HMAC-SHA1/MODP-2048`, as offers show it.
impl fmt::Display for Phase1Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/HMAC-{}/{}", self.cipher, self.hash, self.group)
    }
}

impl Phase1Suite {
    /// The IV of the first encrypted message of phase 1: the start of hash(g^xi | g^xr)
    /// (RFC 2409 App. B).
    pub fn first_iv(&self, transcript: &Transcript) -> Iv {
        let hash = self
            .hash
            .digest(&[&transcript.public_i, &transcript.public_r]);
        Iv::first(self.cipher, &hash)
    }

    /// The IV of the first message of a later exchange: the start of hash(last block of phase 1 |
    /// message id) (RFC 2409 App. B).
    pub fn exchange_iv(&self, phase1_last: &Iv, message_id: MessageId) -> Iv {
        let hash = self
            .hash
            .digest(&[phase1_last.as_bytes(), &message_id.0.to_be_bytes()]);
        Iv::first(self.cipher, &hash)
    }
}

/// What the first four messages of phase 1 said in clear; nothing of it is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcript {
    /// CKY-I.
    pub cookie_i: Cookie,
    /// CKY-R.
    pub cookie_r: Cookie,
    /// Ni_b: the body of the initiator's nonce payload.
    pub nonce_i: Vec<u8>,
    /// Nr_b.
    pub nonce_r: Vec<u8>,
    /// g^xi: the body of the initiator's key exchange payload.
    pub public_i: Vec<u8>,
    /// g^xr.
    pub public_r: Vec<u8>,
    /// SAi_b: the body of the initiator's whole SA payload, as it offered it.
    pub sa_i: Vec<u8>,
}

/// The keys of an IKE SA.
///
/// `Debug` shows the suite only; all keys are wiped when the value is dropped.
#[derive(Clone)]
pub struct Keymat {
    suite: Phase1Suite,
    skeyid: Secret,
    skeyid_d: Secret,
    skeyid_a: Secret,
    skeyid_e: Secret,
    key: CipherKey,
    padding: Padding,
}

impl fmt::Debug for Keymat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keymat({}, ..)", self.suite)
    }
}

impl Keymat {
    /// The keys under a pre-shared key: SKEYID = prf(key, Ni_b | Nr_b).
    pub fn from_psk(
        suite: Phase1Suite,
        psk: &[u8],
        transcript: &Transcript,
        shared: &Secret,
    ) -> Self {
        let skeyid = suite
            .hash
            .prf(psk, &[&transcript.nonce_i, &transcript.nonce_r]);
        Self::from_skeyid(suite, skeyid, transcript, shared)
    }

    /// The keys under signatures: SKEYID = prf(Ni_b | Nr_b, g^xy).
    pub fn from_signatures(suite: Phase1Suite, transcript: &Transcript, shared: &Secret) -> Self {
        let key = [transcript.nonce_i.as_slice(), &transcript.nonce_r].concat();
        let skeyid = suite.hash.prf(&key, &[shared.expose()]);
        Self::from_skeyid(suite, skeyid, transcript, shared)
    }

    fn from_skeyid(
        suite: Phase1Suite,
        skeyid: Secret,
        transcript: &Transcript,
        shared: &Secret,
    ) -> Self {
        let derive = |previous: &[u8], number: u8| {
            let (i, r) = (&transcript.cookie_i.0, &transcript.cookie_r.0);
            suite.hash.prf(
                skeyid.expose(),
                &[previous, shared.expose(), i, r, &[number]],
            )
        };
        let skeyid_d = derive(&[], 0);
        let skeyid_a = derive(skeyid_d.expose(), 1);
        let skeyid_e = derive(skeyid_a.expose(), 2);
        let key = encryption_key(suite, &skeyid_e);
        Self {
            suite,
            skeyid,
            skeyid_d,
            skeyid_a,
            skeyid_e,
            key,
            padding: Padding::default(),
        }
    }

    /// The same keys for messages that are filled up otherwise.
    #[must_use]
    pub fn with_padding(self, padding: Padding) -> Self {
        Self { padding, ..self }
    }

    /// How messages are filled up.
    pub const fn padding(&self) -> Padding {
        self.padding
    }

    /// What phase 1 agreed on.
    pub const fn suite(&self) -> Phase1Suite {
        self.suite
    }

    /// SKEYID.
    pub const fn skeyid(&self) -> &Secret {
        &self.skeyid
    }

    /// SKEYID_d, from which the keys of ESP come.
    pub const fn skeyid_d(&self) -> &Secret {
        &self.skeyid_d
    }

    /// SKEYID_a, under which messages after phase 1 are hashed.
    pub const fn skeyid_a(&self) -> &Secret {
        &self.skeyid_a
    }

    /// SKEYID_e, from which the encryption key comes.
    pub const fn skeyid_e(&self) -> &Secret {
        &self.skeyid_e
    }

    /// The encryption key of IKE messages.
    pub const fn key(&self) -> &CipherKey {
        &self.key
    }

    /// HASH_I, `id_i` being the body of the initiator's identification payload.
    pub fn hash_i(&self, transcript: &Transcript, id_i: &[u8]) -> Vec<u8> {
        let t = transcript;
        self.phase1_hash([
            &t.public_i,
            &t.public_r,
            &t.cookie_i.0,
            &t.cookie_r.0,
            &t.sa_i,
            id_i,
        ])
    }

    /// HASH_R, `id_r` being the body of the responder's identification payload. It covers the
    /// initiator's SA payload too.
    pub fn hash_r(&self, transcript: &Transcript, id_r: &[u8]) -> Vec<u8> {
        let t = transcript;
        self.phase1_hash([
            &t.public_r,
            &t.public_i,
            &t.cookie_r.0,
            &t.cookie_i.0,
            &t.sa_i,
            id_r,
        ])
    }

    fn phase1_hash(&self, parts: [&[u8]; 6]) -> Vec<u8> {
        self.suite
            .hash
            .prf(self.skeyid.expose(), &parts)
            .expose()
            .to_vec()
    }

    /// HASH(1) of Quick Mode, and the hash of an Informational message (RFC 2409 §5.5, §5.7):
    /// `rest` is everything after the HASH payload, with generic headers, without padding.
    pub fn hash_1(&self, message_id: MessageId, rest: &[u8]) -> Vec<u8> {
        self.exchange_hash(&[&message_id.0.to_be_bytes(), rest])
    }

    /// HASH(2) of Quick Mode; `nonce_i` is the body of message 1's nonce payload.
    pub fn hash_2(&self, message_id: MessageId, nonce_i: &[u8], rest: &[u8]) -> Vec<u8> {
        self.exchange_hash(&[&message_id.0.to_be_bytes(), nonce_i, rest])
    }

    /// HASH(3) of Quick Mode.
    pub fn hash_3(&self, message_id: MessageId, nonce_i: &[u8], nonce_r: &[u8]) -> Vec<u8> {
        self.exchange_hash(&[&[0], &message_id.0.to_be_bytes(), nonce_i, nonce_r])
    }

    fn exchange_hash(&self, parts: &[&[u8]]) -> Vec<u8> {
        self.suite
            .hash
            .prf(self.skeyid_a.expose(), parts)
            .expose()
            .to_vec()
    }

    /// KEYMAT of one child SA, `length` bytes of it: first the encryption key, then the integrity
    /// key (RFC 2409 §5.5). The SPI is the one its receiver chose. `pfs` is the shared secret of
    /// Quick Mode's own Diffie-Hellman exchange.
    pub fn child(
        &self,
        protocol: ProtocolId,
        spi: u32,
        nonces: (&[u8], &[u8]),
        pfs: Option<&Secret>,
        length: usize,
    ) -> Secret {
        let seed: [&[u8]; 5] = [
            pfs.map_or(&[], Secret::expose),
            &[protocol.0],
            &spi.to_be_bytes(),
            nonces.0,
            nonces.1,
        ];
        expand(self.suite.hash, &self.skeyid_d, &seed, &seed, length)
    }
}

/// The start of SKEYID_e, or, if that is too short for the cipher, of its expansion
/// (RFC 2409 App. B). The latter is on the path of every client with AES-256 and SHA-1.
fn encryption_key(suite: Phase1Suite, skeyid_e: &Secret) -> CipherKey {
    let cipher = suite.cipher;
    match cipher.key(skeyid_e.expose()) {
        Some(key) => key,
        None => {
            let bytes = expand(suite.hash, skeyid_e, &[&[0]], &[], cipher.key_len());
            CipherKey::new(cipher, bytes)
        }
    }
}

/// K1 | K2 | K3 | ..., cut to `length`, with K1 = prf(key, first), K2 = prf(key, K1 | next),
/// K3 = prf(key, K2 | next) and so on.
fn expand(
    hash: HashAlgorithm,
    key: &Secret,
    first: &[&[u8]],
    next: &[&[u8]],
    length: usize,
) -> Secret {
    // Reserved at once: growing would leave copies of key bytes behind.
    let mut out = Vec::with_capacity(length);
    let mut block = hash.prf(key.expose(), first);
    loop {
        let missing = length.saturating_sub(out.len());
        out.extend(block.expose().iter().take(missing));
        if out.len() >= length {
            return Secret::new(out);
        }
        let parts: Vec<&[u8]> = std::iter::once(block.expose())
            .chain(next.iter().copied())
            .collect();
        block = hash.prf(key.expose(), &parts);
    }
}
