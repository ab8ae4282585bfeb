//! The process among others: signals, and what a service manager is told.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::error;

use crate::exit::{Exit, Failed};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP.
    Reload,
}

/// The signals that are listened to.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Begins to listen: from now on none of them ends the process by itself.
    ///
    /// # Errors
    /// When the host does not let us.
    pub fn listen() -> Result<Self, Failed> {
        let listen =
            |kind| signal(kind).map_err(|error| Failed::later(format!("signals cannot be caught: {error}")));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one. One that came before it was waited for is remembered.
    pub async fn next(&mut self) -> Request {
        tokio::select! {
            _ = self.terminate.recv() => Request::Stop,
            _ = self.interrupt.recv() => Request::Stop,
            _ = self.hangup.recv() => Request::Reload,
        }
    }

    /// Waits until one asks to stop. A reload that is asked for meanwhile is remembered for [`Self::next`]: the settings may have
    /// changed since the one that is under way read them.
    pub async fn stopped(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// The first signal lets steps end; a second one does not wait for them. The state is right either way.
    #[expect(clippy::disallowed_methods, reason = "a second signal asks for exactly this")]
    pub fn abort_on_the_next(mut self) {
        tokio::spawn(async move {
            self.stopped().await;
            error!("second signal: ending at once");
            std::process::exit(i32::from(Exit::Later.code()));
        });
    }
}

/// Raises the number of files and connections that the process may have open to what the host allows. The usual default of
/// 1024 is for programs that use `select`.
pub fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    // Where that is not allowed the default has to do.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Tells the service manager that work is done.
pub fn ready() {
    notify(&[NotifyState::Ready, NotifyState::Status("looking after orders")]);
}

/// Tells it that a reload is over, and the former configuration goes on.
pub fn unchanged() {
    notify(&[NotifyState::Ready]);
}

/// Tells it that a reload begins. It measures a reload between this and [`ready`]; the time says which one is meant.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(_) => notify(&[NotifyState::Reloading]),
    }
}

/// Tells it that the process ends.
pub fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Tells the service manager at half its interval that the process is alive. It runs on the same runtime as the work, so a
/// runtime that hangs is noticed.
pub async fn watchdog() {
    let Some(interval) = sd_notify::watchdog_enabled() else { return };
    let mut ticks = tokio::time::interval(interval / 2);
    loop {
        ticks.tick().await;
        notify(&[NotifyState::Watchdog]);
    }
}

/// Nothing listens outside systemd, and that is fine.
fn notify(states: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(states);
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use rustix::process::{getpid, kill_process};

    use super::*;

    /// Whoever changes the settings twice in a row, and tells the agent each time, has the second change read as well.
    #[tokio::test]
    async fn a_reload_that_is_asked_for_during_another_is_done_after_it() {
        let mut signals = Signals::listen().unwrap();
        let mut heard = signal(SignalKind::hangup()).unwrap();
        kill_process(getpid(), rustix::process::Signal::HUP).unwrap();
        heard.recv().await;
        assert_eq!(signals.stopped().now_or_never(), None);
        assert_eq!(signals.next().now_or_never(), Some(Request::Reload));
        assert_eq!(signals.next().now_or_never(), None, "once");
    }
}
