//! Puts messages into the form that a client gives them.

use wire::emit::Emit;

use super::{Habits, ResultForm};
use crate::Config;
use crate::codec::{
    Attribute, AvpType, CallConnected, ErrorCode, FramingType, Message, ResultCode,
};

impl Habits {
    /// The AVPs of a message of the client role, chosen and in order.
    pub(crate) fn arrange(&self, message: &Message) -> Vec<Attribute> {
        let order = match message {
            Message::Sccrq(_) => &self.introduction.avps,
            Message::Icrq(_) => &self.icrq,
            Message::Iccn(_) => &self.iccn,
            Message::Cdn(_) => &self.cdn,
            Message::StopCcn(_) => &self.stop_ccn,
            _ => return message.attributes(),
        };
        let list = message.attributes();
        let find = |kind: &AvpType| list.iter().find(|attribute| attribute.kind() == *kind);
        let head = [AvpType::MESSAGE_TYPE];
        head.iter().chain(order).filter_map(find).cloned().collect()
    }

    /// Writes AVPs in clear.
    pub(crate) fn emit(&self, list: &[Attribute], out: &mut Vec<u8>) {
        for attribute in list {
            match attribute {
                Attribute::ResultCode(code) => self.emit_result(code, out),
                other => other.to_avp().emit(out),
            }
        }
    }

    fn emit_result(&self, code: &ResultCode, out: &mut Vec<u8>) {
        match self.farewell.form {
            ResultForm::Full => Attribute::ResultCode(code.clone()).to_avp().emit(out),
            ResultForm::Short => Attribute::ResultCode(ResultCode {
                error: None,
                ..code.clone()
            })
            .to_avp()
            .emit(out),
            ResultForm::SwappedAndTooLong => {
                // M bit; 8 bytes are there, 14 are claimed.
                out.put_u16(0x8000 | 14);
                out.put_u16(0);
                out.put_u16(AvpType::RESULT_CODE.0);
                out.put_u16(code.result.swap_bytes());
            }
        }
    }

    /// What ICCN says.
    pub(crate) fn connected(&self) -> CallConnected {
        /// RFC 2661 §4.4.5.
        const NO_AUTHENTICATION: u16 = 4;
        let says = |kind| self.iccn.contains(&kind);
        let framing = FramingType(self.iccn_framing.0);
        CallConnected {
            tx_speed: says(AvpType::TX_CONNECT_SPEED).then_some(self.speed),
            rx_speed: says(AvpType::RX_CONNECT_SPEED).then_some(self.speed),
            framing: says(AvpType::FRAMING_TYPE).then_some(framing),
            proxy_authentication: says(AvpType::PROXY_AUTHEN_TYPE).then_some(NO_AUTHENTICATION),
            sequencing: false,
        }
    }

    /// The Receive Window Size of the client role.
    pub(crate) fn receive_window(&self, config: &Config) -> u16 {
        let window = self.introduction.receive_window;
        window.unwrap_or(config.receive_window).max(1)
    }

    /// The result of a StopCCN that would have `code`, which may tell of a fault.
    pub(crate) fn stop_result(&self, code: ResultCode) -> ResultCode {
        let faultless = code.error.is_none_or(|error| error == ErrorCode::NONE);
        match self.farewell.result {
            Some(result) if faultless => ResultCode { result, ..code },
            _ => code,
        }
    }
}
