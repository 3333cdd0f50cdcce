//! A server that cuts, hangs, resets or lies: an answer or one clear line, and never longer than
//! `--timeout`.

use std::{
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use conversant_testkit::{Fault, FaultServer, faults};

use crate::run::run;

/// The total for a turn, in seconds, and what a process may take to start and end on a busy
/// machine.
const TIMEOUT: &str = "0.5";
const SLACK: Duration = Duration::from_secs(5);

fn check(fault: &Fault, streaming: &str) {
    let server = FaultServer::start(fault).unwrap();
    let base_url = server.base_url();
    let started = Instant::now();
    let ran = run(&[
        "--base-url",
        &base_url,
        "--model",
        "m",
        "--message",
        "Hi",
        "--timeout",
        TIMEOUT,
        "--max-retries",
        "1",
        streaming,
    ]);
    let name = format!("{} ({streaming})", fault.name());
    assert!(started.elapsed() < SLACK, "{name} took {:?}", started.elapsed());
    match ran.code {
        Some(0) => assert!(ran.stderr.is_empty(), "{name}: {}", ran.stderr),
        Some(1) => {
            assert_eq!(ran.stderr.lines().count(), 1, "{name}: {:?}", ran.stderr);
            assert!(ran.stderr.starts_with("chat: "), "{name}: {}", ran.stderr);
            assert!(streaming == "--stream" || ran.stdout.is_empty(), "{name}: {}", ran.stdout);
        }
        code => panic!("{name}: exit code {code:?}: {}", ran.stderr),
    }
    assert!(server.attempts() <= 2, "{name}: {} attempts", server.attempts());
}

pub(crate) fn every_fault_ends_in_an_answer_or_one_line() {
    let work: Vec<_> =
        faults().iter().flat_map(|fault| [(fault, "--stream"), (fault, "--no-stream")]).collect();
    let work = Mutex::new(work);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                loop {
                    let Some((fault, streaming)) = work.lock().unwrap().pop() else { break };
                    check(fault, streaming);
                }
            });
        }
    });
}
