//! MS-CHAPv2 (RFC 2759): hashes, responses and the texts of its Success and Failure packets.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects
)]

use std::fmt;

use des::Des;
use des::cipher::{BlockCipherEncrypt, KeyInit};
use md4::Md4;
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;
use wire::Secret;
use wire::emit::Emit;
use wire::parse::{self, Parsed};
use zeroize::{Zeroize, Zeroizing};

use crate::user::without_domain;

/// Where a Challenge of 16 bytes is answered with 49: peer challenge, 8 zeros, NT-Response, flags.
const RESPONSE_LENGTH: usize = 49;

/// MD4 of the password in UTF-16LE. As good as the password itself wherever MS-CHAPv2 is used.
#[derive(Clone)]
pub struct NtHash(pub [u8; 16]);

impl NtHash {
    /// `NtPasswordHash` (RFC 2759 §8.3). A password that is not UTF-8 is taken for Latin-1. Only
    /// the first 256 UTF-16 units count.
    pub fn of(password: &Secret) -> Self {
        match std::str::from_utf8(password.expose()) {
            Ok(text) => Self::of_units(text.encode_utf16()),
            Err(_) => Self::of_each_byte(password),
        }
    }

    /// With each byte of the password taken for a character.
    ///
    /// QUIRK(pppd): so it hashes, as client and as server, whatever the bytes are meant to be. The
    /// two differ for UTF-8 outside ASCII.
    fn of_each_byte(password: &Secret) -> Self {
        Self::of_units(password.expose().iter().copied().map(u16::from))
    }

    fn of_units(units: impl Iterator<Item = u16>) -> Self {
        let mut wide = Zeroizing::new(Vec::with_capacity(512));
        for unit in units.take(256) {
            wide.extend_from_slice(&unit.to_le_bytes());
        }
        Self(Md4::digest(wide.as_slice()).into())
    }

    /// `HashNtPasswordHash` (RFC 2759 §8.4).
    fn hashed(&self) -> Zeroizing<[u8; 16]> {
        Zeroizing::new(Md4::digest(self.0).into())
    }
}

/// In constant time.
impl PartialEq for NtHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for NtHash {}

impl Drop for NtHash {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for NtHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NtHash(..)")
    }
}

/// The value field of a Response packet (RFC 2759 §4), without its reserved bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Response {
    /// The peer's own challenge.
    pub peer_challenge: [u8; 16],
    /// Its proof.
    pub nt_response: [u8; 24],
    /// Reserved, zero; a RADIUS server wants it back.
    pub flags: u8,
}

impl Response {
    /// Reads the value, which has 49 bytes. The reserved bytes may hold anything.
    pub fn parse(value: &[u8]) -> Result<Self, wire::DecodeError> {
        fn response(input: &[u8]) -> Parsed<'_, Response> {
            let (input, peer_challenge) = parse::array("peer challenge", input)?;
            let (input, _) = parse::take("reserved bytes", 8, input)?;
            let (input, nt_response) = parse::array("NT-Response", input)?;
            let (input, flags) = parse::u8("flags", input)?;
            Ok((
                input,
                Response {
                    peer_challenge,
                    nt_response,
                    flags,
                },
            ))
        }
        parse::finish(value, response)
    }

    /// Writes the value.
    pub fn emit(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(RESPONSE_LENGTH);
        out.put(&self.peer_challenge);
        out.put(&[0; 8]);
        out.put(&self.nt_response);
        out.put_u8(self.flags);
        out
    }
}

/// Shows nothing: a captured response is food for a dictionary attack.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Response(..)")
    }
}

/// The authenticator's proof that it knows the password too (RFC 2759 §5).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AuthenticatorResponse(pub [u8; 20]);

impl AuthenticatorResponse {
    /// The message of the Success packet. Windows Server leaves out the space before `M=`; we
    /// write it as RFC 2759 §5 has it.
    pub fn success_message(&self, text: &str) -> Vec<u8> {
        format!("{self} M={text}").into_bytes()
    }

    /// Reads `S=` and 40 hexadecimal digits from the start of a Success message. What follows may
    /// be anything.
    pub fn from_success_message(message: &[u8]) -> Option<Self> {
        let digits = message.strip_prefix(b"S=")?;
        let mut proof = [0; 20];
        let mut pairs = digits.chunks_exact(2);
        for byte in &mut proof {
            *byte = hex_byte(pairs.next()?)?;
        }
        Some(Self(proof))
    }

    /// Whether both are the same, without telling by the time it takes.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// `S=` and 40 upper-case hexadecimal digits.
impl fmt::Display for AuthenticatorResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("S=")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for AuthenticatorResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthenticatorResponse(..)")
    }
}

fn hex_byte(pair: &[u8]) -> Option<u8> {
    if !pair.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()
}

/// What a Failure packet says (RFC 2759 §6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// 646 restricted hours, 647 disabled, 648 expired, 649 no permission, 691 wrong name or
    /// password, 709 change of password failed.
    pub code: u32,
    /// Whether another Response is welcome.
    pub retry: bool,
    /// The challenge for that Response.
    pub challenge: Option<[u8; 16]>,
    /// A text for the user.
    pub message: String,
}

