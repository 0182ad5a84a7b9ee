//! What came of it. The keys of the JSON are a contract: they are only ever added to.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use engine::Stage;
use rustix::time::{ClockId, clock_gettime};
use serde::{Serialize, Serializer};
use wire::Instant;

use super::plan::Plan;
use super::tally::{Sentences, Tally, Times};
use crate::io::memory::Memory;

/// How it went, beside what is counted.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) started: Instant,
    /// When each client had come up or failed.
    pub(super) ramp_ended: Option<Instant>,
    /// How many had come up by then.
    pub(super) ramp_up: u64,
    pub(super) hold_ended: Option<Instant>,
    pub(super) ended: Instant,
    /// Sessions at the end of the hold.
    pub(super) up: usize,
    /// Somebody has ended it before its time.
    pub(super) interrupted: bool,
    /// It was given up, because everything failed.
    pub(super) hopeless: bool,
    pub(super) drops: BTreeMap<&'static str, u64>,
    pub(super) process: Process,
}

impl Outcome {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            started: now,
            ramp_ended: None,
            ramp_up: 0,
            hold_ended: None,
            ended: now,
            up: 0,
            interrupted: false,
            hopeless: false,
            drops: BTreeMap::new(),
            process: Process::default(),
        }
    }
}

/// What it has cost on this side.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Process {
    cpu_seconds: f64,
    resident_kib: i64,
    most_resident_kib: i64,
}

impl Process {
    pub(super) fn now() -> Self {
        let memory = Memory::now().unwrap_or_default();
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        Self {
            cpu_seconds: rounded(cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9),
            resident_kib: memory.resident,
            most_resident_kib: memory.most_resident,
        }
    }
}

/// Everything, as a program reads it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    server: IpAddr,
    profile: &'static str,
    clients: u32,
    /// Whether all came up and stayed, or are back.
    pub(super) ok: bool,
    interrupted: bool,
    seconds: Seconds,
    connects: Connects,
    sessions: Sessions,
    milliseconds: StageTimes,
    return_milliseconds: Percentiles,
    failures: Vec<Reason>,
    losses: Vec<Reason>,
    traffic: Traffic,
    process: Process,
    drops: BTreeMap<&'static str, u64>,
    #[serde(skip)]
    hopeless: bool,
}

#[derive(Debug, Serialize)]
struct Seconds {
    ramp: f64,
    hold: f64,
    leave: f64,
    all: f64,
}

#[derive(Debug, Serialize)]
struct Connects {
    begun: u64,
    up: u64,
    failed: u64,
    per_second: f64,
    most_per_second: u64,
}

#[derive(Debug, Serialize)]
struct Sessions {
    up: usize,
    most: usize,
    left: u64,
    lost: u64,
    returned: u64,
}

#[derive(Debug, Serialize)]
struct Traffic {
    sent: u64,
    answered: u64,
    milliseconds: Percentiles,
}

#[derive(Debug, Serialize)]
struct Reason {
    count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<&'static str>,
    cause: String,
}

/// An object in JSON, whose keys stand in the order of connecting.
#[derive(Debug)]
struct StageTimes(Vec<(&'static str, Percentiles)>);

impl Serialize for StageTimes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, times)| (*name, times)))
    }
}

