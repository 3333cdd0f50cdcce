//! A model on this machine: its file is named where it is missing, and is not a model.

use crate::run::run;

pub(crate) fn a_model_that_is_not_there_is_not_downloaded_offline() {
    let ran = run(&["--offline", "Hi"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    for part in ["smollm2-135m", "--offline", "--model-file", "--base-url"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
}

pub(crate) fn a_file_that_is_no_model_is_named() {
    let ran = run(&["--model-file", "/no/such.gguf", "Hi"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    assert!(ran.stderr.contains("`/no/such.gguf`"), "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), 1);
}
