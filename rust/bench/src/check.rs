//! What one session was promised, compared with what it gets.
//!
//! Numbers come in order and without holes; each request has one reply, which is what was sent where its service
//! echoes; what is bound to a request stands directly before or behind its reply (protocol §3, §4). Requests have
//! consecutive numbers, so what is known of them is a queue whose front is the oldest one without a reply.

use std::collections::VecDeque;
use std::fmt;

use crate::message::{self, Outcome, Push};
use crate::plan::{Bound, Kind};

/// What the data of a request begin with: the request's own number.
pub(crate) const STAMP: usize = 8;

/// A promise that was broken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Breach {
    /// Another number than the next one.
    Number { expected: u64, came: u64 },
    /// A reply to nothing that is under way.
    Reply { msg_id: u32 },
    /// Other data than were sent.
    Echo { seq: u64, sent: usize, came: usize, differs_at: usize },
    /// A notify that is bound to a request, somewhere else.
    Misplaced { seq: u64, place: Bound },
    /// Something else than the rest of what is bound to a request.
    Missing { seq: u64, place: Bound, came: u32, promised: u32 },
    /// Bound notifies in another order than they were pushed.
    Order { seq: u64, expected: u64, came: u64 },
    /// No reply.
    Unanswered { seq: u64 },
    /// Bytes that are no message.
    Unreadable,
    /// A kind of message that does not belong here.
    Unexpected { kind: i32 },
}

impl fmt::Display for Breach {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number { expected, came } => write!(to, "number {came} came where {expected} was due"),
            Self::Reply { msg_id } => write!(to, "a reply to message {msg_id}, which has had one or was never sent"),
            Self::Echo { seq, sent, came, differs_at } => write!(
                to,
                "the answer to request {seq} is not what was sent: {sent} bytes left, {came} came back, \
                 the first difference is at byte {differs_at}"
            ),
            Self::Misplaced { seq, place } => {
                write!(to, "a notify bound {} the reply to request {seq} came elsewhere", word(*place))
            }
            Self::Missing { seq, place, came, promised } => write!(
                to,
                "{came} notifies came directly {} the reply to request {seq}, {promised} were pushed",
                word(*place)
            ),
            Self::Order { seq, expected, came } => {
                write!(to, "notify {came} bound to request {seq} came where its notify {expected} was due")
            }
            Self::Unanswered { seq } => write!(to, "request {seq} has no reply"),
            Self::Unreadable => write!(to, "a message cannot be read"),
            Self::Unexpected { kind } => write!(to, "a message of type {kind} came, which is not for a client at work"),
        }
    }
}

fn word(place: Bound) -> &'static str {
    match place {
        Bound::Before => "before",
        Bound::After => "after",
    }
}

/// A request that waits for its reply.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Waiting {
    /// When it was meant to leave.
    pub(crate) due: f64,
    /// It was meant to leave while measured.
    pub(crate) measured: bool,
    pub(crate) kind: usize,
    pub(crate) size: usize,
}

/// Notifies bound to one request, in a row.
struct Row {
    seq: u64,
    came: u32,
    promised: u32,
}

