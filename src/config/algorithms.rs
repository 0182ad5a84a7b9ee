//! The algorithms of `[ipsec]`, in the names that the IKE crate gives them: nothing here knows
//! which there are, only how to say what is wrong with a name.

use ike::{LegacyOption, Policy, PolicyError};

use super::model::Ipsec;
use super::tree::nearest;

/// An element of a list of algorithms that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {error}")]
pub struct AlgorithmFault {
    /// The setting: `ipsec.groups`.
    pub setting: &'static str,
    /// Which element of the list, counted from 0.
    pub index: usize,
    /// What is wrong with it.
    pub error: PolicyError,
}

impl AlgorithmFault {
    /// What to do about it; empty if there is nothing to say.
    pub fn hint(&self) -> String {
        let PolicyError::Unknown(name) = &self.error else {
            return match &self.error {
                PolicyError::NeedsOption { option, .. } => {
                    format!("add \"{option}\" to ipsec.legacy, or take it off the list")
                }
                _ => String::new(),
            };
        };
        let suites = Policy::new(&LegacyOption::ALL);
        let suites: Vec<String> = suites.esp().iter().map(ToString::to_string).collect();
        match self.setting {
            "ipsec.groups" => "such as \"modp2048\" or \"ecp384\"".to_owned(),
            "ipsec.ciphers" => "such as \"aes256\"".to_owned(),
            "ipsec.hashes" => "such as \"sha256\"".to_owned(),
            _ => match nearest(name, suites.iter().map(String::as_str)) {
                Some(suite) => format!("did you mean \"{suite}\"?"),
                None => "such as \"aes256gcm16\" or \"aes256-sha1\"".to_owned(),
            },
        }
    }
}

/// One of the `with_…` functions of [`Policy`].
type With = fn(Policy, &[&str]) -> Result<Policy, PolicyError>;

impl Ipsec {
    /// The lists of names, each with its setting and what it replaces in the policy.
    pub(super) fn algorithms(&self) -> [(&'static str, &[String], With); 4] {
        [
            ("ipsec.groups", &self.groups, Policy::with_groups),
            ("ipsec.ciphers", &self.ciphers, Policy::with_ciphers),
            ("ipsec.hashes", &self.hashes, Policy::with_hashes),
            ("ipsec.esp", &self.esp, Policy::with_esp),
        ]
    }

    /// Which algorithms IKE takes: the built-in lists with what `legacy` admits, those that are
    /// written here in their stead.
    ///
    /// # Errors
    /// The first element that cannot be used. A validated configuration has none.
    pub fn policy(&self) -> Result<Policy, AlgorithmFault> {
        if let Some(fault) = self.algorithm_faults().into_iter().next() {
            return Err(fault);
        }
        let mut policy = Policy::new(&self.legacy);
        for (setting, names, with) in self.algorithms() {
            if !names.is_empty() {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                // Each name is one by itself, so that the list is one too.
                let fault = |error| AlgorithmFault {
                    setting,
                    index: 0,
                    error,
                };
                policy = with(policy, &names).map_err(fault)?;
            }
        }
        Ok(policy)
    }

    /// Every element that cannot be used.
    pub(super) fn algorithm_faults(&self) -> Vec<AlgorithmFault> {
        let policy = Policy::new(&self.legacy);
        let mut faults = Vec::new();
        for (setting, names, with) in self.algorithms() {
            // Alone: the crate says what is wrong with a list, not where.
            for (index, name) in names.iter().enumerate() {
                if let Err(error) = with(policy.clone(), &[name.as_str()]) {
                    faults.push(AlgorithmFault {
                        setting,
                        index,
                        error,
                    });
                }
            }
        }
        faults
    }
}

/// The list of legacy options: words in the file, options in the model. Used by serde's `with`.
pub(super) mod legacy {
    use ike::LegacyOption;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::nearest;

    /// Writes the names.
    pub fn serialize<S: Serializer>(options: &[LegacyOption], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(options.iter().map(|option| option.name()))
    }

    /// Reads names; the error says which there are.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<LegacyOption>, D::Error> {
        let words = Vec::<String>::deserialize(from)?;
        words
            .iter()
            .map(|word| word.parse().map_err(|_| D::Error::custom(unknown(word))))
            .collect()
    }

