//! What a call tells while it runs: a bar on standard error for a person who watches, lines for
//! one who asked for them, nothing else. Log messages are told in any case.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::terminal::{Terminal, harmless};
use crate::client::tools::{Event, Progress};

const DRAW_INTERVAL: Duration = Duration::from_millis(100);
/// The bar's own resolution; progress itself is a fraction.
const STEPS: f64 = 1000.0;

/// The teller of one call.
#[derive(Debug)]
pub(super) struct Teller {
    bar: Option<ProgressBar>,
    lines: bool,
}

impl Teller {
    /// Begins to tell: a bar if standard error is watched, lines if it is not and they are wanted.
    pub(super) fn new(terminal: &Terminal, tool: &str, verbose: bool) -> Self {
        if !terminal.errors_are_watched() {
            return Self { bar: None, lines: verbose };
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(style("{spinner} {msg}"));
        bar.set_message(harmless(tool).into_owned());
        bar.enable_steady_tick(DRAW_INTERVAL);
        Self { bar: Some(bar), lines: false }
    }

    /// Tells one event.
    pub(super) fn tell(&self, event: &Event, terminal: &mut Terminal) {
        match event {
            Event::Progress(progress) => self.tell_progress(progress, terminal),
            Event::Log(log) => {
                let logger = log.logger.as_deref().map(|logger| format!(" {logger}"));
                let text = match log.data.as_str() {
                    Some(text) => text.to_owned(),
                    None => log.data.to_string(),
                };
                let line = format!("[{}{}] {text}", log.level, logger.unwrap_or_default());
                self.above_the_bar(|| terminal.tell(&harmless(&line)));
            }
            Event::Other { .. } => {}
        }
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn tell_progress(&self, progress: &Progress, terminal: &mut Terminal) {
        let message = progress.message.as_deref().map(harmless).unwrap_or_default();
        if let Some(bar) = &self.bar {
            if let Some(total) = progress.total.filter(|total| *total > 0.0) {
                let done = (progress.progress / total).clamp(0.0, 1.0) * STEPS;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "from 0 to STEPS"
                )]
                let (done, steps) = (done as u64, STEPS as u64);
                if bar.length().is_none() {
                    // Drawn at once, while it is a spinner that shows none.
                    bar.set_length(steps);
                    bar.set_style(style("{bar:30} {percent:>3}% {msg}"));
                }
                bar.set_position(done);
            }
            // Last: it draws, and so the position with it.
            bar.set_message(message.replace('\n', " "));
        } else if self.lines {
            let total = progress.total.map(|total| format!("/{total}")).unwrap_or_default();
            terminal.tell(format!("{}{total} {message}", progress.progress).trim_end());
        }
    }

    /// Does something on the terminal while the bar is away.
    pub(super) fn above_the_bar<T>(&self, tell: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(tell),
            None => tell(),
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
