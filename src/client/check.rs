//! `adit connect --check`: connects, pings the server through the tunnel, and reports. No TUN
//! device and no rights are needed: ESP travels in UDP, and the pings are made here.

use std::net::IpAddr;
use std::time::Duration;

use dataplane::net::icmp;
use engine::{SessionInfo, Stage};
use tokio::sync::mpsc;
use wire::Instant;

use super::{Client, Outside, Report, queue};
use crate::cli::secrets::Secrets;
use crate::cli::{Connect, Failure};
use crate::io::clock;
use crate::io::worker::Command;

/// How long a reply is waited for before the next request.
const PATIENCE: Duration = Duration::from_secs(1);
/// The same for the first reply of all, which does not count.
const KNOCK: Duration = Duration::from_millis(50);
/// How often that first reply is asked for.
const KNOCKS: u16 = 20;
/// How long the server's routes are waited for, in all a quarter of a second.
const HEARING: Duration = Duration::from_millis(10);
const HEARINGS: u32 = 25;

/// Which echo requests are sent, in order.
///
/// QUIRK(pppd): it acknowledges our last IPCP request first and brings its interface up then,
/// after a script of the administrator's, so that what follows at once is lost. Requests with
/// sequence number 0 find out when it is ready, and count for nothing.
#[derive(Debug)]
struct Pings {
    knocks: u16,
    sequence: u16,
    count: u16,
}

impl Pings {
    const fn new(count: u16) -> Self {
        Self {
            knocks: 0,
            sequence: 0,
            count,
        }
    }

    /// Sequence number of the next request and how long to wait for its reply; `answered` says
    /// whether the one before had its reply.
    fn next(&mut self, answered: bool) -> Option<(u16, Duration)> {
        if self.count > 0 && self.sequence == 0 && !answered && self.knocks < KNOCKS {
            self.knocks = self.knocks.saturating_add(1);
            return Some((0, KNOCK));
        }
        if self.sequence >= self.count {
            return None;
        }
        self.sequence = self.sequence.saturating_add(1);
        Some((self.sequence, PATIENCE))
    }
}

/// Connects, pings, prints the report, hangs up.
pub(super) async fn run(
    arguments: &Connect,
    server: IpAddr,
    secrets: Secrets,
) -> Result<(), Failure> {
    let begun = clock::now();
    let not_dialled = |error: anyhow::Error| told(arguments, error.into(), &[], begun);
    let outside = Outside::open(arguments, server, false).map_err(not_dialled)?;
    let (inside, mut packets) = queue();
    let mut client = Client::dial(arguments, outside, secrets, inside).map_err(not_dialled)?;
    let started = clock::now();
    let pinged = match client.up(arguments.timeout).await {
        Ok(session) => ping(&mut client, &session, arguments.count, &mut packets)
            .await
            .map(|round_trips| (session, round_trips)),
        Err(failure) => Err(failure),
    };
    let result = match pinged {
        Ok((session, round_trips)) => {
            hear_out(&mut client, &mut packets).await;
            let session = client.desk.up.as_ref().unwrap_or(&session);
            let report = Report::connected(
                arguments.profile,
                session,
                &client.desk.stages,
                started,
                round_trips,
            );
            let printed = report.print();
            printed.and_then(|()| report.verdict(arguments.count))
        }
        Err(failure) => Err(told(arguments, failure, &client.desk.stages, started)),
    };
    client.leave().await;
    result
}

/// Why there is no report of a session, once it is printed as JSON if that is wanted.
pub(super) fn told(
    arguments: &Connect,
    failure: Failure,
    stages: &[(Stage, Instant)],
    started: Instant,
) -> Failure {
    if !arguments.json {
        return failure;
    }
    // With its causes.
    let why = format!("{failure:#}");
    let report = Report::failed(arguments.profile, &why, stages, started, clock::now());
    report.print().err().unwrap_or(failure)
}

/// Pings the server's inner address; the round trips of the replies that came, in milliseconds.
async fn ping(
    client: &mut Client,
    session: &SessionInfo,
    count: u16,
    packets: &mut mpsc::Receiver<Vec<u8>>,
) -> Result<Vec<f64>, Failure> {
    let identifier = u16::try_from(std::process::id() % 0x1_0000).unwrap_or(0);
    let mut round_trips = Vec::new();
    let (mut pings, mut answered) = (Pings::new(count), false);
    while let Some((sequence, patience)) = pings.next(answered) {
        let request = icmp::echo_request(
            session.local_address,
            session.remote_address,
            identifier,
            sequence,
            b"adit connect --check",
        );
        let Some(request) = request else {
            return Err(Failure::Failed(
                "the server has no inner address to ping".to_owned(),
            ));
        };
        let sent = clock::now();
        client.shell.command(Command::Inject(request)).await?;
        let reply = |packet: &[u8]| {
            icmp::parse_echo_reply(packet)
                .is_some_and(|echo| echo.identifier == identifier && echo.sequence == sequence)
        };
        answered = wait(client, packets, patience, reply).await?;
        if answered && sequence > 0 {
            round_trips.push(milliseconds(clock::now(), sent));
        }
    }
    Ok(round_trips)
}

/// Gives the server a moment to tell routes and search domain: a ping is answered faster. If the
/// session ends meanwhile, there is nothing more to hear.
async fn hear_out(client: &mut Client, packets: &mut mpsc::Receiver<Vec<u8>>) {
    for _ in 0..HEARINGS {
        if client.desk.informed || wait(client, packets, HEARING, |_| false).await.is_err() {
            break;
        }
    }
}

/// Waits for a packet out of the tunnel, while everything else goes on.
async fn wait(
    client: &mut Client,
    packets: &mut mpsc::Receiver<Vec<u8>>,
    patience: Duration,
    wanted: impl Fn(&[u8]) -> bool,
) -> Result<bool, Failure> {
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        if let Some(reason) = client.desk.down.take() {
            return Err(client.explain(&reason));
        }
        tokio::select! {
            biased;
            packet = packets.recv() => match packet {
                Some(packet) if wanted(&packet) => return Ok(true),
                Some(_) => {}
                None => return Ok(false),
            },
            input = client.shell.next() => {
                client.shell.handle(input?, &mut client.desk).await?;
            }
            () = tokio::time::sleep_until(deadline) => return Ok(false),
        }
    }
}

/// The time from `earlier` to `later`, in milliseconds.
pub(super) fn milliseconds(later: Instant, earlier: Instant) -> f64 {
    let micros = u32::try_from((later - earlier).as_micros()).unwrap_or(u32::MAX);
    f64::from(micros) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pings sent to a server that answers from the `ready`th on.
    fn sent(count: u16, ready: usize) -> Vec<u16> {
        let (mut pings, mut sent) = (Pings::new(count), Vec::new());
        while let Some((sequence, _)) = pings.next(sent.len() >= ready) {
            sent.push(sequence);
        }
        sent
    }

    #[test]
    fn pings_count_from_when_the_server_is_ready() {
        assert_eq!(sent(3, 1), [0, 1, 2, 3]);
        assert_eq!(sent(2, 4), [0, 0, 0, 0, 1, 2]);
    }

    #[test]
    fn a_server_that_never_answers_is_pinged_all_the_same() {
        let sent = sent(2, usize::MAX);
        assert_eq!(sent.len(), usize::from(KNOCKS) + 2);
        assert!(sent.ends_with(&[0, 1, 2]));
    }

    #[test]
    fn no_pings_wanted_none_sent() {
        assert!(sent(0, 1).is_empty());
    }
}
