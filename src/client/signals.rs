//! Signals that end `adit connect` and `adit load`.

use std::fs;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM, SIGINT and SIGHUP, from when this is made.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// The terminal is closed. `None` under nohup, which has it ignored: catching it would undo that.
    hangup: Option<Signal>,
}

impl Signals {
    /// From now on they do not end the process by themselves. Within a runtime.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn new() -> io::Result<Self> {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let hangup = match ignores_hangup(&status) {
            true => None,
            false => Some(signal(SignalKind::hangup())?),
        };
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup,
        })
    }

    /// Waits for one. Nothing is lost if this is dropped while it waits.
    pub(crate) async fn next(&mut self) {
        let Self {
            terminate,
            interrupt,
            hangup,
        } = self;
        let closed = async {
            match hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        let is_closed = tokio::select! {
            _ = terminate.recv() => false,
            _ = interrupt.recv() => false,
            _ = closed => true,
        };
        if is_closed {
            // The shell may say it, and the kernel once more: no reason to make haste.
            self.hangup = None;
        }
    }
}

/// Whether a process ignores SIGHUP, by what `/proc` says of its status: signals are a set of bits,
/// and this is the first of them.
fn ignores_hangup(status: &str) -> bool {
    let digits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let signals = digits.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    signals.is_some_and(|signals| signals & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nohup_has_ignored_is_known() {
        let status = |ignored| format!("SigBlk:\t01\nSigIgn:\t{ignored}\nSigCgt:\t01\n");
        assert!(ignores_hangup(&status("0000000000001001")));
        assert!(!ignores_hangup(&status("0000000000001000")));
        assert!(!ignores_hangup(""));
    }
}
