//! What `adit status` shows.

use wire::Instant;

use super::journal::{Journal, Remembered, esp, nat};
use super::meters::Meters;
use super::{Tally, wall_clock};
use crate::config::Config;
use crate::control::{
    Counters, FailureRow, GuardCounts, Held, PeerRow, PoolUse, SessionRow, StatusReport,
    protocol::SCHEMA,
};
use crate::io::{clock, worker};
use crate::logging;
use crate::shell::Shell;

/// Everything there is to know.
pub(super) fn report(
    shell: &Shell,
    config: &Config,
    journal: &Journal,
    meters: &Meters,
    interface: &str,
    started: Instant,
) -> StatusReport {
    StatusReport {
        peers: shell.engine.peers().map(peer).collect(),
        sessions: sessions(shell, meters),
        failures: journal.failures().map(failure).collect(),
        ..totals(shell, config, journal, interface, started)
    }
}

/// What needs no row for each client.
pub(super) fn totals(
    shell: &Shell,
    config: &Config,
    journal: &Journal,
    interface: &str,
    started: Instant,
) -> StatusReport {
    let engine = shell.engine.occupancy();
    let usage = shell.plane.all_usage();
    let listen = config.listen.addresses.iter().flat_map(|address| {
        [config.listen.ike_port, config.listen.natt_port].map(|port| (*address, port).into())
    });
    StatusReport {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        uptime_seconds: (clock::now() - started).as_secs(),
        listen: listen.collect(),
        public_address: config.listen.public_address,
        interface: interface.to_owned(),
        local_address: Some(config.pool.local),
        pool: PoolUse {
            size: config.pool.ranges.iter().fold(0, |sum: u64, range| {
                sum.saturating_add(u64::try_from(range.len()).unwrap_or(u64::MAX))
            }),
            used: shell.engine.addresses_lent() as u64,
        },
        counters: Counters {
            half_open: engine.half_open as u64,
            waiting_handshakes: shell.engine.waiting() as u64,
            ike_sas: engine.ike_sas as u64,
            child_sas: engine.child_sas as u64,
            packets_in: usage.received.packets,
            bytes_in: usage.received.bytes,
            packets_out: usage.sent.packets,
            bytes_out: usage.sent.bytes,
            guard: guard(shell),
            drops: drops(shell),
            refusals: journal.refusals(shell.engine.silent_refusals()),
        },
        held: held(shell),
        ..StatusReport::default()
    }
}

fn held(shell: &Shell) -> Held {
    let engine = shell.engine.occupancy();
    let plane = shell.plane.occupancy();
    let [upcalls, known, unknown] = shell.waiting();
    Held {
        peers: engine.peers as u64,
        peer_slots: plane.peers as u64,
        tunnels: engine.tunnels as u64,
        sessions: engine.sessions as u64,
        session_slots: plane.sessions as u64,
        spis: engine.spis as u64,
        inbound_slots: plane.inbound as u64,
        outbound_slots: plane.outbound as u64,
        addresses: engine.addresses as u64,
        requests: engine.requests as u64,
        timers: engine.timers as u64,
        fragment_bytes: engine.fragment_bytes as u64,
        waiting_upcalls: upcalls as u64,
        waiting_ike: known.saturating_add(unknown) as u64,
    }
}

fn guard(shell: &Shell) -> GuardCounts {
    let guard = shell.engine.guard_status(clock::now());
    GuardCounts {
        slowed_users: guard.slowed_users as u64,
        slowed_sources: guard.slowed_sources as u64,
        locked_out: guard.locked_out as u64,
        refused_logins: guard.refused_logins,
        dropped_handshakes: guard.dropped_handshakes,
        remembered: guard.remembered as u64,
        crowded_out: guard.crowded_out,
    }
}

fn failure(remembered: &Remembered) -> FailureRow {
    let Remembered { at, user, failure } = remembered;
    FailureRow {
        at: wall_clock(*at),
        seconds_ago: (clock::now() - *at).as_secs(),
        user: user.clone(),
        outer: Some(failure.outer),
        client: failure.make.to_string(),
        stage: failure.stage.name().to_owned(),
        cause: failure.cause.name().to_owned(),
        reason: failure.what.clone(),
        help: failure.help(),
        shown: failure.shown().map(str::to_owned),
    }
}

