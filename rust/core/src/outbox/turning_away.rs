//! Many requests refused in one step: in an overload that is most of what there is to do.

use crate::envelope::Request;
use crate::error::{Error, Result};
use crate::line::Message;
use crate::outbox::Outbox;
use crate::window::Kind;
use crate::wire::{self, Body};

impl Outbox {
    /// Accepts and refuses requests with which `messages` begin: how many, and what `give` made of their frames.
    ///
    /// `body` is the error, encoded. It ends before the first message that is no ordinary request with the number
    /// expected, or a login, or to which something is bound. Where there is no room for all it takes fewer, if any.
    pub fn turn_away<'a, T>(
        &mut self,
        messages: impl Iterator<Item = &'a [u8]>,
        body: &[u8],
        give: impl Fn(&[u8]) -> Result<T>,
    ) -> Result<(usize, T)> {
        self.check_closed()?;
        wire::check_length(body.len() as u64, self.max_body)?;
        let requests = self.refusable(messages)?;
        let mut count = if self.overflowed { 0 } else { requests.len() };
        while count > 0 {
            let refusals = requests[..count].iter().map(|request| Message::<&str> {
                msg_id: request.msg_id,
                body: Body::Encoded(body),
                kind: Kind::Response,
            });
            if (count == 1 || self.fit(refusals.clone()))
                && let Ok(sent) = self.line.send(refusals, true, 0, &give)
            {
                self.line.numbers.accepted_up_to(requests[count - 1].seq);
                self.tally.accept((count as u64, 0));
                return Ok((count, sent));
            }
            count /= 2;
        }
        Ok((0, give(&[])?))
    }

    /// Whether the window has room for these: they are no one step, which an empty one always has.
    fn fit<'a>(&self, refusals: impl ExactSizeIterator<Item = Message<'a, &'a str>>) -> bool {
        let count = refusals.len() as u64;
        let numbered = refusals.zip(self.line.numbers.last() + 1..);
        let size = numbered.map(|(refusal, seq)| refusal.frame_len(seq)).sum();
        self.line.window.has_room(count, size, true)
    }

    /// The requests with which `messages` begin that can be refused like this.
    fn refusable<'a>(&self, messages: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Request>> {
        let mut found: Vec<Request> = Vec::new();
        for message in messages {
            let Some(request) = Request::read(message) else { break };
            let expected = match found.last() {
                Some(last) => last.seq.checked_add(1) == Some(request.seq),
                None => self.line.numbers.expects(request.seq),
            };
            if !expected || self.binds.count(request.seq) > 0 {
                break;
            }
            found.try_reserve(1).map_err(|_| Error::OutOfMemory)?;
            found.push(request);
        }
        Ok(found)
    }
}
