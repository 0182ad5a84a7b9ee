//! Real scripts, in the order of what happens to sessions.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use dataplane::{DataPlane, Traffic};
use engine::Answer;
use rand_core::SeedableRng;
use tokio::sync::mpsc;
use wire::{Carrier, PeerId};

use super::*;
use crate::io::worker::{Inside, Limits, Parts, Worker, upcalls};
use crate::scripts::Kind;
use crate::scripts::environment::Words;

const LONG: Duration = Duration::from_secs(20);

struct Lab {
    folder: tempfile::TempDir,
    attendance: Attendance,
    answered: mpsc::UnboundedReceiver<(RequestId, Answer)>,
    _worker: Worker,
}

impl Lab {
    /// All five scripts note that they begin and end; each does `extra` between.
    fn new(extra: &str, limit: Duration) -> Self {
        Self::with(&Kind::ALL, extra, limit)
    }

    /// These scripts only.
    fn with(kinds: &[Kind], extra: &str, limit: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let paths = kinds.iter().map(|kind| {
            let path = folder.path().join(kind.name());
            let text = format!(
                "#!/bin/sh\nnote() {{ echo \"$1 ${{0##*/}} $PEERNAME\" >>{0}/notes; }}\n\
                 note begin\n{extra}\nnote end\n",
                folder.path().display()
            );
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            (*kind, path)
        });
        let (sender, _) = upcalls(&Limits::default());
        let (inside, _) = mpsc::channel(1);
        let worker = Worker::start(Parts {
            number: 0,
            udp: Vec::new(),
            raw: Vec::new(),
            inside: Inside::Queue(inside),
            plane: Arc::new(DataPlane::new(dataplane::Config::for_peers(1))),
            upcalls: sender,
            cookies: ike::Cookies::new(&mut wire::Rng::seed_from_u64(1)),
            limits: Limits::default(),
            notices: Arc::default(),
            lost: mpsc::unbounded_channel().0,
        })
        .unwrap();
        let (answers, answered) = mpsc::unbounded_channel();
        let plan = Plan {
            scripts: Scripts::new(paths, limit, Words::default()),
            interface: "adit0".to_owned(),
            devices: None,
            proxy_arp: false,
        };
        Self {
            folder,
            attendance: Attendance::new(plan, answers, worker.commands().clone()),
            answered,
            _worker: worker,
        }
    }

    fn notes(&self) -> Vec<String> {
        read(&self.folder.path().join("notes"))
    }

    fn log_in(&mut self, session: u64, user: &str) {
        self.log_in_on(session, user, engine::Terms::default());
    }

    fn log_in_on(&mut self, session: u64, user: &str, terms: engine::Terms) {
        self.attendance.logged_in(&LoggedIn {
            session: SessionId(session),
            account: ppp::UserName::new(user.as_bytes()).unwrap(),
            terms: Arc::new(terms),
            path: info(session).path,
        });
    }

    /// Alice's session 1, from the login to its end.
    fn come_and_go(&mut self) {
        self.log_in(1, "alice");
        assert_eq!(self.attendance.prepare(RequestId(1), &info(1)), None);
        self.answer(1);
        self.attendance.up(&info(1));
        self.down(1);
        self.attendance.logged_out(SessionId(1));
    }

    /// Waits for the answer to a request.
    fn answer(&mut self, expected: u64) {
        let (id, answer) = self.answered.blocking_recv().unwrap();
        assert_eq!(id, RequestId(expected));
        assert!(matches!(answer, Answer::Prepared(Ok(()))), "{answer:?}");
    }

    fn down(&mut self, session: u64) {
        let usage = SessionUsage {
            received: Traffic {
                packets: 2,
                bytes: 200,
            },
            sent: Traffic {
                packets: 3,
                bytes: 300,
            },
        };
        self.attendance
            .down(&info(session), usage, "the end".to_owned());
    }
}

