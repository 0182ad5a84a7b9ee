//! Control messages (RFC 2661 §6): which AVPs make which message.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects
)]

use wire::{DecodeError, Secret};

use super::attribute::{Attribute, Disconnect};
use super::avp::{Avp, avps};
use super::hidden::{hide, reveal};
use super::registry::{
    AvpType, BearerCapabilities, FramingCapabilities, FramingType, MessageType, Vendor,
};
use super::result::ResultCode;

/// A control message. What a receiver can do without is an Option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Start-Control-Connection-Request.
    Sccrq(Start),
    /// Start-Control-Connection-Reply.
    Sccrp(Start),
    /// Start-Control-Connection-Connected, with the Challenge Response if one was asked for.
    Scccn(Option<[u8; 16]>),
    /// Stop-Control-Connection-Notification.
    StopCcn(StopCcn),
    /// Hello: keeps the tunnel alive.
    Hello,
    /// Outgoing-Call-Request, with the session id to refuse it to.
    Ocrq(Option<u16>),
    /// Incoming-Call-Request.
    Icrq(CallRequest),
    /// Incoming-Call-Reply, with the assigned session id.
    Icrp(Option<u16>),
    /// Incoming-Call-Connected.
    Iccn(CallConnected),
    /// Call-Disconnect-Notify.
    Cdn(Cdn),
    /// WAN-Error-Notify: statistics.
    Wen,
    /// Set-Link-Info: the ACCM, of no meaning without an asynchronous line.
    Sli,
    /// Any other type.
    Other(MessageType),
}

/// SCCRQ and SCCRP.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Start {
    /// Protocol Version: version and revision.
    pub protocol_version: Option<(u8, u8)>,
    /// Framing Capabilities.
    pub framing: Option<FramingCapabilities>,
    /// Bearer Capabilities.
    pub bearer: Option<BearerCapabilities>,
    /// Tie Breaker.
    pub tie_breaker: Option<[u8; 8]>,
    /// Firmware Revision.
    pub firmware_revision: Option<u16>,
    /// Host Name. QUIRK(Windows): old versions send an empty one.
    pub host_name: Option<Vec<u8>>,
    /// Vendor Name.
    pub vendor_name: Option<Vec<u8>>,
    /// Assigned Tunnel ID; a message without it is of no use.
    pub assigned_tunnel_id: Option<u16>,
    /// Receive Window Size; 4 if absent.
    pub receive_window: Option<u16>,
    /// Challenge.
    pub challenge: Option<Vec<u8>>,
    /// Challenge Response, in SCCRP.
    pub challenge_response: Option<[u8; 16]>,
}

/// StopCCN.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StopCcn {
    /// The id that the sender assigned.
    pub assigned_tunnel_id: Option<u16>,
    /// Why.
    pub result: Option<ResultCode>,
}

/// ICRQ.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallRequest {
    /// Assigned Session ID; a message without it is of no use.
    pub assigned_session_id: Option<u16>,
    /// Call Serial Number.
    pub serial: Option<u32>,
    /// Bearer Type.
    pub bearer: Option<u32>,
}

/// ICCN.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallConnected {
    /// Tx Connect Speed in bit/s. QUIRK(Cisco): may be absent, and Framing Type too.
    pub tx_speed: Option<u32>,
    /// Rx Connect Speed in bit/s.
    pub rx_speed: Option<u32>,
    /// Framing Type.
    pub framing: Option<FramingType>,
    /// Proxy Authen Type. QUIRK(Windows): 4, "no authentication", though it is no proxy.
    pub proxy_authentication: Option<u16>,
    /// Sequencing Required.
    pub sequencing: bool,
}

/// CDN.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cdn {
    /// Why.
    pub result: Option<ResultCode>,
    /// The id that the sender assigned.
    pub assigned_session_id: Option<u16>,
    /// Why PPP ended (RFC 3145).
    pub cause: Option<Disconnect>,
}

/// A message as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// What was understood.
    pub message: Message,
    /// Whether the Message Type AVP has the M bit.
    pub mandatory: bool,
    /// The first thing that was not, if the sender insists on it.
    pub fault: Option<AvpFault>,
}

