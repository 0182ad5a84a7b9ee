//! Authentication: the methods, what is shown with each, and the two ends of it.

pub(crate) mod authenticator;
pub mod chap;
pub(crate) mod client;
pub mod mschapv2;
pub mod pap;

use std::fmt;

use wire::Secret;
use zeroize::Zeroizing;

use crate::UserName;
use crate::frame::Protocol;

/// A way for the client to show who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// MS-CHAPv2 (RFC 2759): both sides prove that they know the password.
    MsChapV2,
    /// CHAP with MD5 (RFC 1994).
    Chap,
    /// The password itself (RFC 1334).
    Pap,
}

impl Method {
    /// The name used in configuration files and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MsChapV2 => "mschap-v2",
            Self::Chap => "chap",
            Self::Pap => "pap",
        }
    }

    /// The protocol its packets belong to.
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::MsChapV2 | Self::Chap => Protocol::CHAP,
            Self::Pap => Protocol::PAP,
        }
    }

    /// The value of LCP's Authentication-Protocol option (RFC 1661 §6.2, RFC 1994 §3).
    pub(crate) const fn option(self) -> &'static [u8] {
        match self {
            Self::MsChapV2 => &[0xc2, 0x23, 0x81],
            Self::Chap => &[0xc2, 0x23, 0x05],
            Self::Pap => &[0xc0, 0x23],
        }
    }

    /// The method that a value of that option names, if we know it.
    pub(crate) fn from_option(value: &[u8]) -> Option<Self> {
        [Self::MsChapV2, Self::Chap, Self::Pap]
            .into_iter()
            .find(|m| m.option() == value)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The value of an Authentication-Protocol option in words.
pub(crate) fn describe_option(value: &[u8]) -> String {
    match value {
        [0xc0, 0x23] => "PAP".to_owned(),
        [0xc2, 0x23, 0x05] => "CHAP with MD5".to_owned(),
        [0xc2, 0x23, 0x80] => "MS-CHAP version 1".to_owned(),
        [0xc2, 0x23, 0x81] => "MS-CHAPv2".to_owned(),
        [0xc2, 0x27, ..] => "EAP".to_owned(),
        [high, low, ..] => format!("protocol 0x{high:02x}{low:02x}"),
        _ => "an unnamed protocol".to_owned(),
    }
}

/// What a peer has shown. Enough for any checker: a file with passwords, one with hashes, or a
/// RADIUS server.
#[derive(Clone, PartialEq, Eq)]
pub enum Exchange {
    /// The password in clear.
    Pap {
        /// The password.
        password: Secret,
    },
    /// Hash of identifier, password and challenge.
    Chap {
        /// Identifier of the Challenge.
        id: u8,
        /// Our challenge, 16 bytes.
        challenge: Vec<u8>,
        /// The peer's response.
        response: [u8; 16],
    },
    /// Both challenges and the response to them.
    MsChapV2 {
        /// Identifier of the Challenge.
        id: u8,
        /// Our challenge.
        challenge: [u8; 16],
        /// What the peer answered.
        response: mschapv2::Response,
    },
}

/// The outcome of comparing an [`Exchange`] with a known password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// It fits. With MS-CHAPv2 there is a proof of our own to send.
    Passed(Option<mschapv2::AuthenticatorResponse>),
    /// It does not.
    Failed,
}

impl Exchange {
    /// Compares with the clear `password` of `user`, in constant time.
    pub fn check(&self, user: &UserName, password: &Secret) -> Check {
        let passed = match self {
            Self::Pap { password: shown } => forms(password).any(|known| *shown == known),
            Self::Chap {
                id,
                challenge,
                response,
            } => forms(password).any(|known| chap::verify(*id, challenge, response, &known)),
            Self::MsChapV2 {
                challenge,
                response,
                ..
            } => {
                return match mschapv2::verify(user.as_bytes(), password, challenge, response) {
                    Some(proof) => Check::Passed(Some(proof)),
                    None => Check::Failed,
                };
            }
        };
        if passed {
            Check::Passed(None)
        } else {
            Check::Failed
        }
    }

    /// Compares with the NT hash of the password, which suffices for MS-CHAPv2 and PAP; `None`
    /// for CHAP with MD5, which needs the password itself.
    pub fn check_hash(&self, user: &UserName, hash: &mschapv2::NtHash) -> Option<Check> {
        match self {
            Self::Pap { password } => {
                let same = mschapv2::NtHash::of(password) == *hash;
                Some(if same {
                    Check::Passed(None)
                } else {
                    Check::Failed
                })
            }
            Self::Chap { .. } => None,
            Self::MsChapV2 {
                challenge,
                response,
                ..
            } => Some(
                match mschapv2::verify_hash(user.as_bytes(), hash, challenge, response) {
                    Some(proof) => Check::Passed(Some(proof)),
                    None => Check::Failed,
                },
            ),
        }
    }
}

/// The bytes that a password may have on the wire.
///
/// QUIRK(macOS): with PAP and CHAP-MD5 it sends Latin-1 where files hold UTF-8. The two differ only
/// outside ASCII.
fn forms(password: &Secret) -> impl Iterator<Item = Secret> {
    let latin1 = std::str::from_utf8(password.expose())
        .ok()
        .filter(|text| !text.is_ascii());
    let latin1 = latin1.and_then(|text| {
        // Reserved at once, and wiped also when the text has no such form.
        let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
        for c in text.chars() {
            bytes.push(u8::try_from(u32::from(c)).ok()?);
        }
        Some(Secret::from(bytes.as_slice()))
    });
    [Some(password.clone()), latin1].into_iter().flatten()
}

/// Shows the kind only: a captured response is food for a dictionary attack.
impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pap { .. } => "Pap(..)",
            Self::Chap { .. } => "Chap(..)",
            Self::MsChapV2 { .. } => "MsChapV2(..)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_outside_ascii_is_known_in_both_of_its_forms() {
        let user = UserName::from("ann");
        let known = Secret::from("pässword".as_bytes());
        let challenge = vec![1; 16];
        let check = |shown: &[u8]| {
            let password = Secret::from(shown);
            let response = chap::response(5, &challenge, &password);
            let chap = Exchange::Chap {
                id: 5,
                challenge: challenge.clone(),
                response,
            };
            let pap = Exchange::Pap { password };
            [pap.check(&user, &known), chap.check(&user, &known)]
        };
        let passed = [Check::Passed(None), Check::Passed(None)];
        assert_eq!(check("pässword".as_bytes()), passed);
        assert_eq!(check(b"p\xe4ssword"), passed);
        assert_eq!(check(b"password"), [Check::Failed, Check::Failed]);
        assert_eq!(check(b""), [Check::Failed, Check::Failed]);
    }

    #[test]
    fn a_hash_serves_where_it_can() {
        let user = UserName::from("ann");
        let password = Secret::from(&b"right"[..]);
        let hash = mschapv2::NtHash::of(&password);
        let pap = |shown: &[u8]| Exchange::Pap {
            password: Secret::from(shown),
        };
        assert_eq!(
            pap(b"right").check_hash(&user, &hash),
            Some(Check::Passed(None))
        );
        assert_eq!(pap(b"wrong").check_hash(&user, &hash), Some(Check::Failed));
        let chap = Exchange::Chap {
            id: 1,
            challenge: vec![1; 16],
            response: [0; 16],
        };
        assert_eq!(chap.check_hash(&user, &hash), None);
    }
}
