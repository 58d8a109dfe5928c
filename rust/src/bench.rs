//! `LoadRun`, `LoadSnapshot` and `Latency`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use quicgw_bench::{Authority, Distrust, Failure, Histogram, Loop, Mix, Phase, Plan, Run, Tally};

/// Points of a distribution for each halving of what is above.
const TICKS: u32 = 5;
/// Nanoseconds of a millisecond.
const MILLISECOND: f64 = 1e6;
/// QUIC errors for the TLS alerts bad_certificate … access_denied (RFC 8446 §6).
const CERTIFICATE_ALERTS_FROM: u64 = 0x100 + 42;
const CERTIFICATE_ALERTS_TO: u64 = 0x100 + 49;

/// A certificate (DER), and when it is valid if it may be the server's own; see quicgw_fast.transport.trusted.
type Trusted = (Vec<u8>, Option<(i64, i64)>);

/// What a run is to do, as quicgw_fast.cli.load.plan names and explains it.
#[derive(FromPyObject)]
struct PyPlan {
    host: String,
    port: u16,
    server_name: String,
    authorities: Option<Vec<Trusted>>,
    clients: Vec<(String, String)>,
    sockets: usize,
    in_flight: u32,
    rate: Option<f64>,
    actions: Vec<(String, u32)>,
    payloads: Vec<(usize, u32)>,
    params: Vec<(String, String)>,
    ramp: f64,
    warm_up: f64,
    duration: f64,
    connect_timeout: f64,
    reply_timeout: f64,
}

impl PyPlan {
    fn convert(self) -> PyResult<Plan> {
        let host = self
            .host
            .parse()
            .map_err(|_| PyValueError::new_err(format!("{:?} is not an IP address", self.host)))?;
        if self.actions.is_empty() || self.payloads.is_empty() {
            return Err(PyValueError::new_err("a mix needs an action and a payload size"));
        }
        Ok(Plan {
            peer: SocketAddr::new(host, self.port),
            server_name: self.server_name,
            authorities: self
                .authorities
                .map(|all| all.into_iter().map(|(der, own)| Authority { der, own }).collect()),
            clients: self.clients,
            sockets: self.sockets,
            pace: match self.rate {
                Some(rate) => Loop::Open { rate },
                None => Loop::Closed {
                    in_flight: self.in_flight,
                },
            },
            mix: Mix::new(&self.actions, &self.payloads, &self.params),
            ramp: self.ramp,
            warm_up: self.warm_up,
            duration: self.duration,
            connect_timeout: self.connect_timeout,
            reply_timeout: self.reply_timeout,
        })
    }
}

/// Times that were noted, in milliseconds.
///
/// distribution: pairs of a quantile (0 … 1) and the time that it stands for, closer together towards 1.
#[pyclass(frozen, get_all, module = "quicgw_fast._core")]
pub(crate) struct Latency {
    count: u64,
    mean: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
    distribution: Vec<(f64, f64)>,
}

impl Latency {
    fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / MILLISECOND;
        Self {
            count: histogram.len(),
            mean: histogram.mean() / MILLISECOND,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max() as f64 / MILLISECOND,
            distribution: histogram
                .iter_quantiles(TICKS)
                .map(|step| {
                    (
                        step.quantile_iterated_to(),
                        step.value_iterated_to() as f64 / MILLISECOND,
                    )
                })
                .collect(),
        }
    }
}

/// What a run has counted so far; see the fields of quicgw_bench's Tally and Window.
///
/// phase: "ramp", "warm-up", "measure", "drain", "leave" or "over". closed: sessions that the gateway ended, by close
/// code, -1 where QUIC lost them. logins, latency, refusals and lateness are made when they are read. seconds to lateness are of what is measured: requests that were meant to leave while
/// it was, replies, good ones, notifies and bytes that came meanwhile.
#[pyclass(frozen, module = "quicgw_fast._core")]
pub(crate) struct LoadSnapshot {
    #[pyo3(get)]
    phase: &'static str,
    #[pyo3(get)]
    online: u32,
    #[pyo3(get)]
    closed: BTreeMap<i64, u64>,
    #[pyo3(get)]
    retries: u64,
    #[pyo3(get)]
    sent: u64,
    #[pyo3(get)]
    replies: u64,
    #[pyo3(get)]
    heartbeats: u64,
    #[pyo3(get)]
    unanswered: u64,
    #[pyo3(get)]
    seconds: f64,
    #[pyo3(get)]
    measured_requests: u64,
    #[pyo3(get)]
    withheld: u64,
    #[pyo3(get)]
    measured_replies: u64,
    #[pyo3(get)]
    measured_good: u64,
    #[pyo3(get)]
    notifies: u64,
    #[pyo3(get)]
    bytes: u64,
    #[pyo3(get)]
    errors: BTreeMap<i32, u64>,
    #[pyo3(get)]
    answers: BTreeMap<i32, u64>,
    #[pyo3(get)]
    violations: u64,
    #[pyo3(get)]
    violation_texts: Vec<String>,
    histograms: Histograms,
}

