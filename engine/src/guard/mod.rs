//! Guessing: whoever fails must wait, and the longer the more often.
//!
//! Failed logins count for a user *at a source* and for a source as a whole; keys that do not fit
//! count for a source. A source has shown by then that it gets what we send to it, so that nobody
//! fails in another's name. Nothing counts against a user everywhere or against a key, since that
//! would let anybody lock anybody out; `lock_out_after` is for those who want it all the same.
//!
//! Whoever has to wait is refused at once and without a look at the password. An answer that is
//! held back instead would be a PPP client's timeout to honest users, and would cost a guesser with
//! many connections nothing. What is refused so does not count, or a device that tries again by
//! itself would never get in.

mod book;
mod policy;
#[cfg(test)]
mod tests;

use std::time::Duration;

use ppp::UserName;
use wire::{Instant, Source};

pub use policy::GuardPolicy;

use self::book::Book;
use crate::Cause;

/// Users at sources whose failures are remembered.
const PAIRS: usize = 8192;
/// Sources whose failures are remembered; the same for keys.
const SOURCES: usize = 8192;
/// Users at sources who are known to have got in.
const ACQUAINTED: usize = 16_384;
/// Users whose failures are remembered wherever they come from.
const USERS: usize = 8192;
/// How long it counts that somebody has got in.
const ACQUAINTANCE: Duration = Duration::from_secs(7 * 86_400);

/// Whom failures have made wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Suspect {
    /// A user, as far as that source goes.
    UserAt(UserName, Source),
    /// All users of a source who have not logged in from there lately.
    Users(Source),
    /// Handshakes of a source.
    Keys(Source),
    /// A user, from wherever.
    User(UserName),
}

/// Somebody has failed too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slowed {
    /// Who waits.
    pub who: Suspect,
    /// Failures so far.
    pub failures: u32,
    /// For how long from now on; `None` until the operator ends it.
    pub wait: Option<Duration>,
}

/// What there is to know about guessing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GuardStatus {
    /// Users at sources that have to wait at the moment.
    pub slowed_users: usize,
    /// Sources that have to wait at the moment, with logins or with handshakes.
    pub slowed_sources: usize,
    /// Users who are locked out at the moment.
    pub locked_out: usize,
    /// Logins refused unseen since the start.
    pub refused_logins: u64,
    /// Messages of handshakes dropped unseen since the start.
    pub dropped_handshakes: u64,
    /// Users, sources and users at sources that something is remembered of, good or bad: never
    /// more than the tables have room for.
    pub remembered: usize,
    /// What was forgotten for want of room since the start.
    pub crowded_out: u64,
}

/// Why a login is refused unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// The user has failed here.
    User(Duration),
    /// This source has failed.
    Source(Duration),
    /// The user is locked out; `None` until the operator ends it.
    LockedOut(Option<Duration>),
}

impl Hold {
    pub(crate) const fn cause(self) -> Cause {
        match self {
            Self::User(_) | Self::Source(_) => Cause::Slowed,
            Self::LockedOut(_) => Cause::LockedOut,
        }
    }

    /// For the log.
    pub(crate) fn why(self) -> String {
        match self {
            Self::User(left) => format!(
                "too many failed logins of this user from this address: the next is looked at in {}",
                seconds(left)
            ),
            Self::Source(left) => format!(
                "too many failed logins from this address: the next is looked at in {}",
                seconds(left)
            ),
            Self::LockedOut(Some(left)) => format!(
                "the user is locked out after too many failed logins, for another {}",
                seconds(left)
            ),
            Self::LockedOut(None) => {
                "the user is locked out after too many failed logins".to_owned()
            }
        }
    }

    /// What the client is told: what it says is the same for users that exist and others.
    pub(crate) fn told(self) -> String {
        match self {
            Self::User(left) | Self::Source(left) => {
                format!("too many failed logins: try again in {}", seconds(left))
            }
            Self::LockedOut(_) => WRONG.to_owned(),
        }
    }
}

/// What somebody is told who has not proved to be somebody.
pub(crate) const WRONG: &str = "wrong user name or password";

/// Whole seconds, rounded up: whoever waits that long has waited long enough.
fn seconds(span: Duration) -> String {
    let whole = span
        .as_secs()
        .saturating_add(u64::from(span.subsec_nanos() > 0));
    format!("{whole} s")
}

