//! What follows on the lanes of a thread: from what is ready to what is asked next.
//!
//! ```text
//! ready ─▶ attend ─▶ settle: count what happened ─▶ ask again, or connect anew ─▶ flush
//! ```
//! Invariant: each unit begun is over once: answered, failed, or cut off on purpose.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::base::time::Now;
use crate::http::head::Persistence;
use crate::load::connection::Happening;
use crate::load::fault::{Fault, FaultKind};
use crate::load::lane::{Lane, REST, Stage, Step};
use crate::load::plan::Load;
use crate::load::worker::{Mode, TAKEN, Worker, silence};

impl Worker {
    /// Waits for sockets and does what they allow.
    pub(super) fn pump(&mut self, timeout: Duration) {
        // An epoll that fails has no sockets any more; silence then ends what is in flight.
        let _ = self.means.poller.wait(timeout);
        let mut place = 0;
        while let Some(ready) = self.means.poller.ready(place) {
            place += 1;
            let now = self.origin.now();
            let Some(lane) = self.lanes.get_mut(ready.token) else { continue };
            let outcome = lane.attend(ready, now, &mut self.means);
            self.settle(ready.token, outcome);
        }
    }

    /// Draws the consequences of what happened on a lane.
    pub(super) fn settle(&mut self, index: usize, outcome: Result<Persistence, Fault>) {
        let now = self.origin.now();
        while !self.means.happened.is_empty() {
            let mut happened = std::mem::take(&mut self.means.happened);
            for happening in happened.drain(..) {
                self.count_events(&happening);
                let Some(lane) = self.lanes.get_mut(index) else { return };
                let step = lane.react(happening, now, &mut self.means);
                self.step(index, step, now);
            }
            if self.means.happened.is_empty() {
                // Its room is used again.
                self.means.happened = happened;
                break;
            }
        }
        match outcome {
            Ok(Persistence::KeepAlive) => self.go_on(index, now),
            Ok(Persistence::Close) => self.closed(index),
            Err(fault) => self.lose(index, fault),
        }
    }

    fn count_events(&mut self, happening: &Happening) {
        match happening {
            Happening::FirstEvent(after) => self.tally.first_event.record(*after),
            Happening::NextEvent(after) => self.tally.event_gap.record(*after),
            Happening::Opened | Happening::Ended { .. } => {}
        }
    }

    fn step(&mut self, index: usize, step: Step, now: Now) {
        match (step, &mut self.mode) {
            (Step::Nothing | Step::Gone, _) => {}
            (Step::Opened { begun }, Mode::Opening { open, .. }) => {
                *open += 1;
                if matches!(self.means.plan.load, Load::Hold(_)) {
                    self.over(begun, now, Ok(()));
                }
            }
            (Step::Opened { .. }, _) => {}
            (Step::Failed(fault), Mode::Opening { broken, .. }) => {
                broken.get_or_insert(fault);
            }
            (Step::Failed(fault), _) => self.lose(index, fault),
            (Step::Over { due, verdict }, Mode::Opening { .. }) => {
                // A held call that is answered at once.
                self.over(due, now, verdict);
            }
            (Step::Over { due, verdict }, _) => {
                self.in_flight = self.in_flight.saturating_sub(1);
                self.over(due, now, verdict);
            }
        }
    }

