//! The entities and facts of turns that a memory has not saved itself, or not described at once.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use conversant_core::{
    ChatHistory, Expect, HistoryError, LanguageModel, LoadContext, Memory, ModelError, Note,
    Report, Turn, vars,
};
use conversant_memory::{EntityMemory, InMemoryHistory, KnowledgeGraphMemory};
use conversant_prompts::PromptTemplate;
use conversant_testkit::{
    FailingHistory, FailureMode, HistoryCall, ScriptedCompletion, ScriptedReply, block_on,
};

use crate::support::session;

/// Finds the words with a capital letter in the last words, and knows each name. `fails` says
/// which requests fail.
fn scribe(fails: impl Fn(usize) -> bool + Send + Sync + 'static) -> ScriptedCompletion {
    let count = Arc::new(AtomicUsize::new(0));
    ScriptedCompletion::with_handler(move |request| {
        assert!(request.prompt.len() < 200 * 1024, "{} bytes", request.prompt.len());
        if fails(count.fetch_add(1, Ordering::Relaxed) + 1) {
            return ModelError::custom("it fails", true, None).into();
        }
        let words = request.prompt.rsplit('|').next().unwrap_or_default();
        let is_name = |word: &&str| word.starts_with(char::is_uppercase);
        ScriptedReply::text(match request.prompt.starts_with("names: ") {
            true => words.split_whitespace().filter(is_name).collect::<Vec<_>>().join(","),
            false => "known".to_owned(),
        })
    })
}

fn entities(model: &ScriptedCompletion, history: &InMemoryHistory) -> EntityMemory {
    let names = PromptTemplate::from_template("names: {history}|{input}").unwrap();
    let known = PromptTemplate::from_template("{entity}: {summary}|{history}|{input}").unwrap();
    EntityMemory::new(LanguageModel::completion(model.clone()))
        .with_history(history.clone(), session("s"))
        .with_entity_extraction_prompt(names)
        .unwrap()
        .with_entity_summarization_prompt(known)
        .unwrap()
}

/// Loads and saves a turn, as a chain does whose maintenance is deferred.
async fn say(memory: &dyn Memory, question: &str) -> Turn {
    let inputs = vars! { "input" => question };
    let loaded = memory.load(LoadContext::new(&inputs).with_input(question)).await.unwrap();
    let turn = Turn::exchange(question, "ok");
    memory.save(&turn, loaded.ticket).await.unwrap();
    turn
}

async fn names(history: &InMemoryHistory) -> Vec<String> {
    let note = history.note(&session("s"), Note::FACTS).await.unwrap().unwrap();
    let mut names: Vec<_> = note.facts().keys().cloned().collect();
    names.sort();
    names
}

/// Two processes save a turn each before one of them describes both.
#[test]
fn the_turns_of_another_process_are_described() {
    block_on(async {
        let (model, history) = (scribe(|_| false), InMemoryHistory::new());
        let (one, another) = (entities(&model, &history), entities(&model, &history));
        let inputs = vars! { "input" => "?" };
        let load = async |memory: &EntityMemory, question| {
            memory.load(LoadContext::new(&inputs).with_input(question)).await.unwrap().ticket
        };
        let (ada, bob) = (load(&one, "Ada is kind").await, load(&another, "Bob is tall").await);
        another.save(&Turn::exchange("Bob is tall", "ok"), bob).await.unwrap();
        one.save(&Turn::exchange("Ada is kind", "ok"), ada).await.unwrap();
        assert!(one.maintain().await.unwrap().warnings.is_empty());
        assert!(another.maintain().await.unwrap().warnings.is_empty());
        assert_eq!(names(&history).await, ["Ada", "Bob"]);
    });
}

/// A turn of a view at an earlier point, whose maintenance is deferred.
#[test]
fn the_turns_of_a_view_are_described() {
    block_on(async {
        let (model, history) = (scribe(|_| false), InMemoryHistory::new());
        let memory = entities(&model, &history);
        let first = say(&memory, "Carl is old").await;
        memory.maintain().await.unwrap();
        let view = memory.at(first.id().into()).unwrap();
        say(&*view, "Bob is tall").await;
        say(&memory, "Ada is kind").await;
        memory.maintain().await.unwrap();
        assert_eq!(names(&history).await, ["Ada", "Bob", "Carl"]);
    });
}

