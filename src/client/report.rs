//! The report of `adit connect --check`. Its keys are a contract: fields are only ever added.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use engine::{Profile, SessionInfo, Stage};
use serde::{Serialize, Serializer};
use wire::Instant;

use super::check::milliseconds;
use crate::cli::Failure;
use crate::server::journal::nat;

/// What came of a check.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Whether traffic could flow.
    pub connected: bool,
    /// Whose ways the connection had.
    pub profile: &'static str,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Server and security, if it got that far.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionReport>,
    /// Round trips through the tunnel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round_trip: Option<RoundTrips>,
    /// How long each stage took, in milliseconds, in the order of connecting.
    pub milliseconds: StageTimes,
    /// From the first packet to open IPCP, or to the failure, in milliseconds.
    pub total_milliseconds: f64,
}

/// Everything about a session.
#[derive(Debug, Clone, Serialize)]
pub struct SessionReport {
    /// The server's address and port.
    pub server: SocketAddr,
    /// Algorithms of phase 1.
    pub phase1: String,
    /// Algorithms of phase 2.
    pub phase2: String,
    /// Who is behind NAT: "none", "client" (this side), "server", "both".
    pub nat: &'static str,
    /// Whether NAT was pretended, so that ESP travels in UDP.
    pub nat_pretended: bool,
    /// The server's phase 1 identity.
    pub identity: String,
    /// What the server's vendor ids give away.
    pub make: String,
    /// How we logged in.
    pub authentication: String,
    /// Our address inside.
    pub address: IpAddr,
    /// The server's address inside.
    pub peer_address: IpAddr,
    /// DNS servers we were given, each once.
    pub dns: Vec<Ipv4Addr>,
    /// NetBIOS name servers we were given, each once.
    pub wins: Vec<Ipv4Addr>,
    /// Networks that the server wants sent into the tunnel.
    pub routes: Vec<String>,
    /// The domain that the server wants searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Our and the server's L2TP tunnel id.
    pub tunnel_ids: (u16, u16),
    /// Our and the server's L2TP session id.
    pub session_ids: (u16, u16),
    /// The longest IP packet to the server, in bytes.
    pub mtu: u16,
}

/// Stages with their durations: an object in JSON, whose keys stand in the order of connecting.
#[derive(Debug, Clone, Default)]
pub struct StageTimes(Vec<(&'static str, f64)>);

impl Serialize for StageTimes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().copied())
    }
}

/// Pings, in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub struct RoundTrips {
    /// Replies that came.
    pub received: usize,
    /// Of each reply.
    pub milliseconds: Vec<f64>,
}

impl Report {
    pub(super) fn connected(
        profile: Profile,
        session: &SessionInfo,
        stages: &[(Stage, Instant)],
        started: Instant,
        round_trips: Vec<f64>,
    ) -> Self {
        Self {
            connected: true,
            error: None,
            session: Some(SessionReport::of(session)),
            round_trip: Some(RoundTrips {
                received: round_trips.len(),
                milliseconds: round_trips,
            }),
            ..Self::timed(profile, stages, started)
        }
    }

    pub(super) fn failed(
        profile: Profile,
        why: &str,
        stages: &[(Stage, Instant)],
        started: Instant,
        now: Instant,
    ) -> Self {
        Self {
            error: Some(why.to_owned()),
            total_milliseconds: milliseconds(now, started),
            ..Self::timed(profile, stages, started)
        }
    }

    fn timed(profile: Profile, stages: &[(Stage, Instant)], started: Instant) -> Self {
        let mut times = Vec::new();
        let mut before = started;
        for (stage, at) in stages {
            times.push((stage.name(), milliseconds(*at, before)));
            before = *at;
        }
        Self {
            profile: profile.name(),
            milliseconds: StageTimes(times),
            total_milliseconds: milliseconds(before, started),
            ..Self::default()
        }
    }

    /// One JSON object on standard output.
    pub(super) fn print(&self) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, self)
            .map_err(std::io::Error::from)
            .and_then(|()| writeln!(out))
            .map_err(|error| Failure::Failed(format!("standard output: {error}")))
    }

    /// Connected is not enough: something must have come back through the tunnel.
    pub(super) fn verdict(&self, count: u16) -> Result<(), Failure> {
        match &self.round_trip {
            Some(trips) if trips.received > 0 || count == 0 => Ok(()),
            _ => Err(Failure::Failed(
                "connected, but no ping through the tunnel was answered: does the server's firewall \
                 let its own inner address be pinged?"
                    .to_owned(),
            )),
        }
    }
}

impl SessionReport {
    fn of(session: &SessionInfo) -> Self {
        Self {
            server: session.path.remote,
            phase1: session.phase1.clone(),
            phase2: session.phase2.clone(),
            nat: nat(&ike::Nat {
                peer: session.nat.here,
                here: session.nat.peer,
                ..session.nat
            }),
            nat_pretended: session.nat.forced,
            identity: session.identity.clone(),
            make: session.make.to_string(),
            authentication: session
                .authentication
                .map_or_else(|| "none".to_owned(), |method| method.name().to_owned()),
            address: session.local_address,
            peer_address: session.remote_address,
            dns: distinct(session.dns),
            wins: distinct(session.wins),
            routes: session.routes.iter().map(ToString::to_string).collect(),
            domain: session.domain.clone(),
            tunnel_ids: session.tunnel_ids,
            session_ids: session.session_ids,
            mtu: session.mtu,
        }
    }
}

/// QUIRK(pppd): a server with one name server gives it as the primary and as the secondary one.
fn distinct(servers: [Option<Ipv4Addr>; 2]) -> Vec<Ipv4Addr> {
    let mut known: Vec<_> = servers.into_iter().flatten().collect();
    known.dedup();
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_takes_the_time_until_it_is_one() {
        let at = |ms| Instant::from_boot(std::time::Duration::from_millis(ms));
        let stages = [(Stage::Phase1, at(1_250))];
        let profile = Profile::default();
        let report = Report::failed(profile, "no answer", &stages, at(1_000), at(31_000));
        assert_eq!(report.milliseconds.0, [("phase1", 250.0)]);
        assert_eq!(report.total_milliseconds, 30_000.0);
        let report = Report::failed(profile, "no answer", &[], at(1_000), at(31_000));
        assert_eq!(report.total_milliseconds, 30_000.0);
    }

    #[test]
    fn a_name_server_given_twice_is_reported_once() {
        let (a, b) = (Ipv4Addr::new(192, 0, 2, 53), Ipv4Addr::new(192, 0, 2, 54));
        assert_eq!(distinct([Some(a), Some(a)]), [a]);
        assert_eq!(distinct([Some(a), Some(b)]), [a, b]);
        assert_eq!(distinct([None, Some(b)]), [b]);
    }
}
