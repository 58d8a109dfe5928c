//! One call under way: from its head to its outcome.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use h2::RecvStream;
use h2::client::ResponseFuture;
use http::HeaderMap;

use crate::grpc::{self, Answer};
use crate::outcome::{Failure, Outcome};

/// To drop it is to cancel it: h2 resets a stream that nobody asks for any more.
pub(crate) struct Call {
    stage: Stage,
    waker: Waker,
    /// The longest answer, in bytes.
    limit: u32,
}

enum Stage {
    Head(ResponseFuture),
    Body(RecvStream, Answer),
}

impl Call {
    pub(crate) fn new(response: ResponseFuture, waker: Waker, limit: u32) -> Self {
        Self {
            stage: Stage::Head(response),
            waker,
            limit,
        }
    }

    /// Goes on as far as what has come allows; an outcome is the end of it.
    pub(crate) fn poll(&mut self) -> Poll<Outcome> {
        let waker = self.waker.clone();
        let context = &mut Context::from_waker(&waker);
        if let Stage::Head(response) = &mut self.stage {
            let (head, body) = ready!(Pin::new(response).poll(context))?.into_parts();
            if let Some(failure) = grpc::refuse_head(head.status, &head.headers) {
                return Poll::Ready(Err(failure));
            }
            if grpc::has_status(&head.headers) {
                return Poll::Ready(grpc::outcome(Answer::default(), &head.headers));
            }
            self.stage = Stage::Body(body, Answer::default());
        }
        match &mut self.stage {
            Stage::Head(_) => Poll::Pending,
            Stage::Body(body, answer) => {
                let trailers = ready!(read(body, answer, self.limit, context))?;
                Poll::Ready(grpc::outcome(std::mem::take(answer), &trailers))
            }
        }
    }
}

fn read(
    body: &mut RecvStream,
    answer: &mut Answer,
    limit: u32,
    context: &mut Context<'_>,
) -> Poll<Result<HeaderMap, Failure>> {
    while let Some(data) = ready!(body.poll_data(context)) {
        let data = data?;
        answer.take(&data, limit)?;
        body.flow_control().release_capacity(data.len())?;
    }
    Poll::Ready(Ok(ready!(body.poll_trailers(context))?.unwrap_or_default()))
}
