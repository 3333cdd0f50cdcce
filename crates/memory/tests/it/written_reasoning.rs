//! Answers of a memory's model that begin with its reasoning, as templates of open models write it.

use conversant_core::{
    LanguageModel, LoadContext, Memory, Messages, Ticket, Turn, Variables, vars,
};
use conversant_memory::{EntityMemory, KnowledgeGraphMemory, SummaryMemory, title};
use conversant_testkit::{ScriptedCompletion, block_on};
use serde_json::json;

use crate::support::{load, turn};

/// Puts reasoning before an answer that a memory would take for its own: a list with a fact in it.
fn thought(answer: &str) -> String {
    format!("<think>\nOkay, the user, Ada<|>(Ada, is, tired), so I answer.\n</think>\n\n{answer}")
}

fn model<const N: usize>(answers: [&str; N]) -> (ScriptedCompletion, LanguageModel) {
    let model = ScriptedCompletion::new(answers.map(thought));
    (model.clone(), LanguageModel::completion(model))
}

/// Runs a call as a chain does, without warnings, and returns what was loaded.
async fn call(memory: &dyn Memory, question: &str) -> Variables {
    let inputs = vars! { "input" => question };
    let loaded = memory.load(LoadContext::new(&inputs).with_input(question)).await.unwrap();
    let saved = memory.save(&Turn::exchange(question, "ok"), loaded.ticket).await.unwrap();
    let tidied = memory.maintain().await.unwrap();
    assert!(saved.warnings.is_empty() && tidied.warnings.is_empty(), "{saved:?} {tidied:?}");
    loaded.variables
}

#[test]
fn a_summary_is_what_follows_it() {
    block_on(async {
        let (_, shared) = model(["Ada greets.", "", "Ada greets, and asks."]);
        let memory = SummaryMemory::new(shared);
        memory.save(&turn(1), Ticket::default()).await.unwrap();
        assert!(memory.maintain().await.unwrap().warnings.is_empty());
        assert_eq!(load(&memory).await.variables, vars! { "history" => "Ada greets." });
        // Reasoning alone is an empty answer.
        memory.save(&turn(2), Ticket::default()).await.unwrap();
        assert_eq!(memory.maintain().await.unwrap().warnings.len(), 1);
        assert!(memory.maintain().await.unwrap().warnings.is_empty());
        let history = "Ada greets, and asks.";
        assert_eq!(load(&memory).await.variables, vars! { "history" => history });
    });
}

#[test]
fn entities_and_descriptions_are_what_follows_it() {
    block_on(async {
        let (requests, shared) = model(["Ada", "Ada is kind.", "Ada", "Ada is kind."]);
        let memory = EntityMemory::new(shared);
        call(&memory, "Ada is kind").await;
        assert_eq!(requests.requests().len(), 2);
        let known = call(&memory, "Is she?").await.get("entities").cloned();
        assert_eq!(known, Some(json!({"Ada": "Ada is kind."}).into()));
    });
}

#[test]
fn facts_are_those_that_follow_it() {
    block_on(async {
        let (_, shared) = model(["(Ada, lives in, Lisbon)", "Ada", "NONE"]);
        let memory = KnowledgeGraphMemory::new(shared);
        call(&memory, "Ada lives in Lisbon").await;
        let known = call(&memory, "Where is Ada?").await.get("history").cloned();
        assert_eq!(known, Some("On Ada: Ada lives in Lisbon.".into()));
    });
}

#[test]
fn a_title_is_what_follows_it() {
    let (_, shared) = model(["Cats in Lisbon"]);
    assert_eq!(block_on(title(&shared, &Messages::new())).unwrap(), "Cats in Lisbon");
}
