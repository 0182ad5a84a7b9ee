//! Tunnel authentication (RFC 2661 §4.2, §5.1.1) and the other checks of SCCRQ and SCCRP.

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;
use wire::Secret;

use crate::Refusal;
use crate::codec::{AvpType, MessageType, Start};

/// Bytes of the challenges that we send.
pub(crate) const CHALLENGE: usize = 16;

/// The Challenge Response in a message of the given type (RFC 2661 §4.2): CHAP (RFC 1994 §4.1)
/// with the message type for its identifier.
pub(crate) fn response(kind: MessageType, secret: &Secret, challenge: &[u8]) -> [u8; 16] {
    let [_, identifier] = kind.0.to_be_bytes();
    let mut digest = Md5::new();
    digest.update([identifier]);
    digest.update(secret.expose());
    digest.update(challenge);
    digest.finalize().into()
}

/// Checks the response that came in a message of the given type, if we asked for one.
pub(crate) fn check_response(
    kind: MessageType,
    secret: Option<&Secret>,
    challenge: Option<&[u8]>,
    received: Option<&[u8; 16]>,
) -> Result<(), Refusal> {
    let (Some(secret), Some(challenge)) = (secret, challenge) else {
        return Ok(());
    };
    let received = received.ok_or(Refusal::NoChallengeResponse)?;
    let expected = response(kind, secret, challenge);
    if bool::from(expected.ct_eq(received)) {
        Ok(())
    } else {
        Err(Refusal::WrongSecret)
    }
}

/// What SCCRQ and SCCRP must satisfy both: gives the id that the peer assigned.
pub(crate) fn check_start(
    kind: MessageType,
    start: &Start,
    secret: Option<&Secret>,
) -> Result<u16, Refusal> {
    // Some peers leave the version out; one that says something else means it.
    if let Some((version, revision)) = start.protocol_version
        && version != 1
    {
        return Err(Refusal::ProtocolVersion(version, revision));
    }
    let id = start.assigned_tunnel_id.filter(|id| *id != 0);
    let id = id.ok_or(Refusal::MissingAvp {
        message: kind,
        avp: AvpType::ASSIGNED_TUNNEL_ID,
    })?;
    if start.challenge.is_some() && secret.is_none() {
        return Err(Refusal::NoSecret);
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn the_response_is_md5_of_type_secret_and_challenge() {
        // printf '\x02secret\x00\x01\x02\x03' | md5sum
        let response = response(
            MessageType::SCCRP,
            &Secret::from(&b"secret"[..]),
            &[0, 1, 2, 3],
        );
        assert_eq!(response, hex!("d02992ae13d7c7aaab3ea3cfe3936e97"));
    }

    #[test]
    fn a_response_is_wanted_only_if_we_asked() {
        let secret = Secret::from(&b"secret"[..]);
        let right = response(MessageType::SCCCN, &secret, b"challenge");
        let check = |challenge: Option<&[u8]>, received: Option<&[u8; 16]>| {
            check_response(MessageType::SCCCN, Some(&secret), challenge, received)
        };
        assert_eq!(check(None, None), Ok(()));
        assert_eq!(check(Some(b"challenge"), Some(&right)), Ok(()));
        assert_eq!(
            check(Some(b"challenge"), None),
            Err(Refusal::NoChallengeResponse)
        );
        assert_eq!(
            check(Some(b"Challenge"), Some(&right)),
            Err(Refusal::WrongSecret)
        );
    }
}
