//! The bounds of connections, as Python names them.

use pyo3::prelude::*;
use quicgw_transport::{CpuLimits, Limits};

/// Bounds of the connections of one endpoint, as quicgw_fast.transport.limits names and explains them.
#[derive(FromPyObject)]
pub(super) struct PyLimits {
    idle_timeout: f64,
    stream_window: u32,
    connection_window: u32,
    high_water: usize,
    low_water: usize,
    stall_timeout: f64,
    max_datagram: u16,
    max_crypto: usize,
    early_datagrams: u32,
    cpu_share: f64,
    cpu_burst: f64,
    cpu_common_share: f64,
    cpu_common_burst: f64,
    cpu_login: f64,
    cpu_per_datagram: f64,
    cpu_per_byte: f64,
    cpu_per_step: f64,
    stateless_reset: bool,
}

impl PyLimits {
    pub(super) fn convert(self) -> Limits {
        Limits {
            idle_timeout: self.idle_timeout,
            stream_window: self.stream_window,
            connection_window: self.connection_window,
            high_water: self.high_water,
            low_water: self.low_water,
            stall_timeout: self.stall_timeout,
            max_datagram: self.max_datagram,
            max_crypto: self.max_crypto,
            early_datagrams: self.early_datagrams,
            cpu: CpuLimits {
                share: self.cpu_share,
                burst: self.cpu_burst,
                common_share: self.cpu_common_share,
                common_burst: self.cpu_common_burst,
                login: self.cpu_login,
                per_datagram: self.cpu_per_datagram,
                per_byte: self.cpu_per_byte,
                per_step: self.cpu_per_step,
            },
            stateless_reset: self.stateless_reset,
        }
    }
}
