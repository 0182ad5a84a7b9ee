//! The state tables of an incoming call (RFC 2661 §7.4.1 for the client, §7.4.2 for the LNS).

/// State of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// Nothing exchanged yet.
    Idle,
    /// Client: the tunnel is not up yet.
    WaitTunnel,
    /// Client: ICRQ is sent.
    WaitReply,
    /// LNS: ICRP is sent.
    WaitConnect,
    /// Up.
    Established,
    /// Over.
    Closed,
}

/// What happens to a session. "Refused" means a message whose contents are not acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// We want it, and the tunnel is being opened.
    Open,
    /// The tunnel is up.
    TunnelUp,
    /// ICRQ.
    Icrq,
    /// ICRP.
    Icrp,
    /// ICRP that is not acceptable.
    IcrpRefused,
    /// ICCN.
    Iccn,
    /// ICCN that is not acceptable.
    IccnRefused,
    /// CDN.
    Cdn,
    /// We do not want it any more.
    Close,
    /// The tunnel is over.
    TunnelDown,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    /// Nothing.
    Ignore,
    /// Send ICRQ.
    SendIcrq,
    /// Send ICRP.
    SendIcrp,
    /// Send ICCN; the session is up.
    SendIccn,
    /// The session is up.
    Up,
    /// Send CDN and clean up.
    Disconnect,
    /// Clean up.
    CleanUp,
}

/// The tables of client and LNS in one: their states have only the first and the last in common.
pub(crate) fn step(state: State, event: Event) -> (State, Action) {
    match (state, event) {
        (State::Idle, Event::Open) => (State::WaitTunnel, Action::Ignore),
        (State::Idle, Event::Icrq) => (State::WaitConnect, Action::SendIcrp),
        (State::Idle, Event::Icrp | Event::IcrpRefused) => (State::Closed, Action::Disconnect),
        (
            State::Idle,
            Event::Iccn | Event::IccnRefused | Event::Cdn | Event::Close | Event::TunnelDown,
        ) => (State::Closed, Action::CleanUp),

        (State::WaitTunnel, Event::TunnelUp) => (State::WaitReply, Action::SendIcrq),
        // Nothing was sent yet that the peer would have to be told about.
        (
            State::WaitTunnel,
            Event::Icrq
            | Event::Icrp
            | Event::IcrpRefused
            | Event::Iccn
            | Event::IccnRefused
            | Event::Cdn
            | Event::Close
            | Event::TunnelDown,
        ) => (State::Closed, Action::CleanUp),

        (State::WaitReply, Event::Icrp) => (State::Established, Action::SendIccn),
        (State::WaitReply, Event::IcrpRefused | Event::Icrq | Event::Close) => {
            (State::Closed, Action::Disconnect)
        }
        (State::WaitReply, Event::Iccn | Event::IccnRefused | Event::Cdn | Event::TunnelDown) => {
            (State::Closed, Action::CleanUp)
        }

        (State::WaitConnect, Event::Iccn) => (State::Established, Action::Up),
        (
            State::WaitConnect,
            Event::IccnRefused | Event::Icrq | Event::Icrp | Event::IcrpRefused | Event::Close,
        ) => (State::Closed, Action::Disconnect),

        (
            State::Established,
            Event::Icrq
            | Event::Icrp
            | Event::IcrpRefused
            | Event::Iccn
            | Event::IccnRefused
            | Event::Close,
        ) => (State::Closed, Action::Disconnect),

        (State::WaitConnect | State::Established, Event::Cdn | Event::TunnelDown) => {
            (State::Closed, Action::CleanUp)
        }

        (State::Idle, Event::TunnelUp)
        | (
            State::WaitTunnel | State::WaitReply | State::WaitConnect | State::Established,
            Event::Open,
        )
        | (State::WaitReply | State::WaitConnect | State::Established, Event::TunnelUp) => {
            (state, Action::Ignore)
        }
        (
            State::Closed,
            Event::Open
            | Event::TunnelUp
            | Event::Icrq
            | Event::Icrp
            | Event::IcrpRefused
            | Event::Iccn
            | Event::IccnRefused
            | Event::Cdn
            | Event::Close
            | Event::TunnelDown,
        ) => (State::Closed, Action::Ignore),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrix() {
        let states = [
            State::Idle,
            State::WaitTunnel,
            State::WaitReply,
            State::WaitConnect,
            State::Established,
            State::Closed,
        ];
        let events = [
            Event::Open,
            Event::TunnelUp,
            Event::Icrq,
            Event::Icrp,
            Event::IcrpRefused,
            Event::Iccn,
            Event::IccnRefused,
            Event::Cdn,
            Event::Close,
            Event::TunnelDown,
        ];
        let mut table = String::new();
        for state in states {
            for event in events {
                let (next, action) = step(state, event);
                table += &format!("{state:?} + {event:?}: {action:?} -> {next:?}\n");
            }
        }
        insta::assert_snapshot!(table);
    }
}
