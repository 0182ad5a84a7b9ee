//! Runs the scripts of one session, one after the other.

use std::sync::Arc;

use engine::{Answer, RequestId};

use super::interface::Parting;
use crate::scripts::environment::Subject;
use crate::scripts::queue::Lane;
use crate::scripts::{Kind, Scripts};
use crate::shell::Answers;

/// One thing that has happened to a session.
pub(super) enum Script {
    AuthUp(Box<Subject>),
    /// The request is to be answered.
    IpPreUp(RequestId, Box<Subject>),
    IpUp(Box<Subject>),
    IpDown(Box<Subject>),
    /// Nothing comes after this. The session's own interface goes when it is done.
    AuthDown(Box<Subject>, Option<Parting>),
}

impl Script {
    /// Which of the operator's it is.
    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::AuthUp(_) => Kind::AuthUp,
            Self::IpPreUp(..) => Kind::IpPreUp,
            Self::IpUp(_) => Kind::IpUp,
            Self::IpDown(_) => Kind::IpDown,
            Self::AuthDown(..) => Kind::AuthDown,
        }
    }
}

/// The scripts of one session.
pub(super) struct Runner {
    scripts: Arc<Scripts>,
    answers: Answers,
    /// auth-up was run for this, and not auth-down.
    authenticated: Option<Box<Subject>>,
    /// ip-pre-up or ip-up was run, and not ip-down.
    network: bool,
    over: bool,
}

impl Runner {
    pub(super) fn new(scripts: &Arc<Scripts>, answers: &Answers) -> Self {
        Self {
            scripts: Arc::clone(scripts),
            answers: answers.clone(),
            authenticated: None,
            network: false,
            over: false,
        }
    }

    fn ip_down(&mut self, subject: &Subject) {
        if std::mem::take(&mut self.network) {
            self.scripts.run(Kind::IpDown, subject);
        }
    }

    fn auth_down(&mut self, subject: Option<&Subject>) {
        if let Some(before) = self.authenticated.take() {
            self.scripts.run(Kind::AuthDown, subject.unwrap_or(&before));
        }
    }
}

impl Lane for Runner {
    type Task = Script;

    fn run(&mut self, script: Script) {
        match script {
            Script::AuthUp(subject) => {
                // The link was negotiated anew, perhaps by somebody else.
                self.auth_down(None);
                self.scripts.run(Kind::AuthUp, &subject);
                self.authenticated = Some(subject);
            }
            Script::IpPreUp(request, subject) => {
                self.network = true;
                self.scripts.run(Kind::IpPreUp, &subject);
                // The loop may have ended meanwhile.
                let _ = self.answers.send((request, Answer::Prepared(Ok(()))));
            }
            Script::IpUp(subject) => {
                self.network = true;
                self.scripts.run(Kind::IpUp, &subject);
            }
            Script::IpDown(subject) => self.ip_down(&subject),
            Script::AuthDown(subject, interface) => {
                // A client that left while it was waited for.
                self.ip_down(&subject);
                self.auth_down(Some(&subject));
                drop(interface);
                self.over = true;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.over
    }
}
