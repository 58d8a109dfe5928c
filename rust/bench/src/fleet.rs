//! All sessions, and the sockets that they share.

use std::io;

use quicgw_transport::{BATCH, ClientSettings, Event, Key, Loss};

use crate::agenda::Agenda;
use crate::failure::{Failure, may_come_back};
use crate::line::{self, Line};
use crate::plan::{Loop, Plan};
use crate::session::{Moment, News, Session};
use crate::tally::{Phase, Tally, note};

/// Handshakes under way at once: more would measure how a gateway refuses.
const AT_ONCE: u32 = 32;
/// Seconds before a connection that was refused is tried again, unless the gateway names others.
const RETRY_AFTER: f64 = 0.25;
/// Batches read of one socket before the others have their turn.
const BATCHES: usize = 16;
/// Seconds between looks at who has to send a heartbeat.
const HEARTBEATS: f64 = 0.25;
const ALPN: &[u8] = b"gatesvr";
/// Refused now, and perhaps not later (protocol §3).
const RETRIED: [i32; 2] = [429, 503];
/// Stands for the close code where QUIC lost the connection.
const LOST: i64 = -1;

/// A client of the plan.
struct Member {
    line: usize,
    key: Option<Key>,
    session: Session,
    /// When it first tried to connect.
    began: f64,
    /// Requests that it does not send yet, as the gateway said.
    resting: u32,
}

/// All sessions of a run.
pub(crate) struct Fleet<'a> {
    plan: &'a Plan,
    lines: Vec<Line>,
    members: Vec<Member>,
    online: Vec<usize>,
    /// Who connects when.
    to_begin: Agenda,
    connecting: u32,
    /// Who has rested for one request when.
    to_rise: Agenda,
    next_heartbeats: f64,
    /// Requests that left, over all: its place in the mix.
    number: u64,
    turn: usize,
    pub(crate) in_flight: u64,
    /// Requests leave, and sessions begin.
    at_work: bool,
    news: Vec<News>,
}

impl<'a> Fleet<'a> {
    pub(crate) fn new(plan: &'a Plan) -> Result<Self, Failure> {
        let lines = (0..plan.sockets.clamp(1, plan.clients.len().max(1)))
            .map(|_| Line::new(plan.peer))
            .collect::<Result<Vec<_>, _>>()?;
        let apart = plan.ramp / plan.clients.len() as f64;
        let mut to_begin = Agenda::default();
        for member in 0..plan.clients.len() {
            to_begin.put(member as f64 * apart, member);
        }
        let member = |(at, (openid, _)): (usize, &(String, String))| Member {
            line: at % lines.len(),
            key: None,
            session: Session::new(openid.clone()),
            began: f64::INFINITY,
            resting: 0,
        };
        Ok(Self {
            members: plan.clients.iter().enumerate().map(member).collect(),
            to_begin,
            plan,
            lines,
            online: Vec::new(),
            connecting: 0,
            to_rise: Agenda::default(),
            next_heartbeats: 0.0,
            number: 0,
            turn: 0,
            in_flight: 0,
            at_work: true,
            news: Vec::new(),
        })
    }

    /// Whether everybody has been logged in.
    pub(crate) fn is_complete(&self) -> bool {
        self.connecting == 0 && self.to_begin.is_empty()
    }

    /// Whether a session is there.
    pub(crate) fn is_alive(&self) -> bool {
        self.lines.iter().any(|line| !line.users.is_empty())
    }

    /// Wait until something has come, for so many seconds at most.
    pub(crate) fn wait(&self, seconds: f64) -> Result<(), Failure> {
        line::wait(&self.lines, seconds)
    }

    pub(crate) fn is_at_work(&self) -> bool {
        self.at_work
    }

    pub(crate) fn online(&self) -> usize {
        self.online.len()
    }

    /// Take what has come, and do what QUIC's timers want.
    pub(crate) fn receive(&mut self, now: f64, tally: &mut Tally) -> Result<(), Failure> {
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
        Ok(())
    }

    /// Who has to say something, as time has passed.
    pub(crate) fn tend(&mut self, now: f64, tally: &mut Tally) -> Result<(), Failure> {
        self.begin_some(now)?;
        while let Some(member) = self.to_rise.take_due(now) {
            self.members[member].resting -= 1;
            self.fill(member, now, tally);
        }
        if now >= self.next_heartbeats {
            self.next_heartbeats = now + HEARTBEATS;
            for at in 0..self.online.len() {
                let member = self.online[at];
                self.members[member].session.heartbeat(now);
                self.write(member);
            }
        }
        Ok(())
    }

