//! How far a run is: a bar on a watched standard error, nothing elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::terminal::Terminal;
use crate::load::run::{Doing, Glance};

const STEPS: f64 = 1000.0;

/// The bar of one run.
#[derive(Debug)]
pub(super) struct Bar(Option<ProgressBar>);

impl Bar {
    pub(super) fn new(terminal: &Terminal) -> Self {
        if !terminal.errors_are_watched() {
            return Self(None);
        }
        let bar = ProgressBar::with_draw_target(Some(1000), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{msg} {bar:30} {percent:>3}% {prefix}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(Some(bar))
    }

    pub(super) fn show(&self, glance: Glance) {
        let Some(bar) = &self.0 else { return };
        bar.set_message(match glance.doing {
            Doing::Opening => "opening",
            Doing::WarmingUp => "warming up",
            Doing::Measuring => "measuring",
        });
        bar.set_prefix(format!("{} requests", glance.over));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to STEPS"
        )]
        bar.set_position((glance.done * STEPS) as u64);
    }

    /// Takes it away.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