/// Failures in a row, and until when they make wait.
#[derive(Debug, Default)]
struct Failures {
    count: u32,
    until: Instant,
}

impl Failures {
    /// One more. The wait that begins with it, if it is one too many.
    fn add(&mut self, now: Instant, allowed: u32, policy: &GuardPolicy) -> Option<Excess> {
        self.count = self.count.saturating_add(1);
        let wait = policy.wait_after(self.count, allowed)?;
        self.until = now + wait;
        Some((self.count, wait))
    }

    fn left(&self, now: Instant) -> Option<Duration> {
        let left = self.until - now;
        (!left.is_zero()).then_some(left)
    }
}

/// Failures so far, and the wait.
type Excess = (u32, Duration);

/// A user who is locked out: until when, if it ends by itself.
#[derive(Debug, Default)]
struct LockedOut(Option<Instant>);

impl LockedOut {
    fn holds(&self, now: Instant) -> bool {
        self.0.is_none_or(|until| until > now)
    }
}

/// Who has failed, and what follows from it.
#[derive(Debug)]
pub(crate) struct Guard {
    policy: GuardPolicy,
    pairs: Book<(UserName, Source), Failures>,
    logins: Book<Source, Failures>,
    keys: Book<Source, Failures>,
    users: Book<UserName, u32>,
    locked: Book<UserName, LockedOut>,
    /// Who has got in from where. A source that is slowed by somebody else's guesses is not slow
    /// for them.
    acquainted: Book<(UserName, Source), ()>,
    refused_logins: u64,
    dropped_handshakes: u64,
}

impl Guard {
    pub(crate) const fn new(policy: GuardPolicy) -> Self {
        let memory = policy.memory();
        Self {
            policy,
            pairs: Book::new(PAIRS, memory),
            logins: Book::new(SOURCES, memory),
            keys: Book::new(SOURCES, memory),
            users: Book::new(USERS, memory),
            locked: Book::new(USERS, Duration::MAX),
            acquainted: Book::new(ACQUAINTED, ACQUAINTANCE),
            refused_logins: 0,
            dropped_handshakes: 0,
        }
    }

    /// Whether a login is to be refused unseen.
    pub(crate) fn hold(&self, now: Instant, user: &UserName, source: Source) -> Option<Hold> {
        let user = key(user);
        if let Some(locked) = self.locked.get(now, &user)
            && locked.holds(now)
        {
            return Some(Hold::LockedOut(locked.0.map(|until| until - now)));
        }
        let pair = (user, source);
        if let Some(left) = self.pairs.get(now, &pair).and_then(|f| f.left(now)) {
            return Some(Hold::User(left));
        }
        let left = self.logins.get(now, &source).and_then(|f| f.left(now))?;
        let acquainted = self.acquainted.get(now, &pair).is_some();
        (!acquainted).then_some(Hold::Source(left))
    }

    /// A login was refused unseen.
    pub(crate) const fn note_refused(&mut self) {
        self.refused_logins = self.refused_logins.saturating_add(1);
    }

    /// A password was wrong, or there is no such user. What has to wait for it.
    pub(crate) fn on_failed_login(
        &mut self,
        now: Instant,
        user: &UserName,
        source: Source,
        exists: bool,
    ) -> Vec<Slowed> {
        let (user, policy) = (key(user), &self.policy);
        let slowed = |who, (failures, wait)| Slowed {
            who,
            failures,
            wait: Some(wait),
        };
        let pair = (user.clone(), source);
        let failures = self.pairs.touch(now, &pair);
        let of_pair = failures.add(now, policy.user_failures, policy);
        let of_source = self
            .logins
            .touch(now, &source)
            .add(now, policy.source_failures, policy);
        let of_pair = of_pair.map(|more| slowed(Suspect::UserAt(user.clone(), source), more));
        let of_source = of_source.map(|more| slowed(Suspect::Users(source), more));
        let locked = exists.then(|| self.lock_out(now, user)).flatten();
        [of_pair, of_source, locked].into_iter().flatten().collect()
    }

