//! Summaries: what they cover, and a summariser that fails at each step in turn.

use conversant_core::ChatHistory as _;
use conversant_core::{
    LanguageModel, Memory, ModelError, PromptError, Range, Slot, Ticket, Turn, Value, Version,
};
use conversant_memory::{SummaryBufferMemory, SummaryMemory, Trim};
use conversant_prompts::PromptTemplate;
use conversant_testkit::{Gate, ScriptedCompletion, ScriptedReply, block_on, poll_then_drop};

use crate::support::{Watched, Whitespace, load, messages, session, shown, turn};

/// The two kinds, made alike: a summary of all but what the second is allowed to show.
fn kinds(model: &ScriptedCompletion, history: &Watched) -> Vec<Box<dyn Memory>> {
    let model = || LanguageModel::completion(model.clone());
    let prompt = || PromptTemplate::from_template("{summary} + {new_lines}").unwrap();
    vec![
        Box::new(
            SummaryMemory::new(model())
                .with_history(history.clone(), session("s"))
                .with_summary_prompt(prompt())
                .unwrap(),
        ),
        Box::new(
            SummaryBufferMemory::new(model(), Whitespace)
                .with_max_token_limit(6)
                .with_history(history.clone(), session("s"))
                .with_summary_prompt(prompt())
                .unwrap(),
        ),
        Box::new(
            SummaryBufferMemory::new(model(), Whitespace)
                .with_max_token_limit(4)
                .with_trim(Trim::LangChain)
                .with_history(history.clone(), session("s"))
                .with_summary_prompt(prompt())
                .unwrap(),
        ),
    ]
}

const KINDS: usize = 3;

/// Two turns as each kind shows them before and after the summary.
const BEFORE: [&str; KINDS] = [
    "Human: q1\nAI: a1\nHuman: q2\nAI: a2",
    "Human: q1\nAI: a1\nHuman: q2\nAI: a2",
    "Human: q1\nAI: a1\nHuman: q2\nAI: a2",
];
const AFTER: [&str; KINDS] =
    ["short", "System: short\nHuman: q2\nAI: a2", "System: short\nHuman: q2\nAI: a2"];

fn requests(model: &ScriptedCompletion) -> Vec<String> {
    model.requests().into_iter().map(|request| request.prompt).collect()
}

