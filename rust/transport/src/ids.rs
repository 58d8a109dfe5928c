//! Connection ids, which several endpoints of an owner may have to keep apart.

use std::sync::Arc;

use quinn_proto::{ConnectionId, ConnectionIdGenerator};

/// Bytes of the connection ids that this side chooses.
pub const CID_LENGTH: usize = 8;

/// Makes one id; no two may be the same.
pub(crate) type MakeId = Arc<dyn Fn() -> [u8; CID_LENGTH] + Send + Sync>;

pub(crate) struct Ids(pub(crate) MakeId);

impl ConnectionIdGenerator for Ids {
    fn generate_cid(&mut self) -> ConnectionId {
        ConnectionId::new(&(self.0)())
    }

    fn cid_len(&self) -> usize {
        CID_LENGTH
    }

    fn cid_lifetime(&self) -> Option<std::time::Duration> {
        None
    }
}
