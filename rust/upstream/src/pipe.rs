//! What h2 takes for its socket: a buffer of what came, and a buffer of what is to be sent.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes from which on h2 has to wait until what is to be sent was taken: the rest stays in its own queues, where
/// each call takes its turn and can be cancelled.
const MOST_UNSENT: usize = 64 << 10;

/// Both ends hold one of these.
#[derive(Clone, Default)]
pub(crate) struct Pipe(Arc<Mutex<Ends>>);

#[derive(Default)]
struct Ends {
    received: BytesMut,
    unsent: BytesMut,
}

impl Pipe {
    pub(crate) fn receive(&self, data: &[u8]) {
        self.lock().received.extend_from_slice(data);
    }

    /// Bytes that came and that h2 did not take yet.
    pub(crate) fn unread(&self) -> usize {
        self.lock().received.len()
    }

    pub(crate) fn take_unsent(&self) -> Bytes {
        self.lock().unsent.split().freeze()
    }

    fn lock(&self) -> MutexGuard<'_, Ends> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// Nobody is woken from here: whoever changes a buffer polls the connection afterwards.
impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut ends = self.lock();
        if ends.received.is_empty() {
            return Poll::Pending;
        }
        let length = into.remaining().min(ends.received.len());
        into.put_slice(&ends.received[..length]);
        ends.received.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let mut ends = self.lock();
        if ends.unsent.len() >= MOST_UNSENT {
            return Poll::Pending;
        }
        ends.unsent.extend_from_slice(data);
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
