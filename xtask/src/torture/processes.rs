//! Many processes on one session: every acknowledged turn is stored, and the loser of a race gets
//! an error.

use std::{collections::BTreeMap, error::Error};

use conversant_core::Range;
use conversant_testkit::block_on;

use super::{
    child::{Mode, Task, said},
    findings::Findings,
    store::{Folder, Store, session},
    turns,
};

const PROCESSES: u64 = 8;

pub(super) fn run(count: u64, findings: &mut Findings) -> Result<(), Box<dyn Error>> {
    // A lease costs two more commits, during which the others wait.
    let leased = (count / 10).max(1);
    for (name, mode, count) in [
        ("any", Mode::Any, count),
        ("exactly", Mode::Exactly, count),
        ("lease", Mode::Lease, leased),
    ] {
        for store in Store::ALL {
            one(store, name, mode, count, findings)?;
        }
    }
    Ok(())
}

fn one(
    store: Store,
    name: &str,
    mode: Mode,
    count: u64,
    findings: &mut Findings,
) -> Result<(), Box<dyn Error>> {
    let folder = Folder::new()?;
    let task = |writer| Task {
        mode,
        store,
        folder: folder.path(),
        session: "shared",
        writer,
        turns: count,
    };
    let mut children = Vec::new();
    for writer in 0..PROCESSES {
        children.push(task(writer).command()?.spawn()?);
    }
    let (mut done, mut errors) = (0_u64, BTreeMap::<String, u64>::new());
    for mut child in children {
        for (word, what) in said(&mut child)? {
            match word.as_str() {
                "done" => done += 1,
                "error" => {
                    let kind = what.split(' ').next().unwrap_or_default().to_owned();
                    *errors.entry(kind).or_default() += 1;
                }
                _ => {}
            }
        }
        let status = child.wait()?;
        findings.expect(status.success(), || format!("a process ended with {status}"));
    }
    let history = store.open(folder.path())?;
    let stored = block_on(history.turns(&session("shared")?, Range::All))?;
    let all = PROCESSES * count;
    println!(
        "processes: {store}, {name}: {PROCESSES} × {count} turns: {done} done, errors {errors:?}, {} stored",
        stored.len()
    );
    turns::check(&stored, &format!("{store}, {name}"), findings);
    findings.expect(stored.len() as u64 == done, || {
        "the stored turns are not those that were acknowledged".to_owned()
    });
    let stale = errors.remove("stale").unwrap_or_default();
    findings.expect(done + stale == all, || format!("{done} done and {stale} stale are not {all}"));
    findings.expect(errors.is_empty(), || {
        format!("there were errors that were not `stale`: {errors:?}")
    });
    findings.expect(mode == Mode::Exactly || done == all, || format!("{done} of {all} turns"));
    Ok(())
}
