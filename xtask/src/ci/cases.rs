//! The conformance cases in `../shared`.

use std::{error::Error, fs};

use conversant_conformance::{Case, compare};

use super::shared;
use crate::step::Outcome;

/// The files that must pass whole. The cases of other files are counted only.
const WHOLE: &[&str] = &[
    "buffer_string.jsonl",
    "chain.jsonl",
    "chat_prompt.jsonl",
    "chat_response.jsonl",
    "chat_stream.jsonl",
    "compose.jsonl",
    "few_shot.jsonl",
    "memory.jsonl",
    "memory_entities.jsonl",
    "messages_json.jsonl",
    "parse.jsonl",
    "parse_more.jsonl",
    "prompt.jsonl",
    "prompt_adversarial.jsonl",
    "responses.jsonl",
    "wild.jsonl",
];

pub(crate) fn check() -> Result<Outcome, Box<dyn Error>> {
    let folder = shared("conformance");
    if !folder.is_dir() {
        return Ok(Outcome::Skipped("`../shared/conformance` is not there".to_owned()));
    }
    let mut files: Vec<_> = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    let mut holds = true;
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_whole = WHOLE.contains(&name.as_str());
        let count = compare(&Case::read_all(&file)?, |difference| {
            if is_whole {
                println!("{difference}");
            }
        });
        let note = if is_whole { "" } else { " (counted only)" };
        println!("{name}: {} passed, {} failed{note}", count.passed, count.failed);
        holds &= !is_whole || count.failed == 0;
    }
    Ok(Outcome::of(holds))
}
