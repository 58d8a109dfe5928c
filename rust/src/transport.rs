//! `QuicEndpoint`.

mod events;
mod limits;

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use quicgw_transport::{
    Authority, BATCH, ClientSettings, ConnectError, ConnectionId, Endpoint, EndpointError, Event, Ids,
    ServerSettings,
};

use crate::convert::Locked;

use events::{UNSENT, host_and_port, lost, tell};
use limits::PyLimits;

/// Connection ids that lie ready, so that no Python code runs while the endpoint is locked. A burst of 64 datagrams
/// takes eight for each at most.
const IDS_READY: usize = 1024;
/// The bytes of a connection id where none lies ready, as many as the longest has (RFC 9000 §17.2).
const MAX_ID: [u8; 20] = [0; 20];

/// A trusted certificate, DER; and the first and last second since 1970 in which it is valid.
type Known = (Vec<u8>, Option<(i64, i64)>);

/// What a listener shows: the certificate chain (DER each), the private key (PKCS #8, DER), the application protocols.
type Shown = (Vec<Vec<u8>>, Vec<u8>, Vec<Vec<u8>>);

type ReadyIds = Arc<Mutex<VecDeque<ConnectionId>>>;

/// One UDP socket and the QUIC connections behind it, driven by an event loop.
///
/// fd: a bound (for a client: connected) UDP socket, which is the endpoint's from now on. now: monotonic seconds, as in
/// all calls. limits: what quicgw_fast.transport.limits names. reset_key: the secret of stateless reset tokens.
/// connection_ids: gives one of id_length bytes, at most 20. server: the certificate chain (DER each),
/// the private key (PKCS #8, DER) and the application protocols; None for a client.
/// Raises ValueError for settings that cannot be used, OSError for a socket that is none.
#[pyclass(frozen, weakref, module = "quicgw_fast._core")]
pub(crate) struct QuicEndpoint {
    endpoint: Locked<Option<Endpoint>>,
    connection_ids: Py<PyAny>,
    id_length: usize,
    ids: ReadyIds,
}

#[pymethods]
impl QuicEndpoint {
    #[new]
    #[pyo3(signature = (fd, now, limits, reset_key, connection_ids, id_length, server=None))]
    #[allow(clippy::too_many_arguments)] // what an endpoint is made of, as Python has it
    fn new(
        py: Python<'_>,
        fd: i32,
        now: f64,
        limits: PyLimits,
        reset_key: &[u8],
        connection_ids: Py<PyAny>,
        id_length: usize,
        server: Option<Shown>,
    ) -> PyResult<Self> {
        // SAFETY: the caller hands over an open descriptor that nobody else closes.
        let socket = UdpSocket::from(unsafe { OwnedFd::from_raw_fd(fd) });
        let none = ConnectionId::new(MAX_ID.get(..id_length).ok_or_else(|| wrong_length(id_length))?);
        let ids = ReadyIds::default();
        let source = Arc::clone(&ids);
        let make_id = move || {
            let mut ready = source.lock().unwrap_or_else(PoisonError::into_inner);
            ready.pop_front().unwrap_or(none)
        };
        let server = server.map(settings_of);
        let limits = limits.convert();
        let make_ids = Ids::new(id_length, make_id);
        let endpoint = Endpoint::new(socket, now, limits, reset_key, make_ids, server).map_err(raise)?;
        let made = Self {
            endpoint: Locked::new(Some(endpoint)),
            connection_ids,
            id_length,
            ids,
        };
        made.refill(py)?;
        Ok(made)
    }

    /// Check what is to be shown to new clients, and the limits of their connections: ValueError for what cannot be used.
    fn prepare(&self, py: Python<'_>, server: Shown, limits: PyLimits) -> PyResult<()> {
        self.with(py, |endpoint| {
            endpoint.prepare(settings_of(server), limits.convert())
        })?
        .map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Use what was prepared for the handshakes that begin from now on; without anything, change nothing.
    fn renew(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, Endpoint::renew)
    }

    /// The address that is bound, as (host, port). OSError once it is closed.
    #[getter]
    fn address(&self, py: Python<'_>) -> PyResult<(String, u16)> {
        let address = self.with(py, |endpoint| endpoint.address())??;
        Ok(host_and_port(address))
    }

    /// Bytes that were written to all peers and that they have not acknowledged.
    #[getter]
    fn unacknowledged(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(py, |endpoint| endpoint.unacknowledged())
    }

    /// What happened at the door: retries, invalid tokens, noise, unread, dropped, version negotiations, resets.
    #[getter]
    fn counters(&self, py: Python<'_>) -> PyResult<[u64; 7]> {
        self.with(py, |endpoint| {
            let c = endpoint.counters;
            [
                c.retries,
                c.invalid_tokens,
                c.noise,
                c.unread,
                c.dropped,
                c.version_negotiations,
                c.stateless_resets,
            ]
        })
    }

