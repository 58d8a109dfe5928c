//! What a run has counted so far.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Sessions connect and log in; those that are there are at work.
    Ramp,
    /// All are at work, and nothing is measured.
    WarmUp,
    /// What happens now is measured.
    Measure,
    /// No more requests leave; replies are waited for.
    Drain,
    /// Sessions end.
    Leave,
    /// Nothing is left.
    Over,
}

/// Breaches of promises that are kept with their words; the others are counted.
const MOST_WORDS: usize = 20;
/// Nanoseconds: what is told apart at least, and the most that is, an hour.
const RANGE: (u64, u64) = (1_000, 3_600_000_000_000);
const DIGITS: u8 = 3;

/// What is measured: requests that were meant to leave in the window, and what came in it.
#[derive(Clone, Debug)]
pub struct Window {
    /// Seconds that it was open.
    pub seconds: f64,
    /// Requests that were meant to leave in it.
    pub requests: u64,
    /// Requests of an open loop that were to leave in it and did not: the gateway took no more of their session.
    pub withheld: u64,
    /// Replies of any kind that came in it.
    pub replies: u64,
    /// Those of them with code 200.
    pub good: u64,
    /// Notifies that came in it.
    pub notifies: u64,
    /// Bytes of messages that came in it.
    pub bytes: u64,
    /// Errors of the gateway to its requests, by code, whenever they came.
    pub errors: BTreeMap<i32, u64>,
    /// Other codes than 200 of services, likewise.
    pub answers: BTreeMap<i32, u64>,
    /// Nanoseconds until good replies to its requests.
    pub latency: Histogram<u64>,
    /// Nanoseconds until all other replies.
    pub refusals: Histogram<u64>,
    /// Nanoseconds that requests left later than they were meant to: this program was too slow.
    pub lateness: Histogram<u64>,
}

/// What a run has counted so far.
#[derive(Clone, Debug)]
pub struct Tally {
    /// How far it is.
    pub phase: Phase,
    /// Sessions that are logged in.
    pub online: u32,
    /// Sessions that the gateway ended, by close code; -1 stands for those of which QUIC lost the connection.
    pub closed: BTreeMap<i64, u64>,
    /// Connections that were refused and tried again.
    pub retries: u64,
    /// Requests that left since the start.
    pub sent: u64,
    /// Replies that came since the start.
    pub replies: u64,
    /// Heartbeats that were answered since the start.
    pub heartbeats: u64,
    /// Requests without a reply at the end, or when the connection of their session ended.
    pub unanswered: u64,
    /// Nanoseconds from the first packet to the reply to hello.
    pub logins: Histogram<u64>,
    /// What is measured.
    pub window: Window,
    /// Promises that were broken.
    pub breaches: u64,
    /// What and where, for the first of them.
    pub words: Vec<String>,
}

impl Tally {
    /// Nothing yet.
    ///
    /// # Errors
    /// Never: the precision is one that histograms have.
    pub(crate) fn new() -> Result<Self, hdrhistogram::CreationError> {
        Ok(Self {
            phase: Phase::Ramp,
            online: 0,
            closed: BTreeMap::new(),
            retries: 0,
            sent: 0,
            replies: 0,
            heartbeats: 0,
            unanswered: 0,
            logins: histogram()?,
            window: Window {
                seconds: 0.0,
                requests: 0,
                withheld: 0,
                replies: 0,
                good: 0,
                notifies: 0,
                bytes: 0,
                errors: BTreeMap::new(),
                answers: BTreeMap::new(),
                latency: histogram()?,
                refusals: histogram()?,
                lateness: histogram()?,
            },
            breaches: 0,
            words: Vec::new(),
        })
    }

    pub(crate) fn breach(&mut self, openid: &str, what: &crate::breach::Breach) {
        self.breaches += 1;
        if self.words.len() < MOST_WORDS {
            self.words.push(format!("session {openid}: {what}"));
        }
    }
}

fn histogram() -> Result<Histogram<u64>, hdrhistogram::CreationError> {
    Histogram::new_with_bounds(RANGE.0, RANGE.1, DIGITS)
}

/// Note seconds in a histogram; more than an hour counts as an hour.
pub(crate) fn note(histogram: &mut Histogram<u64>, seconds: f64) {
    histogram.saturating_record((seconds.max(0.0) * 1e9) as u64);
}
