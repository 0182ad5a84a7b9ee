//! `[workers]`: the threads that packets go through, and what is wrong with it.

use std::thread::available_parallelism;

use serde::{Deserialize, Serialize};

use super::Config;
use super::tun::TunMode;
use super::validate::Check;

/// More than any host has use for; a typing error is caught before it takes the descriptors.
const MOST: usize = 64;

/// `[workers]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Workers {
    /// How many threads packets go through; 0: one for each core.
    pub threads: usize,
    /// Whether each of them keeps to a core of its own.
    pub pin: bool,
    /// Whether one that is busy looks for more, for half a millisecond, before it sleeps.
    pub busy_poll: bool,
}

impl Default for Workers {
    fn default() -> Self {
        Self {
            threads: 0,
            pin: false,
            busy_poll: true,
        }
    }
}

impl Config {
    /// How many threads packets go through: one, where each session has an interface, because it
    /// reads them all.
    pub fn packet_threads(&self) -> usize {
        match (self.tun.mode, self.workers.threads) {
            (TunMode::PerSession, _) => 1,
            (TunMode::Shared, 0) => available_parallelism().map_or(1, usize::from).min(MOST),
            (TunMode::Shared, threads) => threads.min(MOST),
        }
    }
}

impl Check<'_> {
    pub(super) fn workers(&mut self, config: &Config) {
        let threads = config.workers.threads;
        if threads > MOST {
            self.error(
                "workers.threads",
                format!("{threads} are more than the {MOST} there can be"),
                "0 is one for each core",
            );
        }
        if threads > 1 && config.tun.mode == TunMode::PerSession {
            self.warning(
                "workers.threads",
                "has no effect where each session has an interface: one thread serves them all",
                "leave it out, or set tun.mode = \"shared\"",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::layers::Origins;
    use crate::config::validate::validate;

    #[test]
    fn how_many_there_are() {
        let mut config = Config::default();
        assert!(config.packet_threads() >= 1);
        config.workers.threads = 3;
        assert_eq!(config.packet_threads(), 3);
        config.tun.mode = TunMode::PerSession;
        assert_eq!(config.packet_threads(), 1);
    }

    #[test]
    fn what_has_no_effect_is_said() {
        for (threads, mode, expected) in [
            (0, TunMode::PerSession, 0),
            (2, TunMode::Shared, 0),
            (2, TunMode::PerSession, 1),
            (65, TunMode::Shared, 1),
        ] {
            let mut config = Config::default();
            config.workers.threads = threads;
            config.tun.mode = mode;
            let mut findings = Vec::new();
            validate(&config, &Origins::default(), &mut findings);
            let found = findings
                .iter()
                .filter(|finding| finding.to_string().contains("workers.threads"))
                .count();
            assert_eq!(found, expected, "{threads} {mode:?}");
        }
    }
}