    fn unknown(word: &str) -> String {
        let names = LegacyOption::ALL.map(LegacyOption::name);
        match nearest(word, names.into_iter()) {
            Some(name) => format!("{word:?} is not a legacy option; did you mean {name:?}?"),
            None => format!(
                "{word:?} is not a legacy option; known are {}",
                names.join(", ")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ipsec(toml: &str) -> Ipsec {
        toml::from_str(toml).unwrap()
    }

    fn faults(toml: &str) -> Vec<String> {
        let sentence =
            |fault: &AlgorithmFault| format!("{} {fault} ({})", fault.index, fault.hint());
        ipsec(toml)
            .algorithm_faults()
            .iter()
            .map(sentence)
            .collect()
    }

    #[test]
    fn empty_lists_are_the_built_in_ones() {
        assert_eq!(Ipsec::default().policy(), Ok(Policy::default()));
        let expected = Policy::new(&[LegacyOption::TripleDes]);
        assert_eq!(ipsec("legacy = [\"legacy-3des\"]").policy(), Ok(expected));
    }

    #[test]
    fn each_list_replaces_its_own() {
        let policy = ipsec(
            "legacy = [\"legacy-android\"]\n\
             groups = [\"modp2048\", \"modp1024\"]\n\
             ciphers = [\"aes128\"]\n\
             hashes = [\"sha1\", \"sha256\"]\n\
             esp = [\"aes256-sha1\", \"aes128gcm16\"]\n",
        );
        let expected = Policy::new(&[LegacyOption::Android])
            .with_groups(&["modp2048", "modp1024"])
            .and_then(|policy| policy.with_ciphers(&["aes128"]))
            .and_then(|policy| policy.with_hashes(&["sha1", "sha256"]))
            .and_then(|policy| policy.with_esp(&["aes256-sha1", "aes128gcm16"]));
        assert_eq!(policy.policy().ok(), expected.ok());
        assert!(policy.policy().is_ok());
    }

    #[test]
    fn what_cannot_be_used_says_where_and_why() {
        let toml = "groups = [\"modp2048\", \"modp1024\", \"modp768\"]\nhashes = [\"sha-1\"]\n\
                    ciphers = [\"des\"]\nesp = [\"aes256sha1\", \"3des-sha1\", \"x\"]\n";
        assert_eq!(
            faults(toml),
            [
                "1 ipsec.groups: modp1024 needs the option `legacy-android` (add \
                 \"legacy-android\" to ipsec.legacy, or take it off the list)",
                "2 ipsec.groups: modp768 is not supported, because it is not safe or not known ()",
                "0 ipsec.ciphers: des is not supported, because it is not safe or not known ()",
                "0 ipsec.hashes: unknown name \"sha-1\" (such as \"sha256\")",
                "0 ipsec.esp: unknown name \"aes256sha1\" (did you mean \"aes256-sha1\"?)",
                "1 ipsec.esp: 3des-sha1 needs the option `legacy-3des` (add \"legacy-3des\" to \
                 ipsec.legacy, or take it off the list)",
                "2 ipsec.esp: unknown name \"x\" (such as \"aes256gcm16\" or \"aes256-sha1\")",
            ]
        );
        let first = ipsec(toml)
            .policy()
            .map_err(|fault| (fault.setting, fault.index));
        assert_eq!(first, Err(("ipsec.groups", 1)));
    }

    /// The examples of the hints and of the shipped file are names that mean something.
    #[test]
    fn the_names_in_hints_are_names() {
        let toml = "legacy = [\"legacy-android\", \"legacy-modp1536\", \"legacy-3des\", \
                    \"legacy-md5\", \"pfs-modp1024\", \"esp-sha256-96\"]\n\
                    groups = [\"modp1024\", \"modp1536\", \"modp2048\", \"modp3072\", \
                    \"modp4096\", \"ecp256\", \"ecp384\", \"ecp521\"]\n\
                    ciphers = [\"aes128\", \"aes192\", \"aes256\", \"3des\"]\n\
                    hashes = [\"sha1\", \"sha256\", \"sha384\", \"sha512\", \"md5\"]\n\
                    esp = [\"aes256gcm16\", \"aes256-sha1\"]\n";
        assert_eq!(faults(toml), Vec::<String>::new());
    }

    #[test]
    fn legacy_options_are_words() {
        let error = |toml: &str| {
            toml::from_str::<Ipsec>(toml)
                .unwrap_err()
                .message()
                .to_owned()
        };
        assert_eq!(
            error("legacy = [\"legacy-des\"]"),
            "\"legacy-des\" is not a legacy option; did you mean \"legacy-3des\"?"
        );
        assert_eq!(
            error("legacy = [\"weak\"]"),
            "\"weak\" is not a legacy option; known are legacy-android, legacy-modp1536, \
             legacy-3des, legacy-md5, pfs-modp1024, esp-sha256-96"
        );
    }
}