    fn over(&mut self, due: Now, now: Now, verdict: Result<(), Fault>) {
        self.tally.over(due, now, verdict);
        self.shared.over.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives a lane something to do, and sends what it has.
    pub(super) fn go_on(&mut self, index: usize, now: Now) {
        let pipeline = self.means.plan.pipeline;
        while let Mode::Closed { left } = &mut self.mode
            && *left != Some(0)
            && self.lanes.get(index).is_some_and(|lane| lane.has_room(pipeline))
        {
            if let Some(left) = left {
                *left -= 1;
            }
            self.begin(index, now, now);
        }
        self.list(index);
        self.flush(index);
    }

    /// Notes that a lane has room.
    fn list(&mut self, index: usize) {
        if let (Mode::Open { .. }, Some(lane)) = (&self.mode, self.lanes.get_mut(index))
            && !lane.listed
            && lane.has_room(self.means.plan.pipeline)
        {
            lane.listed = true;
            self.free.push_back(index);
        }
    }

    fn begin(&mut self, index: usize, due: Now, now: Now) {
        let Some(lane) = self.lanes.get_mut(index) else { return };
        lane.begin(due, now, &mut self.means);
        self.in_flight += 1;
        self.begun += 1;
        let percent = u64::from(self.means.plan.disconnect_percent);
        // Evenly: of a hundred in a row exactly so many.
        lane.cut = self.begun * percent / 100 > (self.begun - 1) * percent / 100;
    }

    fn flush(&mut self, index: usize) {
        let Some(lane) = self.lanes.get_mut(index) else { return };
        if let Err(fault) = lane.flush(&self.means) {
            self.lose(index, fault);
        } else if lane.cut && lane.is_flushed() {
            let now = self.origin.now();
            let cut = lane.drop_socket(now).len();
            self.in_flight = self.in_flight.saturating_sub(cut);
            self.tally.disconnected += cut as u64;
            self.connect(index);
        }
    }

    /// Gives lanes with room what is due.
    pub(super) fn dispatch(&mut self) {
        let pipeline = self.means.plan.pipeline;
        loop {
            let now = self.origin.now();
            let Mode::Open { schedule, left } = &mut self.mode else { return };
            schedule.advance(now);
            self.tally.fault(Fault::new(FaultKind::Refused, TAKEN), schedule.take_refused());
            if !schedule.has_waiting() || *left == Some(0) {
                return;
            }
            let Some(index) = take_free(&mut self.free, &mut self.lanes, pipeline) else { return };
            let Some(due) = schedule.take() else { return };
            if let Some(left) = left {
                *left -= 1;
            }
            self.begin(index, due, now);
            self.list(index);
            self.flush(index);
        }
    }

    pub(super) fn fill_all(&mut self) {
        let now = self.origin.now();
        for index in 0..self.lanes.len() {
            self.go_on(index, now);
        }
        self.dispatch();
    }

    /// The server closed a connection.
    fn closed(&mut self, index: usize) {
        let Some(lane) = self.lanes.get(index).filter(|lane| lane.stage != Stage::Gone) else {
            return;
        };
        let is_idle = lane.in_flight() == 0 && lane.stage == Stage::Ready;
        let is_held = matches!(self.means.plan.load, Load::Hold(_));
        if is_idle && !is_held {
            self.tally.reconnected += 1;
            self.connect(index);
        } else {
            self.lose(index, Fault::new(FaultKind::Closed, "the end of the connection"));
        }
    }

    /// A lane has lost its connection; what was asked on it failed.
    pub(super) fn lose(&mut self, index: usize, fault: Fault) {
        let now = self.origin.now();
        let Some(lane) = self.lanes.get_mut(index) else { return };
        let was_ready = lane.stage == Stage::Ready;
        let due = lane.drop_socket(now);
        if let Mode::Opening { broken, .. } = &mut self.mode {
            broken.get_or_insert(fault);
            return;
        }
        if matches!(self.mode, Mode::Leaving) {
            lane.stage = Stage::Gone;
            return;
        }
        if matches!(self.means.plan.load, Load::Hold(_)) {
            lane.stage = Stage::Gone;
        } else if was_ready {
            self.tally.reconnected += 1;
        } else {
            lane.stage = Stage::Resting { until: Now(now.after(REST).0) };
        }
        self.in_flight = self.in_flight.saturating_sub(due.len());
        if due.is_empty() {
            self.tally.fault(fault, 1);
            return;
        }
        for due in due {
            self.over(due, now, Err(fault.clone()));
        }
    }

    fn connect(&mut self, index: usize) {
        let now = self.origin.now();
        let Some(lane) = self.lanes.get_mut(index) else { return };
        lane.drop_socket(now);
        if let Err(fault) = lane.connect(now, &self.means) {
            self.lose(index, fault);
        }
    }

    /// Connects the lanes that have rested.
    pub(super) fn revive(&mut self) {
        let now = self.origin.now();
        for index in 0..self.lanes.len() {
            let stage = self.lanes.get(index).map(|lane| lane.stage);
            if matches!(stage, Some(Stage::Resting { until }) if until <= now) {
                self.connect(index);
            }
        }
    }

    pub(super) fn look_for_silence(&mut self) {
        let held = matches!(self.means.plan.load, Load::Hold(_));
        let opening = matches!(self.mode, Mode::Opening { .. });
        let (now, timeout) = (self.origin.now(), self.means.plan.timeout);
        for index in 0..self.lanes.len() {
            let overdue = self.lanes.get(index).is_some_and(|lane| lane.is_overdue(now, timeout));
            if overdue && (opening || !held) {
                self.lose(index, silence(timeout));
            }
        }
    }
}

/// The next listed lane that still has room: one that lost its connection meanwhile has none, and
/// is listed again once it has another.
fn take_free(free: &mut VecDeque<usize>, lanes: &mut [Lane], pipeline: usize) -> Option<usize> {
    while let Some(index) = free.pop_front() {
        let Some(lane) = lanes.get_mut(index) else { continue };
        lane.listed = false;
        if lane.has_room(pipeline) {
            return Some(index);
        }
    }
    None
}
