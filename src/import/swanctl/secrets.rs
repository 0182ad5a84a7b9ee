//! The section `secrets`.

use wire::Secret;
use zeroize::Zeroizing;

use super::{CERTIFICATES, Work, path};
use crate::compat::ipsec_secrets::{Selector, reads_as_entry};
use crate::import::keys::{self, Key};

impl Work<'_, '_> {
    /// The keys of IKE; of the other secrets, what they are for.
    pub(super) fn secrets(&mut self) {
        let tree = self.tree;
        let mut written: Vec<Key<'_>> = Vec::new();
        for name in tree.children(&path(&["secrets"])) {
            let own = path(&["secrets", &name]);
            let settings = tree.settings(&own);
            if !name.starts_with("ike") {
                let why = match name.split('-').next().unwrap_or("") {
                    "xauth" | "eap" | "ntlm" => {
                        "users of L2TP are in chap-secrets: `adit user add` writes them there"
                    }
                    "ppk" => "IKEv1 has no such keys",
                    _ => CERTIFICATES,
                };
                for (_, _, statement) in settings {
                    if let Some(id) = self.once(statement) {
                        match why {
                            CERTIFICATES => self.import.report.without_effect(id, why),
                            _ => self.import.report.dropped(id, why),
                        }
                    }
                }
                continue;
            }
            let key = tree.get(&own, "secret");
            let mut parties = Vec::new();
            let mut names = false;
            for (key, value, statement) in settings {
                let Some(id) = self.once(statement) else {
                    continue;
                };
                let report = &mut self.import.report;
                match key {
                    "secret" => {}
                    _ if !key.starts_with("id") => report.dropped(id, "this key is not known here"),
                    _ => match Selector::parse(value.expose()) {
                        Selector::Name(_) => {
                            names = true;
                            report.changed(
                                id,
                                "in Main Mode nobody says a name before the key is needed: the key \
                                 counts whatever the client calls itself",
                            );
                        }
                        party => {
                            parties.push(party);
                            report.kept(id, "");
                        }
                    },
                }
            }
            let Some((secret, statement)) = key else {
                continue;
            };
            let Some(id) = self.ids.get(statement).copied() else {
                continue;
            };
            let Some(decoded) = decoded(secret) else {
                let why = "the key after 0x or 0s cannot be read";
                self.import.report.dropped_for_clients(id, why);
                continue;
            };
            // Only names: for anybody, as an entry without any.
            if names && parties.is_empty() {
                parties.push(Selector::Any);
            }
            written.push(Key {
                from: id,
                parties,
                key: secret.expose(),
                spelled: decoded == Decoded::Entry,
            });
        }
        keys::write(&written, self.import);
    }
}

/// How a key stands in swanctl.conf.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Decoded {
    /// As it is.
    Text,
    /// In hexadecimal or base64, as it can stand in an ipsec.secrets too.
    Entry,
}

/// None if it cannot be read, or is empty.
fn decoded(secret: &Secret) -> Option<Decoded> {
    let digit = |byte: &u8| byte.is_ascii_hexdigit();
    let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    match secret.expose() {
        [] => None,
        [b'0', b'x', digits @ ..] => {
            let good = !digits.is_empty() && digits.len() % 2 == 0 && digits.iter().all(digit);
            good.then_some(Decoded::Entry)
        }
        [b'0', b's', digits @ ..] => {
            // An ipsec.secrets with a line that cannot be read does not count at all.
            let line = Zeroizing::new([&b": PSK "[..], secret.expose()].concat());
            let good = digits.iter().all(base64) && !digits.is_empty() && reads_as_entry(&line);
            good.then_some(Decoded::Entry)
        }
        _ => Some(Decoded::Text),
    }
}
