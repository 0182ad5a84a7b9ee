//! What goes with a session outside of its packets: an interface of its own, proxy ARP, the operator's
//! scripts.
//!
//! The control loop says what happens and never waits. What takes time is done by threads, in order for
//! each session, and passes two stations: [`interface`], which is quick, and [`runner`], which is as
//! slow as the scripts are. Where the client has to wait, the answer comes back to the loop as the
//! answer to the engine's request.

mod interface;
mod runner;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dataplane::SessionUsage;
use engine::{LoggedIn, RequestId, SessionId, SessionInfo};
use tracing::warn;

use self::interface::{Interface, Means, Task, Terms};
use crate::io::clock;
use crate::io::neighbour::Proxies;
use crate::io::session_device::SessionDevices;
use crate::io::worker::Commands;
use crate::scripts::Scripts;
use crate::scripts::environment::{Network, Own, Subject, Summary};
use crate::scripts::queue::{Full, Lanes};
use crate::shell::Answers;

/// Scripts that may run at a time.
const SIDE_BY_SIDE: usize = 32;
/// Threads that set up interfaces. The kernel does one at a time.
const SETTING_UP: usize = 2;

/// What sessions are to have.
pub(super) struct Plan {
    pub(super) scripts: Scripts,
    /// The interface of all sessions; their own ones name themselves.
    pub(super) interface: String,
    /// The devices of sessions; `None` where there is one for all.
    pub(super) devices: Option<Arc<SessionDevices>>,
    /// Whether this host answers on Ethernet for clients of whom nothing else is said.
    pub(super) proxy_arp: bool,
}

/// All sessions whose user has logged in, and what is done for them.
pub(super) struct Attendance {
    interface: String,
    proxy_arp: bool,
    /// Whether there is anything to do for a session of whom nothing special is said.
    idle: bool,
    lanes: Lanes<Interface>,
    means: Arc<Means>,
    subjects: BTreeMap<SessionId, Subject>,
}

impl Attendance {
    pub(super) fn new(plan: Plan, answers: Answers, commands: Commands) -> Self {
        let idle = plan.scripts.is_empty() && plan.devices.is_none() && !plan.proxy_arp;
        Self {
            interface: plan.interface,
            proxy_arp: plan.proxy_arp,
            idle,
            lanes: Lanes::new("interface", SETTING_UP),
            means: Arc::new(Means {
                scripts: Arc::new(plan.scripts),
                runners: Lanes::new("script", SIDE_BY_SIDE),
                answers,
                devices: plan.devices,
                commands,
                proxies: Proxies::default(),
                ending: AtomicBool::new(false),
            }),
            subjects: BTreeMap::new(),
        }
    }

    /// The neighbour entries of all sessions.
    pub(super) fn proxies(&self) -> &Proxies {
        &self.means.proxies
    }

    /// Whether what comes in by interfaces of sessions that come from now on is passed on, also
    /// where forwarding is not on for all of the host.
    pub(super) fn set_forwarding(&self, on: bool) {
        if let Some(devices) = &self.means.devices {
            devices.set_forwarding(on);
        }
    }

    pub(super) fn logged_in(&mut self, login: &LoggedIn) {
        if self.idle && login.terms.proxy_arp != Some(true) {
            return;
        }
        let subject = Subject {
            session: login.session.0,
            interface: self.interface.clone(),
            unit: None,
            user: login.account.as_bytes().to_vec(),
            outer: login.path.remote,
            network: None,
            summary: None,
            own: Own {
                ipparam: login.terms.ip_param.clone(),
                set: login.terms.variables.clone(),
            },
        };
        let task = Task::LoggedIn(Box::new(subject.clone()));
        if let Err(full) = self.submit(login.session, task) {
            warn!(session = login.session.0, "auth-up is not run: {full}");
        }
        self.subjects.insert(login.session, subject);
    }

    /// What must be done before the client may send. `None`: the answer comes later.
    pub(super) fn prepare(
        &mut self,
        request: RequestId,
        info: &SessionInfo,
    ) -> Option<Result<(), String>> {
        let Some(subject) = self.subjects.get_mut(&info.session) else {
            return Some(Ok(()));
        };
        subject.network = Some(Network {
            local: info.local_address,
            remote: info.remote_address,
            dns: info.dns,
            wins: info.wins,
        });
        subject.summary = None;
        subject.outer = info.path.remote;
        let terms = Terms {
            local: info.local_address,
            remote: info.remote_address,
            mtu: info.mtu,
            proxy_arp: info.terms.proxy_arp.unwrap_or(self.proxy_arp),
        };
        let task = Task::Prepare(request, Box::new(subject.clone()), terms);
        match self.submit(info.session, task) {
            Ok(()) => None,
            Err(full) => Some(Err(full.to_string())),
        }
    }

    pub(super) fn up(&mut self, info: &SessionInfo) {
        if let Some(subject) = self.subjects.get(&info.session) {
            let task = Task::Up(Box::new(subject.clone()));
            if let Err(full) = self.submit(info.session, task) {
                warn!(session = info.session.0, "ip-up is not run: {full}");
            }
        }
    }

    pub(super) fn down(&mut self, info: &SessionInfo, usage: SessionUsage, reason: String) {
        if let Some(subject) = self.subjects.get_mut(&info.session) {
            subject.summary = Some(Summary {
                seconds: (clock::now() - info.since).as_secs(),
                sent: usage.sent.bytes,
                received: usage.received.bytes,
                reason,
            });
            let task = Task::Down(Box::new(subject.clone()));
            self.submit_undoing(info.session, task);
        }
    }

    pub(super) fn logged_out(&mut self, session: SessionId) {
        if let Some(subject) = self.subjects.remove(&session) {
            self.submit_undoing(session, Task::LoggedOut(Box::new(subject)));
        }
    }

    /// Waits for what is at work, at most so long.
    pub(super) fn finish(&self, limit: Duration) {
        let end = clock::now() + limit;
        self.means.ending.store(true, Ordering::Relaxed);
        // What is left undone here, the end of the process does.
        self.lanes.finish(limit);
        let rest = end.saturating_since(clock::now());
        self.means.runners.finish(rest);
        let left = match self.waiting() {
            0 => return,
            1 => "1 script was".to_owned(),
            count => format!("{count} scripts were"),
        };
        warn!("{left} not run any more, as the time for goodbyes is over");
    }

    /// Scripts that wait at either station. What leads to one that there is not is none.
    fn waiting(&self) -> usize {
        let (scripts, runners) = (&self.means.scripts, &self.means.runners);
        let is_there = |kind| scripts.path(kind).is_some();
        let first = self.lanes.waiting(|task| is_there(task.script()));
        first + runners.waiting(|script| is_there(script.kind()))
    }

    fn submit(&self, session: SessionId, task: Task) -> Result<(), Full> {
        let new = || Interface::new(&self.means);
        self.lanes.submit(session.0, task, new)
    }

    fn submit_undoing(&self, session: SessionId, task: Task) {
        let new = || Interface::new(&self.means);
        self.lanes.submit_undoing(session.0, task, new);
    }
}

/// However the server ends: what its threads still hold of the neighbour entries is not dropped
/// before the process is gone, and the kernel would keep them.
impl Drop for Attendance {
    fn drop(&mut self) {
        self.means.proxies.clear();
    }
}

#[cfg(test)]
mod tests;
