//! `[guard]`: how often somebody may fail before having to wait; and what is wrong with it.

use std::num::NonZeroU32;
use std::time::Duration;

use engine::GuardPolicy;
use serde::{Deserialize, Serialize};

use super::validate::Check;
use super::values::duration;

/// `[guard]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Guard {
    /// Failed logins of one user from one address after which the next has to wait; 0: never.
    pub user_failures: u32,
    /// Failed logins from one address, likewise.
    pub source_failures: u32,
    /// Handshakes of one address with a wrong pre-shared key, likewise.
    pub key_failures: u32,
    /// The first wait; each further failure doubles it.
    #[serde(with = "duration")]
    pub wait: Duration,
    /// The longest wait.
    #[serde(with = "duration")]
    pub longest_wait: Duration,
    /// Time without a failure after which those before are forgotten.
    #[serde(with = "duration")]
    pub forget_after: Duration,
    /// Failed logins of one user, from anywhere, after which nobody gets in as that user; 0: never.
    pub lock_out_after: u32,
    /// How long that lasts; `0s`: until `adit user unlock`.
    #[serde(with = "duration")]
    pub lock_out_time: Duration,
}

impl Default for Guard {
    fn default() -> Self {
        let policy = GuardPolicy::default();
        Self {
            user_failures: policy.user_failures,
            source_failures: policy.source_failures,
            key_failures: policy.key_failures,
            wait: policy.wait,
            longest_wait: policy.longest_wait,
            forget_after: policy.forget_after,
            lock_out_after: policy.lock_out_after.map_or(0, NonZeroU32::get),
            lock_out_time: policy.lock_out_time.unwrap_or_default(),
        }
    }
}

impl Guard {
    /// What the engine makes of it.
    pub fn policy(&self) -> GuardPolicy {
        GuardPolicy {
            user_failures: self.user_failures,
            source_failures: self.source_failures,
            key_failures: self.key_failures,
            wait: self.wait,
            longest_wait: self.longest_wait,
            forget_after: self.forget_after,
            lock_out_after: NonZeroU32::new(self.lock_out_after),
            lock_out_time: (!self.lock_out_time.is_zero()).then_some(self.lock_out_time),
        }
    }
}

impl Check<'_> {
    pub(super) fn guard(&mut self, guard: &Guard) {
        let waits = [
            guard.user_failures,
            guard.source_failures,
            guard.key_failures,
        ];
        if waits.iter().any(|failures| *failures > 0) && guard.wait.is_zero() {
            let hint = "such as \"10s\"; to let nobody wait, set the numbers of failures to 0";
            self.error("guard.wait", "nobody would wait", hint);
        }
        if guard.longest_wait < guard.wait {
            let message = "it is shorter than guard.wait";
            self.error("guard.longest-wait", message, "such as \"15m\"");
        }
        if guard.user_failures == 0 && guard.source_failures == 0 {
            let message = "passwords can be guessed as fast as clients connect";
            self.warning("guard.user-failures", message, "such as 5");
        }
        if guard.lock_out_after > 0 {
            let message = "whoever has a pre-shared key can keep any user out";
            let hint = "guard.user-failures slows guessing down without that";
            self.warning("guard.lock-out-after", message, hint);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::config::layers::Origins;
    use crate::config::validate::validate;

    #[test]
    fn the_defaults_are_those_of_the_engine() {
        assert_eq!(Guard::default().policy(), GuardPolicy::default());
    }

    #[test]
    fn each_mistake_is_found() {
        for (toml, words) in [
            ("wait = \"0s\"", "nobody would wait"),
            ("longest-wait = \"5s\"", "shorter than guard.wait"),
            (
                "user-failures = 0\nsource-failures = 0",
                "guessed as fast as clients connect",
            ),
            ("lock-out-after = 10", "can keep any user out"),
        ] {
            let config: Config = toml::from_str(&format!("[guard]\n{toml}")).unwrap();
            let mut findings = Vec::new();
            validate(&config, &Origins::default(), &mut findings);
            let text = findings.iter().map(ToString::to_string);
            let found: Vec<String> = text.filter(|text| text.contains("guard.")).collect();
            assert!(
                matches!(&found[..], [one] if one.contains(words)),
                "{toml}: {found:?}"
            );
        }
    }
}