/// What is known of one session's numbers and requests.
pub(crate) struct Ledger {
    /// The last number that came.
    pub(crate) number: u64,
    /// The number of the oldest request in `waiting`.
    oldest: u64,
    waiting: VecDeque<Option<Waiting>>,
    pub(crate) in_flight: u32,
    /// Notifies before a reply that did not come yet.
    before: Option<Row>,
    /// Notifies that have to come behind the last reply.
    after: Option<Row>,
    /// Some request failed: what was bound behind it may come whenever it is pushed, as that is after its reply.
    failed: bool,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self {
            number: 0,
            oldest: 1,
            waiting: VecDeque::new(),
            in_flight: 0,
            before: None,
            after: None,
            failed: false,
        }
    }

    /// Note a request that leaves, and return its number.
    pub(crate) fn send(&mut self, waiting: Waiting) -> u64 {
        self.waiting.push_back(Some(waiting));
        self.in_flight += 1;
        self.next() - 1
    }

    /// The number of the next request.
    pub(crate) fn next(&self) -> u64 {
        self.oldest + self.waiting.len() as u64
    }

    /// The numbers of all requests without a reply.
    pub(crate) fn unanswered(&self) -> impl Iterator<Item = u64> {
        let with_number = (self.oldest..).zip(&self.waiting);
        with_number.filter_map(|(seq, waiting)| waiting.map(|_| seq))
    }

    /// Check the number of a message that has to have one.
    pub(crate) fn take_number(&mut self, push: &Push) -> Result<(), Breach> {
        let expected = self.number + 1;
        self.number = push.seq_id;
        if push.seq_id == expected {
            Ok(())
        } else {
            Err(Breach::Number { expected, came: push.seq_id })
        }
    }

    /// Take a reply; the request that it answers.
    pub(crate) fn take_reply(&mut self, msg_id: u32) -> Result<(u64, Waiting), Breach> {
        // msg_id is the lower half of the request's number: far more than is ever under way.
        let at = msg_id.wrapping_sub(message::message_id(self.oldest)) as usize;
        let waiting = self.waiting.get_mut(at).and_then(Option::take);
        let waiting = waiting.ok_or(Breach::Reply { msg_id })?;
        let seq = self.oldest + at as u64;
        self.in_flight -= 1;
        while let Some(None) = self.waiting.front() {
            self.waiting.pop_front();
            self.oldest += 1;
        }
        Ok((seq, waiting))
    }

    /// Check what stands around a reply, and its data if its service echoes them.
    pub(crate) fn check_reply(
        &mut self,
        seq: u64,
        kind: &Kind,
        size: usize,
        push: &Push,
        answer: &Outcome,
    ) -> Result<(), Breach> {
        let (before, owed) = (self.before.take(), self.settle());
        let good = push.kind == message::BUSINESS_DATA && answer.code == 200;
        self.failed |= !good;
        let promised = push.number("pushed").unwrap_or(0) as u32;
        if good && kind.binds == Some(Bound::After) {
            self.after = Some(Row { seq, came: 0, promised });
        }
        owed?;
        match before {
            Some(row) if row.seq != seq => {
                return Err(Breach::Misplaced { seq: row.seq, place: Bound::Before });
            }
            row if good && kind.binds == Some(Bound::Before) => {
                let came = row.map_or(0, |row| row.came);
                if came != promised {
                    return Err(Breach::Missing { seq, place: Bound::Before, came, promised });
                }
            }
            _ => {}
        }
        if good && kind.echoes {
            check_echo(seq, size, &answer.data)?;
        }
        Ok(())
    }

    /// Check where a notify stands.
    pub(crate) fn check_notify(&mut self, push: &Push, answer: &Outcome) -> Result<(), Breach> {
        let place = push.headers.get("notify-type").map(String::as_str);
        match (place, stamped(&answer.data)) {
            (Some("before"), Some(seq)) => self.bound_before(seq, push),
            (Some("after"), Some(seq)) => self.bound_after(seq, push),
            _ => self.settle().and(match self.before.take() {
                Some(row) => Err(Breach::Misplaced { seq: row.seq, place: Bound::Before }),
                None => Ok(()),
            }),
        }
    }

    fn bound_before(&mut self, seq: u64, push: &Push) -> Result<(), Breach> {
        self.settle()?;
        let waits = seq
            .checked_sub(self.oldest)
            .and_then(|at| self.waiting.get(at as usize));
        if !matches!(waits, Some(Some(_))) {
            return Err(Breach::Misplaced { seq, place: Bound::Before });
        }
        let row = self.before.get_or_insert(Row { seq, came: 0, promised: 0 });
        if row.seq != seq {
            return Err(Breach::Misplaced { seq: row.seq, place: Bound::Before });
        }
        in_turn(row, push)
    }

    fn bound_after(&mut self, seq: u64, push: &Push) -> Result<(), Breach> {
        match &mut self.after {
            Some(row) if row.seq == seq && row.came < row.promised => in_turn(row, push),
            _ if self.failed => Ok(()),
            _ => Err(Breach::Misplaced { seq, place: Bound::After }),
        }
    }

    /// Whatever was to come behind the last reply has come.
    fn settle(&mut self) -> Result<(), Breach> {
        match self.after.take() {
            Some(Row { seq, came, promised }) if came < promised => {
                Err(Breach::Missing { seq, place: Bound::After, came, promised })
            }
            _ => Ok(()),
        }
    }
}

