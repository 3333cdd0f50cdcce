//! The memories that call a model or a vector store: entities, facts, the nearest turns.

use std::sync::Arc;

use conversant_core::{
    ChatHistory as _, GroupId, LanguageModel, LoadContext, MaintainContext, Memory, ModelError,
    Note, PromptError, Slot, Ticket, Variables, vars,
};
use conversant_memory::{
    EntityMemory, InMemoryHistory, InMemoryVectorStore, KnowledgeGraphMemory, VectorStoreMemory,
};
use conversant_prompts::PromptTemplate;
use conversant_testkit::{
    FailingHistory, HistoryCall, ScriptedCompletion, ScriptedReply, block_on,
    suite::{self, EmbeddingFault, TopicEmbeddings},
};
use serde_json::json;

use crate::support::{Watched, session, turn};

/// Runs a call as a chain does, and returns what was loaded and all warnings.
async fn call(memory: &dyn Memory, question: &str) -> (Variables, Vec<String>) {
    let inputs = vars! { "input" => question };
    let loaded = memory.load(LoadContext::new(&inputs).with_input(question)).await.unwrap();
    let turn = conversant_core::Turn::exchange(question, "ok");
    let saved = memory.save(&turn, loaded.ticket).await.unwrap();
    let tidied = memory.maintain().await.unwrap();
    let warnings = saved.warnings.into_iter().chain(tidied.warnings);
    (loaded.variables, warnings.map(|warning| warning.to_string()).collect())
}

fn scripted<L: Into<ScriptedReply>>(
    lines: impl IntoIterator<Item = L>,
) -> (ScriptedCompletion, LanguageModel) {
    let model = ScriptedCompletion::new(lines);
    (model.clone(), LanguageModel::completion(model))
}

fn fails() -> ScriptedReply {
    ModelError::custom("it fails", true, None).into()
}

fn entities(model: LanguageModel, history: &Watched) -> EntityMemory {
    EntityMemory::new(model)
        .with_history(history.clone(), session("s"))
        .with_entity_extraction_prompt(
            PromptTemplate::from_template("names: {history}|{input}").unwrap(),
        )
        .unwrap()
        .with_entity_summarization_prompt(
            PromptTemplate::from_template("{entity}: {summary}|{history}|{input}").unwrap(),
        )
        .unwrap()
}

#[test]
fn descriptions_that_have_not_changed_are_not_stored_again() {
    block_on(async {
        let answers = ["Ada", "Ada is kind.", "Ada", "Ada is kind.", "NONE", "Ada", "Ada is tall."];
        let (_, shared) = scripted(answers);
        let history = FailingHistory::new(InMemoryHistory::new());
        let memory = EntityMemory::new(shared).with_history(history.clone(), session("s"));
        let mut written = Vec::new();
        for _ in 0..4 {
            let before = history.calls(HistoryCall::PutNote);
            let (_, warnings) = call(&memory, "Ada").await;
            assert!(warnings.is_empty(), "{warnings:?}");
            written.push(history.calls(HistoryCall::PutNote) - before);
        }
        // The descriptions, and which turns they cover.
        assert_eq!(written, [2, 1, 1, 2]);
        let known = memory.facts().get("Ada").await.unwrap();
        assert_eq!(known.as_deref(), Some("Ada is tall."));
    });
}