/// What percentiles are made of, for those who ask: to make them all takes milliseconds.
struct Histograms {
    logins: Histogram<u64>,
    latency: Histogram<u64>,
    refusals: Histogram<u64>,
    lateness: Histogram<u64>,
}

#[pymethods]
impl LoadSnapshot {
    #[getter]
    fn logins(&self) -> Latency {
        Latency::of(&self.histograms.logins)
    }

    #[getter]
    fn latency(&self) -> Latency {
        Latency::of(&self.histograms.latency)
    }

    #[getter]
    fn refusals(&self) -> Latency {
        Latency::of(&self.histograms.refusals)
    }

    #[getter]
    fn lateness(&self) -> Latency {
        Latency::of(&self.histograms.lateness)
    }
}

impl LoadSnapshot {
    fn of(tally: Tally) -> Self {
        let window = tally.window;
        Self {
            phase: name(tally.phase),
            online: tally.online,
            closed: tally.closed,
            retries: tally.retries,
            sent: tally.sent,
            replies: tally.replies,
            heartbeats: tally.heartbeats,
            unanswered: tally.unanswered,
            seconds: window.seconds,
            measured_requests: window.requests,
            withheld: window.withheld,
            measured_replies: window.replies,
            measured_good: window.good,
            notifies: window.notifies,
            bytes: window.bytes,
            errors: window.errors,
            answers: window.answers,
            violations: tally.breaches,
            violation_texts: tally.words,
            histograms: Histograms {
                logins: tally.logins,
                latency: window.latency,
                refusals: window.refusals,
                lateness: window.lateness,
            },
        }
    }
}

fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Ramp => "ramp",
        Phase::WarmUp => "warm-up",
        Phase::Measure => "measure",
        Phase::Drain => "drain",
        Phase::Leave => "leave",
        Phase::Over => "over",
    }
}

/// One run of the load generator.
///
/// plan: what quicgw_fast.cli.load.plan names. Raises ValueError for a plan that cannot be used.
#[pyclass(frozen, module = "quicgw_fast._core")]
pub(crate) struct LoadRun(Run);

#[pymethods]
impl LoadRun {
    #[new]
    fn new(plan: PyPlan) -> PyResult<Self> {
        Run::new(plan.convert()?)
            .map(Self)
            .map_err(|failure| PyValueError::new_err(failure.to_string()))
    }

    /// Do it all; other threads go on meanwhile. Return None, or what kind of problem ended it early, as
    /// quicgw_fast.transport.Problem names it, and a sentence about it.
    fn run(&self, py: Python<'_>) -> Option<(&'static str, String)> {
        let failure = py.detach(|| self.0.go()).err()?;
        Some((problem(&failure), failure.to_string()))
    }

    /// Have `run` end soon, with what it has.
    fn stop(&self) {
        self.0.stop();
    }

    /// What is counted so far.
    fn snapshot(&self, py: Python<'_>) -> LoadSnapshot {
        // The run may hold the lock for a burst of packets; a copy lets it go on while somebody looks.
        LoadSnapshot::of(py.detach(|| self.0.tally().clone()))
    }
}

fn problem(failure: &Failure) -> &'static str {
    match failure {
        Failure::NothingListens(_) => "nothing_listens",
        Failure::NoAnswer(..) => "no_answer",
        Failure::Distrust(_, Distrust::Expired) => "certificate_expired",
        Failure::Distrust(_, Distrust::NotYetValid) => "certificate_not_yet_valid",
        Failure::Distrust(_, Distrust::AnotherName) => "wrong_name",
        Failure::Distrust(_, Distrust::UnknownAuthority) => "unknown_authority",
        Failure::Broken(_, CERTIFICATE_ALERTS_FROM..=CERTIFICATE_ALERTS_TO, _) => "bad_certificate",
        Failure::Settings(_) | Failure::Socket(_) | Failure::Refused { .. } | Failure::Broken(..) => "other",
    }
}
