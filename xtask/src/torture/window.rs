//! A long session: loading a window costs no more than the window.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use conversant_core::{ChatHistory, Expect, Message, Range, Turn};
use conversant_history_sqlite::{SqliteHistory, Synchronous};
use conversant_testkit::block_on;

use super::{
    findings::Findings,
    store::{Folder, session},
};

/// The maximum time for loading a window.
const LONGEST: Duration = Duration::from_millis(5);

/// The number of messages of an appended turn.
const AT_ONCE: u64 = 2_000;

const TRIES: usize = 50;

pub(super) fn run(messages: u64, findings: &mut Findings) -> Result<(), Box<dyn Error>> {
    let folder = Folder::new()?;
    let history = SqliteHistory::builder(folder.path().join("chat.db"))
        .synchronous(Synchronous::Normal)
        .open()?;
    let session = session("long")?;
    let text = "a message of the length that messages have ".repeat(4);
    for _ in 0..messages / AT_ONCE {
        let turn = (0..AT_ONCE).map(|_| Message::human(text.as_str())).collect::<Vec<_>>();
        block_on(history.append(&session, &Turn::new(turn), Expect::Any))?;
    }
    for number in 0..100 {
        let turn = Turn::exchange(text.as_str(), format!("answer {number}"));
        block_on(history.append(&session, &turn, Expect::Any))?;
    }
    let end = block_on(history.load(&session, Range::LastMessages(0)))?.version;
    let seen = conversant_core::Version::new(end.epoch, end.messages - 20);
    let ranges = [
        ("last 10 turns", Range::LastTurns(10)),
        ("last 20 messages", Range::LastMessages(20)),
        ("last 8 KiB", Range::LastBytes(8192)),
        ("after a version", Range::After(seen)),
    ];
    for (name, range) in ranges {
        let mut times: Vec<_> = (0..TRIES)
            .map(|_| {
                let start = Instant::now();
                let loaded = block_on(history.load(&session, range))?;
                Ok((start.elapsed(), loaded.messages.len()))
            })
            .collect::<Result<_, Box<dyn Error>>>()?;
        times.sort();
        let Some(&(median, count)) = times.get(times.len() / 2) else { continue };
        println!("window: {} messages, {name}: {count} messages in {median:?}", end.messages);
        findings.expect(median < LONGEST && count > 0, || format!("{name} took {median:?}"));
    }
    let start = Instant::now();
    block_on(history.append(&session, &Turn::exchange("hi", "hello"), Expect::Any))?;
    println!("window: one more turn in {:?}", start.elapsed());
    Ok(())
}
