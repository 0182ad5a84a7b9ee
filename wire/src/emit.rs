//! Writing: big-endian numbers, and lengths that are known only afterwards.

/// What can be appended to. Implemented for `Vec<u8>`.
pub trait Emit {
    /// One byte.
    fn put_u8(&mut self, value: u8);
    /// Two bytes, most significant first.
    fn put_u16(&mut self, value: u16);
    /// Four bytes, most significant first.
    fn put_u32(&mut self, value: u32);
    /// Eight bytes, most significant first.
    fn put_u64(&mut self, value: u64);
    /// The bytes as they are.
    fn put(&mut self, bytes: &[u8]);
    /// Leaves two bytes free, lets `body` write, and fills in a length: that of everything from
    /// `back` bytes before the two to the end. A length over 65,535 saturates; the callers' bodies
    /// are bounded far below.
    fn put_len16(&mut self, back: usize, body: impl FnOnce(&mut Self));
}

impl Emit for Vec<u8> {
    fn put_u8(&mut self, value: u8) {
        self.push(value);
    }

    fn put_u16(&mut self, value: u16) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn put_u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn put_u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn put_len16(&mut self, back: usize, body: impl FnOnce(&mut Self)) {
        let at = self.len();
        self.put_u16(0);
        body(self);
        let length = self.len().saturating_sub(at).saturating_add(back);
        let length = u16::try_from(length).unwrap_or(u16::MAX);
        if let Some(field) = self.get_mut(at..at.saturating_add(2)) {
            field.copy_from_slice(&length.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_covers_what_precedes_and_follows_it() {
        let mut out = vec![0xff];
        out.put_u8(7);
        out.put_len16(1, |out| out.put(&[1, 2, 3]));
        assert_eq!(out, [0xff, 7, 0, 6, 1, 2, 3]);
    }
}
