//! Notifies that wait for the reply to a request, to go out right before or right after it.

use std::collections::HashMap;

use bytes::Bytes;

use crate::budget::cost;
use crate::error::{BindCode, Error, Result};
use crate::outbox::BoundState;
use crate::tickets::Ticket;
use crate::wire;

/// On which side of the reply a notify goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Right before.
    Before,
    /// Right after.
    After,
}

/// What waits for the reply to one request, each side in the order it was bound.
#[derive(Debug, Default)]
pub struct Bound {
    /// Goes out before the reply.
    pub before: Vec<Waiting>,
    /// Goes out after it.
    pub after: Vec<Waiting>,
}

/// One notify that waits.
#[derive(Debug)]
pub struct Waiting {
    /// The message without its number.
    pub body: Bytes,
    expires_at: f64,
    pub(crate) ticket: Ticket,
}

/// Notifies bound to requests, by the request's number, the "client_seq" (protocol §4).
#[derive(Debug)]
pub struct NotifyBuffers {
    bound: HashMap<u64, Bound>,
    len: u64,
    bytes: u64,
    per_request: u64,
    total: u64,
}

impl NotifyBuffers {
    /// At most `per_request` notifies of one request, both sides together, and `total` of all requests.
    #[must_use]
    pub fn new(per_request: u64, total: u64) -> Self {
        Self {
            bound: HashMap::new(),
            len: 0,
            bytes: 0,
            per_request,
            total,
        }
    }

    /// Keeps a notify for the reply to `client_seq`, behind those kept already, until `expires_at` seconds.
    pub fn bind(&mut self, client_seq: u64, place: Place, body: &[u8], expires_at: f64) -> Result<()> {
        self.bind_named(client_seq, place, body, expires_at, 0)
    }

    /// The same of one that somebody asks about.
    pub(crate) fn bind_named(
        &mut self,
        client_seq: u64,
        place: Place,
        body: &[u8],
        expires_at: f64,
        ticket: Ticket,
    ) -> Result<()> {
        self.check_room(client_seq)?;
        self.keep_bound(client_seq, place, body, expires_at, ticket)
    }

    /// The same without a bound.
    pub(crate) fn keep_bound(
        &mut self,
        client_seq: u64,
        place: Place,
        body: &[u8],
        expires_at: f64,
        ticket: Ticket,
    ) -> Result<()> {
        let waiting = Waiting {
            body: wire::copy(body)?,
            expires_at,
            ticket,
        };
        self.bound.try_reserve(1).map_err(|_| Error::OutOfMemory)?;
        let side = self.bound.entry(client_seq).or_default().side(place);
        let room = if side.is_empty() {
            side.try_reserve_exact(1) // most requests have a single one, and a vector begins with room for four
        } else {
            side.try_reserve(1)
        };
        room.map_err(|_| Error::OutOfMemory)?;
        side.push(waiting);
        self.len += 1;
        self.bytes += body.len() as u64;
        Ok(())
    }

    /// One with the same bounds and nothing in it.
    pub(crate) fn bare(&self) -> Self {
        Self::new(self.per_request, self.total)
    }

    /// All that waits, by request, what goes before its reply first.
    pub(crate) fn all(&self) -> Vec<BoundState<Bytes>> {
        let mut requests: Vec<_> = self.bound.iter().collect();
        requests.sort_unstable_by_key(|(client_seq, _)| **client_seq);
        let sides = requests.into_iter().flat_map(|(client_seq, bound)| {
            let before = bound.before.iter().map(|waiting| (Place::Before, waiting));
            let after = bound.after.iter().map(|waiting| (Place::After, waiting));
            before.chain(after).map(|side| (*client_seq, side))
        });
        sides
            .map(|(client_seq, (place, waiting))| BoundState {
                client_seq,
                place,
                body: waiting.body.clone(),
                expires_at: waiting.expires_at,
                ticket: waiting.ticket,
            })
            .collect()
    }

    /// Refuses if no more notifies may be bound to `client_seq`.
    pub(crate) fn check_room(&self, client_seq: u64) -> Result<()> {
        if self.len >= self.total || self.count(client_seq) >= self.per_request {
            return Err(Error::BindRefused(BindCode::Limit));
        }
        Ok(())
    }