    /// Read until `most` datagrams or more were read, or there is none; then `size` bytes of what has come on streams. Return
    /// how many datagrams, and what all of it brought about.
    ///
    /// OSError is what the kernel says, for a connected socket that nothing listens there.
    fn receive<'py>(
        &self,
        py: Python<'py>,
        now: f64,
        most: usize,
        size: usize,
    ) -> PyResult<(usize, Bound<'py, PyList>)> {
        self.refill(py)?;
        let (count, events) = self.with(py, |endpoint| -> PyResult<_> {
            let mut total = 0;
            loop {
                let count = endpoint.receive(now)?;
                total += count;
                if count < BATCH || total >= most {
                    break;
                }
            }
            endpoint.read(size);
            Ok((total, drain(endpoint)))
        })??;
        Ok((count, tell(py, events)?))
    }

    /// Take `size` bytes of what has come on streams, of each a piece in its turn.
    fn read<'py>(&self, py: Python<'py>, size: usize) -> PyResult<Bound<'py, PyList>> {
        let events = self.with(py, |endpoint| {
            endpoint.read(size);
            drain(endpoint)
        })?;
        tell(py, events)
    }

    /// Whether something that came on a stream was not taken yet.
    #[getter]
    fn readable(&self, py: Python<'_>) -> PyResult<bool> {
        self.with(py, |endpoint| endpoint.is_readable())
    }

    /// Do what is due, and return what that brought about.
    fn expire<'py>(&self, py: Python<'py>, now: f64) -> PyResult<Bound<'py, PyList>> {
        let events = self.with(py, |endpoint| {
            endpoint.expire(now);
            drain(endpoint)
        })?;
        tell(py, events)
    }

    /// Send what is due; return when `expire` is, whether the kernel has no room, and what that brought about; of what the
    /// socket failed with, the last is told.
    fn flush<'py>(&self, py: Python<'py>, now: f64) -> PyResult<(Option<f64>, bool, Bound<'py, PyList>)> {
        let (deadline, blocked, failure, events) = self.with(py, |endpoint| {
            endpoint.flush(now);
            (
                endpoint.deadline(),
                endpoint.is_blocked(),
                endpoint.take_failure(),
                drain(endpoint),
            )
        })?;
        self.refill(py)?;
        let list = tell(py, events)?;
        if let Some(failure) = failure {
            list.append((UNSENT, failure.to_string()))?;
        }
        Ok((deadline, blocked, list))
    }

    /// Whether the first packet of a ticket is genuine; one that is not is forgotten.
    fn authenticate(&self, py: Python<'_>, ticket: u64) -> PyResult<bool> {
        self.with(py, |endpoint| endpoint.authenticate(ticket))
    }

    /// Send the answer of a ticket.
    fn answer(&self, py: Python<'_>, ticket: u64) -> PyResult<()> {
        self.with(py, |endpoint| endpoint.answer(ticket))
    }

    /// Do not send the answer of a ticket.
    fn withhold(&self, py: Python<'_>, ticket: u64) -> PyResult<()> {
        self.with(py, |endpoint| endpoint.withhold(ticket))
    }

    /// Do the handshake with the client of a ticket: the key of its connection, or (kind, code, reason) of what was wrong
    /// with its first packet, as LOST tells of a connection. None: there is no such ticket.
    fn accept<'py>(&self, py: Python<'py>, ticket: u64, now: f64) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.with(py, |endpoint| endpoint.accept(ticket, now))? {
            None => Ok(None),
            Some(Ok(key)) => Ok(Some(key.into_pyobject(py)?.into_any())),
            Some(Err(loss)) => {
                let (kind, code, reason) = lost(loss);
                Ok(Some(
                    (kind, code, PyBytes::new(py, &reason))
                        .into_pyobject(py)?
                        .into_any(),
                ))
            }
        }
    }

    /// Have the client of a ticket prove its address first.
    fn retry(&self, py: Python<'_>, ticket: u64) -> PyResult<()> {
        self.with(py, |endpoint| endpoint.retry(ticket))
    }

    /// Turn the client of a ticket away with these words.
    fn refuse(&self, py: Python<'_>, ticket: u64, reason: &[u8]) -> PyResult<()> {
        self.with(py, |endpoint| endpoint.refuse(ticket, reason))
    }

    /// Say nothing to the client of a ticket.
    fn ignore(&self, py: Python<'_>, ticket: u64) -> PyResult<()> {
        self.with(py, |endpoint| endpoint.ignore(ticket))
    }

    /// Begin a handshake with a server: its address, the name that its certificate has to carry, the certificates that
    /// may vouch for it (each DER, with the first and last second since 1970 in which it is valid if it may be the server's own; None: nothing is
    /// checked), the application protocols. ValueError says what TLS does not take.
    #[allow(clippy::too_many_arguments)]
    fn connect(
        &self,
        py: Python<'_>,
        host: &str,
        port: u16,
        server_name: String,
        authorities: Option<Vec<Known>>,
        alpn: Vec<Vec<u8>>,
        now: f64,
    ) -> PyResult<u64> {
        let peer = host
            .parse()
            .map_err(|_| PyValueError::new_err(format!("{host:?} is not an IP address")))?;
        let authorities = authorities.map(|all| {
            let one = |(der, own)| Authority { der, own };
            all.into_iter().map(one).collect()
        });
        let settings = ClientSettings {
            server_name,
            authorities,
            alpn,
        };
        self.with(py, |endpoint| {
            endpoint.connect(SocketAddr::new(peer, port), settings, now)
        })?
        .map_err(|error: ConnectError| PyValueError::new_err(error.to_string()))
    }

    /// Put bytes on the stream; they leave with the next flush. Return what no peer of the endpoint has acknowledged.
    fn write(&self, py: Python<'_>, key: u64, data: &[u8]) -> PyResult<usize> {
        self.with(py, |endpoint| {
            endpoint.write(key, data);
            endpoint.unacknowledged()
        })
    }

    /// Whether more may be written; the connection is told to be writable once there is room again if not.
    fn ready(&self, py: Python<'_>, key: u64) -> PyResult<bool> {
        self.with(py, |endpoint| endpoint.is_ready(key))
    }

    /// Bytes that were written and not acknowledged.
    fn pending(&self, py: Python<'_>, key: u64) -> PyResult<usize> {
        self.with(py, |endpoint| endpoint.pending(key))
    }

    /// Bytes that are acknowledged without a gap.
    fn progress(&self, py: Python<'_>, key: u64) -> PyResult<u64> {
        self.with(py, |endpoint| endpoint.progress(key))
    }

    /// The peer's address as (host, port); None once the connection is released.
    fn peer(&self, py: Python<'_>, key: u64) -> PyResult<Option<(String, u16)>> {
        Ok(self.with(py, |endpoint| endpoint.peer(key))?.map(host_and_port))
    }

    /// Have the connection be told when a time (monotonic seconds) has come; None: not any more.
    fn set_due(&self, py: Python<'_>, key: u64, at: Option<f64>) -> PyResult<()> {
        self.with(py, |endpoint| endpoint.set_due(key, at))
    }

    /// Have the connection be told when everything that was written is acknowledged.
    fn flush_first(&self, py: Python<'_>, key: u64) -> PyResult<()> {
        self.with(py, |endpoint| endpoint.flush_first(key))
    }

    /// Close with an application error code; the closing packet leaves with the next flush.
    fn close(&self, py: Python<'_>, key: u64, code: u32, reason: &[u8], now: f64) -> PyResult<()> {
        self.with(py, |endpoint| endpoint.close(key, code, reason, now))
    }

    /// Tell the peer once why, and forget the connection.
    fn abort(&self, py: Python<'_>, key: u64, code: u32, reason: &[u8], now: f64) -> PyResult<()> {
        self.with(py, |endpoint| endpoint.abort(key, code, reason, now))
    }

    /// Forget the connection at once, without a word to its peer.
    fn forget(&self, py: Python<'_>, key: u64) -> PyResult<()> {
        self.with(py, |endpoint| endpoint.forget(key))
    }

    /// Close the socket and forget everything; every later call raises OSError.
    fn shut(&self, py: Python<'_>) {
        drop(self.endpoint.lock(py).take());
    }
}

