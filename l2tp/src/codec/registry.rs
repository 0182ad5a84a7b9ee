//! The numbers of RFC 2661 and RFC 3145. Unknown values are kept.

use std::fmt;

/// Declares a registry: a newtype with constants and their names in words.
macro_rules! registry {
    ($(#[$doc:meta])* $name:ident($repr:ty), $format:literal {
        $($(#[$item_doc:meta])* $constant:ident = $value:literal, $words:literal;)+
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $repr);

        impl $name {
            $(#[doc = concat!($words, ".")] $(#[$item_doc])* pub const $constant: Self = Self($value);)+
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {
                    $(Self::$constant => f.write_str($words),)+
                    Self(other) => write!(f, $format, other),
                }
            }
        }
    };
}

registry! {
    /// Message Type AVP (RFC 2661 §3.2).
    MessageType(u16), "{}" {
        SCCRQ = 1, "SCCRQ";
        SCCRP = 2, "SCCRP";
        SCCCN = 3, "SCCCN";
        STOP_CCN = 4, "StopCCN";
        HELLO = 6, "HELLO";
        OCRQ = 7, "OCRQ";
        OCRP = 8, "OCRP";
        OCCN = 9, "OCCN";
        ICRQ = 10, "ICRQ";
        ICRP = 11, "ICRP";
        ICCN = 12, "ICCN";
        CDN = 14, "CDN";
        WEN = 15, "WEN";
        SLI = 16, "SLI";
    }
}

registry! {
    /// SMI enterprise code of an AVP; 0 is the IETF.
    Vendor(u16), "{}" {
        IETF = 0, "IETF (0)";
    }
}

registry! {
    /// Attribute Type of an AVP with vendor 0 (RFC 2661 §4.4, RFC 3145).
    AvpType(u16), "type {}" {
        MESSAGE_TYPE = 0, "Message Type";
        RESULT_CODE = 1, "Result Code";
        PROTOCOL_VERSION = 2, "Protocol Version";
        FRAMING_CAPABILITIES = 3, "Framing Capabilities";
        BEARER_CAPABILITIES = 4, "Bearer Capabilities";
        TIE_BREAKER = 5, "Tie Breaker";
        FIRMWARE_REVISION = 6, "Firmware Revision";
        HOST_NAME = 7, "Host Name";
        VENDOR_NAME = 8, "Vendor Name";
        ASSIGNED_TUNNEL_ID = 9, "Assigned Tunnel ID";
        RECEIVE_WINDOW_SIZE = 10, "Receive Window Size";
        CHALLENGE = 11, "Challenge";
        Q931_CAUSE_CODE = 12, "Q.931 Cause Code";
        CHALLENGE_RESPONSE = 13, "Challenge Response";
        ASSIGNED_SESSION_ID = 14, "Assigned Session ID";
        CALL_SERIAL_NUMBER = 15, "Call Serial Number";
        MINIMUM_BPS = 16, "Minimum BPS";
        MAXIMUM_BPS = 17, "Maximum BPS";
        BEARER_TYPE = 18, "Bearer Type";
        FRAMING_TYPE = 19, "Framing Type";
        CALLED_NUMBER = 21, "Called Number";
        CALLING_NUMBER = 22, "Calling Number";
        SUB_ADDRESS = 23, "Sub-Address";
        TX_CONNECT_SPEED = 24, "Tx Connect Speed";
        PHYSICAL_CHANNEL_ID = 25, "Physical Channel ID";
        INITIAL_LCP_CONFREQ = 26, "Initial Received LCP CONFREQ";
        LAST_SENT_LCP_CONFREQ = 27, "Last Sent LCP CONFREQ";
        LAST_RECEIVED_LCP_CONFREQ = 28, "Last Received LCP CONFREQ";
        PROXY_AUTHEN_TYPE = 29, "Proxy Authen Type";
        PROXY_AUTHEN_NAME = 30, "Proxy Authen Name";
        PROXY_AUTHEN_CHALLENGE = 31, "Proxy Authen Challenge";
        PROXY_AUTHEN_ID = 32, "Proxy Authen ID";
        PROXY_AUTHEN_RESPONSE = 33, "Proxy Authen Response";
        CALL_ERRORS = 34, "Call Errors";
        ACCM = 35, "ACCM";
        RANDOM_VECTOR = 36, "Random Vector";
        PRIVATE_GROUP_ID = 37, "Private Group ID";
        RX_CONNECT_SPEED = 38, "Rx Connect Speed";
        SEQUENCING_REQUIRED = 39, "Sequencing Required";
        PPP_DISCONNECT_CAUSE = 46, "PPP Disconnect Cause Code";
    }
}

registry! {
    /// Result Code of StopCCN (RFC 2661 §4.4.2).
    TunnelResult(u16), "result code {}" {
        CLEAR = 1, "general request to clear the control connection";
        GENERAL_ERROR = 2, "general error";
        ALREADY_EXISTS = 3, "the control connection already exists";
        UNAUTHORIZED = 4, "not authorized to establish a control connection";
        VERSION = 5, "the protocol version is not supported";
        SHUTTING_DOWN = 6, "the requester is being shut down";
        STATE_MACHINE = 7, "finite state machine error";
    }
}

registry! {
    /// Result Code of CDN (RFC 2661 §4.4.2).
    SessionResult(u16), "result code {}" {
        LOST_CARRIER = 1, "loss of carrier";
        GENERAL_ERROR = 2, "general error";
        ADMINISTRATIVE = 3, "administrative reasons";
        NO_FACILITIES_NOW = 4, "no appropriate facilities for now";
        NO_FACILITIES = 5, "no appropriate facilities";
        INVALID_DESTINATION = 6, "invalid destination";
        NO_CARRIER = 7, "no carrier detected";
        BUSY = 8, "busy signal";
        NO_DIAL_TONE = 9, "no dial tone";
        TOO_SLOW = 10, "not established within the time allotted";
        NO_FRAMING = 11, "connected but no appropriate framing detected";
    }
}

registry! {
    /// Error Code of a Result Code AVP (RFC 2661 §4.4.2).
    ErrorCode(u16), "error code {}" {
        NONE = 0, "no general error";
        NO_CONNECTION = 1, "no control connection exists yet";
        LENGTH = 2, "a length is wrong";
        VALUE = 3, "a value is out of range or a reserved field is not zero";
        RESOURCES = 4, "insufficient resources";
        SESSION_ID = 5, "the session id is invalid in this context";
        VENDOR = 6, "a vendor-specific error";
        TRY_ANOTHER = 7, "try another";
        MANDATORY_AVP = 8, "an unknown AVP with the mandatory bit";
    }
}

registry! {
    /// Disconnect Code of the PPP Disconnect Cause Code AVP (RFC 3145 §3).
    DisconnectCode(u16), "disconnect code {}" {
        NO_INFORMATION = 0, "no information";
        ADMINISTRATIVE = 1, "administrative disconnect";
        RENEGOTIATION_DISABLED = 2, "link renegotiation is disabled";
        NORMAL = 3, "normal disconnection";
        ENCRYPTION_REFUSED = 4, "compulsory encryption refused";
        LCP_TIMEOUT = 5, "LCP did not converge";
        LCP_SILENT = 6, "no LCP packets from the peer";
        LCP_MAGIC_NUMBER = 7, "LCP magic number error, possibly a loop";
        LCP_ECHO_TIMEOUT = 8, "LCP echo requests were not answered";
        ENDPOINT_DISCRIMINATOR = 9, "unexpected endpoint discriminator";
        MRRU = 10, "MRRU not acceptable";
        SHORT_SEQUENCE = 11, "short sequence number option not acceptable";
        CALLBACK_REFUSED = 12, "compulsory call-back refused";
        AUTHENTICATION_TIMEOUT = 13, "authentication did not finish";
        AUTHENTICATION_NAME = 14, "another name than that of the multilink bundle";
        AUTHENTICATION_PROTOCOL = 15, "no acceptable authentication protocol";
        AUTHENTICATION_FAILED = 16, "authentication failed";
        NCP_TIMEOUT = 17, "network protocol negotiation did not finish";
        NCP_NONE = 18, "no network protocol available";
        NCP_ADDRESSES = 19, "no agreement on network addresses";
        NCP_NOT_PERMITTED = 20, "the user may not use any address";
    }
}

registry! {
    /// Direction of the PPP Disconnect Cause Code AVP (RFC 3145 §2): which end caused it, as seen
    /// from the sender.
    DisconnectDirection(u8), " (direction {})" {
        GLOBAL = 0, "";
        PEER = 1, " at the far end";
        LOCAL = 2, " at the near end";
    }
}

/// Framing Capabilities AVP: bit 0 synchronous, bit 1 asynchronous (RFC 2661 §4.4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FramingCapabilities(pub u32);

/// Bearer Capabilities AVP: bit 0 digital, bit 1 analogue (RFC 2661 §4.4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BearerCapabilities(pub u32);

/// Framing Type AVP: bit 0 synchronous, bit 1 asynchronous (RFC 2661 §4.4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FramingType(pub u32);

impl FramingCapabilities {
    /// Synchronous and asynchronous.
    pub const BOTH: Self = Self(3);
}