/// Services count what they push for one request from 1 on, in the header `index`.
fn in_turn(row: &mut Row, push: &Push) -> Result<(), Breach> {
    row.came += 1;
    let expected = row.came.into();
    match push.number("index") {
        Some(came) if came != expected => Err(Breach::Order { seq: row.seq, expected, came }),
        _ => Ok(()),
    }
}

/// The data of a request: its number, then a pattern that begins elsewhere for each.
pub(crate) fn fill(data: &mut Vec<u8>, seq: u64, size: usize) {
    data.clear();
    data.extend((0..size).map(|at| byte(seq, at)));
}

fn byte(seq: u64, at: usize) -> u8 {
    match seq.to_be_bytes().get(at) {
        Some(byte) => *byte,
        None => (seq as usize).wrapping_add(at) as u8,
    }
}

fn check_echo(seq: u64, sent: usize, data: &[u8]) -> Result<(), Breach> {
    let differs = data.iter().enumerate().position(|(at, came)| *came != byte(seq, at));
    match differs {
        None if data.len() == sent => Ok(()),
        _ => Err(Breach::Echo {
            seq,
            sent,
            came: data.len(),
            differs_at: differs.unwrap_or(data.len().min(sent)),
        }),
    }
}

fn stamped(data: &[u8]) -> Option<u64> {
    data.first_chunk::<STAMP>().map(|stamp| u64::from_be_bytes(*stamp))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{Breach, Ledger, Waiting, fill};
    use crate::message::{BUSINESS_DATA, ERROR, Outcome, Push};
    use crate::plan::{Bound, Mix};

    /// A session in which `count` requests of the action wait for their replies.
    struct Case {
        ledger: Ledger,
        mix: Mix,
        number: u64,
    }

    const SIZE: usize = 40;

    impl Case {
        fn new(action: &str, count: u64) -> Self {
            let mut ledger = Ledger::new();
            for _ in 0..count {
                ledger.send(Waiting { due: 0.0, measured: true, kind: 0, size: SIZE });
            }
            let mix = Mix::new(&[(action.to_owned(), 1)], &[(SIZE, 1)], &[]);
            Self { ledger, mix, number: 0 }
        }

        fn push(&mut self, msg_id: u32, headers: &[(&str, &str)]) -> Push {
            self.number += 1;
            let owned = |(key, value): &(&str, &str)| (key.to_string(), value.to_string());
            Push {
                msg_id,
                seq_id: self.number,
                kind: BUSINESS_DATA,
                payload: Vec::new(),
                headers: headers.iter().map(owned).collect::<HashMap<_, _>>(),
            }
        }

        fn reply(&mut self, seq: u64, pushed: &str) -> Result<(), Breach> {
            let push = self.push(seq as u32, &[("pushed", pushed)]);
            self.take(&push, &answer(seq))
        }

        fn take(&mut self, push: &Push, answer: &Outcome) -> Result<(), Breach> {
            self.ledger.take_number(push)?;
            let (seq, waiting) = self.ledger.take_reply(push.msg_id)?;
            self.ledger
                .check_reply(seq, &self.mix.kinds[0], waiting.size, push, answer)
        }

        fn notify(&mut self, place: &str, seq: u64, index: &str) -> Result<(), Breach> {
            let push = self.push(0, &[("notify-type", place), ("index", index)]);
            self.ledger.take_number(&push)?;
            self.ledger.check_notify(&push, &answer(seq))
        }
    }

    fn answer(seq: u64) -> Outcome {
        let mut data = Vec::new();
        fill(&mut data, seq, SIZE);
        Outcome { code: 200, message: String::new(), data }
    }

    #[test]
    fn replies_may_come_in_any_order() {
        let mut case = Case::new("echo", 3);
        for seq in [2, 3, 1] {
            assert_eq!(case.reply(seq, "0"), Ok(()));
        }
        assert_eq!((case.ledger.in_flight, case.ledger.next()), (0, 4));
        assert_eq!(case.ledger.unanswered().count(), 0);
    }

    #[test]
    fn a_number_that_is_skipped_or_repeated_is_told() {
        let mut case = Case::new("echo", 3);
        case.number = 1;
        assert_eq!(case.reply(1, "0"), Err(Breach::Number { expected: 1, came: 2 }));
        case.number = 1;
        assert_eq!(case.reply(2, "0"), Err(Breach::Number { expected: 3, came: 2 }));
    }

    #[test]
    fn a_second_reply_is_told() {
        let mut case = Case::new("echo", 2);
        assert_eq!(case.reply(1, "0"), Ok(()));
        assert_eq!(case.reply(1, "0"), Err(Breach::Reply { msg_id: 1 }));
        assert_eq!(case.reply(3, "0"), Err(Breach::Reply { msg_id: 3 }), "never sent");
        assert_eq!(case.ledger.unanswered().collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn an_answer_that_belongs_to_another_request_is_told() {
        let mut case = Case::new("echo", 2);
        let push = case.push(1, &[]);
        let echo = Breach::Echo { seq: 1, sent: SIZE, came: SIZE, differs_at: 7 };
        assert_eq!(case.take(&push, &answer(2)), Err(echo));
    }

    #[test]
    fn an_answer_that_is_cut_short_is_told() {
        let mut case = Case::new("echo", 1);
        let (push, mut short) = (case.push(1, &[]), answer(1));
        short.data.truncate(12);
        let echo = Breach::Echo { seq: 1, sent: SIZE, came: 12, differs_at: 12 };
        assert_eq!(case.take(&push, &short), Err(echo));
    }

    #[test]
    fn bound_notifies_in_their_places_are_fine() {
        let mut case = Case::new("before", 2);
        for seq in [1, 2] {
            assert_eq!(case.notify("before", seq, "1"), Ok(()));
            assert_eq!(case.notify("before", seq, "2"), Ok(()));
            assert_eq!(case.reply(seq, "2"), Ok(()));
        }
        let mut case = Case::new("after", 2);
        for seq in [1, 2] {
            assert_eq!(case.reply(seq, "2"), Ok(()));
            assert_eq!(case.notify("after", seq, "1"), Ok(()));
            assert_eq!(case.notify("after", seq, "2"), Ok(()));
        }
    }

    #[test]
    fn a_notify_on_the_wrong_side_of_its_reply_is_told() {
        let mut case = Case::new("before", 1);
        assert_eq!(case.reply(1, "1"), Err(missing(Bound::Before, 0)));
        assert_eq!(case.notify("before", 1, "1"), Err(misplaced(Bound::Before)));
        let mut case = Case::new("after", 1);
        assert_eq!(case.notify("after", 1, "1"), Err(misplaced(Bound::After)));
    }

    #[test]
    fn what_comes_in_between_is_told() {
        let mut case = Case::new("before", 2);
        assert_eq!(case.notify("before", 1, "1"), Ok(()));
        assert_eq!(case.reply(2, "0"), Err(misplaced(Bound::Before)));
        let mut case = Case::new("after", 2);
        assert_eq!(case.reply(1, "1"), Ok(()));
        assert_eq!(case.reply(2, "0"), Err(missing(Bound::After, 0)));
        let mut case = Case::new("before", 1);
        assert_eq!(case.notify("before", 1, "1"), Ok(()));
        assert_eq!(case.notify("news", 1, "1"), Err(misplaced(Bound::Before)));
    }

    #[test]
    fn bound_notifies_in_another_order_are_told() {
        let mut case = Case::new("before", 1);
        let order = Breach::Order { seq: 1, expected: 1, came: 2 };
        assert_eq!(case.notify("before", 1, "2"), Err(order));
    }

    #[test]
    fn what_is_bound_behind_a_failed_request_may_come_late() {
        let mut case = Case::new("after", 2);
        let mut push = case.push(1, &[]);
        push.kind = ERROR;
        let late = Outcome { code: 504, ..Outcome::default() };
        assert_eq!(case.take(&push, &late), Ok(()));
        assert_eq!(case.reply(2, "0"), Ok(()));
        assert_eq!(case.notify("after", 1, "1"), Ok(()));
    }

    fn misplaced(place: Bound) -> Breach {
        Breach::Misplaced { seq: 1, place }
    }

    fn missing(place: Bound, came: u32) -> Breach {
        Breach::Missing { seq: 1, place, came, promised: 1 }
    }
}
