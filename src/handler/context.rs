//! `Cx`: what a running handler may ask for.
//!
//! Notifications go out on the stream of the very request that the handler answers, and only as the
//! client asked for them: progress with its token, logs from its level on. A client that takes no
//! stream is sent none. Spec: MCP 2026-07-28 basic/utilities/progress and server/utilities/logging.

use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::sync::mpsc::Receiver;
use std::task::Poll;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::call::Call;
use super::error::ToolError;
use super::off_core::{Note, OffCore};
use crate::jsonrpc::encode;
use crate::mcp::capability::Capability;
use crate::mcp::model::log::LogLevel;
use crate::mcp::revision::{Era, Revision};
use crate::session::change::Changes;

/// What every notification of progress begins with, up to the token: handlers may tell many.
const PROGRESS_START: &[u8] =
    br#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"#;

/// The context of a call. Clones are handles to the same call.
#[derive(Clone, Debug)]
pub struct Cx {
    call: Rc<Call>,
}

impl Cx {
    pub(crate) fn new(call: Rc<Call>) -> Self {
        Self { call }
    }

    /// Tells how far the work is: `progress` of `total`, and in a few words what is done.
    ///
    /// It is sent at once, if the client asked for progress and takes a stream, and if `progress`
    /// is larger than before (the protocol wants it to increase). `.await` what this returns to
    /// wait while the client reads slower than the handler tells; a handler that does not wait
    /// never stops, but what it tells while `stream_buffer_bytes_max` wait unread is left out. An
    /// empty `message` is none.
    pub fn progress(&self, progress: impl Amount, total: impl Amount, message: &str) -> Room<'_> {
        self.tell_progress(progress.amount(), Some(total.amount()), message);
        Room { cx: self }
    }

    /// Tells how far the work is when its end is not known. Otherwise as
    /// [`progress`](Self::progress).
    pub fn progress_so_far(&self, progress: impl Amount, message: &str) -> Room<'_> {
        self.tell_progress(progress.amount(), None, message);
        Room { cx: self }
    }

    /// Sends a log message, if the client asked for this level. `data` is any JSON value; a type
    /// that cannot be serialised is logged as its error. Never log secrets. Waits as
    /// [`progress`](Self::progress) does.
    pub fn log(&self, level: LogLevel, data: impl Serialize) -> Room<'_> {
        self.tell_log(level, None, &data);
        Room { cx: self }
    }

    /// Sends a log message under the name of the part that it comes from.
    pub fn log_from(&self, logger: &str, level: LogLevel, data: impl Serialize) -> Room<'_> {
        self.tell_log(level, Some(logger), &data);
        Room { cx: self }
    }

    /// Tells clients that something of the server changed. See [`Changes`].
    #[must_use]
    pub fn changes(&self) -> &Changes {
        &self.call.services().changes
    }

    /// Lets the client of a long call go, and come back for the rest after `retry`: its connection
    /// is free meanwhile, and what is told until then waits. Clients of 2025-11-25 that have a
    /// session can; for others nothing changes. Spec: MCP 2025-11-25 transports, "Sending Messages
    /// to the Server" (polling).
    pub fn pause(&self, retry: Duration) {
        self.call.pause(retry);
    }

    /// Waits, without holding up anybody else on this core. Precise to a millisecond, never short.
    pub fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + use<> {
        let clock = self.call.services().clock.clone();
        clock.timers().sleep_until(clock.now().after(duration))
    }

    /// Ready when nobody waits for the answer any more. A handler is polled once after that, to
    /// tidy up, and then dropped wherever it stands; one that holds nothing needs no care.
    pub fn cancelled(&self) -> impl Future<Output = ()> + use<> {
        let call = self.call.clone();
        poll_fn(move |context| {
            if call.is_cancelled() {
                return Poll::Ready(());
            }
            call.wake_at_cancel(context.waker());
            Poll::Pending
        })
    }

    /// Whether nobody waits for the answer any more.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.call.is_cancelled()
    }

    /// A member of the request's `_meta`, if it is there and fits `T`. The protocol's own members
    /// are not there: they have methods of their own.
    #[must_use]
    pub fn meta<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        self.call.with_meta(|json| {
            if json.is_empty() {
                return None;
            }
            let mut members: serde_json::Map<String, serde_json::Value> =
                serde_json::from_slice(json).ok()?;
            serde_json::from_value(members.remove(key)?).ok()
        })
    }

    /// The revision that the client speaks.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.call.revision()
    }

    /// The era of that revision.
    #[must_use]
    pub fn era(&self) -> Era {
        self.call.revision().era()
    }

    /// Whether the client declared this with the request. A client of the legacy era declares in
    /// its handshake, and counts as declaring nothing while it is served without a session.
    #[must_use]
    pub fn client_can(&self, capability: Capability) -> bool {
        self.call.capabilities().has(capability)
    }

    /// Goes on only if the client declared this; the error tells it what to declare (-32021). The
    /// legacy era knows no such error: there the model is told.
    ///
    /// # Errors
    /// When it did not.
    pub fn require(&self, capability: Capability) -> Result<(), ToolError> {
        match self.era() {
            _ if self.client_can(capability) => Ok(()),
            Era::Modern => Err(ToolError::needs(capability)),
            Era::Legacy => Err(ToolError::new(format!(
                "this client did not declare the capability `{}`, which this needs",
                capability.name()
            ))),
        }
    }

    pub(super) fn call(&self) -> &Call {
        &self.call
    }

    pub(super) fn off_core(&self) -> &dyn OffCore {
        &*self.call.services().off_core
    }

    /// Passes on what a blocking handler told so far.
    pub(super) fn pass_on(&self, notes: &Receiver<Note>) {
        for note in notes.try_iter() {
            match note {
                Note::Progress { progress, total, message } => {
                    self.tell_progress(progress, total, &message);
                }
                Note::Log { level, logger, data } => self.tell_log(level, logger.as_deref(), &data),
            }
        }
    }

    fn tell_progress(&self, progress: f64, total: Option<f64>, message: &str) {
        self.call.with_token(|token| {
            if token.is_empty() || !progress.is_finite() || !self.call.advance(progress) {
                return;
            }
            let rules = self.call.revision().rules();
            self.call.push_frame(|out| {
                out.extend_from_slice(PROGRESS_START);
                out.extend_from_slice(token);
                out.extend_from_slice(br#","progress":"#);
                encode::float(out, progress);
                if let Some(total) = total.filter(|total| total.is_finite()) {
                    out.extend_from_slice(br#","total":"#);
                    encode::float(out, total);
                }
                if rules.progress_message && !message.is_empty() {
                    out.extend_from_slice(br#","message":"#);
                    encode::string(out, message);
                }
                out.extend_from_slice(b"}}");
            });
        });
    }

    fn tell_log(&self, level: LogLevel, logger: Option<&str>, data: &impl Serialize) {
        if !self.call.logs(level) {
            return;
        }
        let data = serde_json::to_value(data).unwrap_or_else(|error| error.to_string().into());
        self.call.push_frame(|out| {
            encode::notification_start(out, "notifications/message");
            out.extend_from_slice(br#"{"level":""#);
            out.extend_from_slice(level.name().as_bytes());
            out.push(b'"');
            if let Some(logger) = logger {
                out.extend_from_slice(br#","logger":"#);
                encode::string(out, logger);
            }
            out.extend_from_slice(br#","data":"#);
            encode::serialize(out, &data);
            out.extend_from_slice(b"}}");
        });
    }
}

/// Waits until the client has read enough that the next notification finds room. Not waiting is
/// fine: see [`Cx::progress`].
#[derive(Debug)]
pub struct Room<'cx> {
    cx: &'cx Cx,
}

impl Future for Room<'_> {
    type Output = ();

    fn poll(self: std::pin::Pin<&mut Self>, context: &mut std::task::Context<'_>) -> Poll<()> {
        if self.cx.call.has_room() {
            return Poll::Ready(());
        }
        self.cx.call.wake_at_room(context.waker());
        Poll::Pending
    }
}

/// A number of progress. Amounts beyond 2^53 lose their last digits, as every JSON number may.
pub trait Amount {
    /// The number as it is sent.
    fn amount(self) -> f64;
}

macro_rules! amounts {
    ($($number:ty),*) => {
        $(impl Amount for $number {
            #[expect(clippy::allow_attributes, reason = "some of these casts lose nothing")]
            #[allow(clippy::cast_precision_loss, clippy::cast_lossless, reason = "as documented")]
            #[allow(trivial_numeric_casts, reason = "f64 itself is one of them")]
            fn amount(self) -> f64 {
                self as f64
            }
        })*
    };
}
amounts!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize, f32, f64);