/// After any failure the turns are shown in full, the failure is reported, and the next turn
/// retries.
#[test]
fn a_summariser_that_fails_costs_nothing() {
    let fails = || vec![ScriptedReply::from(ModelError::custom("it fails", true, None))];
    type Lines = fn() -> Vec<ScriptedReply>;
    let faults: [(&str, Option<&'static str>, Lines, &str); 5] = [
        (
            "the note can't be read",
            Some("note"),
            Vec::new,
            "cannot use the conversation: it is busy",
        ),
        (
            "the messages can't be read",
            Some("load"),
            Vec::new,
            "cannot use the conversation: it is busy",
        ),
        ("the model fails", None, fails, "cannot get an answer: it fails"),
        (
            "the answer is empty",
            None,
            || vec![ScriptedReply::text(" \n")],
            "cannot use the model's answer: it is empty",
        ),
        (
            "the summary can't be stored",
            Some("put_note"),
            || vec![ScriptedReply::text("lost")],
            "cannot use the conversation: it is busy",
        ),
    ];
    block_on(async {
        for (fault, operation, lines, cause) in faults {
            for kind in 0..KINDS {
                let history = Watched::default();
                let model = ScriptedCompletion::new(lines());
                model.push("short");
                let memory = kinds(&model, &history).remove(kind);
                memory.save(&turn(1), Ticket::default()).await.unwrap();
                memory.save(&turn(2), Ticket::default()).await.unwrap();
                assert_eq!(shown(&*memory).await, BEFORE[kind], "{fault}");

                if let Some(operation) = operation {
                    history.fail(operation);
                }
                let told = match memory.maintain().await {
                    Ok(saved) => {
                        let [warning] = &saved.warnings[..] else { panic!("{fault}: {saved:?}") };
                        assert_eq!(
                            warning.to_string(),
                            "cannot summarise the conversation; the next turn tries again"
                        );
                        warning.source.as_ref().unwrap().to_string()
                    }
                    Err(error) => std::error::Error::source(&error).unwrap().to_string(),
                };
                assert_eq!(told, cause, "{fault}");
                assert_eq!(shown(&*memory).await, BEFORE[kind], "{fault}");
                let all = history.inner.load(&session("s"), Range::All).await.unwrap();
                assert_eq!(all.messages.len(), 4, "{fault}");

                assert!(memory.maintain().await.unwrap().warnings.is_empty());
                assert_eq!(shown(&*memory).await, AFTER[kind], "{fault}");
            }
        }
    });
}

/// A summary that is dropped at any await loses no message.
#[test]
fn a_summariser_that_is_cancelled_costs_nothing() {
    block_on(async {
        for kind in 0..KINDS {
            for polls in 0..2 {
                let history = Watched::default();
                let gate = Gate::new();
                let model = ScriptedCompletion::new([ScriptedReply::text("lost").held_by(&gate)]);
                model.push("short");
                let memory = kinds(&model, &history).remove(kind);
                memory.save(&turn(1), Ticket::default()).await.unwrap();
                memory.save(&turn(2), Ticket::default()).await.unwrap();
                assert!(poll_then_drop(memory.maintain(), polls).await.is_none());
                assert_eq!(shown(&*memory).await, BEFORE[kind]);
                if polls == 0 {
                    // The model was not asked: the first line is still to come.
                    gate.open();
                }
                assert!(memory.maintain().await.unwrap().warnings.is_empty());
                let summary = if polls == 0 { "lost" } else { "short" };
                assert_eq!(shown(&*memory).await, AFTER[kind].replace("short", summary));
            }
        }
    });
}

/// A summary survives a restart, and what it covers is neither read nor summarised again.
#[test]
fn a_summary_is_kept_beside_the_conversation() {
    block_on(async {
        for kind in 0..KINDS {
            let history = Watched::default();
            let model = ScriptedCompletion::new(["short", "longer"]);
            let first = kinds(&model, &history).remove(kind);
            first.save(&turn(1), Ticket::default()).await.unwrap();
            first.save(&turn(2), Ticket::default()).await.unwrap();
            first.maintain().await.unwrap();
            history.take_loaded();

            let later = kinds(&model, &history).remove(kind);
            assert_eq!(shown(&*later).await, AFTER[kind]);
            assert_eq!(history.take_loaded(), [0, 2, 2][kind]);
            assert!(later.maintain().await.unwrap().warnings.is_empty());
            assert_eq!(model.requests().len(), 1);
            later.save(&turn(3), Ticket::default()).await.unwrap();
            later.maintain().await.unwrap();
            let asked = [
                "short + Human: q3\nAI: a3",
                "short + Human: q2\nAI: a2",
                "short + Human: q2\nAI: a2",
            ];
            assert_eq!(requests(&model)[1], asked[kind]);
            // The first process sees what the other has done.
            assert_eq!(shown(&*first).await, shown(&*later).await);
        }
    });
}

/// A history without notes: the summary lasts as long as the memory, and a later one makes its own.
#[test]
fn a_history_without_notes() {
    block_on(async {
        for kind in 0..KINDS {
            let history = Watched::without_notes();
            let model = ScriptedCompletion::new(["short", "again"]);
            let first = kinds(&model, &history).remove(kind);
            first.save(&turn(1), Ticket::default()).await.unwrap();
            first.save(&turn(2), Ticket::default()).await.unwrap();
            assert!(first.maintain().await.unwrap().warnings.is_empty());
            assert_eq!(shown(&*first).await, AFTER[kind]);
            let later = kinds(&model, &history).remove(kind);
            assert_eq!(shown(&*later).await, BEFORE[kind]);
            later.maintain().await.unwrap();
            assert_eq!(shown(&*later).await, AFTER[kind].replace("short", "again"));
            first.clear().await.unwrap();
            assert_eq!(
                (shown(&*first).await, shown(&*later).await),
                (String::new(), String::new())
            );
        }
    });
}

/// A conversation that is cleared while its summary is written stays cleared.
#[test]
fn a_clear_during_a_summary_wins() {
    block_on(async {
        for kind in 0..KINDS {
            let history = Watched::default();
            let clearing = history.clone();
            let model = ScriptedCompletion::with_handler(move |_| {
                block_on(clearing.clear(&session("s"))).unwrap();
                ScriptedReply::text("of what was forgotten")
            });
            let memory = kinds(&model, &history).remove(kind);
            memory.save(&turn(1), Ticket::default()).await.unwrap();
            memory.save(&turn(2), Ticket::default()).await.unwrap();
            assert!(memory.maintain().await.unwrap().warnings.is_empty());
            assert_eq!(shown(&*memory).await, "");
            let note = history.inner.note(&session("s"), "summary").await.unwrap();
            assert_eq!(note, None);
        }
    });
}

/// A turn that is saved again, as after a failure, is summarised once.
#[test]
fn a_turn_that_is_saved_twice_is_covered_once() {
    block_on(async {
        for (kind, after) in AFTER.into_iter().enumerate() {
            let model = ScriptedCompletion::new(["short", "unasked"]);
            let memory = kinds(&model, &Watched::default()).remove(kind);
            memory.save(&turn(1), Ticket::default()).await.unwrap();
            memory.save(&turn(2), Ticket::default()).await.unwrap();
            memory.maintain().await.unwrap();
            memory.save(&turn(2), Ticket::default()).await.unwrap();
            memory.maintain().await.unwrap();
            assert_eq!((shown(&*memory).await.as_str(), model.requests().len()), (after, 1));
        }
    });
}

#[test]
fn as_messages() {
    block_on(async {
        let model = ScriptedCompletion::new(["short"]);
        let memory =
            SummaryMemory::new(LanguageModel::completion(model)).with_return_messages(true);
        assert_eq!(memory.variables(), [Slot::messages("history")]);
        assert_eq!(shown(&memory).await, "System: ");
        memory.save(&turn(1), Ticket::default()).await.unwrap();
        assert_eq!(shown(&memory).await, "Human: q1\nAI: a1");
        memory.maintain().await.unwrap();
        assert_eq!(shown(&memory).await, "System: short");
        memory.save(&turn(2), Ticket::default()).await.unwrap();
        assert_eq!(shown(&memory).await, "System: short\nHuman: q2\nAI: a2");
        assert_eq!(memory.messages().await.unwrap().len(), 4);
    });
}

#[test]
fn text_of_a_summary_and_what_it_does_not_cover() {
    block_on(async {
        let model = ScriptedCompletion::new(["short"]);
        let memory = SummaryMemory::new(LanguageModel::completion(model)).with_human_prefix("Q");
        memory.save(&turn(1), Ticket::default()).await.unwrap();
        memory.maintain().await.unwrap();
        memory.save(&turn(2), Ticket::default()).await.unwrap();
        assert_eq!(shown(&memory).await, "short\nQ: q2\nAI: a2");
    });
}

/// By turns, the summary counts against the limit, leading system messages stay, and a giant turn
/// is summarised.
#[test]
fn a_summary_buffer_by_turns() {
    block_on(async {
        let history = Watched::default();
        let model =
            ScriptedCompletion::new(["first", "one two three", "three more words", "giant"]);
        let memory = SummaryBufferMemory::new(LanguageModel::completion(model.clone()), Whitespace)
            .with_max_token_limit(13)
            .with_low_water(1.0)
            .with_history(history.clone(), session("s"))
            .with_summary_prompt(PromptTemplate::from_template("{summary} + {new_lines}").unwrap())
            .unwrap();
        let save = |turn: Turn| async {
            let turn = turn;
            memory.save(&turn, load(&memory).await.ticket).await.unwrap();
            let warnings = memory.maintain().await.unwrap().warnings;
            assert!(warnings.is_empty(), "{warnings:?}");
            shown(&memory).await
        };
        let opening = messages("system: be brief\nhuman: q1\nai: a1");
        assert_eq!(save(Turn::new(opening)).await, "System: be brief\nHuman: q1\nAI: a1");
        assert_eq!(save(turn(2)).await.lines().count(), 5);
        assert_eq!(
            save(turn(3)).await,
            "System: be brief\nSystem: first\nHuman: q2\nAI: a2\nHuman: q3\nAI: a3"
        );
        // The second summary is longer, so that one more turn has to be summarised.
        assert_eq!(
            save(turn(4)).await,
            "System: be brief\nSystem: three more words\nHuman: q4\nAI: a4"
        );
        let giant = Turn::exchange("word ".repeat(20).trim_end(), "ok");
        assert_eq!(save(giant).await, "System: be brief\nSystem: giant");
        assert_eq!(
            requests(&model)[..3],
            [
                " + Human: q1\nAI: a1",
                "first + Human: q2\nAI: a2",
                "one two three + Human: q3\nAI: a3"
            ]
            .map(str::to_owned)
        );
    });
}

/// A summary that exceeds the limit is shown, with a warning.
#[test]
fn a_summary_that_exceeds_the_limit() {
    block_on(async {
        let model = ScriptedCompletion::new(["one two three four", "one two three four five"]);
        let memory = SummaryBufferMemory::new(LanguageModel::completion(model), Whitespace)
            .with_max_token_limit(4);
        memory.save(&turn(1), Ticket::default()).await.unwrap();
        assert!(memory.maintain().await.unwrap().warnings.is_empty());
        memory.save(&turn(2), Ticket::default()).await.unwrap();
        let warnings = memory.maintain().await.unwrap().warnings;
        assert_eq!(
            warnings[0].to_string(),
            "the summary of 6 tokens exceeds the memory's budget of 4"
        );
        assert_eq!(shown(&memory).await, "System: one two three four five");
    });
}

#[test]
fn a_note_that_cannot_be_read_is_told() {
    block_on(async {
        let history = Watched::default();
        let body = Value::from(serde_json::json!({"summary": 7, "opening": []}));
        let note = conversant_core::Note::new(body, Version::default());
        history.put_note(&session("s"), "summary_buffer", &note).await.unwrap();
        let memory = kinds(&ScriptedCompletion::new(["x"]), &history).remove(1);
        let inputs = conversant_core::vars! {};
        let error = memory.load(conversant_core::LoadContext::new(&inputs)).await.unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(source, "cannot use the history: the note `summary_buffer`");
    });
}

#[test]
fn a_prompt_that_cannot_be_filled_in_is_refused_when_it_is_set() {
    let model = || LanguageModel::completion(ScriptedCompletion::new(["x"]));
    let prompt = || PromptTemplate::from_template("{summary} {new_line}").unwrap();
    let refused = [
        SummaryMemory::new(model()).with_summary_prompt(prompt()).unwrap_err(),
        SummaryBufferMemory::new(model(), Whitespace).with_summary_prompt(prompt()).unwrap_err(),
    ];
    for error in refused {
        assert!(matches!(error, PromptError::MissingVariables { .. }));
        assert_eq!(error.to_string(), "missing variable `new_line` (found `new_lines`)");
    }
}

#[test]
fn the_default_prompt() {
    block_on(async {
        let model = ScriptedCompletion::new(["short", "shorter"]);
        let memory = SummaryMemory::new(LanguageModel::completion(model.clone()));
        memory.save(&turn(1), Ticket::default()).await.unwrap();
        memory.maintain().await.unwrap();
        memory.save(&turn(2), Ticket::default()).await.unwrap();
        memory.maintain().await.unwrap();
        insta::assert_snapshot!(requests(&model)[1]);
    });
}

/// A long conversation that was there before its summary is summarised in pieces of whole turns.
#[test]
fn a_long_conversation_is_summarised_in_pieces() {
    block_on(async {
        for kind in 0..KINDS {
            let history = Watched::default();
            let model = ScriptedCompletion::with_handler(|request| {
                let lines = request.prompt.lines().filter(|line| line.contains(": q")).count();
                let summary = request.prompt.split(' ').next().unwrap_or_default();
                let before = summary.parse::<usize>().unwrap_or(0);
                ScriptedReply::text((before + lines).to_string())
            });
            let memory = kinds(&model, &history).remove(kind);
            for number in 0..50 {
                let long = Turn::exchange(format!("q{number}"), "x".repeat(5000));
                memory.save(&long, Ticket::default()).await.unwrap();
            }
            // Of a turn that is larger than a piece, the text is cut.
            let giant = Turn::exchange("q50", "x".repeat(100_000));
            memory.save(&giant, Ticket::default()).await.unwrap();
            memory.save(&turn(51), Ticket::default()).await.unwrap();
            assert!(memory.maintain().await.unwrap().warnings.is_empty());
            let asked = requests(&model);
            assert_eq!(asked.len(), [6, 5, 5][kind]);
            let sizes: Vec<_> = asked.iter().map(String::len).collect();
            assert!(sizes.iter().all(|&size| size < 66_000), "{sizes:?}");
            let text = shown(&*memory).await;
            let covered = if kind == 0 { "52" } else { "System: 51\nHuman: q51\nAI: a51" };
            assert_eq!(text, covered);
        }
    });
}

/// A history that loses its notes is not asked for a summary over and over.
#[test]
fn a_note_that_is_lost_costs_one_call() {
    #[derive(Default)]
    struct Losing(Watched);

    #[conversant_core::async_trait]
    impl conversant_core::ChatHistory for Losing {
        async fn load(
            &self,
            session: &conversant_core::SessionId,
            range: Range,
        ) -> Result<conversant_core::Slice, conversant_core::HistoryError> {
            self.0.load(session, range).await
        }
        async fn append(
            &self,
            session: &conversant_core::SessionId,
            turn: &Turn,
            expect: conversant_core::Expect,
        ) -> Result<Version, conversant_core::HistoryError> {
            self.0.append(session, turn, expect).await
        }
        async fn clear(
            &self,
            session: &conversant_core::SessionId,
        ) -> Result<(), conversant_core::HistoryError> {
            self.0.clear(session).await
        }
        async fn note(
            &self,
            _: &conversant_core::SessionId,
            _: &str,
        ) -> Result<Option<conversant_core::Note>, conversant_core::HistoryError> {
            Ok(None)
        }
        async fn put_note(
            &self,
            _: &conversant_core::SessionId,
            _: &str,
            _: &conversant_core::Note,
        ) -> Result<(), conversant_core::HistoryError> {
            Ok(())
        }
    }

    block_on(async {
        let model = ScriptedCompletion::with_handler(|_| ScriptedReply::text("lost"));
        let language_model = || LanguageModel::completion(model.clone());
        let memories: [Box<dyn Memory>; 2] = [
            Box::new(
                SummaryMemory::new(language_model()).with_history(Losing::default(), session("s")),
            ),
            Box::new(
                SummaryBufferMemory::new(language_model(), Whitespace)
                    .with_max_token_limit(4)
                    .with_history(Losing::default(), session("s")),
            ),
        ];
        for (calls, memory) in memories.into_iter().enumerate() {
            memory.save(&turn(1), Ticket::default()).await.unwrap();
            memory.save(&turn(2), Ticket::default()).await.unwrap();
            memory.maintain().await.unwrap();
            assert_eq!(model.requests().len(), calls + 1);
            assert_eq!(shown(&*memory).await, BEFORE[0]);
        }
    });
}
