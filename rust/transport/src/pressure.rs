//! Back-pressure towards one peer: when it is writable again, and when it has stalled.

use std::time::{Duration, Instant};

/// What a look at the unacknowledged bytes found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    None,
    Writable,
    Stalled,
}

/// The marks that a look compares with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    pub(crate) high: usize,
    pub(crate) low: usize,
    pub(crate) stall: Duration,
}

#[derive(Default)]
pub(crate) struct Pressure {
    progress: u64,
    /// `Writable` is owed: the high mark was passed, or somebody was told to wait for the low one.
    pub(crate) owed: bool,
    /// When the peer counts as stalled if it acknowledges nothing more; there above the high mark only.
    pub(crate) deadline: Option<Instant>,
}

impl Pressure {
    pub(crate) fn look(&mut self, pending: usize, progress: u64, marks: Marks, now: Instant) -> Signal {
        if pending > marks.high {
            self.owed = true;
            let deadline = match self.deadline {
                Some(deadline) if progress == self.progress => deadline,
                _ => {
                    self.progress = progress;
                    now + marks.stall
                }
            };
            self.deadline = Some(deadline);
            return if now >= deadline {
                Signal::Stalled
            } else {
                Signal::None
            };
        }
        self.deadline = None;
        if self.owed && pending <= marks.low {
            self.owed = false;
            return Signal::Writable;
        }
        Signal::None
    }

    pub(crate) fn stop(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::{Marks, Pressure, Signal};
    use std::time::{Duration, Instant};

    #[test]
    fn a_peer_stalls_without_progress_and_is_writable_below_the_low_mark() {
        let marks = Marks {
            high: 100,
            low: 10,
            stall: Duration::from_secs(5),
        };
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut pressure = Pressure::default();
        assert_eq!(pressure.look(100, 0, marks, at(0)), Signal::None);
        assert_eq!(pressure.look(101, 0, marks, at(1)), Signal::None);
        assert_eq!(
            pressure.look(101, 1, marks, at(5)),
            Signal::None,
            "it took a byte"
        );
        assert_eq!(pressure.look(101, 1, marks, at(9)), Signal::None);
        assert_eq!(pressure.look(50, 51, marks, at(9)), Signal::None);
        assert_eq!(pressure.look(10, 91, marks, at(9)), Signal::Writable);
        assert_eq!(pressure.look(10, 91, marks, at(9)), Signal::None, "told once");
        pressure.look(101, 91, marks, at(10));
        assert_eq!(pressure.look(101, 91, marks, at(15)), Signal::Stalled);
    }
}
