//! Signals: what the operator, or a service manager, wants at the moment.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep_until};

/// Between two times that everything is read again, however often that is asked for. What is asked for
/// meanwhile is done once, at the end of it.
const PAUSE: Duration = Duration::from_secs(1);

/// The signals that mean something, from when this is made.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
    /// When the next reload may be.
    reload_from: Instant,
}

/// What a signal wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGTERM or SIGINT. Another one while goodbyes are said changes nothing: they take two
    /// seconds at most.
    End,
    /// SIGHUP.
    Reload,
}

impl Signals {
    /// From now on they do not end the process by themselves. Within a runtime.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            reload_from: Instant::now(),
        })
    }

    /// Waits for one. Nothing is lost if this is dropped while it waits.
    pub(super) async fn next(&mut self) -> Signal {
        let Self {
            terminate,
            interrupt,
            hangup,
            reload_from,
        } = self;
        let reload = async {
            sleep_until(*reload_from).await;
            hangup.recv().await;
        };
        let signal = tokio::select! {
            biased;
            _ = terminate.recv() => Signal::End,
            _ = interrupt.recv() => Signal::End,
            () = reload => Signal::Reload,
        };
        if signal == Signal::Reload {
            self.reload_from = Instant::now() + PAUSE;
        }
        signal
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal as Kernel, getpid, kill_process};

    use super::*;

    /// The only test that sends itself this one.
    #[tokio::test]
    async fn a_storm_of_hangups_is_two_reloads() {
        let mut signals = Signals::new().unwrap();
        let hang_up = || kill_process(getpid(), Kernel::HUP).unwrap();
        hang_up();
        assert_eq!(signals.next().await, Signal::Reload);
        let first = Instant::now();
        for _ in 0..100 {
            hang_up();
        }
        assert_eq!(signals.next().await, Signal::Reload);
        assert!(first.elapsed() >= PAUSE - Duration::from_millis(100));
        let more = tokio::time::timeout(2 * PAUSE, signals.next()).await;
        assert!(more.is_err(), "{more:?}");
    }
}
