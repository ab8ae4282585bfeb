//! One command, from its start to the end of all that it started.

use std::{
    collections::BTreeMap,
    io,
    os::unix::{fs::PermissionsExt as _, process::ExitStatusExt as _},
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
    task::JoinHandle,
    time::{timeout, timeout_at},
};

use crate::{Class, Error, Extent};

/// No command has more to say.
const MAX_OUTPUT: usize = 1024 * 1024;
/// What is kept of its complaints: the end of them.
const MAX_COMPLAINT: usize = 4096;
/// How long a command that is told to end may take for it.
const GRACE: Duration = Duration::from_secs(2);
/// How long the rest of an ended command's output is waited for: a process that left its group may hold the pipe.
const REST: Duration = Duration::from_millis(500);

/// What is run, and how.
pub(super) struct Run {
    pub(super) program: String,
    pub(super) arguments: Vec<String>,
    /// All of it: nothing of ours is inherited.
    pub(super) environment: BTreeMap<String, String>,
    pub(super) input: Vec<u8>,
    pub(super) limit: Duration,
    /// Secrets, which no message repeats.
    pub(super) hidden: Vec<String>,
}

/// A command that came to its own end.
#[derive(Debug)]
pub(super) struct Finished {
    program: String,
    status: ExitStatus,
    pub(super) output: Vec<u8>,
    /// The last line of what it complained of, or printed; fit to be shown.
    said: String,
}

impl Finished {
    /// Refuses an end that is not a success.
    pub(super) fn succeeded(self) -> Result<Self, Error> {
        if self.status.success() {
            return Ok(self);
        }
        let how = match (self.status.code(), self.status.signal()) {
            (Some(code), _) => format!("ends with exit status {code}"),
            (None, Some(signal)) => format!("is ended by signal {signal}"),
            (None, None) => "ends in an unknown way".to_owned(),
        };
        let said =
            if self.said.is_empty() { " and says nothing".to_owned() } else { format!(": {}", self.said) };
        Err(Error::new(Class::Later, "command-failed", format!("{} {how}{said}", self.program))
            .hint("run it by hand with the same arguments and variables"))
    }
}

/// Whether a file is there.
pub(super) fn check_file(path: &str) -> Result<(), Error> {
    let missing = |text: String| Error::new(Class::Setup, "command-missing", text).of(Extent::Provider);
    let found = Path::new(path).metadata().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            missing(format!("{path} does not exist")).hint("install it, or correct its path")
        }
        _ => missing(format!("{path} cannot be looked at")).caused_by(error),
    })?;
    if found.is_file() { Ok(()) } else { Err(missing(format!("{path} is not a file"))) }
}

/// Whether a file can be run, as far as looking tells.
pub(super) fn check(program: &str) -> Result<(), Error> {
    check_file(program)?;
    let executable = Path::new(program).metadata().is_ok_and(|found| found.permissions().mode() & 0o111 != 0);
    if executable {
        return Ok(());
    }
    Err(Error::new(Class::Setup, "command-not-executable", format!("{program} is not executable"))
        .of(Extent::Provider)
        .hint(format!("chmod +x {program}")))
}

/// A process group that is ended when this is dropped. Its number cannot be another's meanwhile, since its leader is
/// collected after.
struct Group(Option<Pid>);

impl Group {
    fn send(&self, signal: Signal) {
        if let Some(pid) = self.0 {
            // It may have ended by itself.
            let _ = kill_process_group(pid, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.send(Signal::KILL);
    }
}

/// Runs a command to its end.
pub(super) async fn run(run: Run) -> Result<Finished, Error> {
    let mut child = spawn(&run)?;
    // After the child, so dropped before it: a call that is given up leaves nothing behind.
    let group = Group(child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)));
    let ended = watch(&group);
    let mut output = Vec::new();
    let mut complaint = Vec::new();
    let outcome = talk(&mut child, &run, ended, &group, &mut output, &mut complaint).await;
    group.send(Signal::KILL);
    let status = child.wait().await;
    drop(group);
    outcome?;
    let status = status.map_err(|error| {
        Error::new(Class::Bug, "command-lost", format!("the end of {} was lost", run.program))
            .caused_by(error)
    })?;
    let said = last_line(&complaint, &run.hidden).or_else(|| last_line(&output, &run.hidden));
    Ok(Finished { program: run.program, status, output, said: said.unwrap_or_default() })
}

fn spawn(run: &Run) -> Result<Child, Error> {
    let mut command = Command::new(&run.program);
    command
        .args(&run.arguments)
        .env_clear()
        .envs(&run.environment)
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command.spawn().map_err(|error| {
        let program = &run.program;
        let setup = |label, text: String| Error::new(Class::Setup, label, text).of(Extent::Provider);
        // What looking finds is told more clearly than by the refusal of the kernel.
        if let Err(clear) = check(program) {
            return clear;
        }
        match error.kind() {
            io::ErrorKind::NotFound => setup(
                "command-missing",
                format!("the interpreter that {program} names in its first line is missing"),
            ),
            io::ErrorKind::PermissionDenied => {
                setup("command-not-executable", format!("the agent's user may not run {program}")).hint(
                    "give it execute permission there and on each folder above; look for a mount with noexec",
                )
            }
            io::ErrorKind::InvalidInput => {
                setup("bad-setting", format!("{program} or an argument of it holds a NUL"))
            }
            _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => setup(
                "command-not-executable",
                format!("{program} is no program: it lacks a first line such as #!/bin/sh"),
            ),
            _ => Error::new(Class::Later, "command-not-started", format!("{program} cannot be started"))
                .of(Extent::Provider)
                .caused_by(error),
        }
    })
}

