//! What a session has in the kernel: an interface of its own, if sessions have such, and a neighbour
//! entry where this host answers for the client's address.
//!
//! The calls take milliseconds where the kernel waits for its other processors, so that neither the
//! control loop nor a packet thread makes them. They never wait for a script: an interface goes
//! down while ip-up may still be at work, so that the address is free for whoever has it next.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use engine::{Answer, RequestId};
use tracing::{debug, warn};

use super::runner::{Runner, Script};
use crate::io::neighbour::Proxies;
use crate::io::session_device::{SessionDevice, SessionDevices};
use crate::io::tun::TunQueue;
use crate::io::worker::{Command, Commands};
use crate::scripts::environment::Subject;
use crate::scripts::queue::{Full, Lane, Lanes};
use crate::scripts::{Kind, Scripts};
use crate::shell::Answers;

/// How long the packet thread may take to let go of a device.
const HANDOVER: Duration = Duration::from_secs(2);

/// What all sessions share.
pub(super) struct Means {
    pub(super) scripts: Arc<Scripts>,
    pub(super) runners: Lanes<Runner>,
    pub(super) answers: Answers,
    /// The devices of sessions; `None` where there is one for all.
    pub(super) devices: Option<Arc<SessionDevices>>,
    pub(super) commands: Commands,
    pub(super) proxies: Proxies,
    /// The process ends, and its devices with it.
    pub(super) ending: AtomicBool,
}

impl Means {
    fn answer(&self, request: RequestId, result: Result<(), String>) {
        // The loop may have ended meanwhile.
        let _ = self.answers.send((request, Answer::Prepared(result)));
    }

    fn submit(&self, session: u64, script: Script) -> Result<(), Full> {
        self.runners.submit(session, script, || self.runner())
    }

    fn submit_undoing(&self, session: u64, script: Script) {
        self.runners
            .submit_undoing(session, script, || self.runner());
    }

    fn runner(&self) -> Runner {
        Runner::new(&self.scripts, &self.answers)
    }
}

/// One thing that has happened to a session.
pub(super) enum Task {
    LoggedIn(Box<Subject>),
    /// The request is to be answered when traffic may come.
    Prepare(RequestId, Box<Subject>, Terms),
    Up(Box<Subject>),
    Down(Box<Subject>),
    /// Nothing comes after this.
    LoggedOut(Box<Subject>),
}

impl Task {
    /// The script that it leads to.
    pub(super) const fn script(&self) -> Kind {
        match self {
            Self::LoggedIn(_) => Kind::AuthUp,
            Self::Prepare(..) => Kind::IpPreUp,
            Self::Up(_) => Kind::IpUp,
            Self::Down(_) => Kind::IpDown,
            Self::LoggedOut(_) => Kind::AuthDown,
        }
    }
}

/// What a session is to have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) local: IpAddr,
    pub(super) remote: IpAddr,
    /// In bytes.
    pub(super) mtu: u16,
    /// Whether this host answers for `remote` on Ethernet.
    pub(super) proxy_arp: bool,
}

/// The interface of one session.
pub(super) struct Interface {
    means: Arc<Means>,
    device: Option<SessionDevice>,
    /// The device's queue, until the packet thread has it.
    queue: Option<TunQueue>,
    /// Why there is no device.
    failure: Option<String>,
    proxied: Option<Ipv4Addr>,
    /// A script was submitted that ip-down undoes. Without one there is no ip-down either, so that
    /// what waits for scripts stays bounded however often a client negotiates anew.
    ip_down_due: bool,
    over: bool,
}

impl Interface {
    pub(super) fn new(means: &Arc<Means>) -> Self {
        Self {
            means: Arc::clone(means),
            device: None,
            queue: None,
            failure: None,
            proxied: None,
            ip_down_due: false,
            over: false,
        }
    }

    fn create(&mut self) {
        let Some(devices) = self
            .means
            .devices
            .as_ref()
            .filter(|_| self.device.is_none())
        else {
            return;
        };
        match devices.create() {
            Ok((device, queue)) => {
                debug!(interface = device.name(), "made for a session");
                (self.device, self.queue) = (Some(device), Some(queue));
                self.failure = None;
            }
            Err(error) => self.failure = Some(error.to_string()),
        }
    }

    /// Names the interface to the scripts.
    fn name(&self, subject: &mut Subject) {
        if let Some(device) = &self.device {
            subject.interface = device.name().to_owned();
            subject.unit = Some(device.unit());
        }
    }