impl QuicEndpoint {
    fn with<T>(&self, py: Python<'_>, call: impl FnOnce(&mut Endpoint) -> T) -> PyResult<T> {
        self.endpoint
            .lock(py)
            .as_mut()
            .map(call)
            .ok_or_else(|| PyOSError::new_err("the endpoint is closed"))
    }

    fn refill(&self, py: Python<'_>) -> PyResult<()> {
        let missing = IDS_READY.saturating_sub(self.ids.lock().unwrap_or_else(PoisonError::into_inner).len());
        if missing <= IDS_READY / 2 {
            return Ok(());
        }
        for _ in 0..missing {
            let made = self.connection_ids.call0(py)?;
            let id = made.extract::<&[u8]>(py)?;
            if id.len() != self.id_length {
                return Err(wrong_length(id.len()));
            }
            self.ids
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push_back(ConnectionId::new(id));
        }
        Ok(())
    }
}

fn wrong_length(length: usize) -> PyErr {
    PyValueError::new_err(format!("a connection id of {length} bytes"))
}

fn settings_of((certificates, private_key, alpn): Shown) -> ServerSettings {
    ServerSettings {
        certificates,
        private_key,
        alpn,
    }
}

fn drain(endpoint: &mut Endpoint) -> Vec<Event> {
    std::iter::from_fn(|| endpoint.next_event()).collect()
}

fn raise(error: EndpointError) -> PyErr {
    match error {
        EndpointError::Socket(error) => error.into(),
        EndpointError::Config(error) => PyValueError::new_err(error.to_string()),
    }
}