    /// Takes out one side of what waits for `client_seq`.
    pub fn take(&mut self, client_seq: u64, place: Place) -> Vec<Waiting> {
        let Some(bound) = self.bound.get_mut(&client_seq) else {
            return Vec::new();
        };
        let taken = std::mem::take(bound.side(place));
        if bound.len() == 0 {
            self.bound.remove(&client_seq);
        }
        self.len -= taken.len() as u64;
        self.bytes -= size(&taken);
        taken
    }

    /// Takes out both sides of what waits for `client_seq`.
    pub fn take_all(&mut self, client_seq: u64) -> Bound {
        let bound = self.bound.remove(&client_seq).unwrap_or_default();
        self.len -= bound.len();
        self.bytes -= bound.bytes();
        bound
    }

    /// One side of what waits for `client_seq`.
    #[must_use]
    pub fn bodies(&self, client_seq: u64, place: Place) -> Vec<Bytes> {
        let side = self.bound.get(&client_seq).map(|bound| match place {
            Place::Before => &bound.before,
            Place::After => &bound.after,
        });
        side.into_iter()
            .flatten()
            .map(|waiting| waiting.body.clone())
            .collect()
    }

    /// What waits for `client_seq`.
    #[must_use]
    pub fn get(&self, client_seq: u64) -> Option<&Bound> {
        self.bound.get(&client_seq)
    }

    /// Drops the notifies whose time is not after `now`, and gives how many.
    pub fn expire(&mut self, now: f64) -> u64 {
        self.keep(|waiting| !waiting.expired(now))
    }

    /// Calls `told` with the tickets of what `expire` drops.
    pub(crate) fn expiring(&self, now: f64, mut told: impl FnMut(Ticket)) {
        let bounds = self.bound.values();
        let waiting = bounds.flat_map(|bound| bound.before.iter().chain(&bound.after));
        for waiting in waiting.filter(|waiting| waiting.ticket != 0 && waiting.expired(now)) {
            told(waiting.ticket);
        }
    }

    /// Drops the notify with that ticket, and gives how many bytes it had.
    pub(crate) fn withdraw(&mut self, ticket: Ticket) -> Option<u64> {
        let bytes = self.bytes;
        (self.keep(|waiting| waiting.ticket != ticket) > 0).then(|| bytes - self.bytes)
    }

    /// Drops what is not wanted, and gives how many.
    fn keep(&mut self, wanted: impl Fn(&Waiting) -> bool) -> u64 {
        self.bound.retain(|_, bound| {
            bound.before.retain(&wanted);
            bound.after.retain(&wanted);
            bound.len() > 0
        });
        let before = self.len;
        self.len = self.bound.values().map(Bound::len).sum();
        self.bytes = self.bound.values().map(Bound::bytes).sum();
        before - self.len
    }

    /// How many notifies wait for the reply to `client_seq`.
    #[must_use]
    pub fn count(&self, client_seq: u64) -> u64 {
        self.bound.get(&client_seq).map_or(0, Bound::len)
    }

    /// How many notifies wait.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Bytes of the notifies that wait.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.bound = HashMap::new();
        self.len = 0;
        self.bytes = 0;
    }
}

impl Bound {
    fn side(&mut self, place: Place) -> &mut Vec<Waiting> {
        match place {
            Place::Before => &mut self.before,
            Place::After => &mut self.after,
        }
    }

    pub(crate) fn len(&self) -> u64 {
        (self.before.len() + self.after.len()) as u64
    }

    /// The tickets in the order in which they are sent, and 0 for the reply between them.
    pub(crate) fn tickets(&self) -> impl Iterator<Item = Ticket> + '_ {
        let before = self.before.iter().map(|waiting| waiting.ticket);
        let after = self.after.iter().map(|waiting| waiting.ticket);
        before.chain([0]).chain(after)
    }

    /// Bytes of all of them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        size(&self.before) + size(&self.after)
    }

    /// What they count in the budget.
    pub(crate) fn cost(&self) -> u64 {
        cost(self.len(), self.bytes())
    }
}

fn size(waiting: &[Waiting]) -> u64 {
    waiting.iter().map(|waiting| waiting.body.len() as u64).sum()
}

impl Waiting {
    /// A time that is not a number is never reached.
    fn expired(&self, now: f64) -> bool {
        self.expires_at <= now
    }
}
