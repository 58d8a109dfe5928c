//! One client: what it says to the gateway, and what it makes of what comes back. Bytes in, bytes out.

use prost::Message;
use quicgw_core::FrameDecoder;

use crate::breach::Breach;
use crate::echo::fill;
use crate::ledger::{Ledger, Waiting};
use crate::message::{self, BUSINESS_DATA, ERROR, HEARTBEAT_RESP, Outcome, Push, START_RESP, Started};
use crate::plan::Mix;
use crate::tally::{Phase, Tally, note};

/// Bytes of one message at most (protocol §1).
const MAX_BODY: u64 = 1 << 20;
/// Messages after which they are acknowledged, unless the gateway keeps few.
const ACK_EVERY: u32 = 32;
/// A part of the window in bytes after which the messages in it are acknowledged.
const ACK_PART: u64 = 8;
/// The window in bytes of a gateway that names none (protocol §5).
const WINDOW: u64 = 1 << 20;
const OK: i32 = 200;

/// What the owner of a session has to know.
#[derive(Debug)]
pub(crate) enum News {
    /// It is logged in.
    Online,
    /// It was not let in.
    Refused {
        code: i32,
        words: String,
        retry_after: Option<f64>,
    },
    /// A request has its reply; the gateway may have said for how long there should be no other one.
    Replied { rest: Option<f64> },
}

/// What is the same for all messages of one moment.
pub(crate) struct Moment<'a> {
    pub(crate) now: f64,
    pub(crate) mix: &'a Mix,
    pub(crate) tally: &'a mut Tally,
}

/// One session from its START on.
pub(crate) struct Session {
    decoder: FrameDecoder,
    talk: Talk,
}

struct Talk {
    openid: String,
    ledger: Ledger,
    online: bool,
    ack_every: u32,
    ack_bytes: u64,
    unacknowledged: (u32, u64),
    heartbeat: f64,
    last_sent: f64,
    out: Vec<u8>,
    data: Vec<u8>,
}

impl Session {
    pub(crate) fn new(openid: String) -> Self {
        Self {
            decoder: FrameDecoder::new(MAX_BODY, None),
            talk: Talk {
                openid,
                ledger: Ledger::new(),
                online: false,
                ack_every: ACK_EVERY,
                ack_bytes: WINDOW / ACK_PART,
                unacknowledged: (0, 0),
                heartbeat: f64::INFINITY,
                last_sent: 0.0,
                out: Vec::new(),
                data: Vec::new(),
            },
        }
    }

    pub(crate) fn is_online(&self) -> bool {
        self.talk.online
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.talk.ledger.in_flight
    }

    /// What there is to be written, once.
    pub(crate) fn take_output(&mut self, write: impl FnOnce(&[u8])) {
        if !self.talk.out.is_empty() {
            write(&self.talk.out);
            self.talk.out.clear();
        }
    }

    pub(crate) fn start(&mut self, token: &str) {
        message::start(&mut self.talk.out, &self.talk.openid, token);
    }

    /// Ask for what the mix has in this place.
    pub(crate) fn request(&mut self, number: u64, due: f64, measured: bool, now: f64, mix: &Mix) {
        let (kind, size) = mix.pick(number);
        let talk = &mut self.talk;
        let seq = talk.ledger.send(Waiting {
            due,
            measured,
            kind,
            size,
        });
        fill(&mut talk.data, seq, size);
        message::request(&mut talk.out, seq, &mix.kinds[kind].head, &talk.data);
        talk.last_sent = now;
    }

    /// Say that it is still there, where that is due.
    pub(crate) fn heartbeat(&mut self, now: f64) {
        if now - self.talk.last_sent >= self.talk.heartbeat {
            message::heartbeat(&mut self.talk.out);
            self.talk.last_sent = now;
        }
    }

    /// Say that everything came, and end the session: what is not acknowledged then is lost to the gateway.
    pub(crate) fn stop(&mut self) {
        if self.talk.unacknowledged.0 > 0 {
            self.talk.acknowledge_all();
        }
        message::stop(&mut self.talk.out);
    }

    /// Tell of every request that has no reply.
    pub(crate) fn tell_unanswered(&self, tally: &mut Tally) {
        for seq in self.talk.ledger.unanswered() {
            tally.breach(&self.talk.openid, &Breach::Unanswered { seq });
        }
    }

    /// Take bytes of the stream.
    pub(crate) fn receive(&mut self, data: &[u8], at: &mut Moment<'_>, news: &mut Vec<News>) {
        let Self { decoder, talk } = self;
        let fed = decoder.feed(data, |body| {
            talk.take(body, at, news);
            Ok(())
        });
        if fed.is_err() {
            at.tally.breach(&talk.openid, &Breach::Unreadable);
        }
        talk.acknowledge();
    }
}

