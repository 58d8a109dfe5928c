//! The accounts of a session: what it accepted for delivery, and what became of it.

use crate::window::Counts;

/// What happened to messages of one kind; what is not delivered, lost or saved is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Taken for delivery.
    pub accepted: u64,
    /// Acknowledged by the client.
    pub delivered: u64,
    /// Will not come any more.
    pub lost: u64,
}

/// Both accounts, without notifies whose original is kept elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Accepted requests and refusals.
    pub responses: Account,
    /// Notifies.
    pub notifies: Account,
    /// Notifies that were handed to the offline store at the end.
    pub saved: u64,
}

impl Tally {
    pub(crate) fn accept(&mut self, (responses, notifies): Counts) {
        self.responses.accepted += responses;
        self.notifies.accepted += notifies;
    }

    pub(crate) fn deliver(&mut self, (responses, notifies): Counts) {
        self.responses.delivered += responses;
        self.notifies.delivered += notifies;
    }

    pub(crate) fn lose(&mut self, (responses, notifies): Counts) {
        self.responses.lost += responses;
        self.notifies.lost += notifies;
    }
}
