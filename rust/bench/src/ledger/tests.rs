use std::collections::HashMap;

use super::{Ledger, Waiting};
use crate::breach::Breach;
use crate::echo::fill;
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
            ledger.send(Waiting {
                due: 0.0,
                measured: true,
                kind: 0,
                size: SIZE,
            });
        }
        let mix = Mix::new(&[(action.to_owned(), 1)], &[(SIZE, 1)], &[]);
        Self {
            ledger,
            mix,
            number: 0,
        }
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
    Outcome {
        code: 200,
        message: String::new(),
        data,
    }
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
    let echo = Breach::Echo {
        seq: 1,
        sent: SIZE,
        came: SIZE,
        differs_at: 7,
    };
    assert_eq!(case.take(&push, &answer(2)), Err(echo));
}

#[test]
fn an_answer_that_is_cut_short_is_told() {
    let mut case = Case::new("echo", 1);
    let (push, mut short) = (case.push(1, &[]), answer(1));
    short.data.truncate(12);
    let echo = Breach::Echo {
        seq: 1,
        sent: SIZE,
        came: 12,
        differs_at: 12,
    };
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
    let order = Breach::Order {
        seq: 1,
        expected: 1,
        came: 2,
    };
    assert_eq!(case.notify("before", 1, "2"), Err(order));
}

#[test]
fn what_is_bound_behind_a_failed_request_may_come_late() {
    let mut case = Case::new("after", 2);
    let mut push = case.push(1, &[]);
    push.kind = ERROR;
    let late = Outcome {
        code: 504,
        ..Outcome::default()
    };
    assert_eq!(case.take(&push, &late), Ok(()));
    assert_eq!(case.reply(2, "0"), Ok(()));
    assert_eq!(case.notify("after", 1, "1"), Ok(()));
}

fn misplaced(place: Bound) -> Breach {
    Breach::Misplaced { seq: 1, place }
}

fn missing(place: Bound, came: u32) -> Breach {
    Breach::Missing {
        seq: 1,
        place,
        came,
        promised: 1,
    }
}