impl Talk {
    fn take(&mut self, body: &[u8], at: &mut Moment<'_>, news: &mut Vec<News>) {
        let Ok(push) = Push::decode(body) else {
            at.tally.breach(&self.openid, &Breach::Unreadable);
            return;
        };
        if push.kind == START_RESP {
            self.started(&push, at, news);
        } else if push.kind == BUSINESS_DATA || push.kind == ERROR && push.seq_id > 0 {
            self.numbered(&push, body.len() as u64, at, news);
        } else if push.kind == ERROR {
            // Of a message that is no request; why, the gateway's next step tells.
            let code = Outcome::decode(push.payload.as_slice()).unwrap_or_default().code;
            *at.tally.window.errors.entry(code).or_default() += 1;
        } else if push.kind == HEARTBEAT_RESP {
            at.tally.heartbeats += 1;
        } else {
            at.tally
                .breach(&self.openid, &Breach::Unexpected { kind: push.kind });
        }
    }

    fn started(&mut self, push: &Push, at: &mut Moment<'_>, news: &mut Vec<News>) {
        let Ok(started) = Started::decode(push.payload.as_slice()) else {
            at.tally.breach(&self.openid, &Breach::Unreadable);
            return;
        };
        if !started.success {
            news.push(refused(started.error.unwrap_or_default(), push));
            return;
        }
        if started.heartbeat_interval > 0 {
            self.heartbeat = started.heartbeat_interval.into();
        }
        // A window holds twice as many messages as may be in flight, at least (protocol §2).
        let few = push.number("limit-in-flight").unwrap_or(u64::MAX);
        self.ack_every = few.div_ceil(2).clamp(1, ACK_EVERY.into()) as u32;
        self.ack_bytes = push.number("limit-window-bytes").unwrap_or(WINDOW) / ACK_PART;
        let hello = Waiting {
            due: at.now,
            measured: false,
            kind: 0,
            size: 0,
        };
        let seq = self.ledger.send(hello);
        message::request(&mut self.out, seq, &message::request_head("hello", &[]), &[]);
        self.last_sent = at.now;
    }

    fn numbered(&mut self, push: &Push, bytes: u64, at: &mut Moment<'_>, news: &mut Vec<News>) {
        self.unacknowledged.0 += 1;
        self.unacknowledged.1 += bytes;
        if at.tally.phase == Phase::Measure {
            at.tally.window.bytes += bytes;
        }
        let took = self.ledger.take_number(push);
        self.tell(took, at);
        let Ok(outcome) = Outcome::decode(push.payload.as_slice()) else {
            at.tally.breach(&self.openid, &Breach::Unreadable);
            return;
        };
        if push.msg_id == 0 {
            if at.tally.phase == Phase::Measure {
                at.tally.window.notifies += 1;
            }
            let checked = self.ledger.check_notify(push, &outcome);
            self.tell(checked, at);
        } else {
            self.reply(push, outcome, at, news);
        }
    }

    fn reply(&mut self, push: &Push, outcome: Outcome, at: &mut Moment<'_>, news: &mut Vec<News>) {
        let (seq, waiting) = match self.ledger.take_reply(push.msg_id) {
            Ok(taken) => taken,
            Err(breach) => return at.tally.breach(&self.openid, &breach),
        };
        if !self.online {
            let good = push.kind == BUSINESS_DATA && outcome.code == OK;
            self.online = good;
            news.push(if good {
                News::Online
            } else {
                refused(outcome, push)
            });
            return;
        }
        let kind = &at.mix.kinds[waiting.kind];
        let checked = self.ledger.check_reply(seq, kind, waiting.size, push, &outcome);
        self.tell(checked, at);
        count(push, &outcome, &waiting, at);
        news.push(News::Replied { rest: rest(push) });
    }

    /// Acknowledge what came, now and then.
    fn acknowledge(&mut self) {
        let (messages, bytes) = self.unacknowledged;
        if messages >= self.ack_every || bytes > self.ack_bytes {
            self.acknowledge_all();
        }
    }

    fn acknowledge_all(&mut self) {
        message::ack(&mut self.out, self.ledger.number);
        self.unacknowledged = (0, 0);
    }

    fn tell(&self, checked: Result<(), Breach>, at: &mut Moment<'_>) {
        if let Err(breach) = checked {
            at.tally.breach(&self.openid, &breach);
        }
    }
}

fn count(push: &Push, outcome: &Outcome, waiting: &Waiting, at: &mut Moment<'_>) {
    let (tally, took) = (&mut *at.tally, at.now - waiting.due);
    let (good, open) = (
        push.kind == BUSINESS_DATA && outcome.code == OK,
        tally.phase == Phase::Measure,
    );
    tally.replies += 1;
    tally.window.replies += u64::from(open);
    tally.window.good += u64::from(open && good);
    if !waiting.measured {
        return;
    }
    if good {
        note(&mut tally.window.latency, took);
        return;
    }
    note(&mut tally.window.refusals, took);
    let whose = if push.kind == ERROR {
        &mut tally.window.errors
    } else {
        &mut tally.window.answers
    };
    *whose.entry(outcome.code).or_default() += 1;
}

fn rest(push: &Push) -> Option<f64> {
    push.number("retry-after-ms").map(|ms| ms as f64 / 1000.0)
}

fn refused(outcome: Outcome, push: &Push) -> News {
    News::Refused {
        code: outcome.code,
        words: outcome.message,
        retry_after: rest(push),
    }
}
