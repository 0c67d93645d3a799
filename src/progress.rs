//! Progress on standard error while something takes long; nothing where that is no terminal.

use std::time::Duration;

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

fn start(label: &'static str, is_quiet: bool, template: &str) -> ProgressBar {
    let target = if is_quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let style = ProgressStyle::with_template(template);
    ProgressBar::with_draw_target(Some(0), target)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_prefix(label)
        .with_finish(indicatif::ProgressFinish::AndClear)
}

/// Ten times a second looks alive and costs nothing.
const TICK: Duration = Duration::from_millis(100);
