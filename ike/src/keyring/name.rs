//! What a key is called, and which one it is.

use std::cmp::Ordering;
use std::fmt;

use wire::Secret;

use crate::crypto::HashAlgorithm;

/// The name of a key, for logs, and what tells it from others: its secret. A file of keys that is
/// read again may have them in other lines; they are still the same keys, and those who came with
/// them the same peers.
#[derive(Clone)]
pub struct KeyName {
    label: String,
    /// The beginning of a hash of the secret; never shown.
    mark: Option<[u8; 16]>,
}

impl KeyName {
    /// The name of the key `secret`, written down at `label`.
    pub fn new(label: &str, secret: &Secret) -> Self {
        let digest = HashAlgorithm::Sha256.digest(&[secret.expose()]);
        Self {
            label: label.to_owned(),
            mark: digest.first_chunk().copied(),
        }
    }

    /// The name of the only key there is.
    pub fn only(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            mark: None,
        }
    }

    /// Where the key was written down when it was used: `ipsec.secrets:3`.
    pub fn label(&self) -> &str {
        &self.label
    }
}

impl PartialEq for KeyName {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for KeyName {}

impl PartialOrd for KeyName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for KeyName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.mark.cmp(&other.mark)
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)
    }
}

impl fmt::Debug for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.label, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_secret_wherever_it_stands() {
        let name =
            |label: &str, secret: &str| KeyName::new(label, &Secret::from(secret.as_bytes()));
        assert_eq!(name("keys:1", "a"), name("keys:2", "a"));
        assert_ne!(name("keys:1", "a"), name("keys:1", "b"));
        assert_ne!(name("keys:1", "a"), KeyName::only("keys:1"));
        let shown = format!("{0} {0:?}", name("keys:1", "a"));
        assert_eq!(shown, "keys:1 \"keys:1\"");
    }
}
