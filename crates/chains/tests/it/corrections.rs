//! Answers that a parser refuses, and the models that correct them.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use conversant_chains::{
    ChainError, Correction, EnumParser, JsonParser, LlmChain, LlmChainBuilder,
};
#[cfg(feature = "schema")]
use conversant_core::LanguageModel;
use conversant_core::{
    CallInfo, CallOptions, Delta, Event, FinishReason, Message, ModelError, Observer, OutputParser,
    ParseError, Reply, Value, vars,
};
use conversant_prompts::PromptTemplate;
use conversant_testkit::{ScriptedChat, ScriptedCompletion, ScriptedReply, block_on};

#[cfg(feature = "schema")]
use crate::support::Enforcing;
use crate::support::{PATIENCE, TestHistory, chat_prompt, memory};

fn builder(model: &ScriptedChat, history: &TestHistory) -> LlmChainBuilder {
    let chain = LlmChain::builder().prompt(chat_prompt()).model(model.clone());
    chain.memory(memory(history)).parser(JsonParser)
}

fn stored(history: &TestHistory) -> String {
    block_on(history.transcript())
}

#[test]
fn a_retry_shows_the_model_its_answer_and_the_error() {
    let model = ScriptedChat::new(["Well, yes.", "Still yes.", r#"{"yes": true}"#]);
    let history = TestHistory::default();
    let chain = builder(&model, &history).correction(Correction::retry(2)).build().unwrap();
    let outcome = block_on(chain.invoke(vars! { "human_input" => "Is 7 prime?" })).unwrap();
    assert_eq!(outcome.text(), r#"{"yes":true}"#);
    let refused: Vec<_> = outcome.refused.iter().map(|reply| reply.text().into_owned()).collect();
    assert_eq!(refused, ["Well, yes.", "Still yes."]);
    // The turn is the question and the accepted answer.
    assert_eq!(stored(&history), "Human: Is 7 prime?\nAI: {\"yes\": true}");
    insta::assert_snapshot!(format!(
        "{:#}",
        conversant_core::PromptValue::from(model.requests()[2].messages.clone())
    ));
}

/// A parser of a user.
struct Panicking;

impl OutputParser for Panicking {
    fn parse(&self, text: &str) -> Result<Value, ParseError> {
        assert!(text.contains("fine"), "user code");
        Ok(text.into())
    }
}

#[test]
fn a_parser_that_panics_loses_no_answer() {
    for (is_streamed, is_corrected) in [(false, false), (true, false), (false, true)] {
        let (model, history) = (ScriptedChat::new(["Hm.", "So?"]), TestHistory::default());
        let mut chain = builder(&model, &history).parser(Panicking);
        if is_corrected {
            chain = chain.correction(Correction::retry(1));
        }
        let (chain, inputs) = (chain.build().unwrap(), vars! { "human_input" => "Is it?" });
        let error = match is_streamed {
            true => block_on(async { chain.stream(inputs).await?.into_outcome().await }).map(drop),
            false => block_on(chain.invoke(inputs)).map(drop),
        };
        let ChainError::Parse { source, answers, .. } = error.unwrap_err() else { panic!() };
        assert_eq!(source.to_string(), "cannot parse the answer: the parser panicked");
        let answers: Vec<_> = answers.iter().map(|reply| reply.text().into_owned()).collect();
        assert_eq!(answers, &["Hm.", "So?"][..=usize::from(is_corrected)]);
        assert_eq!(stored(&history), "");
    }
    let (model, history) = (ScriptedChat::new(["Hm.", "It is fine."]), TestHistory::default());
    let chain = builder(&model, &history).parser(Panicking).correction(Correction::retry(1));
    let answer = block_on(chain.build().unwrap().predict(vars! { "human_input" => "Is it?" }));
    assert_eq!(answer.unwrap(), "It is fine.");
}

#[test]
fn a_completion_model_is_asked_in_text() {
    let model = ScriptedCompletion::new([" blue", " red"]);
    let chain = LlmChain::builder()
        .prompt(PromptTemplate::from_template("The colour of {thing}:").unwrap())
        .model(model.clone())
        .parser(EnumParser::new(["red", "green"]))
        .correction(Correction::retry(1))
        .build()
        .unwrap();
    assert_eq!(block_on(chain.predict(vars! { "thing" => "a rose" })).unwrap(), "red");
    insta::assert_snapshot!(model.requests()[1].prompt);
}

#[test]
fn another_model_corrects_the_form() {
    let model = ScriptedChat::new(["It is `yes`: true"]);
    let fixer = ScriptedChat::new(["```json\n{\"yes\": true}\n```"]);
    let history = TestHistory::default();
    let chain = builder(&model, &history)
        .correction(Correction::fix_with(fixer.clone(), 1))
        .build()
        .unwrap();
    let options = CallOptions::new().with_stop(["never"]);
    let inputs = vars! { "human_input" => "Is 7 prime?" };
    let answer = block_on(chain.predict_with(inputs, options)).unwrap();
    assert_eq!(answer, r#"{"yes":true}"#);
    assert_eq!(stored(&history), "Human: Is 7 prime?\nAI: ```json\n{\"yes\": true}\n```");
    assert!(fixer.requests()[0].options.stop.is_empty());
    insta::assert_snapshot!(fixer.requests()[0].messages.to_string());
}

/// Returns the texts of the answers in an error, and what the error says.
fn answers(error: &ChainError) -> (Vec<String>, String) {
    let ChainError::Parse { answers, source, .. } = error else { panic!("{error}") };
    (answers.iter().map(|reply| reply.text().into_owned()).collect(), format!("{error}: {source}"))
}

#[test]
fn no_answer_is_lost_when_none_is_accepted() {
    let cut_off =
        |reason: &str| Reply::new(Message::ai("no")).with_finish_reason(FinishReason::from(reason));
    let rows: Vec<(Vec<ScriptedReply>, Vec<&str>, &str)> = vec![
        (
            vec!["a".into(), "b".into(), "c".into()],
            vec!["a", "b", "c"],
            "cannot parse the model's answer: cannot parse the answer: it contains no JSON",
        ),
        (
            vec!["a".into(), ModelError::Cancelled.into()],
            vec!["a"],
            "cannot parse the model's answer, and its correction failed: cannot parse the answer: \
             it contains no JSON",
        ),
        // A second answer would be cut off as well.
        (
            vec![cut_off("length").into(), "{}".into()],
            vec!["no"],
            "cannot parse the model's answer: cannot parse the answer: it was cut off at the token \
             limit; raise `max_tokens`",
        ),
        (
            vec![cut_off("MAX_TOKENS").into(), "{}".into()],
            vec!["no"],
            "cannot parse the model's answer: cannot parse the answer: it was cut off at the token \
             limit; raise `max_tokens`",
        ),
    ];
    for (script, expected, says) in rows {
        let (model, history) = (ScriptedChat::new(script), TestHistory::default());
        let chain = builder(&model, &history).correction(Correction::retry(2)).build().unwrap();
        let error = block_on(chain.predict(vars! { "human_input" => "hi" })).unwrap_err();
        let (texts, said) = answers(&error);
        assert_eq!(
            (texts, said.as_str()),
            (expected.iter().map(ToString::to_string).collect(), says)
        );
        assert!(!error.is_deadline());
        assert_eq!(stored(&history), "");
    }
}

/// It waits for nothing more, so that a reader that is slow does not lose it.
#[test]
fn an_answer_that_is_whole_is_streamed_after_the_deadline() {
    let (model, history) = (ScriptedChat::new(["a", "{}"]), TestHistory::default());
    let chain = builder(&model, &history).correction(Correction::retry(1)).build().unwrap();
    let passed = CallOptions::new().with_timeout(Duration::ZERO);
    let pieces = block_on(async {
        let mut stream = chain.stream_with(vars! { "human_input" => "hi" }, passed).await.unwrap();
        let mut pieces = Vec::new();
        while let Some(piece) = stream.next().await {
            pieces.push(piece.unwrap());
        }
        pieces
    });
    assert!(matches!(pieces[..], [Delta::Text(_), Delta::Done(_)]), "{pieces:?}");
    assert_eq!(stored(&history), "Human: hi\nAI: {}");
}

#[test]
fn an_answer_is_not_lost_when_the_deadline_passes_during_its_correction() {
    for time in PATIENCE {
        let model = ScriptedChat::new(["a".into(), ScriptedReply::hang()]);
        let history = TestHistory::default();
        let chain = builder(&model, &history).correction(Correction::retry(2)).build().unwrap();
        let options = CallOptions::new().with_deadline(Instant::now() + time);
        let call = chain.predict_with(vars! { "human_input" => "hi" }, options);
        let error = block_on(call).unwrap_err();
        assert!(error.is_deadline(), "{error}");
        if model.requests().len() < 2 {
            continue;
        }
        let (texts, said) = answers(&error);
        let expected = "cannot parse the model's answer, and its correction failed: cannot parse \
             the answer: it contains no JSON";
        assert_eq!((texts, said.as_str()), (vec!["a".to_owned()], expected));
        assert_eq!(stored(&history), "");
        return;
    }
    panic!("no correction began within {PATIENCE:?}");
}

#[test]
fn corrections_follow_each_other_and_observers_see_all() {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<String>>>);
    impl Observer for Log {
        fn on_event(&self, _: &CallInfo, event: &Event<'_>) {
            let line = match event {
                Event::PromptFormatted { .. } => "prompt".to_owned(),
                Event::ModelAnswered { reply, .. } => reply.text().into_owned(),
                Event::ChainEnded { .. } => "end".to_owned(),
                _ => return,
            };
            self.0.lock().unwrap().push(line);
        }
    }
    let log = Log::default();
    let (model, history) = (ScriptedChat::new(["a", "b"]), TestHistory::default());
    let chain = builder(&model, &history)
        .correction(Correction::retry(1))
        .correction(Correction::fix_with(ScriptedChat::new(["c", "{}"]), 2))
        .observer(log.clone())
        .build()
        .unwrap();
    assert_eq!(block_on(chain.predict(vars! { "human_input" => "hi" })).unwrap(), "{}");
    let seen = log.0.lock().unwrap().join(" ");
    assert_eq!(seen, "prompt a prompt b prompt c prompt {} end");
}

#[test]
fn a_stream_has_the_accepted_answer_in_one_piece() {
    let model =
        ScriptedChat::new([ScriptedReply::pieces(["no", "!"]), ScriptedReply::pieces(["{", "}"])]);
    let history = TestHistory::default();
    let chain = builder(&model, &history).correction(Correction::retry(1)).build().unwrap();
    block_on(async {
        let mut stream = chain.stream(vars! { "human_input" => "hi" }).await.unwrap();
        let mut text = String::new();
        while let Some(delta) = stream.next().await {
            if let Delta::Text(piece) = delta.unwrap() {
                text.push_str(&piece);
            }
        }
        assert_eq!(text, "{}");
        assert_eq!(stream.outcome().unwrap().refused.len(), 1);
    });
    assert_eq!(stored(&history), "Human: hi\nAI: {}");
}

#[test]
fn reasoning_in_the_text_is_not_parsed_and_is_stored() {
    let answer = "<think>{\"yes\": false}? No.</think>\n{\"yes\": true}";
    let (model, history) = (ScriptedChat::new([answer]), TestHistory::default());
    let chain = builder(&model, &history).build().unwrap();
    let output = block_on(chain.predict(vars! { "human_input" => "hi" })).unwrap();
    assert_eq!(output, r#"{"yes":true}"#);
    assert_eq!(stored(&history), format!("Human: hi\nAI: {answer}"));
}

#[test]
fn the_chain_provides_the_instructions_of_its_parser() {
    let model = ScriptedChat::new(["red", "red"]);
    let prompt = PromptTemplate::from_template("A colour. {format_instructions}").unwrap();
    let chain = LlmChain::builder()
        .prompt(prompt)
        .model(model.clone())
        .parser(EnumParser::new(["red", "green"]))
        .build()
        .unwrap();
    assert_eq!(chain.inputs().count(), 0);
    block_on(chain.predict(vars! {})).unwrap();
    block_on(chain.predict(vars! { "format_instructions" => "One word." })).unwrap();
    let prompts: Vec<_> =
        model.requests().iter().map(|request| request.messages.to_string()).collect();
    assert_eq!(
        prompts,
        [
            "Human: A colour. Answer with one of these alone: red, green",
            "Human: A colour. One word."
        ]
    );
}

/// The format of the call is for a model whose server enforces schemas; the other one reads the
/// instructions. Neither sees what the first one thought.
#[cfg(feature = "schema")]
#[test]
fn another_model_gets_the_format_if_its_server_enforces_schemas() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Verdict {
        yes: bool,
    }
    for (own_enforces, fixer_enforces) in
        [(true, false), (false, true), (true, true), (false, false)]
    {
        let model = ScriptedChat::new(["<think>\n{\n</think>\nIt is true"]);
        let fixer = ScriptedChat::new([r#"{"yes": true}"#]);
        let chat = |model: &ScriptedChat, enforces: bool| {
            let plain = LanguageModel::chat(model.clone());
            if enforces { LanguageModel::chat(Enforcing(model.clone())) } else { plain }
        };
        let chain = LlmChain::builder()
            .prompt(PromptTemplate::from_template("Is {x} prime?").unwrap())
            .model(chat(&model, own_enforces))
            .correction(Correction::fix_with(chat(&fixer, fixer_enforces), 1))
            .build()
            .unwrap();
        let verdict: Verdict = block_on(chain.predict_as(vars! { "x" => 7 })).unwrap();
        assert!(verdict.yes);
        let formats = [&model, &fixer].map(|model| {
            let request = model.requests().remove(0);
            request.options.response_format.is_some()
        });
        assert_eq!(formats, [own_enforces, fixer_enforces]);
        let asked = fixer.requests()[0].messages.to_string();
        assert!(asked.contains("The answer:\nIt is true\n\n"), "{asked}");
        assert!(asked.contains("The instructions:\n"), "{asked}");
    }
}
