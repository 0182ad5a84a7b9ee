//! Who has which sessions.

use std::collections::{BTreeMap, BTreeSet};

use ppp::UserName;

use crate::SessionId;

/// The sessions of each user, from the verdict that lets them in to their end.
#[derive(Debug, Default)]
pub(crate) struct Users(BTreeMap<UserName, BTreeSet<SessionId>>);

impl Users {
    pub(crate) fn add(&mut self, user: UserName, session: SessionId) {
        self.0.entry(user).or_default().insert(session);
    }

    pub(crate) fn remove(&mut self, user: &UserName, session: SessionId) {
        if let Some(sessions) = self.0.get_mut(user) {
            sessions.remove(&session);
            if sessions.is_empty() {
                self.0.remove(user);
            }
        }
    }

    /// The sessions of `user` beside `session`, the oldest first.
    pub(crate) fn others(&self, user: &UserName, session: SessionId) -> Vec<SessionId> {
        // Numbers of sessions only grow.
        let sessions = self.0.get(user).into_iter().flatten();
        sessions
            .copied()
            .filter(|other| *other != session)
            .collect()
    }

    /// Whether there are none at all.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