#[test]
fn what_is_known_of_each_name() {
    block_on(async {
        let (model, shared) = scripted([
            " Ada, Lisbon ,Ada,,",
            " Ada lives in Lisbon. ",
            "Ada lives there.",
            "NONE",
            "Ada",
            "Ada has a cat.",
        ]);
        let history = Watched::default();
        let memory = entities(shared.clone(), &history).with_k(1);
        assert_eq!(memory.variables(), [Slot::text("history"), Slot::text("entities")]);

        let (first, warnings) = call(&memory, "Ada lives in Lisbon").await;
        assert!(warnings.is_empty());
        assert_eq!(
            first,
            vars! { "history" => "", "entities" => json!({"Ada": "", "Lisbon": ""}) }
        );

        let (second, _) = call(&memory, "How nice").await;
        let said = "Human: Ada lives in Lisbon\nAI: ok";
        assert_eq!(second, vars! { "history" => said, "entities" => json!({}) });

        // Another process, later.
        let memory = entities(shared, &history)
            .with_k(1)
            .with_entities_key("known")
            .with_return_messages(true);
        let (third, _) = call(&memory, "She has a cat").await;
        assert_eq!(third.get("known"), Some(&json!({"Ada": "Ada lives in Lisbon."}).into()));
        assert_eq!(third.get("history").unwrap().to_text(), "Human: How nice\nAI: ok");

        let asked: Vec<_> = model.requests().into_iter().map(|request| request.prompt).collect();
        insta::assert_snapshot!(asked.join("\n---\n"), @r"
        names: |Ada lives in Lisbon
        ---
        Ada: |Human: Ada lives in Lisbon
        AI: ok|Ada lives in Lisbon
        ---
        Lisbon: |Human: Ada lives in Lisbon
        AI: ok|Ada lives in Lisbon
        ---
        names: Human: Ada lives in Lisbon
        AI: ok|How nice
        ---
        names: Human: How nice
        AI: ok|She has a cat
        ---
        Ada: Ada lives in Lisbon.|Human: She has a cat
        AI: ok|She has a cat
        ");
    });
}

/// A failure loses neither the answer nor the turn nor the descriptions, and the next turn retries.
#[test]
fn a_model_of_entities_that_fails_costs_nothing() {
    block_on(async {
        let not_found = "cannot find the names in the user's input";
        let not_written = "cannot describe a turn's entities; the next turn tries again";
        let first_fails: [(Vec<ScriptedReply>, Vec<&str>); 4] = [
            (vec![fails(), fails()], vec![not_found, not_written]),
            (vec!["Ada".into(), fails()], vec![not_written]),
            (vec!["Ada".into(), " ".into()], vec![not_written]),
            (vec!["Ada, Bo".into(), "paid".into(), fails()], vec![not_written]),
        ];
        for (case, (lines, told)) in first_fails.into_iter().enumerate() {
            let (model, shared) = scripted(lines);
            let history = Watched::default();
            let memory = entities(shared, &history);
            let (_, warnings) = call(&memory, "Ada is here").await;
            assert_eq!(warnings, told, "{case}");
            assert_eq!(memory.messages().await.unwrap().len(), 2);
            // A description that was paid for is kept, and the others are written next time.
            let note = history.inner.note(&session("s"), "entities").await.unwrap();
            let kept = note.map(|note| note.body);
            assert_eq!(kept, (case == 3).then(|| json!({"Ada": "paid"}).into()), "{case}");
            let described = history.inner.note(&session("s"), Note::DESCRIBED).await.unwrap();
            assert_eq!(described, None, "{case}");

            // The names of the turn that is not covered are known, but where they were never found.
            model.push("NONE");
            if case == 0 {
                model.push("Ada");
            }
            model.push("known 0");
            let (_, warnings) = call(&memory, "And now?").await;
            assert!(warnings.is_empty(), "{case} {warnings:?}");
            let note = history.inner.note(&session("s"), "entities").await.unwrap().unwrap();
            let expected = if case == 3 {
                json!({"Ada": "paid", "Bo": "known 0"})
            } else {
                json!({"Ada": "known 0"})
            };
            assert_eq!((note.body, note.covers.messages), (expected.into(), 0), "{case}");
            let described = history.inner.note(&session("s"), Note::DESCRIBED).await.unwrap();
            assert_eq!(described.unwrap().covers.messages, 4, "{case}");
        }
    });
}

#[test]
fn a_cleared_memory_knows_nothing() {
    block_on(async {
        let (_, model) = scripted(["Ada", "Ada is kind.", "Ada", "Ada is kind."]);
        let memory = EntityMemory::new(model);
        call(&memory, "Ada is kind").await;
        memory.clear().await.unwrap();
        let (loaded, _) = call(&memory, "Who is Ada?").await;
        assert_eq!(loaded, vars! { "history" => "", "entities" => json!({"Ada": ""}) });
    });
}

fn facts(model: LanguageModel, history: &Watched) -> KnowledgeGraphMemory {
    KnowledgeGraphMemory::new(model)
        .with_history(history.clone(), session("s"))
        .with_entity_extraction_prompt(
            PromptTemplate::from_template("names: {history}|{input}").unwrap(),
        )
        .unwrap()
        .with_knowledge_extraction_prompt(
            PromptTemplate::from_template("facts: {history}|{input}").unwrap(),
        )
        .unwrap()
}

#[test]
fn facts_about_a_name() {
    block_on(async {
        let (model, shared) = scripted([
            "(Ada, lives in, Lisbon)<|> (Ada, likes, tea, coffee) <|>(no triple)<|>nonsense<|>(Ada, lives in, Lisbon)<|>(Bo, is, )",
            "ada, Lisbon, Bo",
            "NONE",
            "Ada",
            "(Ada, has, a cat)",
            "Ada",
        ]);
        let history = Watched::default();
        let memory = facts(shared.clone(), &history);
        assert_eq!(memory.variables(), [Slot::text("history")]);
        let (first, _) = call(&memory, "Ada lives in Lisbon and likes tea, coffee").await;
        assert_eq!(first, vars! { "history" => "" });
        let (second, _) = call(&memory, "Tell me of Ada").await;
        let known = "On ada: Ada lives in Lisbon. Ada likes tea, coffee.";
        assert_eq!(second, vars! { "history" => known });
        let (_, warnings) = call(&memory, "Ada has a cat").await;
        assert!(warnings.is_empty());

        let later = facts(shared, &history).with_return_messages(true);
        let inputs = vars! { "input" => "Ada?" };
        let loaded = later.load(LoadContext::new(&inputs)).await.unwrap().variables;
        let text = "System: On Ada: Ada lives in Lisbon. Ada likes tea, coffee. Ada has a cat.";
        assert_eq!(loaded.get("history").unwrap().to_text(), text);
        assert_eq!(model.requests().len(), 6);
    });
}

#[test]
fn a_model_of_facts_that_fails_costs_nothing() {
    block_on(async {
        let lines: [ScriptedReply; 5] =
            ["(Ada, is, kind)".into(), fails(), fails(), "Ada".into(), "(Ada, is, here)".into()];
        let (_, model) = scripted(lines);
        let history = Watched::default();
        let memory = facts(model, &history);
        call(&memory, "Ada is kind").await;
        let (loaded, warnings) = call(&memory, "Ada is here").await;
        assert_eq!(loaded, vars! { "history" => "" });
        assert_eq!(
            warnings,
            [
                "cannot find the names in the user's input",
                "cannot extract a turn's facts; the next turn tries again"
            ]
        );
        let (loaded, warnings) = call(&memory, "And Ada?").await;
        assert_eq!((loaded, warnings.len()), (vars! { "history" => "On Ada: Ada is kind." }, 0));
        let note = history.inner.note(&session("s"), "knowledge_graph").await.unwrap().unwrap();
        let known = json!([["Ada", "is", "kind"], ["Ada", "is", "here"]]);
        assert_eq!((note.body, note.covers.messages), (known.into(), 6));
    });
}

#[test]
fn the_default_prompts() {
    block_on(async {
        let (model, shared) = scripted(["Ada", "Ada is kind.", "(Ada, is, kind)", "Ada", "NONE"]);
        call(&EntityMemory::new(shared.clone()), "Ada is kind").await;
        let memory = KnowledgeGraphMemory::new(shared);
        call(&memory, "Ada is kind").await;
        call(&memory, "Who is kind?").await;
        let asked: Vec<_> = model.requests().into_iter().map(|request| request.prompt).collect();
        insta::assert_snapshot!(asked.join("\n=====\n"));
    });
}

#[test]
fn prompts_that_cannot_be_filled_in_are_refused_when_they_are_set() {
    let model = || scripted(["x"]).1;
    let prompt = || PromptTemplate::from_template("{inputs}").unwrap();
    let refused: [PromptError; 4] = [
        EntityMemory::new(model()).with_entity_extraction_prompt(prompt()).unwrap_err(),
        EntityMemory::new(model()).with_entity_summarization_prompt(prompt()).unwrap_err(),
        KnowledgeGraphMemory::new(model()).with_entity_extraction_prompt(prompt()).unwrap_err(),
        KnowledgeGraphMemory::new(model()).with_knowledge_extraction_prompt(prompt()).unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.to_string(), "missing variable `inputs` (found `input`)");
    }
}

