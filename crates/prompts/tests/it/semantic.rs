//! Choosing examples by meaning, with a vector store.

use std::{
    future::Future,
    pin::pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll, Waker},
};

use conversant_core::{
    Collection, Document, Match, Prompt, VectorStore, VectorStoreError, async_trait, vars,
};
use conversant_prompts::{Example, FewShotPromptTemplate, PromptTemplate, SemanticSelector};

/// Finds the documents that share most words with a text.
#[derive(Default)]
struct SharedWords(Mutex<Vec<Document>>);

#[async_trait]
impl VectorStore for SharedWords {
    async fn add(&self, _: &Collection, documents: &[Document]) -> Result<(), VectorStoreError> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for document in documents {
            held.retain(|known| known.id != document.id);
            held.push(document.clone());
        }
        Ok(())
    }

    async fn search(
        &self,
        _: &Collection,
        text: &str,
        k: usize,
    ) -> Result<Vec<Match>, VectorStoreError> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = |document: &Document| {
            document.text.split(' ').filter(|word| text.split(' ').any(|w| w == *word)).count()
        };
        let mut found: Vec<_> = held.iter().map(|document| (shared(document), document)).collect();
        found.sort_by_key(|(shared, _)| std::cmp::Reverse(*shared));
        Ok(found.into_iter().take(k).map(|(_, d)| Match::new(d.clone(), 1.0)).collect())
    }

    async fn clear(&self, _: &Collection) -> Result<(), VectorStoreError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }
}

/// Runs a future that never waits.
fn run<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future waits"),
    }
}

fn examples() -> Vec<Example> {
    vec![
        vars! { "input" => "happy face", "output" => "sad face" },
        vars! { "input" => "tall tree", "output" => "short tree" },
        vars! { "input" => "sunny day", "output" => "gloomy day" },
    ]
}

#[test]
fn the_nearest_examples_go_into_the_prompt() {
    let selector = SemanticSelector::new(SharedWords::default(), 1).with_keys(["input"]);
    run(selector.add(&examples())).unwrap();
    run(selector.add(&examples())).unwrap();

    let prompt = FewShotPromptTemplate::builder(
        PromptTemplate::from_template("{input} > {output}").unwrap(),
    )
    .suffix("{input} >")
    .build()
    .unwrap();
    for (input, expected) in [
        ("tall order", "tall tree > short tree\n\ntall order >"),
        ("sunny and warm", "sunny day > gloomy day\n\nsunny and warm >"),
    ] {
        let variables = vars! { "other" => "happy face", "input" => input };
        let chosen = run(selector.select(&variables)).unwrap();
        let prompt = prompt.clone().with_examples(chosen).unwrap();
        assert_eq!(prompt.format(&variables).unwrap().to_string(), expected);
    }
}

#[test]
fn all_variables_count_unless_some_are_named() {
    let selector = SemanticSelector::new(SharedWords::default(), 5);
    run(selector.add(&examples())).unwrap();
    let chosen = run(selector.select(&vars! { "b" => "gloomy", "a" => "sunny" })).unwrap();
    assert_eq!(chosen.len(), 3);
    assert_eq!(chosen[0].get("output").and_then(|value| value.as_text()), Some("gloomy day"));
}

#[test]
fn examples_that_differ_are_all_kept() {
    let long = "x".repeat(2_000);
    let table = [
        (None, [vars! { "a" => "x y", "b" => "z" }, vars! { "a" => "x", "b" => "y z" }]),
        (None, [vars! { "a" => "x" }, vars! { "b" => "x" }]),
        (None, [vars! { "a" => "1" }, vars! { "a" => 1 }]),
        (Some("q"), [vars! { "q" => "x", "a" => "y" }, vars! { "q" => "x", "a" => "z" }]),
        (None, [vars! { "a" => long.clone() + "y" }, vars! { "a" => long + "z" }]),
    ];
    for (key, examples) in table {
        let mut selector = SemanticSelector::new(SharedWords::default(), 5);
        if let Some(key) = key {
            selector = selector.with_keys([key]);
        }
        run(selector.add(&examples)).unwrap();
        run(selector.add(&examples)).unwrap();
        let chosen = run(selector.select(&vars! { "q" => "x", "a" => "x" })).unwrap();
        assert_eq!(chosen.len(), 2, "{examples:?}");
        assert!(examples.iter().all(|example| chosen.contains(example)), "{examples:?}");
    }
    // The order of the variables does not matter.
    let selector = SemanticSelector::new(SharedWords::default(), 5);
    let pair = [vars! { "a" => "x", "b" => "y" }, vars! { "b" => "y", "a" => "x" }];
    run(selector.add(&pair)).unwrap();
    assert_eq!(run(selector.select(&vars! { "a" => "x" })).unwrap().len(), 1);
}
