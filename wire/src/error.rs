//! The one error of every decoder.

/// Bytes that do not follow their format: what was expected, and how far into the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {offset}")]
pub struct DecodeError {
    /// Bytes from the start of the decoded input.
    pub offset: usize,
    /// What is wrong there, in words ("payload length beyond the message").
    pub what: &'static str,
}

impl DecodeError {
    /// An error at `offset`.
    pub const fn new(offset: usize, what: &'static str) -> Self {
        Self { offset, what }
    }

    /// The same error seen from an enclosing input that starts `by` bytes earlier.
    pub const fn shifted(self, by: usize) -> Self {
        Self {
            offset: self.offset.saturating_add(by),
            what: self.what,
        }
    }
}