#[test]
fn the_suite_of_vector_stores() {
    let open = async |embeddings| InMemoryVectorStore::new(embeddings);
    let report = block_on(suite::vector_store(open)).unwrap();
    assert_eq!(report.skipped().next(), None, "{report}");
}

#[test]
fn the_turns_nearest_to_the_words() {
    block_on(async {
        let store = Arc::new(InMemoryVectorStore::new(TopicEmbeddings::new()));
        let history = Watched::default();
        let memory = || {
            VectorStoreMemory::new(Arc::clone(&store))
                .with_k(2)
                .with_history(history.clone(), session("s"))
        };
        let first = memory();
        for words in ["chess tonight", "I like pizza", "rain again", "pizza and chess"] {
            let (_, warnings) = call(&first, words).await;
            assert!(warnings.is_empty());
        }
        let inputs = vars! { "input" => "which pizza?" };
        let loaded = first.load(LoadContext::new(&inputs)).await.unwrap();
        let text = "Human: I like pizza\nAI: ok\nHuman: pizza and chess\nAI: ok";
        assert_eq!(loaded.variables, vars! { "history" => text });

        // As messages, in the order in which they were said; by another process.
        let inputs = vars! { "input" => "chess?" };
        let later = memory().with_return_messages(true);
        let loaded = later.load(LoadContext::new(&inputs)).await.unwrap().variables;
        let text = "Human: chess tonight\nAI: ok\nHuman: pizza and chess\nAI: ok";
        assert_eq!(loaded.get("history").unwrap().to_text(), text);
        assert_eq!(loaded.get("history").unwrap().as_messages().unwrap().len(), 4);
        later.maintain().await.unwrap();
        insta::assert_snapshot!(format!("{store:?}"), @"InMemoryVectorStore { documents: 4, .. }");

        // The user's input cannot be determined, so there is no search.
        let nobody = vars! { "a" => 1, "b" => 2 };
        let loaded = first.load(LoadContext::new(&nobody)).await.unwrap().variables;
        assert_eq!(loaded, vars! { "history" => "" });

        // Cleared elsewhere: forgotten here, although the store has it still.
        history.inner.clear(&session("s")).await.unwrap();
        let inputs = vars! { "input" => "pizza" };
        let loaded = first.load(LoadContext::new(&inputs)).await.unwrap().variables;
        assert_eq!(loaded, vars! { "history" => "" });
        call(&first, "new pizza").await;
        let loaded = first.load(LoadContext::new(&inputs)).await.unwrap().variables;
        assert_eq!(loaded, vars! { "history" => "Human: new pizza\nAI: ok" });
        first.clear().await.unwrap();
        insta::assert_snapshot!(format!("{store:?}"), @"InMemoryVectorStore { documents: 0, .. }");
    });
}

