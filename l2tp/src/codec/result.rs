//! The value of the Result Code AVP (RFC 2661 §4.4.2).

use std::fmt;

use super::registry::{ErrorCode, SessionResult, TunnelResult};

/// Result code, error code and text of StopCCN or CDN. What the numbers mean depends on the
/// message, hence the two descriptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultCode {
    /// A [`TunnelResult`] or [`SessionResult`].
    pub result: u16,
    /// Absent when the AVP is two bytes long, as Android sends it.
    pub error: Option<ErrorCode>,
    /// Text for a human; may be empty.
    pub message: String,
}

impl ResultCode {
    /// For StopCCN; with error code 0, which Windows and Cisco also write out.
    pub fn tunnel(result: TunnelResult) -> Self {
        Self {
            result: result.0,
            error: Some(ErrorCode::NONE),
            message: String::new(),
        }
    }

    /// For CDN.
    pub fn session(result: SessionResult) -> Self {
        Self {
            result: result.0,
            error: Some(ErrorCode::NONE),
            message: String::new(),
        }
    }

    /// The same with an error code.
    #[must_use]
    pub fn with_error(self, error: ErrorCode) -> Self {
        Self {
            error: Some(error),
            ..self
        }
    }

    /// The same with a text.
    #[must_use]
    pub fn with_message(self, message: impl fmt::Display) -> Self {
        Self {
            message: message.to_string(),
            ..self
        }
    }

    /// In words, as the result of a StopCCN.
    pub fn describe_tunnel(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe(TunnelResult(self.result), f)
    }

    /// In words, as the result of a CDN.
    pub fn describe_session(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe(SessionResult(self.result), f)
    }

    fn describe(&self, result: impl fmt::Display, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{result}")?;
        if let Some(error) = self.error.filter(|error| *error != ErrorCode::NONE) {
            write!(f, ", {error}")?;
        }
        if !self.message.is_empty() {
            write!(f, " ({:?})", self.message)?;
        }
        Ok(())
    }
}