/// All sessions that carry traffic, in the order in which they came up.
pub(super) fn sessions(shell: &Shell, meters: &Meters) -> Vec<SessionRow> {
    let row = |info: engine::SessionInfo| {
        let all = shell.plane.session_usage(info.session).unwrap_or_default();
        let usage = meters.usage(info.session, all);
        SessionRow {
            session: info.session.0,
            peer: info.peer.0,
            account: info.account.map(|account| account.to_string()),
            authentication: info
                .authentication
                .map_or_else(String::new, |method| method.name().to_owned()),
            outer: Some(info.path.remote),
            inner: Some(info.remote_address),
            make: info.make.to_string(),
            nat: nat(&info.nat).to_owned(),
            encapsulation: esp(info.path.carrier).to_owned(),
            packets_in: usage.received.packets,
            bytes_in: usage.received.bytes,
            packets_out: usage.sent.packets,
            bytes_out: usage.sent.bytes,
            since: wall_clock(info.since),
            connected_seconds: (clock::now() - info.since).as_secs(),
            setup_milliseconds: u64::try_from(info.setup.as_millis()).unwrap_or(u64::MAX),
            user: info.user,
            identity: info.identity,
            key: info.key,
            phase1: info.phase1,
            phase2: info.phase2,
            tunnel_ids: info.tunnel_ids,
            session_ids: info.session_ids,
            mtu: info.mtu,
        }
    };
    shell.engine.sessions().map(row).collect()
}

fn peer(peer: engine::PeerStatus) -> PeerRow {
    PeerRow {
        peer: peer.peer.0,
        outer: Some(peer.path.remote),
        identity: peer.identity,
        make: peer.make.to_string(),
        ike_sas: peer.ike_sas as u64,
        child_sas: peer.child_sas as u64,
        tunnels: peer.tunnels as u64,
        sessions: peer.sessions as u64,
    }
}

/// Half-open handshakes that the limits of `[ipsec]` have ended.
pub(super) const GAVE_WAY: &str = "half-open handshake that gave way to a newer one";
/// Quick Modes beyond `limits.quick-modes`.
pub(super) const QUICK_MODES: &str = "Quick Mode beyond those that may be under way";
/// Pairs of ESP SAs that `limits.child-sas` has ended.
pub(super) const CHILDREN: &str = "pair of ESP SAs that gave way to a newer one";
/// First messages that were answered later, because handshakes that had begun came first.
pub(super) const WAITED: &str = "handshake that waited for others to be finished";
/// First messages for which there was no room among those.
pub(super) const TURNED_AWAY: &str = "handshake that found no room to wait";
/// Computations of handshakes beyond what may wait.
pub(super) const NO_TIME: &str = "handshake message that no thread had time for";

/// Log lines that standard error did not take.
const LOST_LINES: &str = "log line that nobody took";

/// Everything that was dropped, whoever dropped it.
pub(super) fn drops(shell: &Shell) -> Tally {
    let mut drops: Tally = shell
        .plane
        .drops()
        .map(|(reason, count)| (reason.to_string(), count))
        .collect();
    let l2tp = shell.engine.l2tp_counters();
    drops.extend(
        l2tp::DropReason::ALL
            .iter()
            .map(|reason| (reason.to_string(), l2tp.dropped(*reason))),
    );
    let ike = shell.engine.ike_counters();
    drops.insert("malformed IKE message".to_owned(), ike.malformed);
    drops.insert(
        "IKE message of an unknown SA".to_owned(),
        ike.unknown_cookies,
    );
    drops.insert(
        "IKE message that does not decrypt".to_owned(),
        ike.unauthentic,
    );
    drops.insert("IKE message out of place".to_owned(), ike.unexpected);
    drops.insert(GAVE_WAY.to_owned(), ike.evicted);
    drops.insert(QUICK_MODES.to_owned(), ike.crowded_quick_modes);
    drops.insert(CHILDREN.to_owned(), ike.crowded_children);
    drops.insert(WAITED.to_owned(), ike.waited);
    drops.insert(TURNED_AWAY.to_owned(), ike.turned_away);
    let dhcp = shell.engine.dhcp_counters();
    drops.insert("malformed DHCP message".to_owned(), dhcp.malformed);
    drops.insert(
        "DHCP message other than DHCPINFORM".to_owned(),
        dhcp.ignored,
    );
    for (name, count) in ike.fragments.drops() {
        drops.insert(name.to_owned(), count);
    }
    drops.insert(NO_TIME.to_owned(), shell.unanswered());
    drops.insert(LOST_LINES.to_owned(), logging::lost());
    for (name, count) in shell.workers().counters().flat_map(worker::Counters::lost) {
        let sum: &mut u64 = drops.entry(name.to_owned()).or_default();
        *sum = sum.saturating_add(count);
    }
    drops.retain(|_, count| *count > 0);
    drops
}
