//! How much a service may say that is no part of an answer.
//!
//! HTTP/2 lets either end say as much as it likes of what costs time to read and has no window: PING, SETTINGS, resets,
//! window updates, informational heads, frames of kinds that nobody knows. An honest service needs a few frames for
//! each call, and now and then one more. So a connection has an allowance of frames, which each call that ends and each
//! second add to. Who has used it up is flooding us, and the connection ends. What windows bound is free: DATA that
//! is not tiny.

use std::time::Duration;

/// The head of a frame: length, type, flags, stream (RFC 9113 §4.1).
pub(crate) const FRAME_HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
/// Frames at most; more than one read of a socket holds of the smallest that end a call (13 bytes each).
const MOST: u32 = 1 << 15;
/// Frames for each call that ended: heads, window updates for its request, and a measuring PING or two.
const PER_CALL: u32 = 16;
const PER_SECOND: u32 = 1000;
/// Bytes of a frame at most, as we tell; h2 ends the connection for a longer one, and says why.
const LONGEST: u32 = 16_384;
/// Bytes of a frame that cost as much as another frame. Those of heads have their bound in h2.
const LIKE_A_FRAME: u32 = 64;

/// See the module.
pub(crate) struct Allowance {
    left: u32,
    filled: Option<Duration>,
    /// The head of the next frame as far as it has come.
    head: [u8; FRAME_HEAD],
    have: usize,
    /// Bytes to come of a frame's payload.
    payload: usize,
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            left: MOST,
            filled: None,
            head: [0; FRAME_HEAD],
            have: 0,
            payload: 0,
        }
    }
}

impl Allowance {
    /// Counts the frames in what came, which may begin and end amid one; false when they are too many.
    pub(crate) fn spend(&mut self, mut data: &[u8]) -> bool {
        loop {
            let skipped = self.payload.min(data.len());
            self.payload -= skipped;
            data = &data[skipped..];
            if data.is_empty() {
                return true;
            }
            let part = (FRAME_HEAD - self.have).min(data.len());
            self.head[self.have..self.have + part].copy_from_slice(&data[..part]);
            self.have += part;
            data = &data[part..];
            if self.have == FRAME_HEAD {
                self.have = 0;
                let [high, middle, low, kind, ..] = self.head;
                let length = u32::from_be_bytes([0, high, middle, low]);
                self.payload = length as usize;
                let Some(left) = self.left.checked_sub(cost(kind, length)) else {
                    return false;
                };
                self.left = left;
            }
        }
    }

    /// Adds what an ended call may have taken.
    pub(crate) fn call_ended(&mut self) {
        self.add(PER_CALL);
    }

    /// Adds what the time since the last time allows.
    pub(crate) fn tick(&mut self, now: Duration) {
        let since = now.saturating_sub(*self.filled.get_or_insert(now));
        let frames = since.as_millis() * u128::from(PER_SECOND) / 1000;
        if frames > 0 {
            self.filled = Some(now);
            self.add(u32::try_from(frames).unwrap_or(MOST));
        }
    }

    fn add(&mut self, frames: u32) {
        self.left = self.left.saturating_add(frames).min(MOST);
    }
}

fn cost(kind: u8, length: u32) -> u32 {
    match kind {
        DATA => u32::from(length < LIKE_A_FRAME),
        HEADERS | CONTINUATION => 1,
        _ => 1 + length.min(LONGEST) / LIKE_A_FRAME,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: [u8; 17] = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];

    fn data(length: u16) -> Vec<u8> {
        let [high, low] = length.to_be_bytes();
        let mut frame = vec![0, high, low, DATA, 0, 0, 0, 0, 1];
        frame.resize(FRAME_HEAD + usize::from(length), 6);
        frame
    }

    #[test]
    fn frames_are_counted_wherever_they_are_cut() {
        let pings = PING.repeat(100);
        for cut in 1..40 {
            let mut allowance = Allowance::default();
            assert!(pings.chunks(cut).all(|piece| allowance.spend(piece)));
            assert_eq!(allowance.left, MOST - 100);
        }
    }

    #[test]
    fn a_flood_uses_it_up_and_answers_do_not() {
        let mut allowance = Allowance::default();
        let mut pings = 0;
        while allowance.spend(&PING) {
            pings += 1;
        }
        assert_eq!(pings, MOST);
        let mut allowance = Allowance::default();
        for _ in 0..MOST {
            assert!(allowance.spend(&data(16_384)));
        }
        assert_eq!(allowance.left, MOST);
        assert!(allowance.spend(&data(1)) && allowance.spend(&data(0)));
        assert_eq!(allowance.left, MOST - 2);
    }

    #[test]
    fn calls_and_time_fill_it_up_and_no_further() {
        let mut allowance = Allowance::default();
        allowance.tick(Duration::ZERO);
        assert!(allowance.spend(&PING.repeat(3000)));
        allowance.call_ended();
        allowance.tick(Duration::from_secs(2));
        assert_eq!(allowance.left, MOST - 3000 + PER_CALL + 2 * PER_SECOND);
        // Many short times are as good as a long one.
        for millis in 2000..2500 {
            allowance.tick(Duration::from_micros(millis * 1000 + 900));
        }
        assert!(allowance.left >= MOST - 3000 + PER_CALL + 2 * PER_SECOND + 498);
        allowance.tick(Duration::from_secs(1 << 40));
        assert_eq!(allowance.left, MOST);
    }
}