/// An AVP that a receiver must not ignore and cannot obey (RFC 2661 §4.1), or the place where the
/// list of AVPs breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AvpFault {
    /// Not known, or its value not readable, and the M bit is set.
    Mandatory {
        /// Who defined it.
        vendor: Vendor,
        /// Its type.
        kind: AvpType,
    },
    /// Hidden, not opened by our secret (or there is none), and the M bit is set.
    Hidden {
        /// Its type.
        kind: AvpType,
    },
    /// The bytes are not AVPs.
    Malformed(DecodeError),
}

/// The type of the message in `body`, if its first AVP says one.
pub fn message_type(body: &[u8]) -> Option<MessageType> {
    let (list, _) = avps(body);
    let first = list.first().filter(|avp| is_message_type(avp))?;
    match Attribute::parse(first.kind, &first.value) {
        Ok(Some(Attribute::MessageType(kind))) => Some(kind),
        _ => None,
    }
}

fn is_message_type(avp: &Avp<'_>) -> bool {
    avp.vendor == Vendor::IETF && avp.kind == AvpType::MESSAGE_TYPE && !avp.hidden
}

impl Message {
    /// Reads the AVPs of a message that is not a ZLB. Optional AVPs that are not known or not
    /// readable are skipped. `secret` opens hidden ones.
    ///
    /// # Errors
    /// If the first AVP is not a Message Type (RFC 2661 §4.4.1): then nothing is known about it.
    pub fn parse(body: &[u8], secret: Option<&Secret>) -> Result<Received, DecodeError> {
        let (list, broken) = avps(body);
        let mut list = list.into_iter();
        let Some(first) = list.next().filter(is_message_type) else {
            return Err(broken.unwrap_or(DecodeError::new(0, "no Message Type AVP")));
        };
        let Some(Attribute::MessageType(kind)) = Attribute::parse(first.kind, &first.value)? else {
            return Err(DecodeError::new(0, "no Message Type AVP"));
        };
        let mut message = Self::empty(kind);
        let mut fault = None;
        let mut vector = None;
        for avp in list {
            match understand(&avp, secret, vector.as_deref()) {
                Some(Attribute::RandomVector(value)) => vector = Some(value),
                Some(attribute) => message.set(attribute),
                None if avp.mandatory => {
                    let this = if avp.hidden && avp.vendor == Vendor::IETF {
                        AvpFault::Hidden { kind: avp.kind }
                    } else {
                        AvpFault::Mandatory {
                            vendor: avp.vendor,
                            kind: avp.kind,
                        }
                    };
                    fault = fault.or(Some(this));
                }
                None => {}
            }
        }
        let fault = broken.map(AvpFault::Malformed).or(fault);
        Ok(Received {
            message,
            mandatory: first.mandatory,
            fault,
        })
    }

    fn empty(kind: MessageType) -> Self {
        match kind {
            MessageType::SCCRQ => Self::Sccrq(Start::default()),
            MessageType::SCCRP => Self::Sccrp(Start::default()),
            MessageType::SCCCN => Self::Scccn(None),
            MessageType::STOP_CCN => Self::StopCcn(StopCcn::default()),
            MessageType::HELLO => Self::Hello,
            MessageType::OCRQ => Self::Ocrq(None),
            MessageType::ICRQ => Self::Icrq(CallRequest::default()),
            MessageType::ICRP => Self::Icrp(None),
            MessageType::ICCN => Self::Iccn(CallConnected::default()),
            MessageType::CDN => Self::Cdn(Cdn::default()),
            MessageType::WEN => Self::Wen,
            MessageType::SLI => Self::Sli,
            other => Self::Other(other),
        }
    }

    /// The value of the Message Type AVP.
    pub fn kind(&self) -> MessageType {
        match self {
            Self::Sccrq(_) => MessageType::SCCRQ,
            Self::Sccrp(_) => MessageType::SCCRP,
            Self::Scccn(_) => MessageType::SCCCN,
            Self::StopCcn(_) => MessageType::STOP_CCN,
            Self::Hello => MessageType::HELLO,
            Self::Ocrq(_) => MessageType::OCRQ,
            Self::Icrq(_) => MessageType::ICRQ,
            Self::Icrp(_) => MessageType::ICRP,
            Self::Iccn(_) => MessageType::ICCN,
            Self::Cdn(_) => MessageType::CDN,
            Self::Wen => MessageType::WEN,
            Self::Sli => MessageType::SLI,
            Self::Other(kind) => *kind,
        }
    }