impl Failure {
    /// Writes the message of the packet.
    pub fn emit(&self) -> Vec<u8> {
        let mut out = format!("E={} R={}", self.code, u8::from(self.retry));
        if let Some(challenge) = self.challenge {
            out.push_str(" C=");
            challenge
                .iter()
                .for_each(|byte| out.push_str(&format!("{byte:02X}")));
        }
        out.push_str(" V=3");
        if !self.message.is_empty() {
            out.push_str(" M=");
            out.push_str(&self.message);
        }
        out.into_bytes()
    }

    /// Reads the message of a packet. Fields may be missing: a Windows server's last word is
    /// `E=691 R=0 ` alone. Without `E=` it is an ordinary CHAP failure text, and `None`.
    pub fn parse(message: &[u8]) -> Option<Self> {
        let text = crate::user::printable(message);
        let (fields, message) = match text.split_once("M=") {
            Some((fields, message)) => (fields, message),
            None => (text.as_str(), ""),
        };
        let field = |name: &str| fields.split(' ').find_map(|field| field.strip_prefix(name));
        Some(Self {
            code: field("E=")?.parse().ok()?,
            retry: field("R=") == Some("1"),
            challenge: field("C=").and_then(|digits| {
                let mut challenge = [0; 16];
                let mut pairs = digits.as_bytes().chunks_exact(2);
                for byte in &mut challenge {
                    *byte = hex_byte(pairs.next()?)?;
                }
                Some(challenge)
            }),
            message: message.to_owned(),
        })
    }
}

/// Checks the Response of a user with a clear password and returns our own proof if it is right.
///
/// `user` is the name as received; a leading `DOMAIN\` does not go into the hash (RFC 2759 §4).
/// A password outside ASCII may come as UTF-16, or as pppd hashes it.
pub fn verify(
    user: &[u8],
    password: &Secret,
    challenge: &[u8; 16],
    response: &Response,
) -> Option<AuthenticatorResponse> {
    let forms = [NtHash::of, NtHash::of_each_byte];
    let count = if password.expose().is_ascii() { 1 } else { 2 };
    forms
        .into_iter()
        .take(count)
        .find_map(|form| verify_hash(user, &form(password), challenge, response))
}

/// The same with the NT hash of the password.
pub fn verify_hash(
    user: &[u8],
    hash: &NtHash,
    challenge: &[u8; 16],
    response: &Response,
) -> Option<AuthenticatorResponse> {
    let expected = nt_response(user, hash, challenge, &response.peer_challenge);
    let right = bool::from(expected.ct_eq(&response.nt_response));
    right
        .then(|| authenticator_response(user, hash, challenge, &response.peer_challenge, &expected))
}

/// `GenerateNTResponse` (RFC 2759 §8.1).
pub fn nt_response(
    user: &[u8],
    hash: &NtHash,
    challenge: &[u8; 16],
    peer_challenge: &[u8; 16],
) -> [u8; 24] {
    let block = challenge_hash(user, challenge, peer_challenge);
    // ChallengeResponse (§8.5): the hash, padded with zeros to 21 bytes, makes three DES keys.
    let mut key = Zeroizing::new([0; 21]);
    key.iter_mut()
        .zip(&hash.0)
        .for_each(|(to, from)| *to = *from);
    let mut out = [0; 24];
    for (out, key) in out.chunks_exact_mut(8).zip(key.chunks_exact(7)) {
        out.copy_from_slice(&block);
        if let (Ok(key), Ok(out)) = (key.try_into(), out.try_into()) {
            des_encrypt(key, out);
        }
    }
    out
}

/// `GenerateAuthenticatorResponse` (RFC 2759 §8.7).
pub fn authenticator_response(
    user: &[u8],
    hash: &NtHash,
    challenge: &[u8; 16],
    peer_challenge: &[u8; 16],
    nt_response: &[u8; 24],
) -> AuthenticatorResponse {
    let digest = Sha1::new()
        .chain_update(*hash.hashed())
        .chain_update(nt_response)
        .chain_update(b"Magic server to client signing constant")
        .finalize();
    let proof = Sha1::new()
        .chain_update(digest)
        .chain_update(challenge_hash(user, challenge, peer_challenge))
        .chain_update(b"Pad to make it do more than one iteration")
        .finalize();
    AuthenticatorResponse(proof.into())
}

/// `ChallengeHash` (RFC 2759 §8.2).
fn challenge_hash(user: &[u8], challenge: &[u8; 16], peer_challenge: &[u8; 16]) -> [u8; 8] {
    let digest: [u8; 20] = Sha1::new()
        .chain_update(peer_challenge)
        .chain_update(challenge)
        .chain_update(without_domain(user))
        .finalize()
        .into();
    digest.first_chunk().copied().unwrap_or_default()
}

