//! The ciphers alone: what a server would need if moving packets cost nothing.

use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use esp::{Cipher, Incoming, Integrity, Keys, Opener, Sealer, SideBySide, Suite, Unsealed};
use nix::time::{ClockId, clock_gettime};
use serde::Serialize;
use wire::Instant;

/// The protocol inside: UDP, which L2TP travels in.
const UDP: u8 = 17;

#[derive(Args)]
pub struct Ciphers {
    /// Encryption and integrity
    #[arg(long, value_enum)]
    suite: Name,
    /// Bytes that are sealed in each packet
    #[arg(long, default_value_t = 1418)]
    payload: usize,
    /// Packets side by side: 44 fit into one datagram of UDP GSO
    #[arg(long, default_value_t = 44)]
    batch: usize,
    /// How many packets in all, at least
    #[arg(long, default_value_t = 200_000)]
    packets: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum Name {
    #[value(name = "aes256-sha1")]
    Aes256Sha1,
    #[value(name = "aes256-sha256")]
    Aes256Sha256,
    #[value(name = "aes128gcm16")]
    Aes128Gcm16,
}

#[derive(Serialize)]
pub struct Report {
    packets: usize,
    /// Packets that are worth computing the check value side by side; `null`: one by one is quicker.
    side_by_side_from: Option<usize>,
    /// CPU seconds of all of them.
    seal_seconds: f64,
    /// CPU seconds of all of them.
    open_seconds: f64,
}

impl Ciphers {
    pub fn run(&self) -> anyhow::Result<Report> {
        let suite = match self.suite {
            Name::Aes256Sha1 => Suite::new(Cipher::AesCbc256, Some(Integrity::HmacSha1_96)),
            Name::Aes256Sha256 => Suite::new(Cipher::AesCbc256, Some(Integrity::HmacSha256_128)),
            Name::Aes128Gcm16 => Suite::new(Cipher::AesGcm128, None),
        };
        anyhow::ensure!(self.batch > 0, "a batch has at least one packet");
        let keys = Keys::from_material(suite, &vec![7; suite.key_lengths().total()])
            .context("keys of the wrong length")?;
        // As a server does when it starts.
        let side_by_side = SideBySide::measured(|| {
            Instant::from_boot(time(ClockId::CLOCK_MONOTONIC).unwrap_or_default())
        });
        let sealer = Sealer::new(suite, 0x1234_5678, &keys)?.side_by_side(side_by_side);
        let opener = Opener::new(suite, &keys)?.side_by_side(side_by_side);
        let room = suite.sealed_len(self.payload);
        let mut arena = vec![0; room * self.batch];
        let mut report = Report {
            packets: 0,
            side_by_side_from: suite.integrity.and_then(|hash| side_by_side.packets(hash)),
            seal_seconds: 0.0,
            open_seconds: 0.0,
        };
        while report.packets < self.packets {
            let sequence = u32::try_from(report.packets + 1).context("too many packets")?;
            // Opened packets are sealed again as they lie: what is in them does not matter.
            let mut unsealed: Vec<_> = arena
                .chunks_mut(room)
                .map(|room| Unsealed {
                    room,
                    payload: self.payload,
                })
                .collect();
            let start = cpu_seconds()?;
            sealer.seal_batch(sequence, UDP, &mut unsealed)?;
            let sealed = cpu_seconds()?;
            report.seal_seconds += sealed - start;

            let mut incoming: Vec<_> = arena.chunks_mut(room).map(Incoming::new).collect();
            let start = cpu_seconds()?;
            opener.open_batch(&mut incoming);
            report.open_seconds += cpu_seconds()? - start;
            anyhow::ensure!(
                incoming.iter().all(|packet| packet.outcome.is_ok()),
                "a packet that was sealed does not open"
            );
            report.packets += self.batch;
        }
        Ok(report)
    }
}

/// What this process has used of the CPU: others that run meanwhile do not count.
fn cpu_seconds() -> anyhow::Result<f64> {
    Ok(time(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.as_secs_f64())
}

fn time(clock: ClockId) -> nix::Result<Duration> {
    clock_gettime(clock).map(Duration::from)
}
