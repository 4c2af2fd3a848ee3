//! A lane: one connection of a run with its socket, and what it does next.
//!
//! ```text
//! Resting ─▶ Connecting ─▶ Opening (handshake, what is held) ─▶ Ready ─▶ Leaving ─▶ Gone
//!    ▲──────────── lost, or closed by the server ────────────────┘
//! ```
//! A session outlives the connection: a lane that connects anew goes on in it.
//! Not here: when to begin what (`worker`), what answers mean (`connection`).

use std::io;
use std::rc::Rc;
use std::time::Duration;

use crate::base::time::Now;
use crate::http::head::Persistence;
use crate::load::connection::{Connection, Exchange, Happening, Judging, What};
use crate::load::fault::{Fault, FaultKind};
use crate::load::plan::{Held, Load, Plan};
use crate::load::request::{Ids, Template};
use crate::load::socket::{Interest, Poller, Ready, Socket};

/// How long a lane rests that found no connection.
pub(super) const REST: Duration = Duration::from_millis(100);
const RECEIVE_BYTES: usize = 64 * 1024;

/// Where a lane stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not connected until then.
    Resting { until: Now },
    /// The socket is on its way.
    Connecting,
    /// What comes before the load.
    Opening,
    /// To be used.
    Ready,
    /// Its session is being ended.
    Leaving,
    /// For good.
    Gone,
}

/// What the worker has to know of what happened.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing.
    Nothing,
    /// The lane is ready; it began to connect at that moment.
    Opened { begun: Now },
    /// A unit of the load is over.
    Over { due: Now, verdict: Result<(), Fault> },
    /// The lane could not be opened.
    Failed(Fault),
    /// Its session is ended.
    Gone,
}

/// What all lanes of a thread share.
#[derive(Debug)]
pub(super) struct Means {
    pub(super) plan: Rc<Plan>,
    pub(super) poller: Poller,
    pub(super) ids: Ids,
    pub(super) judging: Judging,
    /// The call without a session.
    pub(super) call: Rc<Template>,
    pub(super) happened: Vec<Happening>,
    pub(super) scratch: Vec<u8>,
}

impl Means {
    pub(super) fn scratch() -> Vec<u8> {
        Vec::with_capacity(RECEIVE_BYTES)
    }
}

/// One connection, its socket and its stage.
#[derive(Debug)]
pub(super) struct Lane {
    token: usize,
    pub(super) stage: Stage,
    socket: Option<Socket>,
    connection: Connection,
    interest: Interest,
    /// When it began to connect.
    begun: Now,
    /// When bytes came last.
    active: Now,
    session: Option<String>,
    /// The call in its session.
    call: Rc<Template>,
    /// It is cut off when all is sent.
    pub(super) cut: bool,
    /// It is among those that have room.
    pub(super) listed: bool,
}

impl Lane {
    pub(super) fn new(token: usize, means: &Means) -> Self {
        Self {
            token,
            stage: Stage::Resting { until: Now::default() },
            socket: None,
            connection: Connection::new(),
            interest: Interest::ReadWrite,
            begun: Now::default(),
            active: Now::default(),
            session: None,
            call: means.call.clone(),
            cut: false,
            listed: false,
        }
    }

    /// Begins to connect.
    pub(super) fn connect(&mut self, now: Now, means: &Means) -> Result<(), Fault> {
        (self.begun, self.active, self.interest) = (now, now, Interest::ReadWrite);
        let socket = Socket::connect(&means.plan.address).map_err(no_connection)?;
        means.poller.watch(&socket, self.token, self.interest).map_err(no_connection)?;
        self.socket = Some(socket);
        self.stage = Stage::Connecting;
        Ok(())
    }

    /// Whether another unit may begin.
    pub(super) fn has_room(&self, pipeline: usize) -> bool {
        self.stage == Stage::Ready && !self.cut && self.connection.in_flight() < pipeline
    }

