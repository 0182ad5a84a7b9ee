//! The option negotiation automaton of RFC 1661 §4.1: ten states, sixteen events, one table.
//!
//! LCP and every network control protocol run the same table. Here is only the table: what the
//! actions mean is in the negotiation that uses it.

/// The states (RFC 1661 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The lower layer is down and no Open has occurred.
    Initial,
    /// An Open has occurred, the lower layer is down.
    Starting,
    /// The lower layer is up, no Open has occurred.
    Closed,
    /// The link was open or tried to be, and is over.
    Stopped,
    /// We want to end: a Terminate-Request is out.
    Closing,
    /// The peer wants to end, or must: likewise.
    Stopping,
    /// A Configure-Request is out, none of the peer's has been acknowledged.
    ReqSent,
    /// Our Configure-Request has been acknowledged, the peer's has not.
    AckRcvd,
    /// The peer's Configure-Request has been acknowledged, ours has not.
    AckSent,
    /// Both have been acknowledged.
    Opened,
}

impl State {
    /// All states, in the order of the RFC's table.
    pub const ALL: [Self; 10] = [
        Self::Initial,
        Self::Starting,
        Self::Closed,
        Self::Stopped,
        Self::Closing,
        Self::Stopping,
        Self::ReqSent,
        Self::AckRcvd,
        Self::AckSent,
        Self::Opened,
    ];

    /// Whether the restart timer runs (RFC 1661 §4.2).
    pub const fn is_timed(self) -> bool {
        matches!(
            self,
            Self::Closing | Self::Stopping | Self::ReqSent | Self::AckRcvd | Self::AckSent
        )
    }
}

/// The events (RFC 1661 §4.3); the RFC's short forms are in brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The lower layer is ready (Up).
    Up,
    /// The lower layer is not ready any more (Down).
    Down,
    /// The link may be opened (Open).
    Open,
    /// The link must not be open (Close).
    Close,
    /// The restart timer ran out, tries are left (TO+).
    Timeout,
    /// The restart timer ran out for the last time (TO-).
    LastTimeout,
    /// An acceptable Configure-Request (RCR+).
    GoodRequest,
    /// An unacceptable Configure-Request (RCR-).
    BadRequest,
    /// A valid Configure-Ack (RCA).
    Ack,
    /// A valid Configure-Nak or Configure-Reject (RCN).
    Nak,
    /// A Terminate-Request (RTR).
    TerminateRequest,
    /// A Terminate-Ack (RTA).
    TerminateAck,
    /// A packet with an unknown code (RUC).
    UnknownCode,
    /// A Code-Reject or Protocol-Reject that can be lived with (RXJ+).
    TolerableReject,
    /// One that cannot (RXJ-).
    FatalReject,
    /// An Echo-Request, Echo-Reply or Discard-Request (RXR).
    Echo,
}

impl Event {
    /// All events, in the order of the RFC's table.
    pub const ALL: [Self; 16] = [
        Self::Up,
        Self::Down,
        Self::Open,
        Self::Close,
        Self::Timeout,
        Self::LastTimeout,
        Self::GoodRequest,
        Self::BadRequest,
        Self::Ack,
        Self::Nak,
        Self::TerminateRequest,
        Self::TerminateAck,
        Self::UnknownCode,
        Self::TolerableReject,
        Self::FatalReject,
        Self::Echo,
    ];
}

/// The actions (RFC 1661 §4.4); the RFC's short forms are in brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Tell the upper layers that this one is open (tlu).
    LayerUp,
    /// Tell the upper layers that this one is no longer open (tld).
    LayerDown,
    /// Tell the lower layer that it is needed (tls).
    LayerStarted,
    /// Tell the lower layer that it is no longer needed (tlf).
    LayerFinished,
    /// Set the restart counter to its maximum for the packet about to be sent (irc).
    InitializeCounter,
    /// Set the restart counter to zero, but let one period pass (zrc).
    ZeroCounter,
    /// Send a Configure-Request (scr).
    ConfigureRequest,
    /// Send a Configure-Ack (sca).
    ConfigureAck,
    /// Send a Configure-Nak or Configure-Reject (scn).
    ConfigureNak,
    /// Send a Terminate-Request (str).
    TerminateRequest,
    /// Send a Terminate-Ack (sta).
    TerminateAck,
    /// Send a Code-Reject (scj).
    CodeReject,
    /// Send an Echo-Reply, if it was a request (ser).
    EchoReply,
}

