//! Headers, AVPs and control messages as values.

mod attribute;
mod avp;
mod header;
mod hidden;
mod message;
mod registry;
mod result;

pub use attribute::{Attribute, Disconnect};
pub use avp::{Avp, avps};
pub use header::{ControlHeader, DataHeader, Header, HeaderError, MAX_CONTROL};
pub use hidden::{hide, reveal};
pub use message::{
    AvpFault, CallConnected, CallRequest, Cdn, Message, Received, Start, StopCcn, emit_hidden,
    message_type,
};
pub use registry::{
    AvpType, BearerCapabilities, DisconnectCode, DisconnectDirection, ErrorCode,
    FramingCapabilities, FramingType, MessageType, SessionResult, TunnelResult, Vendor,
};
pub use result::ResultCode;
