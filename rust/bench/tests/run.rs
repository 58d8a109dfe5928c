//! Runs against a gateway that keeps its promises, and against some that do not, over real QUIC.

#![allow(clippy::unwrap_used)] // whoever finds nothing here has a failed test

use std::sync::atomic::Ordering;
use std::time::Duration;

use quicgw_bench::{Failure, Loop, Mix, Phase, Plan, Run, Tally};

use crate::stub::{Fault, Stub, thread_time};

mod stub;

fn plan(stub: &Stub, sessions: usize, pace: Loop) -> Plan {
    Plan {
        peer: stub.address,
        server_name: "localhost".to_owned(),
        authorities: None,
        clients: (0..sessions)
            .map(|number| (format!("client-{number}"), String::new()))
            .collect(),
        sockets: 1,
        pace,
        mix: Mix::new(&[("echo".to_owned(), 1)], &[(128, 1)], &[]),
        ramp: 0.0,
        warm_up: 0.05,
        duration: 0.3,
        connect_timeout: 10.0,
        reply_timeout: 0.5,
    }
}

fn go(plan: Plan) -> Tally {
    let run = Run::new(plan).unwrap();
    run.go().unwrap();
    run.tally().clone()
}

/// The words for what one session found wrong.
fn found(fault: Fault) -> String {
    let stub = Stub::new(fault);
    let tally = go(plan(&stub, 1, Loop::Closed { in_flight: 2 }));
    assert!(tally.breaches > 0, "{fault:?} was not noticed");
    tally.words[0].clone()
}

#[test]
fn a_closed_loop_keeps_its_requests_under_way() {
    let stub = Stub::new(Fault::None);
    let tally = go(plan(&stub, 5, Loop::Closed { in_flight: 3 }));
    assert_eq!(tally.words, [""; 0]);
    assert_eq!((tally.phase, tally.online, tally.unanswered), (Phase::Over, 5, 0));
    assert_eq!(tally.sent, tally.replies);
    assert_eq!(tally.logins.len(), 5);
    assert!(tally.window.requests > 0);
    assert_eq!(tally.window.latency.len(), tally.window.requests);
}

#[test]
fn an_open_loop_sends_at_its_rate() {
    let stub = Stub::new(Fault::None);
    let tally = go(plan(&stub, 3, Loop::Open { rate: 500.0 }));
    assert_eq!(tally.words, [""; 0]);
    assert!(
        tally.window.requests.abs_diff(150) <= 2,
        "{}",
        tally.window.requests
    );
}

#[test]
fn an_open_loop_withholds_what_the_gateway_does_not_take() {
    let stub = Stub::new(Fault::None);
    let mut much = plan(&stub, 1, Loop::Open { rate: 20_000.0 });
    much.mix = Mix::new(&[("echo".to_owned(), 1)], &[(64 << 10, 1)], &[]);
    much.reply_timeout = 20.0;
    let tally = go(much);
    assert_eq!(tally.words, [""; 0]);
    assert!(tally.window.withheld > 0);
    let offered = tally.window.requests + tally.window.withheld;
    assert!(offered.abs_diff(6000) <= 200, "{offered}");
    assert_eq!(tally.sent, tally.replies);
}

#[test]
fn a_skipped_number() {
    let words = found(Fault::Skip(4));
    assert_eq!(words, "session client-0: number 5 came where 4 was due");
}

#[test]
fn a_repeated_number() {
    let words = found(Fault::Repeat(4));
    assert_eq!(words, "session client-0: number 3 came where 4 was due");
}

#[test]
fn a_second_reply() {
    let words = found(Fault::Twice(4));
    assert_eq!(
        words,
        "session client-0: a reply to message 4, which has had one or was never sent"
    );
}

#[test]
fn a_reply_that_does_not_come() {
    let words = found(Fault::Never(4));
    assert_eq!(words, "session client-0: request 4 has no reply");
}

#[test]
fn who_ends_a_run_early_has_what_there_is() {
    let stub = Stub::new(Fault::None);
    let mut long = plan(&stub, 2, Loop::Closed { in_flight: 1 });
    long.duration = 600.0;
    let run = Run::new(long).unwrap();
    std::thread::scope(|scope| {
        let done = scope.spawn(|| run.go());
        while run.tally().window.latency.len() < 10 {
            std::thread::sleep(Duration::from_millis(5));
        }
        run.stop();
        done.join().unwrap().unwrap();
    });
    let tally = run.tally();
    assert_eq!((tally.phase, tally.breaches), (Phase::Over, 0));
    assert!(tally.window.seconds > 0.0 && tally.window.seconds < 60.0);
}

#[test]
fn a_gateway_that_dies_ends_the_run() {
    let stub = Stub::new(Fault::None);
    let mut long = plan(&stub, 3, Loop::Closed { in_flight: 1 });
    long.duration = 600.0;
    let run = Run::new(long).unwrap();
    std::thread::scope(|scope| {
        let done = scope.spawn(|| run.go());
        while run.tally().window.latency.len() < 10 {
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(stub);
        done.join().unwrap().unwrap();
    });
    let tally = run.tally();
    assert_eq!(tally.closed.iter().collect::<Vec<_>>(), [(&-1, &3)]);
    assert_eq!((tally.phase, tally.online), (Phase::Over, 0));
}

#[test]
fn nobody_listens() {
    let mut nowhere = plan(&Stub::new(Fault::None), 1, Loop::Closed { in_flight: 1 });
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    nowhere.peer = free.local_addr().unwrap();
    drop(free);
    let failure = Run::new(nowhere).unwrap().go().unwrap_err();
    assert!(matches!(failure, Failure::NothingListens(_)), "{failure}");
}

/// What a request costs this side and a server that does next to nothing, by their processor time, logins included:
/// `cargo test --release -p quicgw-bench --test run -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn what_a_request_costs() {
    for (sessions, in_flight) in [(1, 1), (50, 1), (50, 2), (50, 8), (2000, 1)] {
        let stub = Stub::new(Fault::None);
        let mut long = plan(&stub, sessions, Loop::Closed { in_flight });
        long.duration = 3.0;
        let (own, theirs) = (thread_time(), stub.used.load(Ordering::Relaxed));
        let tally = go(long);
        let own = (thread_time() - own).as_nanos() as f64 / tally.replies as f64 / 1e3;
        let theirs = (stub.used.load(Ordering::Relaxed) - theirs) as f64 / tally.replies as f64 / 1e3;
        let rate = tally.window.replies as f64 / tally.window.seconds;
        println!("{sessions} x {in_flight}: {own:.1} us here, {theirs:.1} us there, {rate:.0}/s");
    }
}
