//! `adit connect --check`: connects, pings the server through the tunnel, and reports. No TUN
//! device and no rights are needed: ESP travels in UDP, and the pings are made here.

use std::net::IpAddr;
use std::time::Duration;

use dataplane::net::icmp;
use engine::SessionInfo;
use tokio::sync::mpsc;
use wire::Instant;

use super::{Client, Outside, Report, queue};
use crate::cli::secrets::Secrets;
use crate::cli::{Connect, Failure};
use crate::io::clock;
use crate::io::worker::Command;

/// How long a reply is waited for before the next request.
const PATIENCE: Duration = Duration::from_secs(1);

/// Connects, pings, prints the report, hangs up.
pub(super) async fn run(
    arguments: &Connect,
    server: IpAddr,
    secrets: Secrets,
) -> Result<(), Failure> {
    let outside = Outside::open(arguments, server, false)?;
    let (inside, mut packets) = queue();
    let mut client = Client::dial(arguments, outside, secrets, inside)?;
    let started = clock::now();
    let result = match client.up(arguments.timeout).await {
        Ok(session) => match ping(&mut client, &session, arguments.count, &mut packets).await {
            Ok(round_trips) => {
                let report = Report::connected(&session, &client.desk.stages, started, round_trips);
                report.print()?;
                report.verdict(arguments.count)
            }
            Err(failure) => Err(failure),
        },
        Err(failure) => {
            if arguments.json {
                Report::failed(&failure.to_string(), &client.desk.stages, started).print()?;
            }
            Err(failure)
        }
    };
    client.leave().await;
    result
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
    for sequence in 1..=count {
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
        if wait(client, packets, reply).await? {
            round_trips.push(milliseconds(clock::now(), sent));
        }
    }
    Ok(round_trips)
}

/// Waits for a packet out of the tunnel, while everything else goes on.
async fn wait(
    client: &mut Client,
    packets: &mut mpsc::Receiver<Vec<u8>>,
    wanted: impl Fn(&[u8]) -> bool,
) -> Result<bool, Failure> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
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