/// In milliseconds.
#[derive(Debug, Serialize)]
struct Percentiles {
    count: u64,
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

impl From<&Times> for Percentiles {
    fn from(times: &Times) -> Self {
        Self {
            count: times.count(),
            p50: rounded(times.quantile(0.5)),
            p90: rounded(times.quantile(0.9)),
            p99: rounded(times.quantile(0.99)),
            max: rounded(times.max()),
        }
    }
}

impl Report {
    pub(super) fn new(plan: &Plan, outcome: &Outcome, tally: &Tally) -> Self {
        let clients = usize::try_from(plan.clients).unwrap_or(usize::MAX);
        let redial = plan.arguments.redial;
        let seconds = |from: Instant, to: Instant| rounded(to.saturating_since(from).as_secs_f64());
        let hold_ended = outcome.hold_ended.unwrap_or(outcome.ended);
        let ramp_ended = outcome.ramp_ended.unwrap_or(hold_ended);
        let ramp = seconds(outcome.started, ramp_ended);
        let ramp_up = match outcome.ramp_ended {
            Some(_) => outcome.ramp_up,
            None => tally.up,
        };
        let mut milliseconds: Vec<_> = Stage::ALL
            .into_iter()
            .filter_map(|stage| Some((stage.name(), tally.stages.get(&stage)?.into())))
            .collect();
        milliseconds.push(("total", (&tally.total).into()));
        Self {
            server: plan.server,
            profile: plan.arguments.profile.name(),
            clients: plan.clients,
            ok: outcome.up == clients && (redial || (tally.failed == 0 && tally.lost == 0)),
            interrupted: outcome.interrupted,
            seconds: Seconds {
                ramp,
                hold: seconds(ramp_ended, hold_ended),
                leave: seconds(hold_ended, outcome.ended),
                all: seconds(outcome.started, outcome.ended),
            },
            connects: Connects {
                begun: tally.begun,
                up: tally.up,
                failed: tally.failed,
                per_second: rounded(ramp_up as f64 / ramp.max(0.001)),
                most_per_second: tally.most_per_second(),
            },
            sessions: Sessions {
                up: outcome.up,
                most: tally.most,
                left: tally.left,
                lost: tally.lost,
                returned: tally.returned,
            },
            milliseconds: StageTimes(milliseconds),
            return_milliseconds: (&tally.returns).into(),
            failures: reasons(&tally.failures),
            losses: reasons(&tally.losses),
            traffic: Traffic {
                sent: tally.sent,
                answered: tally.answered,
                milliseconds: (&tally.round_trips).into(),
            },
            process: outcome.process,
            drops: outcome.drops.clone(),
            hopeless: outcome.hopeless,
        }
    }

    pub(super) fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }

    /// For people.
    pub(super) fn write_table(&self, out: &mut dyn Write) -> io::Result<()> {
        let (connects, sessions, seconds) = (&self.connects, &self.sessions, &self.seconds);
        if self.hopeless {
            writeln!(
                out,
                "given up: {} dials have failed and none has come up",
                connects.failed
            )?;
        }
        writeln!(
            out,
            "{} of {} clients up; {} connects in {:.1} s, {:.1} a second (at most {} within one)",
            sessions.up,
            self.clients,
            connects.up,
            seconds.all,
            connects.per_second,
            connects.most_per_second
        )?;
        writeln!(
            out,
            "{} failed, {} lost, {} returned, {} left and were replaced",
            connects.failed, sessions.lost, sessions.returned, sessions.left
        )?;
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(["milliseconds", "count", "p50", "p90", "p99", "max"]);
        let others = [
            ("return", &self.return_milliseconds),
            ("ping", &self.traffic.milliseconds),
        ];
        let stages = self
            .milliseconds
            .0
            .iter()
            .map(|(name, times)| (*name, times));
        for (name, times) in stages.chain(others) {
            if times.count > 0 {
                let number = |number: f64| format!("{number:.1}");
                table.add_row([
                    name.to_owned(),
                    times.count.to_string(),
                    number(times.p50),
                    number(times.p90),
                    number(times.p99),
                    number(times.max),
                ]);
            }
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(out, "\n{table}\n")?;
        for (what, reasons) in [("failed", &self.failures), ("lost", &self.losses)] {
            for Reason {
                count,
                stage,
                cause,
            } in reasons
            {
                let stage = stage.map_or_else(String::new, |stage| format!(" at {stage}"));
                writeln!(out, "{count} {what}{stage}: {cause}")?;
            }
        }
        if self.traffic.sent > 0 {
            let Traffic { sent, answered, .. } = self.traffic;
            writeln!(out, "{answered} of {sent} pings were answered")?;
        }
        for (name, count) in &self.drops {
            writeln!(out, "{count} {name} on this side")?;
        }
        writeln!(
            out,
            "this side: {:.1} s of processor time, {} MiB of memory at most",
            self.process.cpu_seconds,
            self.process.most_resident_kib / 1_024
        )
    }
}

fn reasons(sentences: &Sentences) -> Vec<Reason> {
    let all = sentences.all().into_iter();
    all.map(|(count, stage, cause)| Reason {
        count,
        stage: stage.map(Stage::name),
        cause: cause.to_owned(),
    })
    .collect()
}

/// With three digits behind the point.
fn rounded(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}