    /// Takes an AVP that has a meaning in this message; another one is left aside.
    fn set(&mut self, attribute: Attribute) {
        match (self, attribute) {
            (Self::Sccrq(start) | Self::Sccrp(start), attribute) => start.set(attribute),
            (Self::Scccn(response), Attribute::ChallengeResponse(digest)) => {
                *response = Some(digest);
            }
            (Self::StopCcn(stop), Attribute::AssignedTunnelId(id)) => {
                stop.assigned_tunnel_id = Some(id);
            }
            (Self::StopCcn(stop), Attribute::ResultCode(result)) => stop.result = Some(result),
            (Self::Ocrq(id) | Self::Icrp(id), Attribute::AssignedSessionId(assigned)) => {
                *id = Some(assigned);
            }
            (Self::Icrq(call), Attribute::AssignedSessionId(id)) => {
                call.assigned_session_id = Some(id);
            }
            (Self::Icrq(call), Attribute::CallSerialNumber(serial)) => call.serial = Some(serial),
            (Self::Icrq(call), Attribute::BearerType(bearer)) => call.bearer = Some(bearer),
            (Self::Iccn(call), Attribute::TxConnectSpeed(speed)) => call.tx_speed = Some(speed),
            (Self::Iccn(call), Attribute::RxConnectSpeed(speed)) => call.rx_speed = Some(speed),
            (Self::Iccn(call), Attribute::FramingType(framing)) => call.framing = Some(framing),
            (Self::Iccn(call), Attribute::ProxyAuthenType(kind)) => {
                call.proxy_authentication = Some(kind);
            }
            (Self::Iccn(call), Attribute::SequencingRequired) => call.sequencing = true,
            (Self::Cdn(cdn), Attribute::ResultCode(result)) => cdn.result = Some(result),
            (Self::Cdn(cdn), Attribute::AssignedSessionId(id)) => {
                cdn.assigned_session_id = Some(id);
            }
            (Self::Cdn(cdn), Attribute::Disconnect(cause)) => cdn.cause = Some(cause),
            _ => {}
        }
    }

    /// The AVPs in the order in which they are sent; the Message Type first (RFC 2661 §4.4.1).
    pub fn attributes(&self) -> Vec<Attribute> {
        let mut list = vec![Attribute::MessageType(self.kind())];
        match self {
            Self::Sccrq(start) | Self::Sccrp(start) => start.attributes(&mut list),
            Self::Scccn(response) => list.extend(response.map(Attribute::ChallengeResponse)),
            Self::StopCcn(stop) => {
                list.extend(stop.assigned_tunnel_id.map(Attribute::AssignedTunnelId));
                list.extend(stop.result.clone().map(Attribute::ResultCode));
            }
            Self::Ocrq(id) | Self::Icrp(id) => list.extend(id.map(Attribute::AssignedSessionId)),
            Self::Icrq(call) => {
                list.extend(call.assigned_session_id.map(Attribute::AssignedSessionId));
                list.extend(call.serial.map(Attribute::CallSerialNumber));
                list.extend(call.bearer.map(Attribute::BearerType));
            }
            Self::Iccn(call) => {
                list.extend(call.tx_speed.map(Attribute::TxConnectSpeed));
                list.extend(call.framing.map(Attribute::FramingType));
                list.extend(call.rx_speed.map(Attribute::RxConnectSpeed));
                list.extend(call.proxy_authentication.map(Attribute::ProxyAuthenType));
                list.extend(call.sequencing.then_some(Attribute::SequencingRequired));
            }
            Self::Cdn(cdn) => {
                list.extend(cdn.result.clone().map(Attribute::ResultCode));
                list.extend(cdn.assigned_session_id.map(Attribute::AssignedSessionId));
                list.extend(cdn.cause.clone().map(Attribute::Disconnect));
            }
            Self::Hello | Self::Wen | Self::Sli | Self::Other(_) => {}
        }
        list
    }

