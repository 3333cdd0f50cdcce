//! A model on this machine: what is said before it runs, and what happens without it.

use std::{
    io::Write,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use crate::run::{Ran, run, type_in};

/// The file with the weights of SmolLM2-135M.
const FILE: &str = "CONVERSANT_MODEL_FILE";
/// Set where the weights have to be there.
const REQUIRED: &str = "CONVERSANT_REQUIRE_WEIGHTS";

/// One model at a time: several share the cores, and none of them ends in time.
static ONE: Mutex<()> = Mutex::new(());

/// Returns the weights, or reports that `test` is left out because they are missing.
fn weights(test: &str) -> Option<String> {
    let Some(file) = std::env::var_os(FILE).map(PathBuf::from) else {
        assert!(std::env::var_os(REQUIRED).is_none(), "{REQUIRED} is set, and {FILE} is not");
        // The harness keeps what tests print to itself, unless it is written like this.
        let note = format!("left out: {test}, which needs the weights of SmolLM2-135M in {FILE}\n");
        std::io::stderr().write_all(note.as_bytes()).unwrap();
        return None;
    };
    Some(file.to_str().unwrap().to_owned())
}

#[test]
fn a_model_that_is_not_there_is_not_downloaded_offline() {
    let ran = run(&["--offline", "Hi"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    for part in ["smollm2-135m", "--offline", "--model-file", "--base-url"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
}

#[test]
fn a_file_that_is_no_model_is_named() {
    let ran = run(&["--model-file", "/no/such.gguf", "Hi"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    assert!(ran.stderr.contains("`/no/such.gguf`"), "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), 1);
}

#[test]
fn a_name_is_remembered_over_a_restart() {
    let Some(file) = weights("a_name_is_remembered_over_a_restart") else { return };
    let _turn = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("chat.db");
    let base = ["--model-file", &file, "--db", db.to_str().unwrap(), "--max-tokens", "30"];
    let ask = |question: &str| -> Ran { run(&[&base[..], &[question]].concat()) };
    assert_eq!(ask("My name is Ada.").code, Some(0));
    let answer = ask("What is my name?");
    assert!(answer.stdout.contains("Ada"), "{}", answer.stdout);

    let taken_back = type_in(&base, "/undo\n/history\n/title names\n/sessions\n/usage\n");
    assert!(taken_back.stdout.starts_with("(took back: What is my name?)\nHuman: My name is Ada."));
    assert!(taken_back.stdout.ends_with("* chat  names\n0 tokens read, 0 tokens written\n"));
}
