//! Fuzzing: a target for each parser. It returns for any bytes and does not panic.
//!
//! Each target runs its corpus (`tests/corpus`) and then mutations of it. The number is small and
//! the seed fixed, so that the ordinary tests are quick and say the same each time;
//! `CONVERSANT_FUZZ_SECONDS` runs each target for that long instead, from `CONVERSANT_FUZZ_SEED`.

use std::{env, fs, path::Path, time::Instant};

use conversant_core::{Message, Messages, Prompt, Variables, vars};
use conversant_prompts::{LoadedPrompt, PromptTemplate, TemplateFormat};
use serde_json::json;

/// How many mutations a target runs in the ordinary tests.
const ROUNDS: usize = 1_500;

#[test]
fn f_strings() {
    fuzz("fstring", |text| template(text, TemplateFormat::FString));
}

#[cfg(feature = "jinja")]
#[test]
fn jinja() {
    fuzz("jinja2", |text| template(text, TemplateFormat::Jinja2));
}

#[cfg(feature = "mustache")]
#[test]
fn mustache() {
    fuzz("mustache", |text| template(text, TemplateFormat::Mustache));
}

#[test]
fn json() {
    fuzz("json", |text| loaded(LoadedPrompt::from_json(text).ok()));
}

#[cfg(feature = "load")]
#[test]
fn yaml() {
    fuzz("yaml", |text| loaded(LoadedPrompt::from_yaml(text).ok()));
}

/// Parses a template and fills it in. A fault's place lies inside of the template.
fn template(text: &str, format: TemplateFormat) {
    match PromptTemplate::parse(text, format) {
        Ok(prompt) => {
            assert_eq!(prompt.template(), text);
            let _ = prompt.format(&values());
        }
        Err(error) => {
            assert!(error.location().is_none_or(|location| location.offset() <= text.len()));
            let _ = format!("{error:#}");
        }
    }
}

/// Fills in what was loaded. Written and read again, it is the same.
fn loaded(prompt: Option<LoadedPrompt>) {
    let Some(prompt) = prompt else { return };
    let _ = prompt.format(&values());
    let write = |prompt: &LoadedPrompt| match prompt {
        LoadedPrompt::String(prompt) => serde_json::to_value(prompt).unwrap(),
        LoadedPrompt::FewShot(prompt) => serde_json::to_value(prompt).unwrap(),
        LoadedPrompt::Chat(prompt) => serde_json::to_value(prompt).unwrap(),
        _ => panic!("no other type is known"),
    };
    let written = write(&prompt);
    let again = LoadedPrompt::from_value(written.clone()).unwrap();
    assert_eq!(write(&again), written);
}

fn values() -> Variables {
    vars! {
        "name" => "{name} {{x}}", "x" => "<x>", "n" => -42, "f" => 1.5e300, "w" => 5,
        "items" => json!(["a", 0, {"b": [1]}]), "user" => json!({"first": "A", "last": null}),
        "chat_history" => Messages::from_iter([Message::human("hi")]),
        "a" => true, "b" => json!([]), "show" => false, "skip" => "a", "Größe" => "ß",
    }
}

fn fuzz(target: &str, run: impl Fn(&str)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(target);
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let corpus: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    for bytes in &corpus {
        run(&String::from_utf8_lossy(bytes));
    }
    let number = |name: &str| env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seconds = number("CONVERSANT_FUZZ_SECONDS");
    let mut random = Random(number("CONVERSANT_FUZZ_SEED").unwrap_or(1).max(1));
    let start = Instant::now();
    let mut rounds = 0;
    while match seconds {
        Some(seconds) => start.elapsed().as_secs() < seconds,
        None => rounds < ROUNDS,
    } {
        rounds += 1;
        run(&String::from_utf8_lossy(&random.mutation(&corpus)));
    }
}

/// Xorshift: enough for mutations, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap()
    }

    /// Takes an entry of the corpus and changes it a few times.
    fn mutation(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(6) {
            let at = self.below(bytes.len() + 1);
            match self.below(7) {
                0 => bytes.insert(at, u8::try_from(self.below(256)).unwrap()),
                1 if at < bytes.len() => drop(bytes.remove(at)),
                2 if at < bytes.len() => bytes[at] = u8::try_from(self.below(256)).unwrap(),
                3 => bytes.truncate(at),
                4 => {
                    let token = [
                        "{",
                        "}",
                        "{{",
                        "}}",
                        "{%",
                        "%}",
                        "#",
                        "!",
                        ":",
                        ".",
                        "|",
                        "\n",
                        "'",
                        "\"",
                        "é",
                        "東",
                        "🙂",
                        "9999999999",
                        "null",
                        "[",
                        "]",
                        ",",
                        "{x}",
                        " if ",
                        "- ",
                    ];
                    let token = token[self.below(token.len())];
                    bytes.splice(at..at, token.bytes());
                }
                5 => {
                    let other = &corpus[self.below(corpus.len())];
                    let start = self.below(other.len());
                    let end = start + self.below(other.len() - start + 1);
                    bytes.splice(at..at, other[start..end].iter().copied());
                }
                _ => {
                    let start = self.below(at + 1);
                    let piece = bytes[start..at].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        bytes.truncate(4096);
        bytes
    }
}
