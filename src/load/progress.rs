//! What is told meanwhile, on standard error: a bar, lines, or JSON.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use wire::Instant;

use super::clients::Clients;
use super::run::Stage;
use crate::cli::load::Progress as How;

/// Between two lines.
const LINES: Duration = Duration::from_secs(10);
/// Between two JSON objects.
const OBJECTS: Duration = Duration::from_secs(1);
/// Between two looks at the bar.
const FRAMES: Duration = Duration::from_millis(200);

/// How things stand. The keys of its JSON are a contract: they are only ever added to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Snapshot {
    /// Since the start; filled in when it is shown.
    seconds: f64,
    phase: &'static str,
    begun: u64,
    connecting: usize,
    up: usize,
    failed: u64,
    lost: u64,
    sent: u64,
    answered: u64,
}

impl Snapshot {
    pub(super) fn of(stage: Stage, clients: &Clients) -> Self {
        let tally = &clients.tally;
        Self {
            seconds: 0.0,
            phase: match stage {
                Stage::Ramp => "ramp",
                Stage::Hold { .. } | Stage::Settle { .. } => "hold",
                Stage::Leave | Stage::Over => "leave",
            },
            begun: tally.begun,
            connecting: clients.connecting(),
            up: clients.up(),
            failed: tally.failed,
            lost: tally.lost,
            sent: tally.sent,
            answered: tally.answered,
        }
    }

    /// In words.
    fn sentence(&self) -> String {
        let mut text = format!(
            "{}: {} up, {} connecting, {} failed, {} lost",
            self.phase, self.up, self.connecting, self.failed, self.lost
        );
        if self.sent > 0 {
            text.push_str(&format!(
                ", {} of {} pings answered",
                self.answered, self.sent
            ));
        }
        text
    }
}

/// Shows snapshots now and then.
pub(super) struct Progress {
    started: Instant,
    next: Instant,
    shown: Option<&'static str>,
    form: Form,
}

enum Form {
    Bar(ProgressBar),
    Lines,
    Json,
    Silent,
}

impl Progress {
    pub(super) fn new(now: Instant, how: How, clients: u32) -> Self {
        let form = match how {
            How::Auto if std::io::stderr().is_terminal() => Form::Bar(bar(clients)),
            How::Bar => Form::Bar(bar(clients)),
            How::Auto | How::Lines => Form::Lines,
            How::Json => Form::Json,
            How::None => Form::Silent,
        };
        Self {
            started: now,
            next: now,
            shown: None,
            form,
        }
    }

    /// Shows how things stand, if it is time, or if something new has begun.
    pub(super) fn show(&mut self, now: Instant, snapshot: &Snapshot) {
        let is_new = self.shown.replace(snapshot.phase) != Some(snapshot.phase);
        if now < self.next && !is_new {
            return;
        }
        let elapsed = now.saturating_since(self.started);
        let mut out = std::io::stderr().lock();
        // Whoever does not look any more is no reason to stop.
        let pause = match &self.form {
            Form::Bar(bar) => {
                bar.set_position(u64::try_from(snapshot.up).unwrap_or(u64::MAX));
                bar.set_message(snapshot.sentence());
                FRAMES
            }
            Form::Lines => {
                let _ = writeln!(out, "{:>6} s  {}", elapsed.as_secs(), snapshot.sentence());
                LINES
            }
            Form::Json => {
                let seconds = (elapsed.as_secs_f64() * 1_000.0).round() / 1_000.0;
                let snapshot = Snapshot {
                    seconds,
                    ..*snapshot
                };
                if let Ok(line) = serde_json::to_string(&snapshot) {
                    let _ = writeln!(out, "{line}");
                }
                OBJECTS
            }
            Form::Silent => OBJECTS,
        };
        self.next = now + pause;
    }

    pub(super) fn finish(&self) {
        if let Form::Bar(bar) = &self.form {
            bar.finish_and_clear();
        }
    }
}

fn bar(clients: u32) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(clients.into()), ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("{elapsed:>5} [{bar:30}] {pos}/{len}  {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
