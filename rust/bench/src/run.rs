//! The course of a run: its phases, and the loop that does them all.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::fleet::Fleet;
use crate::plan::{Loop, Plan};
use crate::tally::{Phase, Tally};

/// Seconds after which the loop looks whether somebody wants it to end.
const LOOK: f64 = 0.1;
/// How long to sleep while replies, or times to send, come closer together than that: to wake up for each would cost more
/// than it does, and take the processor from the gateway. Requests leave and latencies are told so much too late, at most.
const NAP: Duration = Duration::from_micros(200);
/// Seconds that replies have after somebody wanted the end.
const HURRY: f64 = 1.0;
/// Seconds in which a gateway closes the connections of sessions that said STOP.
const FAREWELL: f64 = 1.0;

/// A run that is to be done, is under way or is over.
pub struct Run {
    plan: Plan,
    tally: Mutex<Tally>,
    stopping: AtomicBool,
}

impl Run {
    /// Prepare a run.
    ///
    /// # Errors
    /// [`Failure::Settings`] for a plan without clients.
    pub fn new(plan: Plan) -> Result<Self, Failure> {
        if plan.clients.is_empty() {
            return Err(Failure::Settings("a run needs a session".to_owned()));
        }
        let tally = Tally::new().map_err(|error| Failure::Settings(error.to_string()))?;
        Ok(Self {
            plan,
            tally: Mutex::new(tally),
            stopping: AtomicBool::new(false),
        })
    }

    /// What is counted so far. The run waits while somebody looks at it.
    pub fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Send nothing more, wait a moment for replies, and end.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Do it all, in this thread.
    ///
    /// # Errors
    /// [`Failure`] when not all sessions could be logged in; what was counted until then stays.
    pub fn go(&self) -> Result<(), Failure> {
        let mut course = Course {
            plan: &self.plan,
            fleet: Fleet::new(&self.plan)?,
            since: 0.0,
            next_offer: f64::INFINITY,
            stopped: false,
        };
        let started = Instant::now();
        let mut busy = false;
        loop {
            let now = started.elapsed().as_secs_f64();
            let mut tally = self.tally();
            course.stopped |= self.stopping.load(Ordering::Relaxed);
            let (came, wait) = course.turn(now, &mut tally)?;
            if tally.phase == Phase::Over {
                return Ok(());
            }
            drop(tally);
            if busy && (came > 0 || wait < NAP.as_secs_f64()) {
                std::thread::sleep(NAP);
                continue;
            }
            let idle = Instant::now();
            course.fleet.wait(wait.min(LOOK))?;
            busy = idle.elapsed() < NAP;
        }
    }
}

struct Course<'a> {
    plan: &'a Plan,
    fleet: Fleet<'a>,
    /// When the phase began.
    since: f64,
    /// When the next request of an open loop is meant to leave.
    next_offer: f64,
    stopped: bool,
}

impl Course<'_> {
    /// Do what there is to do now; how many datagrams came, and for how many seconds nothing is unless more come.
    fn turn(&mut self, now: f64, tally: &mut Tally) -> Result<(usize, f64), Failure> {
        let came = self.fleet.receive(now, tally)?;
        self.fleet.tend(now, tally)?;
        self.offer(now, tally);
        self.advance(now, tally);
        let next = self.fleet.flush(now).min(self.next_offer);
        Ok((came, next - now))
    }

    /// In an open loop, send what was meant to leave until now, however late it is. While sessions begin over a time of
    /// their own, the rate grows with them; else it begins when all are there.
    fn offer(&mut self, now: f64, tally: &mut Tally) {
        let Loop::Open { rate } = self.plan.pace else {
            return;
        };
        if !self.fleet.is_at_work() || self.fleet.online() == 0 || rate == 0.0 {
            self.next_offer = f64::INFINITY;
            return;
        }
        if self.next_offer.is_infinite() {
            self.next_offer = now;
        }
        let here = match tally.phase {
            // A rate that is too much for the gateway would keep out who is not there yet.
            Phase::Ramp if self.plan.ramp == 0.0 => return,
            Phase::Ramp => self.fleet.online() as f64 / self.plan.clients.len() as f64,
            _ => 1.0,
        };
        let end = if tally.phase == Phase::Measure {
            self.since + self.plan.duration
        } else {
            f64::INFINITY
        };
        while self.next_offer <= now.min(end) {
            self.fleet.offer(self.next_offer, now, tally);
            self.next_offer += 1.0 / (rate * here);
        }
    }

    fn advance(&mut self, now: f64, tally: &mut Tally) {
        let passed = now - self.since;
        let next = match tally.phase {
            Phase::Ramp | Phase::WarmUp | Phase::Measure if self.stopped || !self.goes_on() => Phase::Drain,
            Phase::Ramp if self.fleet.is_complete() => Phase::WarmUp,
            Phase::WarmUp if passed >= self.plan.warm_up => Phase::Measure,
            Phase::Measure if passed >= self.plan.duration => Phase::Drain,
            Phase::Drain if self.is_drained(passed) => Phase::Leave,
            Phase::Leave if !self.fleet.is_alive() || passed >= FAREWELL => Phase::Over,
            same => same,
        };
        if tally.phase == Phase::Measure {
            tally.window.seconds = passed;
        }
        if next != tally.phase {
            self.enter(next, now, tally);
        }
    }

    /// Whether somebody is there, or still comes.
    fn goes_on(&self) -> bool {
        self.fleet.online() > 0 || !self.fleet.is_complete()
    }

    fn is_drained(&self, passed: f64) -> bool {
        let patience = if self.stopped {
            HURRY
        } else {
            self.plan.reply_timeout
        };
        self.fleet.in_flight == 0 || passed >= patience
    }

    fn enter(&mut self, phase: Phase, now: f64, tally: &mut Tally) {
        (tally.phase, self.since) = (phase, now);
        match phase {
            Phase::Drain => {
                self.fleet.rest();
                self.next_offer = f64::INFINITY;
            }
            Phase::Leave => {
                self.fleet.count_unanswered(tally, !self.stopped);
                self.fleet.leave();
            }
            Phase::Over => self.fleet.abandon(now),
            Phase::Ramp | Phase::WarmUp | Phase::Measure => {}
        }
    }
}
