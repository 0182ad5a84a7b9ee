//! The AVPs of RFC 2661 §4.4 and RFC 3145 that we understand, as values.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects
)]

use std::borrow::Cow;

use wire::DecodeError;
use wire::emit::Emit;
use wire::parse::{self, Parsed};

use super::avp::Avp;
use super::registry::{
    AvpType, BearerCapabilities, DisconnectCode, DisconnectDirection, ErrorCode,
    FramingCapabilities, FramingType, MessageType, Vendor,
};
use super::result::ResultCode;
use crate::DisconnectCause;

/// The value of the PPP Disconnect Cause Code AVP.
pub type Disconnect = DisconnectCause;

/// An AVP with its value understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// Message Type: what the whole message is.
    MessageType(MessageType),
    /// Result Code.
    ResultCode(ResultCode),
    /// Protocol Version: version and revision.
    ProtocolVersion(u8, u8),
    /// Framing Capabilities.
    FramingCapabilities(FramingCapabilities),
    /// Bearer Capabilities.
    BearerCapabilities(BearerCapabilities),
    /// Tie Breaker.
    TieBreaker([u8; 8]),
    /// Firmware Revision.
    FirmwareRevision(u16),
    /// Host Name: bytes, since clients send whatever their computer is called in.
    HostName(Vec<u8>),
    /// Vendor Name.
    VendorName(Vec<u8>),
    /// Assigned Tunnel ID.
    AssignedTunnelId(u16),
    /// Receive Window Size, in messages.
    ReceiveWindowSize(u16),
    /// Challenge.
    Challenge(Vec<u8>),
    /// Challenge Response.
    ChallengeResponse([u8; 16]),
    /// Assigned Session ID.
    AssignedSessionId(u16),
    /// Call Serial Number.
    CallSerialNumber(u32),
    /// Bearer Type.
    BearerType(u32),
    /// Framing Type.
    FramingType(FramingType),
    /// Tx Connect Speed in bit/s.
    TxConnectSpeed(u32),
    /// Rx Connect Speed in bit/s.
    RxConnectSpeed(u32),
    /// Proxy Authen Type.
    ProxyAuthenType(u16),
    /// Sequencing Required: no value.
    SequencingRequired,
    /// Random Vector of the hidden AVPs that follow.
    RandomVector(Vec<u8>),
    /// PPP Disconnect Cause Code.
    Disconnect(Disconnect),
    /// Known and of no use to a peer that always negotiates PPP from scratch: proxy LCP and
    /// authentication values, numbers, Q.931 cause, ACCM, call errors, ...
    Unused(AvpType),
}

/// Text for logs from bytes of a peer: UTF-8 as far as it is.
///
/// QUIRK(Apple): Host Name carries its terminating NUL.
fn text(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last.saturating_add(1));
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

fn result_code(input: &[u8]) -> Parsed<'_, ResultCode> {
    let (input, mut result) = parse::be_u16("Result Code", input)?;
    // QUIRK(Apple): the bytes are swapped; a genuine result code is never 256 or more.
    if result & 0x00ff == 0 {
        result = result.swap_bytes();
    }
    // QUIRK(Android): no error code. Without one there is no text either: a single byte is neither.
    let Some((error, rest)) = input.split_first_chunk::<2>() else {
        return Ok((
            &[],
            ResultCode {
                result,
                error: None,
                message: String::new(),
            },
        ));
    };
    let error = Some(ErrorCode(u16::from_be_bytes(*error)));
    Ok((
        &[],
        ResultCode {
            result,
            error,
            message: text(rest),
        },
    ))
}

fn disconnect(input: &[u8]) -> Parsed<'_, Disconnect> {
    let (input, code) = parse::be_u16("Disconnect Code", input)?;
    let (input, protocol) = parse::be_u16("Control Protocol Number", input)?;
    let (message, direction) = parse::u8("Direction", input)?;
    let (code, direction) = (DisconnectCode(code), DisconnectDirection(direction));
    Ok((
        &[],
        Disconnect {
            code,
            protocol,
            direction,
            message: text(message),
        },
    ))
}