#[test]
fn sessions_do_not_find_each_other_s_words_unless_they_share_them() {
    block_on(async {
        let store = Arc::new(InMemoryVectorStore::new(TopicEmbeddings::new()));
        let history = InMemoryHistory::new();
        let memory = |name: &str| {
            VectorStoreMemory::new(Arc::clone(&store)).with_history(history.clone(), session(name))
        };
        let inputs = vars! { "input" => "pizza?" };
        let shown = async |memory: &VectorStoreMemory| {
            let loaded = memory.load(LoadContext::new(&inputs)).await.unwrap();
            loaded.variables.get("history").unwrap().to_text().into_owned()
        };
        call(&memory("ada"), "my pizza is secret").await;
        assert_eq!(shown(&memory("bob")).await, "");
        assert_eq!(shown(&memory("ada")).await, "Human: my pizza is secret\nAI: ok");

        // Shared, turns at the same place of two sessions are two documents.
        let team = GroupId::new("team").unwrap();
        let shared = |name: &str| memory(name).with_scope(team.clone()).with_k(9);
        call(&shared("ada"), "pizza on Monday").await;
        call(&shared("bob"), "pizza on Friday").await;
        let of_all = shown(&shared("bob")).await;
        for words in ["my pizza is secret", "on Monday", "on Friday"] {
            assert!(of_all.contains(words), "{of_all}");
        }
        // Cleared turns are not shown to the other session either.
        shared("bob").clear().await.unwrap();
        let of_all = shown(&shared("ada")).await;
        assert!(of_all.contains("Monday") && !of_all.contains("Friday"), "{of_all}");
        // Nor those of a session that the history has deleted, if it was begun anew too.
        let is_shown = async |words: &str| shown(&shared("cyd")).await.contains(words);
        assert!(is_shown("Monday").await);
        history.delete(&session("ada")).await.unwrap();
        assert!(!is_shown("Monday").await);
        call(&memory("ada"), "no pizza").await;
        assert!(!is_shown("Monday").await);
        // Nor is the shared collection a session's of the same name.
        assert_eq!(shown(&memory("team")).await, "");
    });
}

