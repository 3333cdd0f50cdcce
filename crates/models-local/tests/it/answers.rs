//! Completions: where answers end, and what replies report.

use conversant_core::{
    CallOptions, ChatModel, CompletionModel, Delta, FinishReason, LanguageModel, Reply,
};
use pollster::block_on;

use crate::tiny::{TinyFile, letters};

fn ask(model: &LanguageModel, prompt: &str, stop: &[&str]) -> Reply {
    let options = CallOptions::new().with_stop(stop.iter().copied());
    block_on(model.generate(prompt.into(), options)).unwrap()
}

#[test]
fn an_answer_ends_at_its_end_at_a_stop_sequence_or_at_a_limit() {
    for (limit, stop, text, reason) in [
        (None, &[][..], "bcdefgh", FinishReason::Stop),
        (Some(3), &[], "bcd", FinishReason::Length),
        (Some(7), &[], "bcdefgh", FinishReason::Length),
        (None, &["e"], "bcd", FinishReason::Stop),
        (None, &["de", "f"], "bc", FinishReason::Stop),
        (None, &["b"], "", FinishReason::Stop),
        // What looks like the beginning of a stop sequence is not lost.
        (None, &["ghi"], "bcdefgh", FinishReason::Stop),
        (Some(2), &["cd"], "bc", FinishReason::Length),
        (None, &["", "z"], "bcdefgh", FinishReason::Stop),
    ] {
        let model = letters().model(|builder| builder.max_tokens(limit));
        let reply = ask(&LanguageModel::completion(model), "xa", stop);
        assert_eq!(reply.text(), text, "{limit:?} {stop:?}");
        assert_eq!(reply.finish_reason, Some(reason), "{limit:?} {stop:?}");
    }
}

#[test]
fn the_stop_sequences_of_a_call_replace_those_of_the_model() {
    let model = LanguageModel::completion(letters().model(|builder| builder.stop(["d"])));
    assert_eq!(ask(&model, "a", &[]).text(), "bc");
    assert_eq!(ask(&model, "a", &["f"]).text(), "bcde");
}

#[test]
fn a_reply_has_the_name_and_the_usage() {
    let model = letters().model(|builder| builder.name("speller"));
    assert_eq!((model.name(), model.context()), ("speller", 512));
    for described in [ChatModel::describe(&model), CompletionModel::describe(&model)] {
        assert_eq!(described.name.as_deref(), Some("speller"));
        assert_eq!(described.provider.as_deref(), Some("conversant"));
    }
    let model = LanguageModel::completion(model);
    let reply = ask(&model, "xya", &[]);
    assert_eq!(reply.model.as_deref(), Some("speller"));
    let usage = reply.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.cached_tokens), (3, 7, Some(0)));
    assert_eq!(LanguageModel::completion(letters().model(|b| b)).generate_name(), "tiny");
}

trait GenerateName {
    fn generate_name(&self) -> String;
}

impl GenerateName for LanguageModel {
    fn generate_name(&self) -> String {
        ask(self, "a", &[]).model.unwrap()
    }
}

#[test]
fn characters_are_whole_however_many_tokens_they_have() {
    let text = "é€😀";
    let pairs: Vec<(u8, u8)> =
        ["=", text].concat().as_bytes().windows(2).map(|pair| (pair[0], pair[1])).collect();
    let model = LanguageModel::completion(TinyFile::spelling(&pairs).model(|builder| builder));
    block_on(async {
        let mut stream = model.stream("=".into(), CallOptions::new()).await.unwrap();
        let mut pieces = Vec::new();
        while let Some(delta) = stream.next().await {
            if let Delta::Text(piece) = delta.unwrap() {
                pieces.push(piece);
            }
        }
        assert_eq!(pieces, ["é", "€", "😀"]);
    });
}

#[test]
fn an_answer_that_is_cut_inside_of_a_character_shows_it() {
    let model = TinyFile::spelling(&[(b'=', 0xE2), (0xE2, 0x82)]);
    let model = LanguageModel::completion(model.model(|builder| builder));
    assert_eq!(ask(&model, "=", &[]).text(), "\u{FFFD}");
}

#[test]
fn a_seed_repeats_an_answer_and_temperature_varies_it() {
    let answer = |temperature: f32, top_p: f32, seed| {
        let file = TinyFile::random(5);
        let model = file.model(|builder| {
            builder.max_tokens(20).temperature(temperature).top_p(top_p).seed(seed)
        });
        ask(&LanguageModel::completion(model), "Hello", &[]).text().into_owned()
    };
    assert_eq!(answer(20.0, 1.0, 1), answer(20.0, 1.0, 1));
    assert_ne!(answer(20.0, 1.0, 1), answer(20.0, 1.0, 2));
    assert_eq!(answer(0.0, 1.0, 1), answer(0.0, 1.0, 2));
    // A nucleus of almost nothing is the likeliest token.
    assert_eq!(answer(20.0, 1e-6, 1), answer(0.0, 1.0, 2));
}

#[test]
fn threads_do_not_change_an_answer() {
    let answer = |threads| {
        let model = TinyFile::random(5).model(|builder| builder.max_tokens(20).threads(threads));
        ask(&LanguageModel::completion(model), "Hello there", &[]).text().into_owned()
    };
    assert_eq!(answer(1), answer(3));
}
