//! One connection to a service, and the calls over it.
//!
//! A connection begins when the service's SETTINGS are there (`open`), which is also the proof that it speaks HTTP/2
//! at all. It takes calls until the service announces the end of it with GOAWAY, or until stream ids are used up; then
//! it is not open any more, and the calls under way end by themselves. It is over (`ended`) when nothing comes any
//! more: every call that is left fails then.
//!
//! A call waits until the service's limit of concurrent streams lets it go out. Only one that has not gone out when the
//! connection takes no more (`NeverSent`), and one of which the service says that it did not look at it
//! (`NeverLookedAt`), may be made again elsewhere: of all others nobody knows what the service has done.
//!
//! Whoever owns the connection hands in what came (`receive`), takes what is to be sent (`output`) and what became of
//! calls (`done`) after it, and tells the time in seconds of any monotonic clock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::Future;
use std::mem;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Ping, PingPong};
use http::{HeaderMap, Method, Request, Uri, Version};
use thiserror::Error;

use crate::allowance::{Allowance, FRAME_HEAD};
use crate::call::Call;
use crate::grpc;
use crate::outcome::{Failure, Outcome};
use crate::pipe::Pipe;
use crate::wakes::Wakes;

/// Which call it is, of one connection.
pub type CallId = u64;

/// Who is woken when the connection itself can go on; no call has this number.
const CONNECTION: u64 = 0;
const SETTINGS: u8 = 4;
/// Bytes that all answers together may have under way: each is taken in at once, so this bounds nothing but bursts.
const CONNECTION_WINDOW: u32 = 16 << 20;
/// Bytes that h2 did not take, from which on no more should come: it waits while nobody reads what it has to answer.
const MOST_UNREAD: usize = 256 << 10;
/// Bytes of the headers of one answer.
const HEADERS_MAX: u32 = 16 << 10;

/// Calls given up whose streams h2 remembers, for as long: an answer that crosses with our reset is dropped quietly then.
const REMEMBERED: usize = 4096;
const REMEMBERED_FOR: Duration = Duration::from_secs(10);

/// What is called over a connection.
#[derive(Clone, Debug)]
pub struct Service {
    /// The host and port of it, as `:authority`.
    pub authority: String,
    /// The path of the method.
    pub path: String,
    /// Bytes that an answer may have.
    pub largest_answer: u32,
}

/// What cannot be sent as it is.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct Invalid(String);

/// See the module.
pub struct Connection {
    uri: Uri,
    headers: HeaderMap,
    largest_answer: u32,
    pipe: Pipe,
    h2: h2::client::Connection<Pipe, Bytes>,
    requests: SendRequest<Bytes>,
    pings: Option<PingPong>,
    wakes: Wakes,
    waker: Waker,
    /// Empty; keeps its memory from one turn to the next.
    woken: Vec<u64>,
    /// The first bytes, until there are enough to see what is spoken.
    greeting: Option<Vec<u8>>,
    /// For what is no part of an answer.
    allowance: Allowance,
    leaving: bool,
    ended: Option<String>,
    last: CallId,
    waiting: BTreeMap<CallId, Waiting>,
    calls: HashMap<CallId, UnderWay>,
    deadlines: BTreeSet<(Duration, CallId)>,
    done: Vec<(CallId, Outcome)>,
}

struct Waiting {
    headers: HeaderMap,
    body: Bytes,
    deadline: Duration,
}

struct UnderWay {
    call: Call,
    deadline: Duration,
}

impl Connection {
    /// A connection of which nothing was sent yet. Fails for an authority or path that HTTP does not allow.
    pub fn new(service: &Service) -> Result<Self, Invalid> {
        let uri = Uri::builder()
            .scheme("http")
            .authority(service.authority.as_str())
            .path_and_query(service.path.as_str())
            .build()
            .map_err(|error| Invalid(format!("{}{}: {error}", service.authority, service.path)))?;
        let pipe = Pipe::default();
        let (requests, mut h2) = handshake(pipe.clone(), service.largest_answer)?;
        let wakes = Wakes::default();
        Ok(Self {
            uri,
            headers: grpc::headers(),
            largest_answer: service.largest_answer,
            pipe,
            pings: h2.ping_pong(),
            h2,
            requests,
            waker: wakes.waker(CONNECTION),
            wakes,
            woken: Vec::new(),
            greeting: Some(Vec::with_capacity(FRAME_HEAD)),
            allowance: Allowance::default(),
            leaving: false,
            ended: None,
            last: CONNECTION,
            waiting: BTreeMap::new(),
            calls: HashMap::new(),
            deadlines: BTreeSet::new(),
            done: Vec::new(),
        })
    }

