//! Who has something to do at which time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Members by the times that they wait for, in seconds.
#[derive(Default)]
pub(crate) struct Agenda(BinaryHeap<Reverse<(u64, usize)>>);

impl Agenda {
    pub(crate) fn put(&mut self, at: f64, member: usize) {
        self.0.push(Reverse((micros(at), member)));
    }

    /// Take one whose time has come.
    pub(crate) fn take_due(&mut self, now: f64) -> Option<usize> {
        let &Reverse((at, member)) = self.0.peek()?;
        (at <= micros(now)).then(|| {
            self.0.pop();
            member
        })
    }

    /// The earliest time.
    pub(crate) fn next(&self) -> f64 {
        self.0
            .peek()
            .map_or(f64::INFINITY, |&Reverse((at, _))| at as f64 / 1e6)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// Whole numbers have an order.
fn micros(seconds: f64) -> u64 {
    (seconds * 1e6) as u64
}

#[cfg(test)]
mod tests {
    use super::Agenda;

    #[test]
    fn the_earliest_comes_first_and_none_before_its_time() {
        let mut agenda = Agenda::default();
        for (at, member) in [(2.0, 1), (1.0, 2), (3.0, 3)] {
            agenda.put(at, member);
        }
        assert_eq!((agenda.next(), agenda.take_due(0.5)), (1.0, None));
        assert_eq!((agenda.take_due(2.0), agenda.take_due(2.0)), (Some(2), Some(1)));
        assert_eq!(agenda.take_due(2.0), None);
    }
}