    /// Begins a unit of the load that was due at this moment.
    pub(super) fn begin(&mut self, due: Now, now: Now, means: &mut Means) {
        let what = if means.plan.load == Load::Churn { What::Initialize } else { What::Call };
        if what == What::Initialize {
            self.session = None;
        }
        self.ask(what, due, now, means);
    }

    fn ask(&mut self, what: What, due: Now, now: Now, means: &mut Means) {
        let exchange = Exchange::new(what, means.ids.take(), due, now);
        let (id, requests) = (exchange.id, &means.plan.requests);
        let session = self.session.as_deref();
        let call = &self.call;
        self.connection.ask(exchange, |out| match what {
            What::Call => call.write(id, out),
            What::Initialize => requests.initialize().write(id, out),
            What::Initialized => out.extend(requests.initialized(session)),
            What::Delete => out.extend(requests.delete(session.unwrap_or_default())),
            What::Listen if session.is_some() => out.extend(requests.stream(session)),
            What::Listen => requests.listen().write(id, out),
        });
    }

    /// Does what a socket that is ready allows. What happened is left in `means`.
    pub(super) fn attend(
        &mut self,
        ready: Ready,
        now: Now,
        means: &mut Means,
    ) -> Result<Persistence, Fault> {
        if self.stage == Stage::Connecting {
            let Some(socket) = &self.socket else { return Ok(Persistence::KeepAlive) };
            socket.outcome().map_err(no_connection)?;
            self.stage = Stage::Opening;
            if self.wants_session(means) {
                self.ask(What::Initialize, now, now, means);
            } else {
                self.open(now, means);
            }
            return Ok(Persistence::KeepAlive);
        }
        if ready.readable { self.receive(now, means) } else { Ok(Persistence::KeepAlive) }
    }

    fn wants_session(&self, means: &Means) -> bool {
        means.plan.sessions && self.session.is_none()
    }

    /// The handshake is over, or none was wanted.
    fn open(&mut self, now: Now, means: &mut Means) {
        match means.plan.load {
            Load::Calls | Load::Stream | Load::Churn => {}
            Load::Hold(Held::Calls) => self.ask(What::Call, now, now, means),
            // These are open when they are answered.
            Load::Hold(Held::Connections) => return self.ask(What::Call, now, now, means),
            Load::Hold(Held::Streams) => return self.ask(What::Listen, now, now, means),
        }
        means.happened.push(Happening::Opened);
    }

    fn receive(&mut self, now: Now, means: &mut Means) -> Result<Persistence, Fault> {
        let Some(socket) = &self.socket else { return Ok(Persistence::KeepAlive) };
        loop {
            means.scratch.clear();
            let count = match socket.receive(&mut means.scratch) {
                Ok(0) => {
                    self.connection.close(now, &mut means.judging, &mut means.happened);
                    return Ok(Persistence::Close);
                }
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(Fault::new(FaultKind::Closed, error.to_string())),
            };
            self.active = now;
            let (judging, happened) = (&mut means.judging, &mut means.happened);
            match self.connection.receive(&means.scratch, now, judging, happened)? {
                Persistence::Close => return Ok(Persistence::Close),
                Persistence::KeepAlive if count < RECEIVE_BYTES => break,
                Persistence::KeepAlive => {}
            }
        }
        Ok(Persistence::KeepAlive)
    }