impl Attribute {
    /// Understands a value of vendor 0, no longer hidden. None if the type is not known.
    ///
    /// # Errors
    /// If the value has the wrong length.
    pub fn parse(kind: AvpType, value: &[u8]) -> Result<Option<Self>, DecodeError> {
        let u16 = |input| parse::finish(input, |input| parse::be_u16("two-byte value", input));
        let u32 = |input| parse::finish(input, |input| parse::be_u32("four-byte value", input));
        Ok(Some(match kind {
            AvpType::MESSAGE_TYPE => Self::MessageType(MessageType(u16(value)?)),
            AvpType::RESULT_CODE => Self::ResultCode(parse::finish(value, result_code)?),
            AvpType::PROTOCOL_VERSION => {
                let [version, revision] = u16(value)?.to_be_bytes();
                Self::ProtocolVersion(version, revision)
            }
            AvpType::FRAMING_CAPABILITIES => {
                Self::FramingCapabilities(FramingCapabilities(u32(value)?))
            }
            AvpType::BEARER_CAPABILITIES => {
                Self::BearerCapabilities(BearerCapabilities(u32(value)?))
            }
            AvpType::TIE_BREAKER => {
                Self::TieBreaker(parse::finish(value, |i| parse::array("Tie Breaker", i))?)
            }
            AvpType::FIRMWARE_REVISION => Self::FirmwareRevision(u16(value)?),
            AvpType::HOST_NAME => Self::HostName(value.to_vec()),
            AvpType::VENDOR_NAME => Self::VendorName(value.to_vec()),
            AvpType::ASSIGNED_TUNNEL_ID => Self::AssignedTunnelId(u16(value)?),
            AvpType::RECEIVE_WINDOW_SIZE => Self::ReceiveWindowSize(u16(value)?),
            AvpType::CHALLENGE => Self::Challenge(value.to_vec()),
            AvpType::CHALLENGE_RESPONSE => Self::ChallengeResponse(parse::finish(value, |i| {
                parse::array("Challenge Response", i)
            })?),
            AvpType::ASSIGNED_SESSION_ID => Self::AssignedSessionId(u16(value)?),
            AvpType::CALL_SERIAL_NUMBER => Self::CallSerialNumber(u32(value)?),
            AvpType::BEARER_TYPE => Self::BearerType(u32(value)?),
            AvpType::FRAMING_TYPE => Self::FramingType(FramingType(u32(value)?)),
            AvpType::TX_CONNECT_SPEED => Self::TxConnectSpeed(u32(value)?),
            AvpType::RX_CONNECT_SPEED => Self::RxConnectSpeed(u32(value)?),
            AvpType::PROXY_AUTHEN_TYPE => Self::ProxyAuthenType(u16(value)?),
            AvpType::SEQUENCING_REQUIRED => {
                parse::finish(value, |input| Ok((input, Self::SequencingRequired)))?
            }
            AvpType::RANDOM_VECTOR => Self::RandomVector(value.to_vec()),
            AvpType::PPP_DISCONNECT_CAUSE => Self::Disconnect(parse::finish(value, disconnect)?),
            AvpType::Q931_CAUSE_CODE
            | AvpType::MINIMUM_BPS
            | AvpType::MAXIMUM_BPS
            | AvpType::CALLED_NUMBER
            | AvpType::CALLING_NUMBER
            | AvpType::SUB_ADDRESS
            | AvpType::PHYSICAL_CHANNEL_ID
            | AvpType::INITIAL_LCP_CONFREQ
            | AvpType::LAST_SENT_LCP_CONFREQ
            | AvpType::LAST_RECEIVED_LCP_CONFREQ
            | AvpType::PROXY_AUTHEN_NAME
            | AvpType::PROXY_AUTHEN_CHALLENGE
            | AvpType::PROXY_AUTHEN_ID
            | AvpType::PROXY_AUTHEN_RESPONSE
            | AvpType::CALL_ERRORS
            | AvpType::ACCM
            | AvpType::PRIVATE_GROUP_ID => Self::Unused(kind),
            _ => return Ok(None),
        }))
    }

