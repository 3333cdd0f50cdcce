//! Titles that a model makes.

use conversant_core::{LanguageModel, Message, Messages, ModelError, Report, SessionInfo, Turn};
use conversant_memory::title;
use conversant_testkit::{ScriptedCompletion, ScriptedReply, block_on};

fn messages() -> Messages {
    Turn::exchange("When do the cherries bloom in Kyoto?", "In April, usually.").messages().clone()
}

fn answered(answer: &str) -> Result<String, String> {
    let model = LanguageModel::completion(ScriptedCompletion::new([answer]));
    block_on(title(&model, &messages())).map_err(|error| error.to_string())
}

#[test]
fn an_answer_becomes_one_line() {
    let long = "Cherry blossom ".repeat(20);
    let unbroken = "x".repeat(200);
    let cases = [
        ("Cherry blossom in Kyoto", "Cherry blossom in Kyoto"),
        (" \"Cherry blossom in Kyoto.\"\n", "Cherry blossom in Kyoto"),
        ("\"Cherry blossom\".", "Cherry blossom"),
        ("Title: **Cherry blossom**", "Cherry blossom"),
        ("# Cherry blossom\n\nI chose it because", "Cherry blossom"),
        ("\n---\nCherry\u{a0}blossom\tin\u{7} Kyoto", "Cherry blossom in Kyoto"),
        ("\u{201e}Kirschbl\u{fc}te in Kyoto\u{201c}", "Kirschbl\u{fc}te in Kyoto"),
        (
            "\u{300c}\u{4eac}\u{90fd}\u{306e}\u{685c}\u{300d}\u{3002}",
            "\u{4eac}\u{90fd}\u{306e}\u{685c}",
        ),
        ("Is C++ faster?", "Is C++ faster?"),
        ("Sure! Here is a title:\n\n**Cherry blossom in Kyoto**", "Cherry blossom in Kyoto"),
        ("Sure!\n\n**Here's a title for it:**\n\"Cherry blossom\"\nShort.", "Cherry blossom"),
        ("Here are some titles:\n1. \"Cherry blossom\"\n2. Kyoto", "Cherry blossom"),
        ("\u{4ee5}\u{4e0b}\u{ff1a}\n- \u{4eac}\u{90fd}", "\u{4eac}\u{90fd}"),
        ("Sure! Here is a title: \"Cherry blossom.\"", "Cherry blossom"),
        ("Here is a title: Cherry blossom: an overview", "Cherry blossom: an overview"),
        ("A good title would be: **Cherry blossom**", "Cherry blossom"),
        ("TITLE: Cherry blossom", "Cherry blossom"),
        ("Title:\nCherry blossom", "Cherry blossom"),
        ("```text\nCherry blossom\n```", "Cherry blossom"),
        // Colons, marks and numbers of titles.
        ("Rust: an introduction", "Rust: an introduction"),
        ("How to choose a title: tips", "How to choose a title: tips"),
        ("Review: \"Dune\" by Herbert", "Review: \"Dune\" by Herbert"),
        ("Cherry blossom\n\nI chose it because:\n- it is short", "Cherry blossom"),
        ("2. April in Kyoto", "2. April in Kyoto"),
    ];
    for (answer, expected) in cases {
        assert_eq!(answered(answer).unwrap(), expected, "{answer:?}");
    }
    for answer in [&long, &unbroken] {
        let title = answered(answer).unwrap();
        assert!(title.chars().count() <= 80 && title.ends_with('\u{2026}'), "{title}");
        SessionInfo::check_title(&title, SessionInfo::MAX_TITLE_BYTES).unwrap();
    }
    assert!(answered(&long).unwrap().ends_with("blossom\u{2026}"));
}

#[test]
fn without_a_title_it_is_an_error() {
    for answer in [" \n", "\"---\"", "Sure! Here is a title:"] {
        let untitled = "cannot get an answer: the model's answer has no title".to_owned();
        assert_eq!(answered(answer), Err(untitled), "{answer:?}");
    }
    let fails = ScriptedReply::from(ModelError::custom("it fails", true, None));
    let model = ScriptedCompletion::new([fails, ScriptedReply::text(" ")]);
    let model = LanguageModel::completion(model);
    let error = || block_on(title(&model, &messages())).unwrap_err();
    let (failed, empty) = (error(), error());
    assert!(failed.is_retryable() && !empty.is_retryable(), "{failed}, {empty}");
    let shown = Report::new(&empty).to_string();
    assert!(shown.ends_with("cannot use the model's answer: it is empty"), "{shown}");
}

#[test]
fn what_is_sent_is_bounded() {
    let model = ScriptedCompletion::new(["A title"]);
    let mut long = Messages::from(Message::system("secret rules"));
    for number in 0..100 {
        long.push(Message::human(format!("{number}: {}", "x".repeat(10_000))));
    }
    block_on(title(&LanguageModel::completion(model.clone()), &long)).unwrap();
    let requests = model.requests();
    let prompt = &requests[0].prompt;
    assert!(prompt.len() < 6 * 2_100 + 500, "{} bytes", prompt.len());
    assert!(prompt.contains("Human: 5: x") && !prompt.contains("Human: 6: x"));
    assert!(!prompt.contains("secret rules") && prompt.ends_with("\n\nTitle:"));
}
