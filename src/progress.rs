//! Progress on standard error while something takes long; nothing where that is no terminal.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use engine::asker::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar for work whose amount is known. It goes away when it is dropped.
pub(crate) fn bar(label: &'static str, is_quiet: bool) -> ProgressBar {
    start(label, is_quiet, "{prefix} {wide_bar} {pos}/{len} {msg} {elapsed}")
}

/// A sign of life for work whose amount is not known. It goes away when it is dropped.
pub(crate) fn spinner(label: &'static str, is_quiet: bool) -> ProgressBar {
    let spinner = start(label, is_quiet, "{spinner} {prefix} {elapsed}");
    if !spinner.is_hidden() {
        spinner.enable_steady_tick(TICK);
    }
    spinner
}

/// A sign of life that becomes a bar with the time left, once it is known how far the work is. It
/// goes away when it is dropped.
pub(crate) fn until(progress: &Progress, label: &'static str, is_quiet: bool) -> Watched {
    let (bar, progress) = (spinner(label, is_quiet), progress.clone());
    let (over, told) = mpsc::channel::<()>();
    if !bar.is_hidden() {
        let bar = bar.clone();
        thread::spawn(move || {
            while told.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                let (done, all) = progress.of();
                if bar.length() == Some(0) && all > 0 {
                    let template =
                        "{spinner} {prefix} {wide_bar} {percent} % {elapsed}, {eta} left";
                    bar.set_style(styled(template));
                    bar.set_length(all as u64);
                }
                bar.set_position(done as u64);
            }
        });
    }
    Watched { bar, _over: over }
}

/// Progress that is shown as long as this lives.
pub(crate) struct Watched {
    bar: ProgressBar,
    _over: mpsc::Sender<()>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn styled(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style.unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn start(label: &'static str, is_quiet: bool, template: &str) -> ProgressBar {
    let target = if is_quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    ProgressBar::with_draw_target(Some(0), target)
        .with_style(styled(template))
        .with_prefix(label)
        .with_finish(indicatif::ProgressFinish::AndClear)
}

/// Ten times a second looks alive and costs nothing.
const TICK: Duration = Duration::from_millis(100);
