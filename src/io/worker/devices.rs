//! The TUN devices of a worker where each session has its own.

use std::collections::HashMap;
use std::os::fd::AsFd;

use dataplane::SessionId;

use crate::io::tun::TunQueue;

/// A device for each session that has one. They come and go by commands.
#[derive(Debug, Default)]
pub struct Devices {
    /// A place keeps its number, by which `epoll` knows it.
    places: Vec<Option<(SessionId, TunQueue)>>,
    free: Vec<usize>,
    by_session: HashMap<SessionId, usize>,
}

impl Devices {
    /// Takes a device. Returns its place.
    pub(super) fn insert(&mut self, session: SessionId, queue: TunQueue) -> usize {
        let place = self.free.pop().unwrap_or(self.places.len());
        let entry = Some((session, queue));
        match self.places.get_mut(place) {
            Some(free) => *free = entry,
            None => self.places.push(entry),
        }
        self.by_session.insert(session, place);
        place
    }

    /// Lets the device of a session go.
    pub(super) fn remove(&mut self, session: SessionId) -> Option<TunQueue> {
        let place = self.by_session.remove(&session)?;
        let (_, queue) = self.places.get_mut(place)?.take()?;
        self.free.push(place);
        Some(queue)
    }

    /// What is at a place.
    pub(super) fn at(&self, place: usize) -> Option<(SessionId, &TunQueue)> {
        let entry = self.places.get(place)?.as_ref()?;
        Some((entry.0, &entry.1))
    }

    /// The device of a session.
    pub(super) fn of(&self, session: SessionId) -> Option<&TunQueue> {
        self.at(*self.by_session.get(&session)?)
            .map(|(_, queue)| queue)
    }

    /// The descriptor at a place.
    pub(super) fn descriptor(&self, place: usize) -> Option<&dyn AsFd> {
        self.at(place).map(|(_, queue)| queue as &dyn AsFd)
    }
}
