//! Who can go on: h2 wakes whoever waits for something, and here it is written down until somebody looks.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// Those that were woken, in that order; one may be there twice.
#[derive(Clone, Default)]
pub(crate) struct Wakes(Arc<Mutex<Vec<u64>>>);

impl Wakes {
    /// What wakes `who`.
    pub(crate) fn waker(&self, who: u64) -> Waker {
        Arc::new(One {
            who,
            woken: self.clone(),
        })
        .into()
    }

    /// Moves those that were woken into `woken`, which is empty, and whose memory is used for the next ones.
    pub(crate) fn take(&self, woken: &mut Vec<u64>) {
        mem::swap(&mut *self.lock(), woken);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct One {
    who: u64,
    woken: Wakes,
}

impl Wake for One {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.lock().push(self.who);
    }
}
