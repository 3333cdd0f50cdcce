//! Both programs of each pair have the recorded transcript.
//!
//! The Rust programs always run. The Python programs run if `CONVERSANT_LANGCHAIN_PYTHON` names a
//! Python with LangChain 0.1.20 (`cargo xtask from-langchain` installs one). With
//! `CONVERSANT_RECORD`, their transcripts are recorded.

#![allow(clippy::unwrap_used, missing_docs)]

use std::{env, fmt::Write as _, fs, future::Future, path::Path, pin::Pin, process::Command};

use conversant_harness::{Need, Tested};
use conversant_testkit::OpenAiServer;
use from_langchain::{
    Run, few_shot, memory_in_llmchain, persistent, sequence, summary_buffer, window,
};
use serde_json::Value;

type Printed = Pin<Box<dyn Future<Output = Result<String, Box<dyn std::error::Error>>>>>;

/// A pair of programs, and the answers of the server.
struct Pair {
    name: &'static str,
    answers: &'static [&'static str],
    run: fn(Run) -> Printed,
}

const PAIRS: &[Pair] = &[
    Pair {
        name: "memory_in_llmchain",
        answers: &["Hello! How can I help you?", "I'm doing great, thanks."],
        run: |run| Box::pin(memory_in_llmchain::run(run)),
    },
    Pair {
        name: "window",
        answers: &[" Hi Ada!", " Yes, today.", " I do not know."],
        run: |run| Box::pin(window::run(run)),
    },
    Pair {
        name: "summary_buffer",
        answers: &[" Hi Ada!", " Yes.", " Ada greets.", " Ada.", " Ada asks about brakes."],
        run: |run| Box::pin(summary_buffer::run(run)),
    },
    Pair {
        name: "few_shot",
        answers: &[" pads, cable, lever"],
        run: |run| Box::pin(few_shot::run(run)),
    },
    Pair {
        name: "sequence",
        answers: &["The pads.", "Dear Ada, new pads cost 20."],
        run: |run| Box::pin(sequence::run(run)),
    },
    Pair {
        name: "persistent",
        answers: &[" Hi Ada!", " Hi Grace!", " Ada."],
        run: |run| Box::pin(persistent::run(run)),
    },
];

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the prompts that a server received, and what the program printed.
fn transcript(server: &OpenAiServer, printed: &str) -> String {
    let mut transcript = String::new();
    for request in server.requests() {
        let body = request.json();
        writeln!(transcript, "## {}", request.path()).unwrap();
        match body.get("messages") {
            Some(messages) => {
                for message in messages.as_array().unwrap() {
                    let text = |name: &str| message[name].as_str().unwrap().to_owned();
                    writeln!(transcript, "{}: {}", text("role"), text("content")).unwrap();
                }
            }
            // LangChain sends a list of one prompt.
            None => {
                let prompt = &body["prompt"];
                let prompt = prompt.as_str().or_else(|| prompt[0].as_str()).unwrap();
                writeln!(transcript, "{prompt}").unwrap();
            }
        }
        if let Some(stop) = body.get("stop").filter(|stop| **stop != Value::Null) {
            writeln!(transcript, "stop: {stop}").unwrap();
        }
        transcript.push('\n');
    }
    transcript + "## printed\n" + printed
}

fn python(python: &Path, pair: &Pair, run: &Run) -> String {
    let program = folder().join("python").join(pair.name).with_extension("py");
    let output = Command::new(python)
        .args([&program, &run.file])
        .env("OPENAI_API_KEY", "none")
        .env("OPENAI_API_BASE", &run.base_url)
        .env("PYTHONWARNINGS", "ignore")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} fails:\n{errors}", program.display());
    String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n")
}

/// Runs the program of each pair in one language and compares its transcript with the recorded one.
async fn check(language: &str, program: impl AsyncFn(&Pair, Run) -> String) {
    for pair in PAIRS {
        let temporary = tempfile::tempdir().unwrap();
        let server = OpenAiServer::start(pair.answers.iter().copied()).unwrap();
        let run =
            Run { base_url: server.base_url(), file: temporary.path().join("conversations.db") };
        let printed = program(pair, run).await;
        let transcript = transcript(&server, &printed);
        let recorded = folder().join("transcripts").join(pair.name).with_extension("txt");
        if language == "Python" && env::var_os("CONVERSANT_RECORD").is_some() {
            fs::write(&recorded, &transcript).unwrap();
        }
        assert_eq!(transcript, fs::read_to_string(&recorded).unwrap(), "{language}: {}", pair.name);
    }
}

async fn the_programs_in_rust_have_the_recorded_transcripts() {
    check("Rust", async |pair, run| (pair.run)(run).await.unwrap()).await;
}

async fn the_programs_in_python_have_the_recorded_transcripts() -> Tested {
    let needed = "LangChain, which `cargo xtask from-langchain` installs,";
    let interpreter = Need::Optional.variable("CONVERSANT_LANGCHAIN_PYTHON", needed)?;
    check("Python", async |pair, run| python(Path::new(&interpreter), pair, &run)).await;
    Ok(())
}

fn the_programs_of_the_guide_are_those_that_run() {
    let page = include_str!("../../../../crates/conversant/src/guide/from_langchain.md");
    let blocks: Vec<_> = page.split("```python\n").skip(1).collect();
    assert_eq!(blocks.len(), 3);
    for block in blocks {
        let program = block.split("```").next().unwrap();
        let files = fs::read_dir(folder().join("python")).unwrap();
        let mut texts = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
        assert!(texts.any(|text| text == program), "{program}");
    }
}

conversant_harness::tests! {
    self {
        the_programs_in_rust_have_the_recorded_transcripts,
        the_programs_in_python_have_the_recorded_transcripts,
        the_programs_of_the_guide_are_those_that_run,
    }
}
