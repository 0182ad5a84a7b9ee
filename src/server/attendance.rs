//! What goes with a session outside of its packets: the operator's scripts.
//!
//! The control loop says what happens and never waits. What takes time is done by threads of its own, in
//! order for each session ([`Lanes`]); where the client has to wait for it, the answer comes back to
//! the loop as an answer to the engine's request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dataplane::SessionUsage;
use engine::{Answer, LoggedIn, RequestId, SessionId, SessionInfo};
use tracing::warn;

use crate::io::clock;
use crate::scripts::environment::{Network, Own, Subject, Summary};
use crate::scripts::queue::{Full, Lane, Lanes};
use crate::scripts::{Kind, Scripts};
use crate::shell::Answers;

/// Scripts that may run at a time.
const SIDE_BY_SIDE: usize = 32;

/// All sessions whose user has logged in, and what is done for them.
pub(super) struct Attendance {
    scripts: Arc<Scripts>,
    interface: String,
    lanes: Lanes<Runner>,
    answers: Answers,
    subjects: BTreeMap<SessionId, Subject>,
}

impl Attendance {
    /// For sessions whose packets go through `interface`.
    pub(super) fn new(scripts: Scripts, interface: &str, answers: Answers) -> Self {
        Self {
            scripts: Arc::new(scripts),
            interface: interface.to_owned(),
            lanes: Lanes::new("script", SIDE_BY_SIDE),
            answers,
            subjects: BTreeMap::new(),
        }
    }

    pub(super) fn logged_in(&mut self, login: &LoggedIn) {
        if self.scripts.is_empty() {
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
            own: Own::default(),
        };
        self.submit(Task::AuthUp(Box::new(subject.clone())));
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
        if self.scripts.path(Kind::IpPreUp).is_none() {
            return Some(Ok(()));
        }
        let task = Task::Prepare(request, Box::new(subject.clone()));
        match self.try_submit(task) {
            Ok(()) => None,
            Err(full) => Some(Err(full.to_string())),
        }
    }

    pub(super) fn up(&mut self, info: &SessionInfo) {
        if let Some(subject) = self.subjects.get(&info.session) {
            self.submit(Task::IpUp(Box::new(subject.clone())));
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
            let task = Task::IpDown(Box::new(subject.clone()));
            self.submit_undoing(task);
        }
    }

    pub(super) fn logged_out(&mut self, session: SessionId) {
        if let Some(subject) = self.subjects.remove(&session) {
            self.submit_undoing(Task::AuthDown(Box::new(subject)));
        }
    }

    /// Waits for the scripts, at most so long.
    pub(super) fn finish(&self, limit: Duration) {
        let left = self.lanes.finish(limit);
        if left > 0 {
            warn!("{left} scripts were not run any more, as the time for goodbyes is over");
        }
    }

    fn submit(&self, task: Task) {
        let session = task.subject().session;
        if let Err(full) = self.try_submit(task) {
            warn!(session, "a script is not run: {full}");
        }
    }

    fn try_submit(&self, task: Task) -> Result<(), Full> {
        let session = task.subject().session;
        self.lanes.submit(session, task, || self.runner())
    }

    fn submit_undoing(&self, task: Task) {
        let session = task.subject().session;
        self.lanes.submit_undoing(session, task, || self.runner());
    }

    fn runner(&self) -> Runner {
        Runner {
            scripts: Arc::clone(&self.scripts),
            answers: self.answers.clone(),
            authenticated: None,
            network: false,
            over: false,
        }
    }
}

/// One thing that has happened to a session.
enum Task {
    AuthUp(Box<Subject>),
    /// The request is to be answered.
    Prepare(RequestId, Box<Subject>),
    IpUp(Box<Subject>),
    IpDown(Box<Subject>),
    /// Nothing comes after this.
    AuthDown(Box<Subject>),
}

impl Task {
    fn subject(&self) -> &Subject {
        match self {
            Self::AuthUp(subject)
            | Self::Prepare(_, subject)
            | Self::IpUp(subject)
            | Self::IpDown(subject)
            | Self::AuthDown(subject) => subject,
        }
    }
}

/// Runs the scripts of one session.
struct Runner {
    scripts: Arc<Scripts>,
    answers: Answers,
    /// auth-up was run for this, and not auth-down.
    authenticated: Option<Box<Subject>>,
    /// ip-pre-up or ip-up was run, and not ip-down.
    network: bool,
    over: bool,
}

impl Runner {
    fn script(&self, kind: Kind, subject: &Subject) {
        self.scripts.run(kind, subject);
    }

    fn ip_down(&mut self, subject: &Subject) {
        if std::mem::take(&mut self.network) {
            self.script(Kind::IpDown, subject);
        }
    }

    fn auth_down(&mut self, subject: Option<&Subject>) {
        if let Some(before) = self.authenticated.take() {
            self.script(Kind::AuthDown, subject.unwrap_or(&before));
        }
    }
}

impl Lane for Runner {
    type Task = Task;

    fn run(&mut self, task: Task) {
        match task {
            Task::AuthUp(subject) => {
                // The link was negotiated anew, perhaps by somebody else.
                self.auth_down(None);
                self.script(Kind::AuthUp, &subject);
                self.authenticated = Some(subject);
            }
            Task::Prepare(request, subject) => {
                self.network = true;
                self.script(Kind::IpPreUp, &subject);
                // The loop may have ended meanwhile.
                let _ = self.answers.send((request, Answer::Prepared(Ok(()))));
            }
            Task::IpUp(subject) => {
                self.network = true;
                self.script(Kind::IpUp, &subject);
            }
            Task::IpDown(subject) => self.ip_down(&subject),
            Task::AuthDown(subject) => {
                // A client that left while it was waited for.
                self.ip_down(&subject);
                self.auth_down(Some(&subject));
                self.over = true;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.over
    }
}