    /// What follows from an exchange that ended.
    pub(super) fn react(&mut self, happening: Happening, now: Now, means: &mut Means) -> Step {
        let (exchange, verdict, session) = match happening {
            Happening::Opened if self.stage == Stage::Leaving => return Step::Nothing,
            Happening::Opened => {
                self.stage = Stage::Ready;
                return Step::Opened { begun: self.begun };
            }
            Happening::FirstEvent(_) | Happening::NextEvent(_) => return Step::Nothing,
            Happening::Ended { exchange, verdict, session } => (exchange, verdict, session),
        };
        let due = exchange.due;
        match (self.stage, exchange.what, verdict) {
            (Stage::Leaving, What::Delete, _) => {
                self.stage = Stage::Gone;
                Step::Gone
            }
            (Stage::Leaving | Stage::Gone, ..) => Step::Nothing,
            (Stage::Opening, _, Err(fault)) => Step::Failed(fault),
            (_, What::Initialize, Ok(())) => {
                self.session = session;
                self.ask(What::Initialized, due, now, means);
                Step::Nothing
            }
            (Stage::Opening, What::Initialized, Ok(())) => {
                let call = means.plan.requests.call(self.session.as_deref());
                self.call = Rc::new(call);
                self.open(now, means);
                Step::Nothing
            }
            (Stage::Opening, ..) => {
                self.stage = Stage::Ready;
                Step::Opened { begun: self.begun }
            }
            (_, What::Initialized, Ok(())) if self.session.is_some() => {
                self.ask(What::Delete, due, now, means);
                Step::Nothing
            }
            (_, What::Listen, _) => {
                self.stage = Stage::Gone;
                let told = "the stream ended";
                Step::Over { due, verdict: Err(Fault::new(FaultKind::Held, told)) }
            }
            (_, What::Call, Ok(())) if means.plan.load == Load::Hold(Held::Calls) => {
                let told = "the call was answered";
                Step::Over { due, verdict: Err(Fault::new(FaultKind::Held, told)) }
            }
            (_, what, verdict) => {
                if what == What::Delete {
                    self.session = None;
                }
                Step::Over { due, verdict }
            }
        }
    }

    /// Sends what there is to send, and watches for room for the rest.
    pub(super) fn flush(&mut self, means: &Means) -> Result<(), Fault> {
        let Some(socket) = self.socket.as_ref().filter(|_| self.stage != Stage::Connecting) else {
            return Ok(());
        };
        while !self.connection.unsent().is_empty() {
            match socket.send(self.connection.unsent()) {
                Ok(count) => self.connection.sent(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(Fault::new(FaultKind::Closed, error.to_string())),
            }
        }
        let has_rest = !self.connection.unsent().is_empty();
        let interest = if has_rest { Interest::ReadWrite } else { Interest::Read };
        if interest != self.interest {
            self.interest = interest;
            means.poller.change(socket, self.token, interest).map_err(no_connection)?;
        }
        Ok(())
    }

    /// Whether all that was asked is sent.
    pub(super) fn is_flushed(&self) -> bool {
        self.connection.unsent().is_empty()
    }

    /// Whether the server has been silent for too long while something was due.
    pub(super) fn is_overdue(&self, now: Now, timeout: Duration) -> bool {
        let since = match (self.stage, self.connection.longest()) {
            (Stage::Connecting | Stage::Opening, _) => self.begun.max(self.active),
            (_, Some(exchange)) => exchange.sent.max(self.active),
            (_, None) => return false,
        };
        now.since(since) > timeout
    }

    /// How many requests wait for their answers.
    pub(super) fn in_flight(&self) -> usize {
        self.connection.in_flight()
    }

    /// Closes the socket. When what was asked on it was due.
    pub(super) fn drop_socket(&mut self, now: Now) -> Vec<Now> {
        self.socket = None;
        self.cut = false;
        if !matches!(self.stage, Stage::Gone) {
            self.stage = Stage::Resting { until: now };
        }
        self.connection.abandon().into_iter().map(|exchange| exchange.due).collect()
    }

    /// Begins to end the session; without one the lane is gone at once.
    pub(super) fn leave(&mut self, now: Now, means: &mut Means) {
        if self.stage == Stage::Ready && self.session.is_some() && self.in_flight() == 0 {
            self.stage = Stage::Leaving;
            self.ask(What::Delete, now, now, means);
        } else {
            self.drop_socket(now);
            self.stage = Stage::Gone;
        }
    }
}

fn no_connection(error: io::Error) -> Fault {
    Fault::new(FaultKind::Connect, error.to_string())
}
