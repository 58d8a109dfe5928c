//! Connection ids, which several endpoints of an owner may have to keep apart, and balancers to tell apart.

use std::sync::Arc;

use quinn_proto::{ConnectionId, ConnectionIdGenerator};

/// Bytes of the connection ids of whoever does not ask for another length.
pub const CID_LENGTH: usize = 8;

/// Makes the ids of an endpoint.
#[derive(Clone)]
pub struct Ids {
    make: Arc<dyn Fn() -> ConnectionId + Send + Sync>,
    length: usize,
}

impl Ids {
    /// `make` gives ids of `length` bytes, at most 20, of which no two may be the same.
    pub fn new(length: usize, make: impl Fn() -> ConnectionId + Send + Sync + 'static) -> Self {
        let make = Arc::new(make);
        Self { make, length }
    }

    pub(crate) fn make(&self) -> ConnectionId {
        (self.make)()
    }
}

impl ConnectionIdGenerator for Ids {
    fn generate_cid(&mut self) -> ConnectionId {
        self.make()
    }

    fn cid_len(&self) -> usize {
        self.length
    }

    fn cid_lifetime(&self) -> Option<std::time::Duration> {
        None
    }
}
