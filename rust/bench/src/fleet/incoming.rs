//! What comes: messages of the gateway, ends of connections, errors of sockets.

use std::io;

use quicgw_transport::{BATCH, Event, Loss};

use super::Fleet;
use crate::failure::{Failure, may_come_back};
use crate::session::{Moment, News};
use crate::tally::{Phase, Tally, note};

/// Seconds before a connection that was refused is tried again, unless the gateway names others.
const RETRY_AFTER: f64 = 0.25;
/// Batches read of one socket before the others have their turn.
const BATCHES: usize = 16;
/// Refused now, and perhaps not later (protocol §3).
const RETRIED: [i32; 2] = [429, 503];
/// Stands for the close code where QUIC lost the connection.
const LOST: i64 = -1;

impl Fleet<'_> {
    /// Take what has come, and do what QUIC's timers want; how many datagrams came.
    pub(crate) fn receive(&mut self, now: f64, tally: &mut Tally) -> Result<usize, Failure> {
        let mut came = 0;
        for at in 0..self.lines.len() {
            // The kernel tells it once, to whoever calls first: sending is as good as reading.
            if let Some(error) = self.lines[at].endpoint.take_failure()
                && error.kind() == io::ErrorKind::ConnectionRefused
            {
                self.socket_failed(at, error, now, tally)?;
            }
            for _ in 0..BATCHES {
                match self.lines[at].endpoint.receive(now) {
                    Ok(0) => break,
                    Ok(count) => {
                        came += count;
                        self.handle_events(at, now, tally)?;
                        if count < BATCH {
                            break; // there was no more
                        }
                    }
                    Err(error) => self.socket_failed(at, error, now, tally)?,
                }
            }
            self.lines[at].endpoint.expire(now);
            self.handle_events(at, now, tally)?;
        }
        Ok(came)
    }

    fn handle_events(&mut self, line: usize, now: f64, tally: &mut Tally) -> Result<(), Failure> {
        while let Some(event) = self.lines[line].next_event() {
            match event {
                Event::Established { key, .. } => {
                    if let Some(&member) = self.lines[line].users.get(&key) {
                        self.members[member].session.start(&self.plan.clients[member].1);
                        self.write(member);
                    }
                }
                Event::Data { key, bytes } => {
                    if let Some(&member) = self.lines[line].users.get(&key) {
                        self.data(member, &bytes, now, tally)?;
                    }
                }
                Event::Lost { key, loss } => {
                    if let Some(member) = self.lines[line].users.remove(&key) {
                        self.lost(member, loss, now, tally)?;
                    }
                }
                Event::Answer { ticket } => self.lines[line].endpoint.withhold(ticket),
                _ => {} // a gateway ends its stream only together with the connection
            }
        }
        Ok(())
    }

    fn data(&mut self, member: usize, bytes: &[u8], now: f64, tally: &mut Tally) -> Result<(), Failure> {
        let mut news = std::mem::take(&mut self.news);
        let mut moment = Moment {
            now,
            mix: &self.plan.mix,
            tally,
        };
        self.members[member]
            .session
            .receive(bytes, &mut moment, &mut news);
        for one in news.drain(..) {
            match one {
                News::Online => {
                    self.connecting -= 1;
                    self.online.push(member);
                    tally.online += 1;
                    note(&mut tally.logins, now - self.members[member].began);
                    self.fill(member, now, tally);
                }
                News::Replied { rest } => {
                    self.in_flight -= 1;
                    if let Some(rest) = rest {
                        self.members[member].resting += 1;
                        self.to_rise.put(now + rest, member);
                    }
                    self.fill(member, now, tally);
                }
                News::Refused {
                    code,
                    words,
                    retry_after,
                } => {
                    self.drop_connection(member, now);
                    self.connecting -= 1;
                    if self.at_work && !RETRIED.contains(&code) {
                        return Err(Failure::Refused { code, words });
                    }
                    self.try_again(member, now + retry_after.unwrap_or(RETRY_AFTER), tally);
                }
            }
        }
        self.news = news;
        self.write(member);
        Ok(())
    }

    fn lost(&mut self, member: usize, loss: Loss, now: f64, tally: &mut Tally) -> Result<(), Failure> {
        self.members[member].key = None;
        if !self.members[member].session.is_online() {
            self.connecting -= 1;
            if self.at_work && !may_come_back(&loss) {
                return Err(Failure::of(self.plan.peer, loss));
            }
            self.try_again(member, now + RETRY_AFTER, tally);
            return Ok(());
        }
        self.gone(member);
        if self.at_work || tally.phase == Phase::Drain {
            let code = match loss {
                Loss::ClosedByPeer { code, .. } => code as i64,
                _ => LOST,
            };
            *tally.closed.entry(code).or_default() += 1;
            tally.unanswered += u64::from(self.members[member].session.in_flight());
            tally.online -= 1;
        }
        Ok(())
    }

    fn gone(&mut self, member: usize) {
        self.online.retain(|&other| other != member);
        self.in_flight -= u64::from(self.members[member].session.in_flight());
    }

    fn try_again(&mut self, member: usize, at: f64, tally: &mut Tally) {
        if !self.at_work {
            return;
        }
        tally.retries += 1;
        self.to_begin.put(at, member);
    }

    fn drop_connection(&mut self, member: usize, now: f64) {
        let one = &mut self.members[member];
        if let Some(key) = one.key.take() {
            let line = &mut self.lines[one.line];
            line.users.remove(&key);
            line.endpoint.abort(key, 0, b"", now);
        }
    }

    /// A connected socket tells that nobody listens, before or after somebody did.
    fn socket_failed(
        &mut self,
        line: usize,
        error: io::Error,
        now: f64,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        if error.kind() != io::ErrorKind::ConnectionRefused {
            return Err(Failure::Socket(error));
        }
        if self.online.is_empty() && tally.phase == Phase::Ramp {
            return Err(Failure::NothingListens(self.plan.peer));
        }
        let users: Vec<_> = self.lines[line].users.drain().collect();
        for (key, member) in users {
            self.lines[line].endpoint.forget(key);
            self.lost(member, Loss::Reset, now, tally)?;
        }
        Ok(())
    }
}