/// A description that was paid for is stored, so that a model that fails again and again comes to
/// an end.
#[test]
fn each_name_is_described_once() {
    for is_new in [false, true] {
        block_on(async {
            let question: Vec<_> = (0..15).map(|number| format!("Name{number}")).collect();
            let question = question.join(" ");
            let (model, history) = (scribe(|request| request % 3 == 0), InMemoryHistory::new());
            let memory = entities(&model, &history);
            if is_new {
                let turn = Turn::exchange(question.as_str(), "ok");
                history.append(&session("s"), &turn, Expect::Any).await.unwrap();
            } else {
                say(&memory, &question).await;
            }
            let mut maintained = 1;
            while !memory.maintain().await.unwrap().warnings.is_empty() {
                maintained += 1;
                assert!(maintained < 20, "{is_new}");
            }
            let mut asked = BTreeMap::<String, usize>::new();
            for request in model.requests() {
                let (name, _) = request.prompt.split_once(':').unwrap();
                *asked.entry(name.to_owned()).or_default() += 1;
            }
            // Each failure is one more request, and the names are asked for once.
            assert_eq!(asked.remove("names"), Some(1), "{is_new}");
            assert_eq!((asked.len(), asked.values().sum::<usize>()), (15, 14 + maintained));
            assert_eq!(names(&history).await.len(), 15);
            let described = history.note(&session("s"), Note::DESCRIBED).await.unwrap().unwrap();
            assert_eq!(described.covers.messages, 2);
        });
    }
}

/// A person corrects the first of two descriptions while the model writes it, and fails then.
#[test]
fn a_corrected_description_is_written_again_after_a_failure() {
    block_on(async {
        let history = InMemoryHistory::new();
        let corrected = history.clone();
        let count = AtomicUsize::new(0);
        let model = ScriptedCompletion::with_handler(move |request| {
            match count.fetch_add(1, Ordering::Relaxed) {
                0 => ScriptedReply::text("Ada,Bob"),
                1 => {
                    let facts = entities(&scribe(|_| false), &corrected).facts();
                    block_on(facts.set("Ada", "a poet")).unwrap();
                    ScriptedReply::text("a cook")
                }
                2 => ModelError::custom("it fails", true, None).into(),
                _ => ScriptedReply::text(request.prompt.split('|').next().unwrap()),
            }
        });
        let memory = entities(&model, &history);
        say(&memory, "Ada and Bob").await;
        assert_eq!(memory.maintain().await.unwrap().warnings.len(), 1);
        assert!(memory.maintain().await.unwrap().warnings.is_empty());
        let ada = memory.facts().get("Ada").await.unwrap();
        assert_eq!(ada.as_deref(), Some("Ada: a poet"));
    });
}

/// The cause is the model's, also if what it wrote before cannot be stored.
#[test]
fn a_warning_has_the_error_of_the_model() {
    block_on(async {
        let full = || HistoryError::Full { source: "no space left".into() };
        let history = FailingHistory::new(InMemoryHistory::new());
        let history = history.on(HistoryCall::PutNote, 1, FailureMode::fail(full));
        let model = scribe(|request| request == 3);
        let memory = entities(&model, &InMemoryHistory::new()).with_history(history, session("s"));
        say(&memory, "Ada and Bob").await;
        let warnings = memory.maintain().await.unwrap().warnings;
        let warning = Report::new(warnings.first().unwrap()).to_string();
        assert!(warning.contains("it fails"), "{warning}");
        assert!(memory.maintain().await.unwrap().warnings.is_empty());
        assert_eq!(memory.facts().list().await.unwrap().len(), 2);
    });
}

/// Of turns that others have written, the names of each are found.
#[test]
fn the_names_of_many_turns_are_found() {
    block_on(async {
        let (model, history) = (scribe(|_| false), InMemoryHistory::new());
        for number in 0..100 {
            let words = "w ".repeat(1500);
            let question = format!("One{number} Two{number} Three{number} {words}");
            let turn = Turn::exchange(question, "a ".repeat(20_000));
            history.append(&session("s"), &turn, Expect::Any).await.unwrap();
        }
        let memory = entities(&model, &history);
        assert!(memory.maintain().await.unwrap().warnings.is_empty());
        assert_eq!(names(&history).await.len(), 300);
        // The limit is for each turn.
        let turn = Turn::exchange("Four Five Six", "ok");
        history.append(&session("s"), &turn, Expect::Any).await.unwrap();
        memory.with_max_entities(2).maintain().await.unwrap();
        assert_eq!(names(&history).await.len(), 302);
    });
}

/// Facts are extracted from the whole text of many turns.
#[test]
fn the_facts_of_many_turns_are_asked_for() {
    block_on(async {
        let (model, history) = (scribe(|_| false), InMemoryHistory::new());
        let question = |number: usize| format!("q{number} {} end{number}", "w ".repeat(600));
        for number in 0..200 {
            let turn = Turn::exchange(question(number), "a ".repeat(20_000));
            history.append(&session("s"), &turn, Expect::Any).await.unwrap();
        }
        let prompt = PromptTemplate::from_template("facts: {history}|{input}").unwrap();
        let memory = KnowledgeGraphMemory::new(LanguageModel::completion(model.clone()))
            .with_history(history, session("s"))
            .with_knowledge_extraction_prompt(prompt)
            .unwrap();
        assert!(memory.maintain().await.unwrap().warnings.is_empty());
        let requests = model.requests();
        for number in 0..200 {
            let question = question(number);
            let of_question = requests.iter().filter(|request| {
                request.prompt.rsplit('|').next().is_some_and(|words| words.contains(&question))
            });
            assert_eq!(of_question.count(), 1, "{number}");
        }
        assert!(requests.len() < 10, "{} requests", requests.len());
    });
}