/// Waits until the leader has ended, without collecting it: until then its number, and the group's, stays its own.
fn watch(group: &Group) -> JoinHandle<()> {
    let leader = group.0;
    tokio::task::spawn_blocking(move || {
        let Some(pid) = leader else { return };
        let how = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(pid), how), Err(rustix::io::Errno::INTR)) {}
    })
}

/// Gives the input and takes the output, until the command has ended.
async fn talk(
    child: &mut Child,
    run: &Run,
    mut ended: JoinHandle<()>,
    group: &Group,
    output: &mut Vec<u8>,
    complaint: &mut Vec<u8>,
) -> Result<(), Error> {
    let deadline = tokio::time::Instant::now() + run.limit;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let give = async move {
        if let Some(mut stdin) = stdin {
            // A command need not read what it does not want to know.
            let _ = stdin.write_all(&run.input).await;
        }
    };
    let take = async {
        let ((), taken, ()) = tokio::join!(give, take_all(stdout, output), take_end(stderr, complaint));
        taken
    };
    tokio::pin!(take);
    let mut taken = None;
    let waited = timeout_at(deadline, async {
        loop {
            tokio::select! {
                biased;
                result = &mut take, if taken.is_none() => {
                    result?;
                    taken = Some(());
                }
                _ = &mut ended => return Ok(()),
            }
        }
    })
    .await;
    match waited {
        Ok(Ok(())) if taken.is_some() => Ok(()),
        Ok(Ok(())) => {
            // What it left in its group would hold the pipe.
            group.send(Signal::KILL);
            match timeout(REST, take).await {
                Ok(Err(TooMuch)) => Err(too_much(&run.program)),
                Ok(Ok(())) | Err(_) => Ok(()),
            }
        }
        Ok(Err(TooMuch)) => Err(too_much(&run.program)),
        Err(_) => {
            group.send(Signal::TERM);
            let _ = timeout(GRACE, ended).await;
            let text = format!("{} did not end within {} s and was ended", run.program, run.limit.as_secs());
            Err(Error::new(Class::Later, "command-timeout", text)
                .of(Extent::Provider)
                .hint("raise timeout_seconds (up to 55), or find out what it waits for"))
        }
    }
}

/// More output than is ever of use.
struct TooMuch;

fn too_much(program: &str) -> Error {
    let text = format!("{program} prints more than {MAX_OUTPUT} octets and was ended");
    Error::new(Class::Bug, "command-verbose", text)
        .hint("it should print its answer only; messages go to standard error")
}

async fn take_all(from: Option<impl AsyncRead + Unpin>, into: &mut Vec<u8>) -> Result<(), TooMuch> {
    let Some(mut from) = from else { return Ok(()) };
    let mut part = vec![0; 16 * 1024];
    loop {
        match from.read(&mut part).await {
            Ok(0) | Err(_) => return Ok(()),
            Ok(octets) => into.extend_from_slice(part.get(..octets).unwrap_or_default()),
        }
        if into.len() > MAX_OUTPUT {
            return Err(TooMuch);
        }
    }
}

/// All is taken, so that the command is not held up; the end is kept.
async fn take_end(from: Option<impl AsyncRead + Unpin>, into: &mut Vec<u8>) {
    let Some(mut from) = from else { return };
    let mut part = vec![0; 16 * 1024];
    while let Ok(octets @ 1..) = from.read(&mut part).await {
        into.extend_from_slice(part.get(..octets).unwrap_or_default());
        let surplus = into.len().saturating_sub(MAX_COMPLAINT);
        into.drain(..surplus);
    }
}

/// The last line that says something, short, without control characters and secrets.
fn last_line(output: &[u8], hidden: &[String]) -> Option<String> {
    let tail = output.get(output.len().saturating_sub(MAX_COMPLAINT)..).unwrap_or_default();
    let mut text = String::from_utf8_lossy(tail).into_owned();
    for secret in hidden.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret.as_str(), "…");
        // The beginning of what is kept may cut a secret in two.
        if let Some(rest) =
            (1..secret.len()).filter_map(|at| secret.get(at..)).find(|rest| text.starts_with(rest))
        {
            text = format!("…{}", &text[rest.len()..]);
        }
    }
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    let shown: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let cut = shown.chars().count().saturating_sub(300);
    Some(if cut > 0 { format!("…{}", shown.chars().skip(cut).collect::<String>()) } else { shown })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A script that prints its credentials before it fails is common; the log is read by others.
    #[test]
    fn a_complaint_is_one_short_line_without_secrets() {
        let hidden = ["hunter2".to_owned()];
        let said = |text: &str| last_line(text.as_bytes(), &hidden);
        assert_eq!(said("one\nGET /?key=hunter2 failed\n\n").unwrap(), "GET /?key=… failed");
        assert_eq!(said("ter2 failed").unwrap(), "… failed", "a secret that was cut is still one");
        assert_eq!(said("\u{1b}[31mred\u{7}").unwrap(), " [31mred ");
        assert_eq!(said(" \n\n"), None);
        assert_eq!(said(&"x".repeat(5000)).unwrap().chars().count(), 301);
    }
}
