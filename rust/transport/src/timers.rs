//! One deadline for all connections: the earliest, found without looking at each.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Deadlines of slots. One that moves back stays where it is and is looked at again when it comes: with every packet
/// that arrives, loss detection moves its timer, mostly to a later time.
#[derive(Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, usize)>>,
    armed: Vec<Option<Instant>>,
}

impl Timers {
    /// See to it that `slot` comes up at `at` at the latest.
    pub(crate) fn arm(&mut self, slot: usize, at: Option<Instant>) {
        if self.armed.len() <= slot {
            self.armed.resize(slot + 1, None);
        }
        let Some(at) = at else { return };
        if self.armed[slot].is_none_or(|armed| at < armed) {
            self.armed[slot] = Some(at);
            self.heap.push(Reverse((at, slot)));
        }
    }

    /// When to look again.
    pub(crate) fn next(&mut self) -> Option<Instant> {
        while let Some(&Reverse((at, slot))) = self.heap.peek() {
            if self.armed[slot] == Some(at) {
                return Some(at);
            }
            self.heap.pop(); // an earlier one took its place
        }
        None
    }

    /// A slot whose time has come; it has to be armed again.
    pub(crate) fn due(&mut self, now: Instant) -> Option<usize> {
        let at = self.next()?;
        if at > now {
            return None;
        }
        let Reverse((_, slot)) = self.heap.pop()?;
        self.armed[slot] = None;
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::Timers;
    use std::time::{Duration, Instant};

    #[test]
    fn the_earliest_comes_first_and_a_later_wish_changes_nothing() {
        let (mut timers, start) = (Timers::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        timers.arm(0, Some(at(5)));
        timers.arm(1, Some(at(3)));
        timers.arm(0, Some(at(9)));
        timers.arm(0, Some(at(4)));
        timers.arm(2, None);
        assert_eq!(timers.next(), Some(at(3)));
        assert_eq!(timers.due(at(2)), None);
        assert_eq!(timers.due(at(10)), Some(1));
        assert_eq!(timers.due(at(10)), Some(0));
        assert_eq!(timers.due(at(10)), None, "what was moved forward comes once");
        timers.arm(0, Some(at(12)));
        assert_eq!(timers.next(), Some(at(12)));
    }
}