/// A cell of the table: what to do, and the state afterwards.
pub type Transition = (&'static [Action], State);

/// The table of RFC 1661 §4.1. `None` where the event cannot occur in the state; it is then
/// ignored.
///
/// We take neither the passive option (`p`) nor the restart option (`r`).
pub fn transition(state: State, event: Event) -> Option<Transition> {
    use Action::{
        CodeReject as Scj, ConfigureAck as Sca, ConfigureNak as Scn, ConfigureRequest as Scr,
        EchoReply as Ser, InitializeCounter as Irc, LayerDown as Tld, LayerFinished as Tlf,
        LayerStarted as Tls, LayerUp as Tlu, TerminateAck as Sta, TerminateRequest as Str,
        ZeroCounter as Zrc,
    };
    use Event as E;
    use State as S;

    let cell: Transition = match (state, event) {
        (S::Initial, E::Up) => (&[], S::Closed),
        (S::Initial, E::Open) => (&[Tls], S::Starting),
        (S::Initial, E::Close) => (&[], S::Initial),
        (
            S::Initial,
            E::Down
            | E::Timeout
            | E::LastTimeout
            | E::GoodRequest
            | E::BadRequest
            | E::Ack
            | E::Nak
            | E::TerminateRequest
            | E::TerminateAck
            | E::UnknownCode
            | E::TolerableReject
            | E::FatalReject
            | E::Echo,
        ) => return None,

        (S::Starting, E::Up) => (&[Irc, Scr], S::ReqSent),
        (S::Starting, E::Open) => (&[], S::Starting),
        (S::Starting, E::Close) => (&[Tlf], S::Initial),
        (
            S::Starting,
            E::Down
            | E::Timeout
            | E::LastTimeout
            | E::GoodRequest
            | E::BadRequest
            | E::Ack
            | E::Nak
            | E::TerminateRequest
            | E::TerminateAck
            | E::UnknownCode
            | E::TolerableReject
            | E::FatalReject
            | E::Echo,
        ) => return None,

        (S::Closed, E::Down) => (&[], S::Initial),
        (S::Closed, E::Open) => (&[Irc, Scr], S::ReqSent),
        (S::Closed, E::Close) => (&[], S::Closed),
        (S::Closed, E::GoodRequest | E::BadRequest | E::Ack | E::Nak | E::TerminateRequest) => {
            (&[Sta], S::Closed)
        }
        (S::Closed, E::TerminateAck | E::TolerableReject | E::Echo) => (&[], S::Closed),
        (S::Closed, E::UnknownCode) => (&[Scj], S::Closed),
        (S::Closed, E::FatalReject) => (&[Tlf], S::Closed),
        (S::Closed, E::Up | E::Timeout | E::LastTimeout) => return None,

        (S::Stopped, E::Down) => (&[Tls], S::Starting),
        (S::Stopped, E::Open) => (&[], S::Stopped),
        (S::Stopped, E::Close) => (&[], S::Closed),
        (S::Stopped, E::GoodRequest) => (&[Irc, Scr, Sca], S::AckSent),
        (S::Stopped, E::BadRequest) => (&[Irc, Scr, Scn], S::ReqSent),
        (S::Stopped, E::Ack | E::Nak | E::TerminateRequest) => (&[Sta], S::Stopped),
        (S::Stopped, E::TerminateAck | E::TolerableReject | E::Echo) => (&[], S::Stopped),
        (S::Stopped, E::UnknownCode) => (&[Scj], S::Stopped),
        (S::Stopped, E::FatalReject) => (&[Tlf], S::Stopped),
        (S::Stopped, E::Up | E::Timeout | E::LastTimeout) => return None,

        (S::Closing, E::Down) => (&[], S::Initial),
        (S::Closing, E::Open) => (&[], S::Stopping),
        (S::Closing, E::Close) => (&[], S::Closing),
        (S::Closing, E::Timeout) => (&[Str], S::Closing),
        (S::Closing, E::LastTimeout | E::TerminateAck | E::FatalReject) => (&[Tlf], S::Closed),
        (
            S::Closing,
            E::GoodRequest | E::BadRequest | E::Ack | E::Nak | E::TolerableReject | E::Echo,
        ) => (&[], S::Closing),
        (S::Closing, E::TerminateRequest) => (&[Sta], S::Closing),
        (S::Closing, E::UnknownCode) => (&[Scj], S::Closing),
        (S::Closing, E::Up) => return None,

        (S::Stopping, E::Down) => (&[], S::Starting),
        (S::Stopping, E::Open) => (&[], S::Stopping),
        (S::Stopping, E::Close) => (&[], S::Closing),
        (S::Stopping, E::Timeout) => (&[Str], S::Stopping),
        (S::Stopping, E::LastTimeout | E::TerminateAck | E::FatalReject) => (&[Tlf], S::Stopped),
        (
            S::Stopping,
            E::GoodRequest | E::BadRequest | E::Ack | E::Nak | E::TolerableReject | E::Echo,
        ) => (&[], S::Stopping),
        (S::Stopping, E::TerminateRequest) => (&[Sta], S::Stopping),
        (S::Stopping, E::UnknownCode) => (&[Scj], S::Stopping),
        (S::Stopping, E::Up) => return None,

        (S::ReqSent, E::Down) => (&[], S::Starting),
        (S::ReqSent, E::Open) => (&[], S::ReqSent),
        (S::ReqSent, E::Close) => (&[Irc, Str], S::Closing),
        (S::ReqSent, E::Timeout) => (&[Scr], S::ReqSent),
        (S::ReqSent, E::LastTimeout | E::FatalReject) => (&[Tlf], S::Stopped),
        (S::ReqSent, E::GoodRequest) => (&[Sca], S::AckSent),
        (S::ReqSent, E::BadRequest) => (&[Scn], S::ReqSent),
        (S::ReqSent, E::Ack) => (&[Irc], S::AckRcvd),
        (S::ReqSent, E::Nak) => (&[Irc, Scr], S::ReqSent),
        (S::ReqSent, E::TerminateRequest) => (&[Sta], S::ReqSent),
        (S::ReqSent, E::TerminateAck | E::TolerableReject | E::Echo) => (&[], S::ReqSent),
        (S::ReqSent, E::UnknownCode) => (&[Scj], S::ReqSent),
        (S::ReqSent, E::Up) => return None,

        (S::AckRcvd, E::Down) => (&[], S::Starting),
        (S::AckRcvd, E::Open) => (&[], S::AckRcvd),
        (S::AckRcvd, E::Close) => (&[Irc, Str], S::Closing),
        (S::AckRcvd, E::Timeout) => (&[Scr], S::ReqSent),
        (S::AckRcvd, E::LastTimeout | E::FatalReject) => (&[Tlf], S::Stopped),
        (S::AckRcvd, E::GoodRequest) => (&[Sca, Tlu], S::Opened),
        (S::AckRcvd, E::BadRequest) => (&[Scn], S::AckRcvd),
        // A second answer to one request: something is crossed, ask again (the table's `x`).
        (S::AckRcvd, E::Ack | E::Nak) => (&[Scr], S::ReqSent),
        (S::AckRcvd, E::TerminateRequest) => (&[Sta], S::ReqSent),
        (S::AckRcvd, E::TerminateAck | E::TolerableReject) => (&[], S::ReqSent),
        (S::AckRcvd, E::UnknownCode) => (&[Scj], S::AckRcvd),
        (S::AckRcvd, E::Echo) => (&[], S::AckRcvd),
        (S::AckRcvd, E::Up) => return None,

        (S::AckSent, E::Down) => (&[], S::Starting),
        (S::AckSent, E::Open) => (&[], S::AckSent),
        (S::AckSent, E::Close) => (&[Irc, Str], S::Closing),
        (S::AckSent, E::Timeout) => (&[Scr], S::AckSent),
        (S::AckSent, E::LastTimeout | E::FatalReject) => (&[Tlf], S::Stopped),
        (S::AckSent, E::GoodRequest) => (&[Sca], S::AckSent),
        (S::AckSent, E::BadRequest) => (&[Scn], S::ReqSent),
        (S::AckSent, E::Ack) => (&[Irc, Tlu], S::Opened),
        (S::AckSent, E::Nak) => (&[Irc, Scr], S::AckSent),
        (S::AckSent, E::TerminateRequest) => (&[Sta], S::ReqSent),
        (S::AckSent, E::TerminateAck | E::TolerableReject | E::Echo) => (&[], S::AckSent),
        (S::AckSent, E::UnknownCode) => (&[Scj], S::AckSent),
        (S::AckSent, E::Up) => return None,

        (S::Opened, E::Down) => (&[Tld], S::Starting),
        (S::Opened, E::Open) => (&[], S::Opened),
        (S::Opened, E::Close) => (&[Tld, Irc, Str], S::Closing),
        (S::Opened, E::GoodRequest) => (&[Tld, Scr, Sca], S::AckSent),
        (S::Opened, E::BadRequest) => (&[Tld, Scr, Scn], S::ReqSent),
        (S::Opened, E::Ack | E::Nak) => (&[Tld, Scr], S::ReqSent),
        (S::Opened, E::TerminateRequest) => (&[Tld, Zrc, Sta], S::Stopping),
        (S::Opened, E::TerminateAck) => (&[Tld, Scr], S::ReqSent),
        (S::Opened, E::UnknownCode) => (&[Scj], S::Opened),
        (S::Opened, E::TolerableReject) => (&[], S::Opened),
        (S::Opened, E::FatalReject) => (&[Tld, Irc, Str], S::Stopping),
        (S::Opened, E::Echo) => (&[Ser], S::Opened),
        (S::Opened, E::Up | E::Timeout | E::LastTimeout) => return None,
    };
    Some(cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(action: Action) -> &'static str {
        match action {
            Action::LayerUp => "tlu",
            Action::LayerDown => "tld",
            Action::LayerStarted => "tls",
            Action::LayerFinished => "tlf",
            Action::InitializeCounter => "irc",
            Action::ZeroCounter => "zrc",
            Action::ConfigureRequest => "scr",
            Action::ConfigureAck => "sca",
            Action::ConfigureNak => "scn",
            Action::TerminateRequest => "str",
            Action::TerminateAck => "sta",
            Action::CodeReject => "scj",
            Action::EchoReply => "ser",
        }
    }

    /// The whole table in the notation of RFC 1661 §4.1, to be read beside it.
    #[test]
    fn the_table() {
        let mut text = format!("{:16}", "");
        State::ALL
            .iter()
            .for_each(|state| text.push_str(&format!(" {:<13}", format!("{state:?}"))));
        for event in Event::ALL {
            text.push_str(&format!("\n{:<16}", format!("{event:?}")));
            for state in State::ALL {
                let cell = match transition(state, event) {
                    None => "-".to_owned(),
                    Some((actions, next)) => {
                        let actions: Vec<_> = actions.iter().map(|a| short(*a)).collect();
                        format!("{}/{}", actions.join(","), next as u8)
                    }
                };
                text.push_str(&format!(" {cell:<13}"));
            }
        }
        let text: Vec<_> = text.lines().map(str::trim_end).collect();
        insta::assert_snapshot!(text.join("\n"));
    }

    #[test]
    fn sending_a_request_always_leads_where_the_timer_runs() {
        for (state, event) in State::ALL.iter().flat_map(|s| Event::ALL.map(|e| (*s, e))) {
            let Some((actions, next)) = transition(state, event) else {
                continue;
            };
            let asks = actions
                .iter()
                .any(|a| matches!(a, Action::ConfigureRequest | Action::TerminateRequest));
            assert!(!asks || next.is_timed(), "{state:?} {event:?}");
        }
    }

    #[test]
    fn a_layer_is_up_exactly_in_opened() {
        for (state, event) in State::ALL.iter().flat_map(|s| Event::ALL.map(|e| (*s, e))) {
            let Some((actions, next)) = transition(state, event) else {
                continue;
            };
            let opens = state != State::Opened && next == State::Opened;
            let leaves = state == State::Opened && next != State::Opened;
            assert_eq!(
                actions.contains(&Action::LayerUp),
                opens,
                "{state:?} {event:?}"
            );
            assert_eq!(
                actions.contains(&Action::LayerDown),
                leaves,
                "{state:?} {event:?}"
            );
        }
    }
}
