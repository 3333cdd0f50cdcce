//! The chat with real weights. This test is run by `cargo xtask ci --only weights`.

use conversant_harness::{Need, Tested};

use crate::run::{Ran, run, type_in};

pub(crate) fn a_name_is_remembered_over_a_restart() -> Tested {
    let file = Need::Optional.variable("CONVERSANT_MODEL_FILE", "the weights of SmolLM2-135M")?;
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("chat.db");
    let base = ["--model-file", &file, "--db", db.to_str().unwrap(), "--max-tokens", "30"];
    let ask = |question: &str| -> Ran { run(&[&base[..], &[question]].concat()) };
    assert_eq!(ask("My name is Ada.").code, Some(0));
    let answer = ask("What is my name?");
    assert!(answer.stdout.contains("Ada"), "{}", answer.stdout);

    let script = [&base[..], &["--script"]].concat();
    let taken_back = type_in(&script, "/undo\n/history\n/title names\n/sessions\n/usage\n");
    assert!(taken_back.stdout.starts_with("(took back: What is my name?)\nHuman: My name is Ada."));
    assert!(taken_back.stdout.ends_with("* chat  names\n0 tokens read, 0 tokens written\n"));
    Ok(())
}