fn read(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn info(session: u64) -> SessionInfo {
    SessionInfo {
        session: SessionId(session),
        peer: PeerId(1),
        user: String::new(),
        account: None,
        authentication: None,
        path: wire::Path {
            local: ([192, 0, 2, 1], 4500).into(),
            remote: ([203, 0, 113, 5], 4500).into(),
            carrier: Carrier::NatT,
        },
        identity: String::new(),
        key: String::new(),
        make: ike::Make::Unknown,
        host_name: String::new(),
        phase1: String::new(),
        phase2: String::new(),
        nat: ike::Nat::default(),
        local_address: [10, 10, 1, 1].into(),
        remote_address: [10, 10, 1, 2].into(),
        dns: [None; 2],
        wins: [None; 2],
        routes: Vec::new(),
        domain: None,
        tunnel_ids: (1, 2),
        session_ids: (3, 4),
        mtu: 1400,
        terms: Arc::default(),
        since: clock::now(),
        setup: Duration::ZERO,
    }
}

/// A begin and an end of each, in this order.
fn whole(names: &[&str], user: &str) -> Vec<String> {
    let both = |name: &&str| ["begin", "end"].map(|what| format!("{what} {name} {user}"));
    names.iter().flat_map(both).collect()
}

#[test]
fn one_after_the_other_and_only_ip_pre_up_is_waited_for() {
    let mut lab = Lab::new("sleep 0.2", LONG);
    lab.log_in(1, "alice");
    assert_eq!(lab.attendance.prepare(RequestId(7), &info(1)), None);
    assert!(lab.answered.try_recv().is_err(), "answered too early");
    lab.answer(7);
    assert_eq!(lab.notes(), whole(&["auth-up", "ip-pre-up"], "alice"));
    // All of it at once; none of these calls waits.
    let began = Instant::now();
    lab.attendance.up(&info(1));
    lab.down(1);
    lab.attendance.logged_out(SessionId(1));
    assert!(began.elapsed() < Duration::from_millis(150));
    lab.attendance.finish(LONG);
    let names = ["auth-up", "ip-pre-up", "ip-up", "ip-down", "auth-down"];
    assert_eq!(lab.notes(), whole(&names, "alice"));
    assert!(lab.attendance.subjects.is_empty());
}

#[test]
fn a_client_that_leaves_while_it_waits_has_its_ip_down() {
    let mut lab = Lab::new("", LONG);
    lab.log_in(1, "alice");
    assert_eq!(lab.attendance.prepare(RequestId(7), &info(1)), None);
    lab.attendance.logged_out(SessionId(1));
    lab.attendance.finish(LONG);
    let names = ["auth-up", "ip-pre-up", "ip-down", "auth-down"];
    assert_eq!(lab.notes(), whole(&names, "alice"));
}

#[test]
fn who_never_gets_an_address_has_no_ip_down() {
    let mut lab = Lab::new("", LONG);
    lab.log_in(1, "alice");
    // Negotiated anew, by somebody else.
    lab.log_in(1, "bob");
    lab.attendance.logged_out(SessionId(1));
    lab.attendance.finish(LONG);
    let mut expected = whole(&["auth-up", "auth-down"], "alice");
    expected.extend(whole(&["auth-up", "auth-down"], "bob"));
    assert_eq!(lab.notes(), expected);
}

/// A script of one session that hangs holds up neither the loop nor another session, and its own
/// client no longer than the time limit.
#[test]
fn a_script_that_hangs_is_ended_and_the_session_goes_on() {
    let hanging = "[ $PEERNAME = alice ] && [ ${0##*/} = ip-pre-up ] && sleep 300";
    let mut lab = Lab::new(hanging, Duration::from_secs(1));
    let began = Instant::now();
    for (session, user) in [(1, "alice"), (2, "bob")] {
        lab.log_in(session, user);
        let answer = lab.attendance.prepare(RequestId(session), &info(session));
        assert_eq!(answer, None);
    }
    lab.answer(2);
    assert!(
        began.elapsed() < Duration::from_millis(900),
        "bob had to wait"
    );
    lab.answer(1);
    assert!((1..10).contains(&began.elapsed().as_secs()));
    lab.attendance.finish(LONG);
}

#[test]
fn at_the_end_the_time_is_limited() {
    let mut lab = Lab::new("sleep 0.5", LONG);
    lab.come_and_go();
    let began = Instant::now();
    lab.attendance.finish(Duration::from_millis(700));
    assert!(began.elapsed() < Duration::from_secs(2));
    let notes = lab.notes();
    assert!(notes.contains(&"end ip-up alice".to_owned()), "{notes:?}");
    assert!(!notes.contains(&"begin auth-down alice".to_owned()));
}

/// One that is at work is not missed, nor one that there is not.
#[test]
fn at_the_end_what_is_missed_is_counted() {
    for (kinds, missed) in [(&[Kind::IpDown][..], 0), (&Kind::ALL[3..], 1)] {
        let mut lab = Lab::with(kinds, "sleep 2", LONG);
        lab.come_and_go();
        let began = Instant::now();
        while lab.notes().is_empty() {
            assert!(began.elapsed() < LONG);
            std::thread::sleep(Duration::from_millis(10));
        }
        lab.attendance.finish(Duration::from_millis(100));
        assert_eq!(lab.notes(), ["begin ip-down alice"]);
        assert_eq!(lab.attendance.waiting(), missed);
    }
}

#[test]
fn a_user_s_own_words_come_first() {
    let mut lab = Lab::new("echo \"$6 $SITE\" >>${0%/*}/own", LONG);
    let terms = engine::Terms {
        ip_param: Some(b"mine".to_vec()),
        variables: vec![(b"SITE".to_vec(), b"north".to_vec())],
        ..engine::Terms::default()
    };
    lab.log_in_on(1, "alice", terms);
    lab.attendance.logged_out(SessionId(1));
    lab.attendance.finish(LONG);
    let own = read(&lab.folder.path().join("own"));
    assert_eq!(own, ["mine north", "mine north"]);
}
