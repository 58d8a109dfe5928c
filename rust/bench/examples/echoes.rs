//! Clients of a QUIC echo: each keeps 128 bytes under way, which costs the server all that it can give.
//!
//! `echoes PORT CONNECTIONS ALPN`. Says `ready` when everybody is connected and has had a first echo; from then on each
//! line of standard input is answered with the number of echoes so far. Ends with standard input.

use std::io::stdin;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use quicgw_bench::{Failure, Line, wait};
use quicgw_transport::{ClientSettings, Event};

const BODY: [u8; 128] = [b'x'; 128];
/// Handshakes under way at once.
const AT_ONCE: usize = 32;
/// Seconds after which somebody who asks is answered at the latest.
const LOOK: f64 = 0.02;
const USAGE: &str = "usage: echoes PORT CONNECTIONS ALPN";

fn main() -> Result<(), Failure> {
    let wrong = || Failure::Settings(USAGE.to_owned());
    let arguments: Vec<String> = std::env::args().collect();
    let [_, port, connections, alpn] = arguments.as_slice() else {
        return Err(wrong());
    };
    let port: u16 = port.parse().map_err(|_| wrong())?;
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut clients = Clients {
        line: Line::new(peer)?,
        peer,
        alpn: alpn.clone().into_bytes(),
        to_begin: connections.parse().map_err(|_| wrong())?,
        connecting: 0,
        came: Vec::new(),
        echoes: 0,
    };
    clients.go(&questions())
}

/// One for each line of standard input, until it ends.
fn questions() -> Receiver<()> {
    let (ask, questions) = channel();
    std::thread::spawn(move || {
        for line in stdin().lines() {
            if line.is_err() || ask.send(()).is_err() {
                break;
            }
        }
        std::process::exit(0);
    });
    questions
}

struct Clients {
    line: Line,
    peer: SocketAddr,
    alpn: Vec<u8>,
    to_begin: usize,
    connecting: usize,
    /// Bytes of the echo under way that each has, by its number.
    came: Vec<usize>,
    echoes: u64,
}

impl Clients {
    fn go(&mut self, questions: &Receiver<()>) -> Result<(), Failure> {
        let started = Instant::now();
        let mut ready = false;
        loop {
            let now = started.elapsed().as_secs_f64();
            self.begin_some(now)?;
            while self.line.endpoint.receive(now)? > 0 {
                self.handle_events(now)?;
            }
            self.line.endpoint.expire(now);
            self.handle_events(now)?;
            self.line.endpoint.flush(now);
            if !ready && self.to_begin + self.connecting == 0 {
                ready = true;
                println!("ready");
            }
            while ready && questions.try_recv().is_ok() {
                println!("{}", self.echoes);
            }
            let deadline = self.line.endpoint.deadline().unwrap_or(f64::INFINITY);
            wait(std::slice::from_ref(&self.line), (deadline - now).min(LOOK))?;
        }
    }

    fn begin_some(&mut self, now: f64) -> Result<(), Failure> {
        while self.connecting < AT_ONCE && self.to_begin > 0 {
            let settings = ClientSettings {
                server_name: "localhost".to_owned(),
                authorities: None,
                alpn: vec![self.alpn.clone()],
            };
            let key = self
                .line
                .endpoint
                .connect(self.peer, settings, now)
                .map_err(|error| Failure::Settings(error.to_string()))?;
            self.line.users.insert(key, self.came.len());
            self.came.push(0);
            self.to_begin -= 1;
            self.connecting += 1;
        }
        Ok(())
    }

    fn handle_events(&mut self, now: f64) -> Result<(), Failure> {
        while let Some(event) = self.line.endpoint.next_event() {
            match event {
                Event::Established { key, .. } => {
                    self.line.endpoint.write(key, &BODY);
                }
                Event::Data { key, bytes } => {
                    let Some(&user) = self.line.users.get(&key) else {
                        continue;
                    };
                    let first = self.came[user] < BODY.len();
                    self.came[user] += bytes.len();
                    if !self.came[user].is_multiple_of(BODY.len()) {
                        continue;
                    }
                    if first {
                        self.connecting -= 1;
                        self.begin_some(now)?;
                    }
                    self.echoes += 1;
                    self.line.endpoint.write(key, &BODY);
                }
                Event::Lost { loss, .. } => {
                    return Err(Failure::Settings(format!("a connection was lost: {loss:?}")));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
