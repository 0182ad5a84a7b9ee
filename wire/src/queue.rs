//! Queues whose memory follows what is in them.

use std::collections::VecDeque;

/// What an empty queue may keep, in entries: enough for ordinary days.
const KEPT: usize = 64;

/// The first of a queue. When it was the last one, the memory that a burst has taken is given back.
pub fn pop_front<T>(queue: &mut VecDeque<T>) -> Option<T> {
    let first = queue.pop_front();
    if queue.is_empty() && queue.capacity() > KEPT {
        *queue = VecDeque::new();
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_leaves_nothing() {
        let mut queue: VecDeque<u32> = (0..1000).collect();
        assert!((0..1000).all(|number| pop_front(&mut queue) == Some(number)));
        assert_eq!((pop_front(&mut queue), queue.capacity()), (None, 0));

        let mut queue = VecDeque::with_capacity(KEPT);
        queue.push_back(7);
        assert_eq!(pop_front(&mut queue), Some(7));
        assert_eq!(queue.capacity(), KEPT, "nothing to gain");
    }
}
