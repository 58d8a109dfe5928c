//! A gateway that does only what a load needs: START, hello and echo; and one thing wrong, if it is told to.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use prost::Message;
use quicgw_core::FrameDecoder;
use quicgw_transport::{
    CID_LENGTH, ConnectionId, CpuLimits, Endpoint, Event, Ids, Key, Limits, ServerSettings,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{ClockId, clock_gettime};

const START: i32 = 1;
const STOP: i32 = 2;
const BUSINESS: i32 = 4;
const START_RESP: i32 = 1;
const BUSINESS_DATA: i32 = 3;

/// What it does wrong with the request of this number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    None,
    /// Its reply takes the number after the next one.
    Skip(u64),
    /// Its reply has the number of the one before.
    Repeat(u64),
    /// It is answered twice.
    Twice(u64),
    /// It is not answered.
    Never(u64),
}

#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(uint32, tag = "1")]
    msg_id: u32,
    #[prost(uint64, tag = "2")]
    seq_id: u64,
    #[prost(int32, tag = "3")]
    kind: i32,
    #[prost(bytes = "vec", tag = "4")]
    payload: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Business {
    #[prost(bytes = "vec", tag = "3")]
    data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Answer {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(bytes = "vec", tag = "3")]
    data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Started {
    #[prost(bool, tag = "1")]
    success: bool,
}

/// It runs in a thread of its own until it is dropped.
pub(crate) struct Stub {
    pub(crate) address: SocketAddr,
    /// Nanoseconds of processor time of its thread so far.
    pub(crate) used: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Stub {
    pub(crate) fn new(fault: Fault) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        // As a gateway's: the usual 208 KiB lose packets of some hundred clients.
        socket2::SockRef::from(&socket)
            .set_recv_buffer_size(4 << 20)
            .unwrap();
        let address = socket.local_addr().unwrap();
        let (used, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (clock, end) = (Arc::clone(&used), Arc::clone(&over));
        let thread = std::thread::spawn(move || {
            let mut gateway = Gateway::new(socket, fault);
            while !end.load(Ordering::Relaxed) {
                gateway.turn();
                clock.store(thread_time().as_nanos() as u64, Ordering::Relaxed);
            }
        });
        Self {
            address,
            used,
            over,
            thread: Some(thread),
        }
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// Processor time of this thread.
pub(crate) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

struct Client {
    decoder: FrameDecoder,
    number: u64,
}

struct Gateway {
    socket: UdpSocket,
    endpoint: Endpoint,
    started: Instant,
    clients: HashMap<Key, Client>,
    fault: Fault,
}

impl Gateway {
    fn new(socket: UdpSocket, fault: Fault) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let server = ServerSettings {
            certificates: vec![made.cert.der().to_vec()],
            private_key: made.signing_key.serialize_der(),
            alpn: vec![b"gatesvr".to_vec()],
        };
        let limits = Limits {
            idle_timeout: 30.0,
            stream_window: 1 << 20,
            connection_window: 2 << 20,
            high_water: usize::MAX,
            low_water: usize::MAX,
            stall_timeout: 3600.0,
            max_datagram: 2048,
            max_crypto: 64 << 10,
            early_datagrams: u32::MAX,
            cpu: CpuLimits {
                share: 1.0,
                burst: f64::MAX,
                common_share: 0.0,
                common_burst: f64::MAX,
                login: f64::MAX / 4.0,
                per_datagram: 0.0,
                per_byte: 0.0,
                per_step: 0.0,
            },
            stateless_reset: false,
        };
        let last = AtomicU64::new(1);
        let ids = Ids::new(CID_LENGTH, move || {
            ConnectionId::new(&last.fetch_add(1, Ordering::Relaxed).to_be_bytes())
        });
        let own = socket.try_clone().unwrap();
        Self {
            endpoint: Endpoint::new(own, 0.0, limits, &[7; 32], ids, Some(server)).unwrap(),
            socket,
            started: Instant::now(),
            clients: HashMap::new(),
            fault,
        }
    }

    /// Take what has come within 10 ms, and answer it.
    fn turn(&mut self) {
        let now = self.started.elapsed().as_secs_f64();
        for _ in 0..16 {
            if self.endpoint.receive(now).unwrap() == 0 {
                break;
            }
            self.handle_events(now);
        }
        self.endpoint.expire(now);
        self.handle_events(now);
        self.endpoint.flush(now);
        let wait = Timespec {
            tv_sec: 0,
            tv_nsec: 10_000_000,
        };
        poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&wait)).unwrap();
    }

    fn handle_events(&mut self, now: f64) {
        self.endpoint.read(usize::MAX);
        while let Some(event) = self.endpoint.next_event() {
            match event {
                Event::Incoming { ticket, .. } => {
                    if let Some(Ok(key)) = self.endpoint.accept(ticket, now) {
                        let decoder = FrameDecoder::new(1 << 20, None);
                        self.clients.insert(key, Client { decoder, number: 0 });
                    }
                }
                Event::Data { key, bytes } => self.data(key, &bytes, now),
                Event::Lost { key, .. } => drop(self.clients.remove(&key)),
                Event::Answer { ticket } => self.endpoint.withhold(ticket),
                _ => {}
            }
        }
    }

    fn data(&mut self, key: Key, bytes: &[u8], now: f64) {
        let Some(client) = self.clients.get_mut(&key) else {
            return;
        };
        let mut out = Vec::new();
        let (number, fault, mut over) = (&mut client.number, self.fault, false);
        let mut take = |body: &[u8]| {
            let request = Request::decode(body).unwrap();
            match request.kind {
                START => push(
                    &mut out,
                    0,
                    0,
                    START_RESP,
                    Started { success: true }.encode_to_vec(),
                ),
                STOP => over = true,
                BUSINESS => answer(&mut out, number, fault, &request),
                _ => {}
            }
            Ok(())
        };
        client.decoder.feed(bytes, &mut take).unwrap();
        self.endpoint.write(key, &out);
        if over {
            self.clients.remove(&key);
            self.endpoint.close(key, 0, b"NORMAL", now);
        }
    }
}

fn answer(out: &mut Vec<u8>, number: &mut u64, fault: Fault, request: &Request) {
    let seq = request.seq_id;
    if fault == Fault::Never(seq) {
        return;
    }
    let data = Business::decode(request.payload.as_slice()).unwrap().data;
    let payload = Answer { code: 200, data }.encode_to_vec();
    for _ in 0..if fault == Fault::Twice(seq) { 2 } else { 1 } {
        *number += match fault {
            Fault::Skip(wrong) if wrong == seq => 2,
            Fault::Repeat(wrong) if wrong == seq => 0,
            _ => 1,
        };
        push(out, request.msg_id, *number, BUSINESS_DATA, payload.clone());
    }
}

/// ServerPush has the fields of ClientRequest, as far as they are needed here.
fn push(out: &mut Vec<u8>, msg_id: u32, seq_id: u64, kind: i32, payload: Vec<u8>) {
    let push = Request {
        msg_id,
        seq_id,
        kind,
        payload,
    };
    out.extend_from_slice(&(push.encoded_len() as u32).to_be_bytes());
    push.encode(out).unwrap();
}
