//! Events as Python sees them: tuples that begin with their number, which `quicgw_fast.transport.quinn.driver` names.

use std::net::SocketAddr;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use quicgw_transport::{Distrust, Event, Loss, StreamEnd};

/// The number of the event that tells of a datagram that could not be sent, and why.
pub(super) const UNSENT: u8 = 13;

/// Events as tuples that begin with their number; those of one connection's data that follow each other are one.
pub(super) fn tell<'py>(py: Python<'py>, events: Vec<Event>) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    // First of all who has left: what came before that is handed over, but nothing is begun for them any more.
    for event in &events {
        if let Event::StreamOver { key, .. } | Event::Lost { key, .. } = event {
            list.append((11, key))?;
        }
    }
    let mut events = events.into_iter().peekable();
    while let Some(event) = events.next() {
        match event {
            Event::Incoming { ticket, peer, proven } => {
                let (host, port) = host_and_port(peer);
                list.append((0, ticket, host, port, proven))?;
            }
            Event::Answer { ticket } => list.append((12, ticket))?,
            Event::Established { key, alpn } => list.append((1, key, PyBytes::new(py, &alpn)))?,
            Event::Data { key, bytes } => {
                let more = |event: &Event| matches!(event, Event::Data { key: other, .. } if *other == key);
                if events.peek().is_some_and(more) {
                    let mut whole = bytes.to_vec();
                    while let Some(Event::Data { bytes, .. }) = events.next_if(more) {
                        whole.extend_from_slice(&bytes);
                    }
                    list.append((2, key, PyBytes::new(py, &whole)))?;
                } else {
                    list.append((2, key, PyBytes::new(py, &bytes)))?;
                }
            }
            Event::StreamOver { key, how } => {
                let (kind, code) = match how {
                    StreamEnd::Finished => (0, 0),
                    StreamEnd::Reset(code) => (1, code),
                    StreamEnd::Stopped(code) => (2, code),
                    StreamEnd::Another => (3, 0),
                };
                list.append((3, key, kind, code))?;
            }
            Event::Writable { key } => list.append((4, key))?,
            Event::Stalled { key } => list.append((5, key))?,
            Event::Due { key } => list.append((6, key))?,
            Event::Flushed { key } => list.append((7, key))?,
            Event::Lost { key, loss } => {
                let (kind, code, reason) = lost(loss);
                list.append((8, key, kind, code, PyBytes::new(py, &reason)))?;
            }
            Event::Released { key } => list.append((9, key))?,
            Event::Throttled { key } => list.append((10, key))?,
        }
    }
    Ok(list)
}

/// A loss as its number, its code and its words; what is wrong with a certificate has a number of its own.
pub(super) fn lost(loss: Loss) -> (u8, u64, Vec<u8>) {
    match loss {
        Loss::ClosedByPeer { code, reason } => (0, code, reason),
        Loss::FaultByPeer { code, reason } => (1, code, reason),
        Loss::Reset => (3, 0, Vec::new()),
        Loss::Idle => (4, 0, Vec::new()),
        Loss::Fault {
            code,
            reason,
            distrust,
        } => {
            let kind = match distrust {
                None => 2,
                Some(Distrust::Expired) => 5,
                Some(Distrust::NotYetValid) => 6,
                Some(Distrust::AnotherName) => 7,
                Some(Distrust::UnknownAuthority) => 8,
            };
            (kind, code, reason.into_bytes())
        }
    }
}

pub(super) fn host_and_port(address: SocketAddr) -> (String, u16) {
    (address.ip().to_canonical().to_string(), address.port())
}