    /// The type.
    pub fn kind(&self) -> AvpType {
        match self {
            Self::MessageType(_) => AvpType::MESSAGE_TYPE,
            Self::ResultCode(_) => AvpType::RESULT_CODE,
            Self::ProtocolVersion(..) => AvpType::PROTOCOL_VERSION,
            Self::FramingCapabilities(_) => AvpType::FRAMING_CAPABILITIES,
            Self::BearerCapabilities(_) => AvpType::BEARER_CAPABILITIES,
            Self::TieBreaker(_) => AvpType::TIE_BREAKER,
            Self::FirmwareRevision(_) => AvpType::FIRMWARE_REVISION,
            Self::HostName(_) => AvpType::HOST_NAME,
            Self::VendorName(_) => AvpType::VENDOR_NAME,
            Self::AssignedTunnelId(_) => AvpType::ASSIGNED_TUNNEL_ID,
            Self::ReceiveWindowSize(_) => AvpType::RECEIVE_WINDOW_SIZE,
            Self::Challenge(_) => AvpType::CHALLENGE,
            Self::ChallengeResponse(_) => AvpType::CHALLENGE_RESPONSE,
            Self::AssignedSessionId(_) => AvpType::ASSIGNED_SESSION_ID,
            Self::CallSerialNumber(_) => AvpType::CALL_SERIAL_NUMBER,
            Self::BearerType(_) => AvpType::BEARER_TYPE,
            Self::FramingType(_) => AvpType::FRAMING_TYPE,
            Self::TxConnectSpeed(_) => AvpType::TX_CONNECT_SPEED,
            Self::RxConnectSpeed(_) => AvpType::RX_CONNECT_SPEED,
            Self::ProxyAuthenType(_) => AvpType::PROXY_AUTHEN_TYPE,
            Self::SequencingRequired => AvpType::SEQUENCING_REQUIRED,
            Self::RandomVector(_) => AvpType::RANDOM_VECTOR,
            Self::Disconnect(_) => AvpType::PPP_DISCONNECT_CAUSE,
            Self::Unused(kind) => *kind,
        }
    }

    /// Whether RFC 2661 §4.4 wants the M bit in the AVPs that we send.
    fn mandatory(&self) -> bool {
        // RFC 3145 §2 forbids it for the disconnect cause.
        !matches!(
            self,
            Self::TieBreaker(_)
                | Self::FirmwareRevision(_)
                | Self::VendorName(_)
                | Self::RxConnectSpeed(_)
                | Self::ProxyAuthenType(_)
                | Self::Disconnect(_)
                | Self::Unused(_)
        )
    }

    /// Whether RFC 2661 §4.4 allows it to be hidden.
    pub fn may_be_hidden(&self) -> bool {
        matches!(
            self,
            Self::FramingCapabilities(_)
                | Self::BearerCapabilities(_)
                | Self::FirmwareRevision(_)
                | Self::VendorName(_)
                | Self::AssignedTunnelId(_)
                | Self::Challenge(_)
                | Self::ChallengeResponse(_)
                | Self::AssignedSessionId(_)
                | Self::CallSerialNumber(_)
                | Self::BearerType(_)
                | Self::FramingType(_)
                | Self::TxConnectSpeed(_)
                | Self::RxConnectSpeed(_)
                | Self::Disconnect(_)
        )
    }

    fn value(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::MessageType(kind) => out.put_u16(kind.0),
            Self::ResultCode(code) => {
                out.put_u16(code.result);
                if let Some(error) = code.error {
                    out.put_u16(error.0);
                    out.put(code.message.as_bytes());
                }
            }
            Self::ProtocolVersion(version, revision) => out.put(&[*version, *revision]),
            Self::FramingCapabilities(FramingCapabilities(bits))
            | Self::BearerCapabilities(BearerCapabilities(bits))
            | Self::FramingType(FramingType(bits))
            | Self::BearerType(bits) => out.put_u32(*bits),
            Self::TieBreaker(value) => out.put(value),
            Self::FirmwareRevision(number)
            | Self::AssignedTunnelId(number)
            | Self::ReceiveWindowSize(number)
            | Self::ProxyAuthenType(number)
            | Self::AssignedSessionId(number) => out.put_u16(*number),
            Self::HostName(bytes)
            | Self::VendorName(bytes)
            | Self::Challenge(bytes)
            | Self::RandomVector(bytes) => out.put(bytes),
            Self::ChallengeResponse(digest) => out.put(digest),
            Self::CallSerialNumber(number)
            | Self::TxConnectSpeed(number)
            | Self::RxConnectSpeed(number) => out.put_u32(*number),
            Self::SequencingRequired | Self::Unused(_) => {}
            Self::Disconnect(cause) => {
                out.put_u16(cause.code.0);
                out.put_u16(cause.protocol);
                out.put_u8(cause.direction.0);
                out.put(cause.message.as_bytes());
            }
        }
        out
    }

    /// As an AVP in clear, with the M bit where RFC 2661 §4.4 wants it.
    pub fn to_avp(&self) -> Avp<'static> {
        Avp {
            mandatory: self.mandatory(),
            hidden: false,
            reserved: false,
            vendor: Vendor::IETF,
            kind: self.kind(),
            value: Cow::Owned(self.value()),
        }
    }
}
