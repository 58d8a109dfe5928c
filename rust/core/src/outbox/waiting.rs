//! Notifies that wait for their number: bound to the reply to a request, or held until they may be sent.

use super::{NOTIFY, Outbox};
use crate::budget::cost;
use crate::error::{BindCode, Error, Result};
use crate::line::Message;
use crate::notify::Place;
use crate::tickets::Ticket;
use crate::window::Kind;
use crate::wire;

impl Outbox {
    /// Binds a notify to the reply to request `client_seq`: keeps it, and gives nothing, while that reply is to come.
    ///
    /// It is to come when `client_seq` is in flight or above all requests accepted. Else a notify for after the reply is
    /// sent as by `push`, and one for before it is refused.
    ///
    /// `ticket` names it for `withdraw` and `fates` if it is kept; 0 for none, else one that nothing here has.
    pub fn bind<T>(
        &mut self,
        client_seq: u64,
        place: Place,
        body: &[u8],
        expires_at: f64,
        ticket: Ticket,
        give: impl Fn(&[u8]) -> Result<T>,
    ) -> Result<T> {
        self.check_closed()?;
        if client_seq == 0 {
            return Err(Error::BindRefused(BindCode::SeqRequired));
        }
        let size = body.len() as u64;
        wire::check_length(size, self.max_body)?;
        if !self.open.contains(&client_seq) && client_seq <= self.line.numbers.max_client_seq() {
            return match place {
                Place::Before => Err(Error::BindRefused(BindCode::ResponseAlreadySent)),
                Place::After => self.push_checked(Message::notify(body, Kind::Attached), give),
            };
        }
        if self.overflowed {
            return Err(Error::Overflowed);
        }
        self.binds.check_room(client_seq)?;
        // With its reply it must be able to go out: messages of the step, bytes of all steps.
        let window = &self.line.window;
        if self.binds.count(client_seq) + 2 > window.limit()
            || self.binds.bytes() + size > window.bytes_limit()
        {
            return Err(Error::BindRefused(BindCode::Limit));
        }
        let cost = cost(1, size);
        self.line.share.take(cost, false)?;
        let bound = give(&[]).and_then(|nothing| {
            self.tickets.reserve(ticket)?;
            self.binds
                .bind_named(client_seq, place, body, expires_at, ticket)?;
            Ok(nothing)
        });
        let nothing = bound.inspect_err(|_| self.line.share.give_back(cost))?;
        self.tickets.add(ticket);
        self.tally.accept(NOTIFY);
        Ok(nothing)
    }

    /// Drops bound notifies whose time is not after `now`, and gives how many.
    pub fn expire(&mut self, now: f64) -> u64 {
        let (before, told) = (self.binds.bytes(), self.tickets.len());
        self.binds
            .expiring(now, |ticket| self.tickets.decide([ticket].into_iter(), 0));
        self.tickets.sort_behind(told);
        let expired = self.binds.expire(now);
        self.line
            .share
            .give_back(cost(expired, before - self.binds.bytes()));
        self.tally.lose((0, expired));
        expired
    }

    /// Keeps a notify until `release`; `ticket` names it as in `bind`.
    ///
    /// `instead_of` is the ticket of one that is held, which is withdrawn in the same step; the new one comes last
    /// nevertheless. Where none is held with it, it means nothing.
    pub fn hold(&mut self, body: &[u8], ticket: Ticket, instead_of: Ticket) -> Result<()> {
        self.check_closed()?;
        let size = body.len() as u64;
        wire::check_length(size, self.max_body)?;
        if self.overflowed {
            return Err(Error::Overflowed);
        }
        let old = self.held.find(instead_of);
        if !self.held.has_room(size, old) {
            return Err(Error::CacheFull);
        }
        let cost = cost(1, size);
        self.line.share.take(cost, false)?;
        let held = self
            .tickets
            .reserve(ticket)
            .and_then(|()| self.held.add(body, ticket));
        held.inspect_err(|_| self.line.share.give_back(cost))?;
        if old.is_some() {
            self.withdraw(instead_of);
        }
        self.tickets.add(ticket);
        self.tally.accept(NOTIFY);
        Ok(())
    }

    /// Drops the notify with that ticket, which is held or bound and counts as lost; false where there is none.
    pub fn withdraw(&mut self, ticket: Ticket) -> bool {
        if ticket == 0 {
            return false;
        }
        let found = match self.held.find(ticket) {
            Some(at) => Some(self.held.remove(at)),
            None => self.binds.withdraw(ticket),
        };
        let Some(size) = found else {
            return false;
        };
        self.releasing = self.releasing && self.held() > 0;
        self.line.share.give_back(cost(1, size));
        self.tally.lose(NOTIFY);
        self.tickets.withdraw(ticket);
        true
    }

    /// What became of notifies with a ticket since the last call: the number that each took, or 0 where `expire` dropped
    /// it.
    pub fn fates(&mut self) -> Vec<(Ticket, u64)> {
        self.tickets.take()
    }

    /// Sends of what is held as much as fits, in order, and keeps the rest, which nothing may overtake from then on.
    pub fn release<T>(&mut self, give: impl Fn(&[u8]) -> Result<T>) -> Result<T> {
        self.check_closed()?;
        if self.overflowed {
            return Err(Error::Overflowed);
        }
        self.line.numbers.check_left(self.held())?;
        self.releasing = self.held() > 0;
        let fitting = self.line.fitting(self.held.bodies());
        let bodies = &self.held.bodies()[..fitting];
        let size = bodies.iter().map(|body| body.len() as u64).sum();
        let messages = bodies
            .iter()
            .map(|body| Message::<&str>::notify(body, Kind::Notify));
        match self.line.send(messages, true, cost(fitting as u64, size), &give) {
            Err(Error::BudgetFull { .. }) => give(&[]), // another thread was faster
            Err(refused) => Err(refused),
            Ok(sent) => {
                let first = self.line.numbers.last() + 1 - fitting as u64;
                let tickets = self.held.tickets()[..fitting].iter().copied();
                self.tickets.decide(tickets, first);
                self.held.forget(fitting);
                self.releasing = self.held() > 0;
                Ok(sent)
            }
        }
    }
}