    /// One more failure of a user, wherever it was.
    fn lock_out(&mut self, now: Instant, user: UserName) -> Option<Slowed> {
        let allowed = self.policy.lock_out_after?.get();
        let count = self.users.touch(now, &user);
        *count = count.saturating_add(1);
        let failures = *count;
        if failures < allowed {
            return None;
        }
        self.users.remove(&user);
        let wait = self.policy.lock_out_time;
        *self.locked.touch(now, &user) = LockedOut(wait.map(|wait| now + wait));
        Some(Slowed {
            who: Suspect::User(user),
            failures,
            wait,
        })
    }

    /// Somebody has proved to be a user.
    pub(crate) fn on_login(&mut self, now: Instant, user: &UserName, source: Source) {
        let pair = (key(user), source);
        self.pairs.remove(&pair);
        self.users.remove(&pair.0);
        self.acquainted.touch(now, &pair);
    }

    /// A peer that gets our answers has no key of ours.
    pub(crate) fn on_wrong_key(&mut self, now: Instant, source: Source) -> Option<Slowed> {
        let failures = self.keys.touch(now, &source);
        let allowed = self.policy.key_failures;
        let (failures, wait) = failures.add(now, allowed, &self.policy.of_keys())?;
        Some(Slowed {
            who: Suspect::Keys(source),
            failures,
            wait: Some(wait),
        })
    }

    /// Whether handshakes of `source` are to be dropped unseen.
    pub(crate) fn holds_handshakes(&self, now: Instant, source: Source) -> bool {
        let failures = self.keys.get(now, &source);
        failures.and_then(|failures| failures.left(now)).is_some()
    }

    /// A message of a handshake was dropped unseen.
    pub(crate) const fn note_dropped(&mut self) {
        self.dropped_handshakes = self.dropped_handshakes.saturating_add(1);
    }

    /// Forgets the failures of a user, everywhere; how much there was to forget.
    pub(crate) fn forgive_user(&mut self, user: &UserName) -> usize {
        let user = key(user);
        let pairs = self.pairs.remove_if(|(name, _)| *name == user);
        let counted = self.users.remove(&user).is_some();
        let locked = self.locked.remove(&user).is_some();
        pairs + usize::from(counted || locked)
    }

    /// Forgets the failures of a source, and of all users there; how much there was to forget.
    pub(crate) fn forgive_source(&mut self, source: Source) -> usize {
        let pairs = self.pairs.remove_if(|(_, other)| *other == source);
        let logins = self.logins.remove(&source).is_some();
        let keys = self.keys.remove(&source).is_some();
        pairs + usize::from(logins) + usize::from(keys)
    }

    /// Forgets all failures; how much there was to forget.
    pub(crate) fn forgive_all(&mut self) -> usize {
        let locked = self.locked.remove_if(|_| true);
        let counted = self.users.remove_if(|_| true);
        let sources = self.logins.remove_if(|_| true) + self.keys.remove_if(|_| true);
        self.pairs.remove_if(|_| true) + sources + counted + locked
    }

    fn remembered(&self) -> usize {
        let sources = self.logins.len() + self.keys.len();
        let users = self.users.len() + self.locked.len();
        self.pairs.len() + self.acquainted.len() + sources + users
    }

    /// How many have to wait. Looks at everybody who has failed lately.
    pub(crate) fn status(&self, now: Instant) -> GuardStatus {
        let waiting = |failures: &&Failures| failures.left(now).is_some();
        let of_logins = self.logins.values(now).filter(waiting).count();
        let of_keys = self.keys.values(now).filter(waiting).count();
        let crowded_out = [
            self.pairs.crowded_out(),
            self.logins.crowded_out(),
            self.keys.crowded_out(),
            self.users.crowded_out(),
            self.locked.crowded_out(),
            self.acquainted.crowded_out(),
        ];
        GuardStatus {
            slowed_users: self.pairs.values(now).filter(waiting).count(),
            slowed_sources: of_logins + of_keys,
            locked_out: self.locked.values(now).filter(|l| l.holds(now)).count(),
            refused_logins: self.refused_logins,
            dropped_handshakes: self.dropped_handshakes,
            remembered: self.remembered(),
            crowded_out: crowded_out
                .iter()
                .fold(0, |sum, count| sum.saturating_add(*count)),
        }
    }
}

/// What a user is counted under: without the domain, which a client may make up.
fn key(user: &UserName) -> UserName {
    UserName::new(user.without_domain()).unwrap_or_else(|| user.clone())
}