    /// Whether it takes calls.
    #[must_use]
    pub fn open(&self) -> bool {
        self.greeting.is_none() && !self.leaving && self.ended.is_none()
    }

    /// Why it is over, once it is; what `output` gives still goes out.
    #[must_use]
    pub fn ended(&self) -> Option<&str> {
        self.ended.as_deref()
    }

    /// Calls that have no outcome yet.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.calls.len() + self.waiting.len()
    }

    /// Makes a call with this message, to be answered until `deadline`; it goes out with the next `output`. Its
    /// metadata are names in lower case and their values.
    pub fn submit(
        &mut self,
        message: &[u8],
        deadline: Duration,
        metadata: &[(impl AsRef<str>, impl AsRef<str>)],
    ) -> Result<CallId, Invalid> {
        let body = grpc::framed(message).ok_or_else(|| Invalid("a message of 4 GiB or more".into()))?;
        let mut headers = self.headers.clone();
        for (name, value) in metadata {
            let (name, value) = (name.as_ref(), value.as_ref());
            grpc::append(&mut headers, name, value)
                .map_err(|error| Invalid(format!("metadata {name:?}: {error}")))?;
        }
        self.last += 1;
        let waiting = Waiting {
            headers,
            body,
            deadline,
        };
        self.waiting.insert(self.last, waiting);
        self.deadlines.insert((deadline, self.last));
        Ok(self.last)
    }

    /// Gives the call up, and has the service told; nothing for one that has ended. It has no outcome.
    pub fn cancel(&mut self, id: CallId) {
        self.forget(id);
    }

    /// Ends the calls whose deadline has come.
    pub fn expire(&mut self, now: Duration) {
        while let Some(&(deadline, id)) = self.deadlines.first()
            && deadline <= now
        {
            self.finish(id, Err(Failure::TooLate));
        }
    }

    /// The first deadline of all calls.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Sends a ping; any bytes that come after it are the sign of life that it asks for.
    pub fn ping(&mut self) {
        if let Some(pings) = &mut self.pings {
            // One that was not answered yet is as good.
            let _ = pings.send_ping(Ping::opaque());
        }
    }

    /// Takes what came from the service; false when no more should come for now. Empty data asks again.
    pub fn receive(&mut self, data: &[u8]) -> bool {
        self.take(data);
        self.ended.is_some() || self.pipe.unread() <= MOST_UNREAD
    }

    fn take(&mut self, data: &[u8]) {
        if self.ended.is_some() {
            return;
        }
        if !self.allowance.spend(data) {
            return self.lost("it floods us with frames that belong to no answer");
        }
        if let Some(greeting) = &mut self.greeting {
            let missing = FRAME_HEAD - greeting.len();
            greeting.extend_from_slice(&data[..missing.min(data.len())]);
            if greeting.len() == FRAME_HEAD {
                if greeting[3..] != [SETTINGS, 0, 0, 0, 0, 0] {
                    let heard = String::from_utf8_lossy(greeting).into_owned();
                    self.ended = Some(format!("it does not speak HTTP/2, but said {heard:?}"));
                    return self.fail_the_rest();
                }
                self.greeting = None;
            }
        }
        self.pipe.receive(data);
        self.drive();
    }

    /// Nothing comes any more, for this reason: what has no outcome yet fails.
    pub fn lost(&mut self, why: &str) {
        self.ended.get_or_insert_with(|| why.to_owned());
        self.fail_the_rest();
    }

    /// What is to be sent, with the calls that may go out by now: empty when there is nothing more for now.
    pub fn output(&mut self, now: Duration) -> Bytes {
        self.allowance.tick(now);
        // First what was given up, which makes room.
        self.drive();
        self.start(now);
        self.drive();
        self.pipe.take_unsent()
    }

    /// What became of calls since the last time.
    pub fn done(&mut self) -> Vec<(CallId, Outcome)> {
        mem::take(&mut self.done)
    }

    fn start(&mut self, now: Duration) {
        let mut context = Context::from_waker(Waker::noop());
        // h2 would queue more than that itself, but send what it has queued even after it was given up.
        while self.open()
            && self.calls.len() < self.h2.max_concurrent_send_streams()
            && let Some(waiting) = self.waiting.first_entry()
            && let Poll::Ready(Ok(())) = self.requests.poll_ready(&mut context)
        {
            let (id, waiting) = waiting.remove_entry();
            let deadline = waiting.deadline;
            match self.send(id, waiting, deadline.saturating_sub(now)) {
                Ok(call) => {
                    self.calls.insert(id, UnderWay { call, deadline });
                    self.poll_call(id);
                }
                Err(error) => self.finish(id, Err(error.into())),
            }
        }
    }

    fn send(&mut self, id: CallId, waiting: Waiting, left: Duration) -> Result<Call, h2::Error> {
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = waiting.headers;
        request.headers_mut().insert("grpc-timeout", grpc::timeout(left));
        let (response, mut stream) = self.requests.send_request(request, false)?;
        stream.send_data(waiting.body, true)?;
        Ok(Call::new(response, self.wakes.waker(id), self.largest_answer))
    }

    /// Has everybody go on who can, until nobody can.
    fn drive(&mut self) {
        let mut woken = mem::take(&mut self.woken);
        loop {
            self.poll_connection();
            self.wakes.take(&mut woken);
            if woken.is_empty() {
                break;
            }
            for id in woken.drain(..) {
                self.poll_call(id);
            }
        }
        self.woken = woken;
        if self.ended.is_some() {
            self.fail_the_rest();
        } else if self.leaving {
            self.give_waiting_back();
        }
    }

    fn poll_connection(&mut self) {
        if self.ended.is_some() {
            return;
        }
        let mut context = Context::from_waker(&self.waker);
        if let Some(pings) = &mut self.pings {
            // Takes an answered ping off, so that the next one can be sent.
            let _ = pings.poll_pong(&mut context);
        }
        match Pin::new(&mut self.h2).poll(&mut context) {
            Poll::Ready(Ok(())) => self.ended = Some("it was closed".into()),
            Poll::Ready(Err(error)) => self.ended = Some(error.to_string()),
            Poll::Pending => {
                self.leaving |= matches!(self.requests.poll_ready(&mut context), Poll::Ready(Err(_)));
            }
        }
    }

    fn poll_call(&mut self, id: CallId) {
        if let Some(under_way) = self.calls.get_mut(&id)
            && let Poll::Ready(outcome) = under_way.call.poll()
        {
            self.finish(id, outcome);
        }
    }

    fn finish(&mut self, id: CallId, outcome: Outcome) {
        self.forget(id);
        self.done.push((id, outcome));
    }

    fn forget(&mut self, id: CallId) {
        let waiting = self.waiting.remove(&id).map(|call| call.deadline);
        if let Some(deadline) = waiting.or_else(|| self.calls.remove(&id).map(|call| call.deadline)) {
            self.deadlines.remove(&(deadline, id));
            self.allowance.call_ended();
        }
    }

    fn fail_the_rest(&mut self) {
        self.give_waiting_back();
        let mut left: Vec<_> = self.calls.keys().copied().collect();
        left.sort_unstable();
        for id in left {
            // h2 knows more of some of them: that the service did not look at it, for example.
            self.poll_call(id);
            if self.calls.contains_key(&id) {
                let why = self.ended.clone().unwrap_or_default();
                self.finish(id, Err(Failure::Broken(why)));
            }
        }
    }

    fn give_waiting_back(&mut self) {
        while let Some((&id, _)) = self.waiting.first_key_value() {
            self.finish(id, Err(Failure::NeverSent));
        }
    }
}

type Handshaken = (SendRequest<Bytes>, h2::client::Connection<Pipe, Bytes>);

fn handshake(pipe: Pipe, largest_answer: u32) -> Result<Handshaken, Invalid> {
    let mut builder = h2::client::Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(grpc::framed_length(largest_answer))
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEADERS_MAX)
        .max_concurrent_reset_streams(REMEMBERED)
        .reset_stream_duration(REMEMBERED_FOR)
        // Later answers are reset once more, and would count as attacks of the service: 1024 of them, in all the life of
        // a connection, would end it with all its calls.
        .max_local_error_reset_streams(None);
    // The pipe takes what is to be sent at once, and h2 waits for nothing else here.
    match pin!(builder.handshake(pipe)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(both)) => Ok(both),
        Poll::Ready(Err(error)) => Err(Invalid(error.to_string())),
        Poll::Pending => Err(Invalid("h2 waits before anything was sent".into())),
    }
}
