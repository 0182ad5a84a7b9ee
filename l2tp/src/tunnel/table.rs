//! The state table of a control connection (RFC 2661 §7.2.1).

/// State of a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// Nothing exchanged yet.
    Idle,
    /// Client: SCCRQ is sent.
    WaitCtlReply,
    /// LNS: SCCRP is sent.
    WaitCtlConn,
    /// Up.
    Established,
    /// StopCCN was sent or received; only acknowledgements are left (RFC 2661 §5.7).
    Closed,
}

/// What happens to a tunnel. "Refused" means a message whose contents are not acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// We want it.
    Open,
    /// SCCRQ.
    Sccrq,
    /// SCCRP.
    Sccrp,
    /// SCCRP that is not acceptable.
    SccrpRefused,
    /// SCCCN.
    Scccn,
    /// SCCCN that is not acceptable.
    ScccnRefused,
    /// StopCCN.
    StopCcn,
    /// We do not want it any more.
    Close,
    /// The peer is not reachable any more: nothing need be sent.
    Lost,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    /// Nothing.
    Ignore,
    /// Send SCCRQ.
    SendSccrq,
    /// Send SCCRP.
    SendSccrp,
    /// Send SCCCN; the tunnel is up.
    SendScccn,
    /// The tunnel is up.
    Up,
    /// Send StopCCN and clean up.
    Stop,
    /// Clean up.
    CleanUp,
}

/// The table: what happens in which state leads to which state and what is to be done.
///
/// It is RFC 2661's, with the states after the end drawn together in `Closed`. An SCCRQ that
/// meets a tunnel is not among the rows for `Established`: on tunnel 0 it is a duplicate or a
/// new tunnel, which the endpoint sorts out.
pub(crate) fn step(state: State, event: Event) -> (State, Action) {
    match (state, event) {
        (State::Idle, Event::Open) => (State::WaitCtlReply, Action::SendSccrq),
        (State::Idle, Event::Sccrq) => (State::WaitCtlConn, Action::SendSccrp),
        (State::Idle, Event::Sccrp | Event::SccrpRefused) => (State::Closed, Action::Stop),
        (
            State::Idle,
            Event::Scccn | Event::ScccnRefused | Event::StopCcn | Event::Close | Event::Lost,
        ) => (State::Closed, Action::CleanUp),

        (State::WaitCtlReply, Event::Sccrp) => (State::Established, Action::SendScccn),
        (
            State::WaitCtlReply,
            Event::SccrpRefused | Event::Sccrq | Event::Scccn | Event::ScccnRefused | Event::Close,
        ) => (State::Closed, Action::Stop),

        (State::WaitCtlConn, Event::Scccn) => (State::Established, Action::Up),
        (
            State::WaitCtlConn,
            Event::ScccnRefused | Event::Sccrq | Event::Sccrp | Event::SccrpRefused | Event::Close,
        ) => (State::Closed, Action::Stop),

        (
            State::Established,
            Event::Sccrq
            | Event::Sccrp
            | Event::SccrpRefused
            | Event::Scccn
            | Event::ScccnRefused
            | Event::Close,
        ) => (State::Closed, Action::Stop),

        (
            State::WaitCtlReply | State::WaitCtlConn | State::Established,
            Event::StopCcn | Event::Lost,
        ) => (State::Closed, Action::CleanUp),

        (State::WaitCtlReply | State::WaitCtlConn | State::Established, Event::Open) => {
            (state, Action::Ignore)
        }
        (
            State::Closed,
            Event::Open
            | Event::Sccrq
            | Event::Sccrp
            | Event::SccrpRefused
            | Event::Scccn
            | Event::ScccnRefused
            | Event::StopCcn
            | Event::Close
            | Event::Lost,
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
            State::WaitCtlReply,
            State::WaitCtlConn,
            State::Established,
            State::Closed,
        ];
        let events = [
            Event::Open,
            Event::Sccrq,
            Event::Sccrp,
            Event::SccrpRefused,
            Event::Scccn,
            Event::ScccnRefused,
            Event::StopCcn,
            Event::Close,
            Event::Lost,
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