    fn prepare(&mut self, session: u64, terms: Terms) -> Result<(), String> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if self.means.devices.is_some() && self.device.is_none() {
            return Err("it has no interface".to_owned());
        }
        if let Some(device) = &mut self.device {
            device
                .up(terms.local, terms.remote, terms.mtu)
                .map_err(|error| error.to_string())?;
            if let Some(queue) = self.queue.take() {
                let session = engine::SessionId(session);
                self.means
                    .commands
                    .send_blocking(Command::Attach { session, queue })
                    .map_err(|gone| gone.to_string())?;
            }
        }
        if let (true, IpAddr::V4(address)) = (terms.proxy_arp, terms.remote) {
            self.answer_for(address);
        }
        Ok(())
    }

    fn answer_for(&mut self, address: Ipv4Addr) {
        match self.means.proxies.add(address) {
            Ok(Some(_)) => {
                self.stop_answering();
                self.proxied = Some(address);
            }
            Ok(None) => debug!(%address, "lies in the network of no Ethernet interface"),
            // The client can reach this host and what has a route back.
            Err(error) => warn!("proxy ARP for {address} cannot be set up: {error}"),
        }
    }

    fn stop_answering(&mut self) {
        if let Some(address) = self.proxied.take() {
            self.means.proxies.remove(address);
        }
    }

    fn down(&mut self) {
        self.stop_answering();
        if let Some(device) = &mut self.device {
            device.down();
        }
    }

    fn part(&mut self, session: u64) -> Option<Parting> {
        Some(Parting {
            device: self.device.take()?,
            queue: self.queue.take(),
            session: engine::SessionId(session),
            means: Arc::clone(&self.means),
        })
    }
}

impl Lane for Interface {
    type Task = Task;

    fn run(&mut self, task: Task) {
        let said = |full: Full| warn!("a script is not run: {full}");
        match task {
            Task::LoggedIn(mut subject) => {
                self.create();
                if self.failure.is_none() {
                    self.name(&mut subject);
                    let session = subject.session;
                    let script = Script::AuthUp(subject);
                    let _ = self.means.submit(session, script).map_err(said);
                }
            }
            Task::Prepare(request, mut subject, terms) => {
                let session = subject.session;
                let prepared = self.prepare(session, terms);
                self.name(&mut subject);
                if prepared.is_err() || self.means.scripts.path(Kind::IpPreUp).is_none() {
                    return self.means.answer(request, prepared);
                }
                let script = Script::IpPreUp(request, subject);
                match self.means.submit(session, script) {
                    Ok(()) => self.ip_down_due = true,
                    Err(full) => self.means.answer(request, Err(full.to_string())),
                }
            }
            Task::Up(mut subject) => {
                self.name(&mut subject);
                let session = subject.session;
                let script = Script::IpUp(subject);
                match self.means.submit(session, script) {
                    Ok(()) => self.ip_down_due = true,
                    Err(full) => said(full),
                }
            }
            Task::Down(mut subject) => {
                self.down();
                if std::mem::take(&mut self.ip_down_due) {
                    self.name(&mut subject);
                    let session = subject.session;
                    self.means.submit_undoing(session, Script::IpDown(subject));
                }
            }
            Task::LoggedOut(mut subject) => {
                // A client may leave while it is waited for.
                self.down();
                self.name(&mut subject);
                let session = subject.session;
                let parting = self.part(session);
                let script = Script::AuthDown(subject, parting);
                self.means.submit_undoing(session, script);
                self.over = true;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.over
    }
}

/// An interface that goes when this is dropped: as with pppd it is there, though down, while ip-down
/// and auth-down run.
pub(super) struct Parting {
    device: SessionDevice,
    queue: Option<TunQueue>,
    session: engine::SessionId,
    means: Arc<Means>,
}

impl Drop for Parting {
    fn drop(&mut self) {
        if self.means.ending.load(Ordering::Relaxed) {
            return;
        }
        // Closing the queue is what removes the device, and the kernel takes its time: not on the
        // packet thread.
        let queue = self.queue.take().or_else(|| {
            let (to, back) = mpsc::channel();
            let session = self.session;
            self.means
                .commands
                .send_blocking(Command::Detach { session, to })
                .ok()?;
            back.recv_timeout(HANDOVER).ok()
        });
        drop(queue);
        debug!(interface = self.device.name(), "gone");
    }
}