    /// Send one request of the next session in turn, which was meant to leave at `due`.
    pub(crate) fn offer(&mut self, due: f64, now: f64, tally: &mut Tally) {
        self.turn = (self.turn + 1) % self.online.len();
        let member = self.online[self.turn];
        self.request(member, due, now, tally);
        self.write(member);
    }

    /// Send no more requests, and let nobody in who is not there yet.
    pub(crate) fn rest(&mut self) {
        self.at_work = false;
        self.to_begin.clear();
    }

    /// Have all sessions end.
    pub(crate) fn leave(&mut self) {
        for member in 0..self.members.len() {
            self.members[member].session.stop();
            self.write(member);
        }
    }

    /// Tell of what has no reply and should have, or only count it.
    pub(crate) fn count_unanswered(&self, tally: &mut Tally, is_breach: bool) {
        for &member in &self.online {
            let session = &self.members[member].session;
            tally.unanswered += u64::from(session.in_flight());
            if is_breach {
                session.tell_unanswered(tally);
            }
        }
    }

    /// End what is left.
    pub(crate) fn abandon(&mut self, now: f64) {
        for line in &mut self.lines {
            for (key, _) in line.users.drain() {
                line.endpoint.abort(key, 0, b"", now);
            }
        }
    }

    /// Send what is due; when something is to be done at the latest.
    pub(crate) fn flush(&mut self, now: f64) -> f64 {
        let mut deadline = self.next_heartbeats;
        for line in &mut self.lines {
            line.endpoint.flush(now);
            deadline = deadline.min(line.endpoint.deadline().unwrap_or(f64::INFINITY));
        }
        if self.connecting < AT_ONCE {
            deadline = deadline.min(self.to_begin.next());
        }
        deadline.min(self.to_rise.next())
    }

    fn begin_some(&mut self, now: f64) -> Result<(), Failure> {
        while self.connecting < AT_ONCE
            && let Some(member) = self.to_begin.take_due(now)
        {
            self.connecting += 1;
            let (line, openid) = (self.members[member].line, &self.plan.clients[member].0);
            let settings = ClientSettings {
                server_name: self.plan.server_name.clone(),
                authorities: self.plan.authorities.clone(),
                alpn: vec![ALPN.to_vec()],
            };
            let line = &mut self.lines[line];
            let key = line
                .endpoint
                .connect(self.plan.peer, settings, now)
                .map_err(|error| Failure::Settings(error.to_string()))?;
            line.users.insert(key, member);
            let one = &mut self.members[member];
            (one.key, one.session, one.began) = (Some(key), Session::new(openid.clone()), one.began.min(now));
        }
        let late =
            |member: &Member| !member.session.is_online() && now - member.began > self.plan.connect_timeout;
        match self.at_work && self.connecting > 0 && self.members.iter().any(late) {
            true => Err(Failure::NoAnswer(self.plan.peer, self.plan.connect_timeout)),
            false => Ok(()),
        }
    }

    fn handle_events(&mut self, line: usize, now: f64, tally: &mut Tally) -> Result<(), Failure> {
        while let Some(event) = self.lines[line].endpoint.next_event() {
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

    /// In a closed loop, send as many requests as are missing.
    fn fill(&mut self, member: usize, now: f64, tally: &mut Tally) {
        let Loop::Closed { in_flight } = self.plan.pace else {
            return;
        };
        let one = &self.members[member];
        if !self.at_work || one.key.is_none() {
            return;
        }
        for _ in one.session.in_flight() + one.resting..in_flight {
            self.request(member, now, now, tally);
        }
        self.write(member);
    }

    fn request(&mut self, member: usize, due: f64, now: f64, tally: &mut Tally) {
        let measured = tally.phase == Phase::Measure;
        let session = &mut self.members[member].session;
        session.request(self.number, due, measured, now, &self.plan.mix);
        self.number += 1;
        self.in_flight += 1;
        tally.sent += 1;
        if measured {
            tally.window.requests += 1;
            note(&mut tally.window.lateness, now - due);
        }
    }

    fn write(&mut self, member: usize) {
        let one = &mut self.members[member];
        if let Some(key) = one.key {
            let endpoint = &mut self.lines[one.line].endpoint;
            one.session.take_output(|data| endpoint.write(key, data));
        }
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
