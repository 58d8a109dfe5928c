//! Congestion control, from which the packet that closes a connection is spared.
//!
//! quinn asks the congestion window for every packet while data waits to be sent, also for the one that closes. Once a
//! connection is closed it takes no acknowledgements, so that a window that was full would stay full, and the peer would
//! never learn why it was closed. RFC 9002 §7 lets packets without anything to acknowledge leave at any time.

use std::any::Any;
use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use quinn_proto::RttEstimator;
use quinn_proto::congestion::{Controller, ControllerFactory, ControllerMetrics, CubicConfig};

thread_local! {
    // quinn asks while it makes a packet, in the thread of who wants it, and gives no way to a connection's controller.
    static SPARED: Cell<bool> = const { Cell::new(false) };
}

/// Do something with windows that have no end.
pub(crate) fn spared<T>(work: impl FnOnce() -> T) -> T {
    SPARED.set(true);
    let done = work();
    SPARED.set(false);
    done
}

/// quinn's own controller, in its default form.
#[derive(Default)]
pub(crate) struct Congestion(Arc<CubicConfig>);

impl ControllerFactory for Congestion {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Spared(Arc::clone(&self.0).build(now, current_mtu)))
    }
}

struct Spared(Box<dyn Controller>);

impl Controller for Spared {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.0.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, app_limited: bool, rtt: &RttEstimator) {
        self.0.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool, largest_acked: Option<u64>) {
        self.0.on_end_acks(now, in_flight, app_limited, largest_acked);
    }

    fn on_congestion_event(&mut self, now: Instant, sent: Instant, is_persistent: bool, lost_bytes: u64) {
        self.0.on_congestion_event(now, sent, is_persistent, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.0.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        // A window of more than 32 bits is not paced either.
        if SPARED.get() {
            u64::MAX / 2
        } else {
            self.0.window()
        }
    }

    fn metrics(&self) -> ControllerMetrics {
        self.0.metrics()
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self(self.0.clone_box()))
    }

    fn initial_window(&self) -> u64 {
        self.0.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