#[test]
fn an_embedding_model_that_fails_costs_no_turn() {
    block_on(async {
        let topics = TopicEmbeddings::new();
        let memory = VectorStoreMemory::new(InMemoryVectorStore::new(topics.clone()));
        memory.save(&turn(1), Ticket::default()).await.unwrap();
        topics.fail_next(EmbeddingFault::Fails);
        let warnings = memory.maintain().await.unwrap().warnings;
        assert_eq!(
            warnings[0].to_string(),
            "cannot add a turn to the vector store; the next turn tries again"
        );
        assert_eq!(memory.messages().await.unwrap().len(), 2);
        memory.save(&turn(2), Ticket::default()).await.unwrap();
        assert!(memory.maintain().await.unwrap().warnings.is_empty());
        let inputs = vars! { "input" => "q" };
        let loaded = memory.load(LoadContext::new(&inputs)).await.unwrap().variables;
        assert_eq!(loaded, vars! { "history" => "Human: q1\nAI: a1\nHuman: q2\nAI: a2" });
        topics.fail_next(EmbeddingFault::Fails);
        assert!(memory.load(LoadContext::new(&inputs)).await.is_err());
    });
}

/// The calls of a model are bounded, any a user writes.
#[test]
fn the_calls_for_a_turn_are_bounded() {
    block_on(async {
        let names: Vec<_> = (0..2000).map(|number| format!("Name{number}")).collect();
        let (model, shared) = scripted([names.join(", ")]);
        for number in 0..20 {
            model.push(format!("known {number}"));
        }
        let memory = EntityMemory::new(shared);
        let (_, warnings) = call(&memory, &names.join(" ")).await;
        assert!(warnings.is_empty(), "{warnings:?}");
        assert_eq!(model.requests().len(), 21);
    });
}

#[test]
fn many_facts_are_found_by_name() {
    block_on(async {
        let names: Vec<_> = (0..2000).map(|number| format!("Name{number}")).collect();
        let facts = (0..20_500).map(|fact| format!("({}, has, {fact})", names[fact % 2000]));
        let facts = facts.collect::<Vec<_>>().join("<|>");
        let (_, model) = scripted([facts, names.join(", ")]);
        let memory = KnowledgeGraphMemory::new(model).with_max_entities(2000);
        call(&memory, "many facts").await;
        let inputs = vars! { "input" => "all" };
        let loaded = memory.load(LoadContext::new(&inputs)).await.unwrap().variables;
        let text = loaded.get("history").unwrap().to_text().into_owned();
        assert_eq!(text.lines().count(), 2000);
        // The last 20,000 facts are kept.
        assert!(
            text.starts_with("On Name0: Name0 has 2000. "),
            "{}",
            text.lines().next().unwrap_or_default()
        );
    });
}

/// The answers of a model about one name in many spellings do not multiply what is shown.
#[test]
fn a_fact_is_shown_once() {
    block_on(async {
        let known = "(Ada, is, kind)<|>(ADA, has, a cat)<|>(Bo, is, a cat)";
        let (_, model) = scripted([known, "ada, ADA, Bo, Ada, aDA, BO"]);
        let memory = KnowledgeGraphMemory::new(model);
        call(&memory, "Ada is kind and has a cat").await;
        let inputs = vars! { "input" => "Who is Ada?" };
        let loaded = memory.load(LoadContext::new(&inputs)).await.unwrap().variables;
        let shown = "On ada: Ada is kind. ADA has a cat.\nOn Bo: Bo is a cat.";
        assert_eq!(loaded, vars! { "history" => shown });
    });
}

/// No call of a model starts after the deadline; the next turn makes up for it.
#[test]
fn maintenance_keeps_to_its_deadline() {
    block_on(async {
        let (model, shared) = scripted(["(Ada, is, kind)"]);
        let memory = KnowledgeGraphMemory::new(shared);
        memory.save(&turn(1), Ticket::default()).await.unwrap();
        let late = memory
            .maintain_with(MaintainContext::new().with_deadline(std::time::Instant::now()))
            .await
            .unwrap();
        assert_eq!((late.warnings.len(), model.requests().len()), (1, 0));
        assert!(memory.maintain().await.unwrap().warnings.is_empty());
        assert_eq!(model.requests().len(), 1);
    });
}