/// `DesEncrypt` (RFC 2759 §8.6) of `block` in place: seven key bytes spread over eight, seven bits
/// each. The lowest bits would be parity, which DES ignores.
fn des_encrypt(key: &[u8; 7], block: &mut [u8; 8]) {
    let bits = key
        .iter()
        .fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
    let mut spread = Zeroizing::new([0; 8]);
    for (byte, shift) in spread.iter_mut().zip([49u32, 42, 35, 28, 21, 14, 7, 0]) {
        *byte = u8::try_from((bits >> shift) & 0x7f).unwrap_or_default() << 1;
    }
    Des::new(&(*spread).into()).encrypt_block(block.into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    const CHALLENGE: [u8; 16] = hex!("5b5d7c7d7b3f2f3e3c2c602132262628");
    const RESPONSE: Response = Response {
        peer_challenge: hex!("21402324255e262a28295f2b3a337c7e"),
        nt_response: hex!("82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df"),
        flags: 0,
    };

    /// RFC 2759 §9.2.
    #[test]
    fn the_example_of_the_rfc() {
        let password = Secret::from(&b"clientPass"[..]);
        let hash = NtHash::of(&password);
        assert_eq!(hash.0, hex!("44ebba8d5312b8d611474411f56989ae"));
        assert_eq!(*hash.hashed(), hex!("41c00c584bd2d91c4017a2a12fa59f3f"));
        let proof = verify(b"User", &password, &CHALLENGE, &RESPONSE).unwrap();
        assert_eq!(
            proof.to_string(),
            "S=407A5589115FD0D6209F510FE9C04566932CDA56"
        );
        let with_domain = verify(b"CORP\\User", &password, &CHALLENGE, &RESPONSE);
        assert_eq!(with_domain, Some(proof));
        assert_eq!(verify(b"user", &password, &CHALLENGE, &RESPONSE), None);
        let wrong = Secret::from(&b"clientpass"[..]);
        assert_eq!(verify(b"User", &wrong, &CHALLENGE, &RESPONSE), None);
    }

    #[test]
    fn nothing_to_attack_is_shown() {
        let shown = format!("{RESPONSE:?} {:?}", NtHash([7; 16]));
        assert_eq!(shown, "Response(..) NtHash(..)");
    }

    #[test]
    fn the_response_has_one_length() {
        let value = RESPONSE.emit();
        assert_eq!(value.len(), RESPONSE_LENGTH);
        assert_eq!(Response::parse(&value), Ok(RESPONSE));
        assert!(Response::parse(&value[..48]).is_err());
        assert!(Response::parse(&[value, vec![0]].concat()).is_err());
    }

    #[test]
    fn a_proof_is_read_with_or_without_the_space_before_the_text() {
        let proof = AuthenticatorResponse([0xab; 20]);
        for tail in ["", " M=ok", "M=ok"] {
            let message = format!("{proof}{tail}");
            assert_eq!(
                AuthenticatorResponse::from_success_message(message.as_bytes()),
                Some(proof)
            );
        }
        for bad in [
            "",
            "S=",
            "S=ABAB",
            "M=ok",
            "S=+bababababababababababababababababababab",
        ] {
            assert_eq!(
                AuthenticatorResponse::from_success_message(bad.as_bytes()),
                None,
                "{bad}"
            );
        }
    }

    #[test]
    fn failures_are_written_in_full_and_read_leniently() {
        let failure = Failure {
            code: 691,
            retry: false,
            challenge: Some([0x0f; 16]),
            message: "Wrong user name or password".to_owned(),
        };
        let text =
            b"E=691 R=0 C=0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F V=3 M=Wrong user name or password";
        assert_eq!(failure.emit(), text);
        assert_eq!(Failure::parse(text), Some(failure));
        let short = Failure::parse(b"E=691 R=0 ").unwrap();
        assert_eq!(
            (short.code, short.retry, short.challenge),
            (691, false, None)
        );
        assert_eq!(Failure::parse(b"Go away"), None);
    }

    #[test]
    fn passwords_outside_ascii_have_one_hash_whatever_their_form() {
        let utf8 = NtHash::of(&Secret::from("pässword".as_bytes()));
        let latin1 = NtHash::of(&Secret::from(&b"p\xe4ssword"[..]));
        assert_eq!(utf8.0, latin1.0);
    }

    #[test]
    fn a_password_outside_ascii_is_right_in_utf16_and_as_pppd_hashes_it() {
        let password = Secret::from("pässword".as_bytes());
        // What pppd makes of the bytes is what we make of the same characters in Latin-1's place.
        let of_pppd = NtHash::of(&Secret::from("pÃ¤ssword".as_bytes()));
        for (hash, right) in [
            (NtHash::of(&password), true),
            (of_pppd, true),
            (NtHash::of(&Secret::from(&b"password"[..])), false),
        ] {
            let response = Response {
                nt_response: nt_response(b"User", &hash, &CHALLENGE, &RESPONSE.peer_challenge),
                ..RESPONSE
            };
            let proof = verify(b"User", &password, &CHALLENGE, &response);
            let expected =
                right.then(|| verify_hash(b"User", &hash, &CHALLENGE, &response).unwrap());
            assert_eq!(proof, expected);
        }
    }
}