    /// Writes the AVPs in clear.
    pub fn emit(&self, out: &mut Vec<u8>) {
        self.attributes()
            .iter()
            .for_each(|attribute| attribute.to_avp().emit(out));
    }

    /// Writes the AVPs, those hidden that may be: see [`emit_hidden`].
    pub fn emit_hidden(
        &self,
        secret: &Secret,
        random: &mut impl rand_core::Rng,
        out: &mut Vec<u8>,
    ) {
        emit_hidden(&self.attributes(), secret, random, out);
    }
}

/// Writes the AVPs of a message, those hidden that may be (RFC 2661 §4.3). `random` gives one
/// 16-byte vector for all and each value's padding.
pub fn emit_hidden(
    list: &[Attribute],
    secret: &Secret,
    random: &mut impl rand_core::Rng,
    out: &mut Vec<u8>,
) {
    let mut vector = [0; 16];
    random.fill_bytes(&mut vector);
    for attribute in list {
        let mut avp = attribute.to_avp();
        if attribute.may_be_hidden() {
            let mut padding = [0; 16];
            random.fill_bytes(&mut padding);
            // Pads up to 18, 34, ... bytes: lengths then say little about the values.
            let excess = avp.value.len() & 0x0f;
            let padding = padding.get(excess..).unwrap_or_default();
            avp.value = hide(avp.kind, &avp.value, padding, secret, &vector).into();
            avp.hidden = true;
        }
        avp.emit(out);
        if attribute.kind() == AvpType::MESSAGE_TYPE {
            Attribute::RandomVector(vector.to_vec()).to_avp().emit(out);
        }
    }
}

/// The value of one AVP, opened if it is hidden; None if it cannot be understood.
fn understand(avp: &Avp<'_>, secret: Option<&Secret>, vector: Option<&[u8]>) -> Option<Attribute> {
    if avp.reserved || avp.vendor != Vendor::IETF {
        return None;
    }
    if avp.hidden {
        let value = reveal(avp.kind, &avp.value, secret?, vector?).ok()?;
        return Attribute::parse(avp.kind, &value).ok()?;
    }
    Attribute::parse(avp.kind, &avp.value).ok()?
}

impl Start {
    fn set(&mut self, attribute: Attribute) {
        match attribute {
            Attribute::ProtocolVersion(version, revision) => {
                self.protocol_version = Some((version, revision));
            }
            Attribute::FramingCapabilities(framing) => self.framing = Some(framing),
            Attribute::BearerCapabilities(bearer) => self.bearer = Some(bearer),
            Attribute::TieBreaker(value) => self.tie_breaker = Some(value),
            Attribute::FirmwareRevision(revision) => self.firmware_revision = Some(revision),
            Attribute::HostName(name) => self.host_name = Some(name),
            Attribute::VendorName(name) => self.vendor_name = Some(name),
            Attribute::AssignedTunnelId(id) => self.assigned_tunnel_id = Some(id),
            Attribute::ReceiveWindowSize(window) => self.receive_window = Some(window),
            Attribute::Challenge(challenge) => self.challenge = Some(challenge),
            Attribute::ChallengeResponse(digest) => self.challenge_response = Some(digest),
            _ => {}
        }
    }

    fn attributes(&self, list: &mut Vec<Attribute>) {
        list.extend(
            self.protocol_version
                .map(|(v, r)| Attribute::ProtocolVersion(v, r)),
        );
        list.extend(self.framing.map(Attribute::FramingCapabilities));
        list.extend(self.bearer.map(Attribute::BearerCapabilities));
        list.extend(self.tie_breaker.map(Attribute::TieBreaker));
        list.extend(self.firmware_revision.map(Attribute::FirmwareRevision));
        list.extend(self.host_name.clone().map(Attribute::HostName));
        list.extend(self.vendor_name.clone().map(Attribute::VendorName));
        list.extend(self.assigned_tunnel_id.map(Attribute::AssignedTunnelId));
        list.extend(self.receive_window.map(Attribute::ReceiveWindowSize));
        list.extend(self.challenge.clone().map(Attribute::Challenge));
        list.extend(self.challenge_response.map(Attribute::ChallengeResponse));
    }
}
