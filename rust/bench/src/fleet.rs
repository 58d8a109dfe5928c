//! All sessions, and the sockets that they share: who begins, asks, and leaves, as time passes.

mod incoming;

use quicgw_transport::{ClientSettings, Key};

use crate::agenda::Agenda;
use crate::failure::Failure;
use crate::line::{self, Line};
use crate::plan::{Loop, Plan};
use crate::session::{News, Session};
use crate::tally::{Phase, Tally, note};

/// Handshakes under way at once: more would measure how a gateway refuses.
const AT_ONCE: u32 = 32;
/// Seconds between looks at who has to send a heartbeat, and the part of all that is looked at: heartbeats leave one by
/// one, as those of real clients do, and each is at most a quarter of a second late.
const HEARTBEATS: f64 = 0.01;
const HEARTBEATS_PART: usize = 25;
const ALPN: &[u8] = b"gatesvr";

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
    /// Whose heartbeat was looked at last.
    beat: usize,
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
            beat: 0,
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

    /// Who has to say something, as time has passed.
    pub(crate) fn tend(&mut self, now: f64, tally: &mut Tally) -> Result<(), Failure> {
        self.begin_some(now)?;
        while let Some(member) = self.to_rise.take_due(now) {
            self.members[member].resting -= 1;
            self.fill(member, now, tally);
        }
        if now >= self.next_heartbeats {
            self.next_heartbeats = now + HEARTBEATS;
            self.check_patience(now)?;
            for _ in 0..self.online.len().div_ceil(HEARTBEATS_PART) {
                self.beat = (self.beat + 1) % self.online.len();
                let member = self.online[self.beat];
                self.members[member].session.heartbeat(now);
                self.write(member);
            }
        }
        Ok(())
    }

    /// Send one request of the next session in turn, which was meant to leave at `due`, if the gateway takes it.
    pub(crate) fn offer(&mut self, due: f64, now: f64, tally: &mut Tally) {
        self.turn = (self.turn + 1) % self.online.len();
        let member = self.online[self.turn];
        let one = &self.members[member];
        if one
            .key
            .is_some_and(|key| self.lines[one.line].endpoint.is_ready(key))
        {
            self.request(member, due, now, tally);
            self.write(member);
        } else if tally.phase == Phase::Measure {
            tally.window.withheld += 1;
        }
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
        Ok(())
    }

    /// Whether everybody who tries to log in has still time for it.
    fn check_patience(&self, now: f64) -> Result<(), Failure> {
        let limit = self.plan.connect_timeout;
        let late = |member: &Member| !member.session.is_online() && now - member.began > limit;
        match self.at_work && self.connecting > 0 && self.members.iter().any(late) {
            true => Err(Failure::NoAnswer(self.plan.peer, limit)),
            false => Ok(()),
        }
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
}
