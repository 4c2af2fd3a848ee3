//! The stream beside a call: what a legacy server says on its session's own stream meanwhile.
//!
//! Questions that come up in a call belong on the stream of that call, but servers exist that put
//! them on the stream of the session. So while a client that can answer waits for a call, it holds
//! that stream too, and waits for both connections at once.
//! Spec: MCP 2025-11-25 basic/transports (GET). A server need not have such a stream (405), and one
//! that breaks is let go: the call does not depend on it.
//! Not here: streams that are listened to for their own sake (`listen`).

use std::time::Duration;

use crate::client::answer::AnswerDecoder;
use crate::client::connection::{Came, Connection, Piece};
use crate::client::error::Failure;
use crate::client::exchange::{Audience, Exchanger};
use crate::client::message::Message;
use crate::client::request::LegacyStyle;

/// How long a server may take to open the stream before the call is sent all the same.
const HEAD_PATIENCE: Duration = Duration::from_millis(500);

/// An open stream, or one that is about to be.
#[derive(Debug)]
pub(super) struct Side {
    connection: Connection,
    /// Once its head is there.
    decoder: Option<AnswerDecoder>,
}

impl Exchanger {
    /// Asks for the session's own stream, if it is not there yet.
    pub(super) fn open_side(&mut self, style: LegacyStyle<'_>) {
        if self.side.is_some() {
            return;
        }
        // Without it, what the server asks there is not heard; the call may do without.
        let Ok(connection) = self.send_apart("GET", &style.bare(None)) else { return };
        // A question of the call must not come before the stream that it is put on.
        connection.wait_briefly(HEAD_PATIENCE);
        self.side = Some(Side { connection, decoder: None });
    }

    /// Waits until bytes come on this connection; meanwhile delivers what comes beside it.
    pub(super) fn hear_beside(
        &mut self,
        connection: &Connection,
        legacy: Option<LegacyStyle<'_>>,
        audience: &mut dyn Audience,
    ) -> Result<(), Failure> {
        let Some(style) = legacy else { return Ok(()) };
        let (timeout, bytes_max) =
            (self.options().idle_timeout, self.options().limits.message_bytes_max);
        while let Some(mut side) = self.side.take() {
            if connection.wait_beside(&side.connection, timeout)? == Came::Here {
                self.side = Some(side);
                break;
            }
            // Without messages it is of no further use.
            let Some(messages) = side.read(bytes_max) else { break };
            self.side = Some(side);
            for message in messages {
                self.deliver(message, Some(style), audience)?;
            }
        }
        Ok(())
    }
}

impl Side {
    /// Reads what came; `None` if no more will.
    fn read(&mut self, bytes_max: usize) -> Option<Vec<Message>> {
        let mut piece = match &self.decoder {
            Some(_) => self.connection.take_more(),
            None => {
                let head = self.connection.receive_head().ok()?;
                let decoder = AnswerDecoder::new(&head.content_type, bytes_max).ok();
                self.decoder = decoder.filter(|_| head.status == 200);
                self.connection.take_piece()
            }
        };
        let decoder = self.decoder.as_mut()?;
        let mut messages = Vec::new();
        loop {
            match piece {
                Ok(Piece::Bytes(bytes)) => decoder.push(&bytes, &mut messages).ok()?,
                Ok(Piece::Wanting) => return Some(messages),
                // What came before the end counts; the end is found again.
                Ok(Piece::End) | Err(_) => return Some(messages).filter(|all| !all.is_empty()),
            }
            piece = self.connection.take_piece();
        }
    }
}
