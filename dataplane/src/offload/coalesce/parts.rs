//! Payloads of several runs in one list, in the order they came; each knows the next of its run.

use super::recycled;

/// The list. It is emptied as a whole.
#[derive(Debug, Default)]
pub struct Parts<'a>(Vec<Part<'a>>);

#[derive(Debug)]
struct Part<'a> {
    payload: &'a [u8],
    /// Where the next one of the same run is.
    next: Option<usize>,
}

/// Where the first and the last payload of a run are.
#[derive(Debug, Clone, Copy, Default)]
pub struct Chain(Option<(usize, usize)>);

impl<'a> Parts<'a> {
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// Whether one more would need memory.
    pub const fn is_full(&self) -> bool {
        self.0.len() >= self.0.capacity()
    }

    /// Adds a payload at the end of a chain of this list.
    pub fn push(&mut self, chain: &mut Chain, payload: &'a [u8]) {
        let place = self.0.len();
        self.0.push(Part {
            payload,
            next: None,
        });
        let first = match chain.0 {
            None => place,
            Some((first, last)) => {
                if let Some(last) = self.0.get_mut(last) {
                    last.next = Some(place);
                }
                first
            }
        };
        *chain = Chain(Some((first, place)));
    }

    /// The payloads of a chain.
    pub fn iter(&self, chain: Chain) -> impl Iterator<Item = &'a [u8]> {
        let at = |place: usize| self.0.get(place);
        let first = chain.0.and_then(|(first, _)| at(first));
        std::iter::successors(first, move |part| part.next.and_then(at)).map(|part| part.payload)
    }

    /// Forgets all chains.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Empty, and for payloads elsewhere.
    pub fn recycle<'b>(self) -> Parts<'b> {
        Parts(recycled(self.0))
    }
    /// Where the list is, and how much fits.
    #[cfg(test)]
    pub fn memory(&self) -> (usize, usize) {
        (self.0.as_ptr().addr(), self.0.capacity())
    }
}
