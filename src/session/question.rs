//! A request that the server sent to its client, and the answer that it waits for.
//!
//! The asking handler holds one end and waits; whoever reads the client's response settles the
//! other. Invariant: settled once; what comes later changes nothing.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use serde_json::Value;

use crate::jsonrpc::error::RpcError;

/// What the client said.
pub type Reply = Result<Value, RpcError>;

/// A question on its way.
#[derive(Debug, Default)]
pub struct Question {
    /// The id of the request that carries it, unique in its session.
    id: u64,
    reply: RefCell<Option<Reply>>,
    is_settled: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

impl Question {
    /// A question that nobody answered yet.
    #[must_use]
    pub fn new(id: u64) -> Rc<Self> {
        Rc::new(Self { id, ..Self::default() })
    }

    /// The id of its request.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Settles it. Returns whether it was open.
    pub fn settle(&self, reply: Reply) -> bool {
        if self.is_settled.replace(true) {
            return false;
        }
        *self.reply.borrow_mut() = Some(reply);
        if let Some(waker) = self.waiting.borrow_mut().take() {
            waker.wake();
        }
        true
    }

    /// What the client said, once it did. Given once.
    pub fn poll_reply(&self, context: &mut Context<'_>) -> Poll<Reply> {
        if let Some(reply) = self.reply.borrow_mut().take() {
            return Poll::Ready(reply);
        }
        *self.waiting.borrow_mut() = Some(context.waker().clone());
        Poll::Pending
    }

    /// Waits for what the client says.
    pub fn reply(self: Rc<Self>) -> impl Future<Output = Reply> {
        poll_fn(move |context| self.poll_reply(context))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_settled_once() {
        let question = Question::new(7);
        let mut context = Context::from_waker(Waker::noop());
        assert!(question.poll_reply(&mut context).is_pending());
        assert!(question.settle(Ok(Value::Null)));
        assert!(!question.settle(Ok(Value::Bool(true))));
        assert_eq!(question.poll_reply(&mut context), Poll::Ready(Ok(Value::Null)));
        assert!(!question.settle(Ok(Value::Null)), "an answer that was taken stays the only one");
    }
}
