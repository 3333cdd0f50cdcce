//! Documents: what comes back, and what is replaced.

use conversant_core::{Document, Value, Variables, VectorStore, VectorStoreError};
use serde_json::json;

use super::{
    steps::{collection, filled, finds},
    topics::TopicEmbeddings,
};
use crate::suite::check::{Checked, ODD_TEXTS, ensure};

pub(super) async fn an_id_is_one_document<S: VectorStore>(
    make: &impl AsyncFn(TopicEmbeddings) -> S,
) -> Checked {
    let (store, _, own) = filled(make).await?;
    store.add(&own, &[Document::new("1", "rain")]).await?;
    finds(&store, &own, "rain", 1, &["1"]).await?;
    finds(&store, &own, "pizza", 1, &["3"]).await?;
    // Of several documents with one id in one call, the last one stays.
    let twice = [Document::new("5", "pizza"), Document::new("5", "chess chess rain")];
    store.add(&own, &twice).await?;
    let found = store.search(&own, "rain", 9).await?;
    let texts: Vec<_> = found.iter().map(|found| found.document.text.as_str()).collect();
    ensure!(texts.len() == 5 && texts.contains(&"chess chess rain"), "it found {texts:?}");
    Ok(())
}

pub(super) async fn documents_come_back_as_they_were<S: VectorStore>(
    make: &impl AsyncFn(TopicEmbeddings) -> S,
) -> Checked {
    let store = make(TopicEmbeddings::new()).await;
    for text in ODD_TEXTS {
        let own = collection();
        let metadata = Variables::from([("text", *text), ("kind", "odd")]);
        let document = Document::new(format!("id {text}"), *text).with_metadata(metadata);
        store.add(&own, std::slice::from_ref(&document)).await?;
        let found = store.search(&own, "pizza", 2).await?;
        let found: Vec<_> = found.into_iter().map(|found| found.document).collect();
        ensure!(found == [document], "the text {text:?} came back as {found:?}");
    }
    // Numbers and data too: memories know a document as theirs by its numbers.
    let values = [
        Value::from(7),
        Value::from(-9_007_199_254_740_993_i64),
        Value::from(0.5),
        Value::from(2.0),
        Value::from(json!({"b": [1, 2.5, null, true], "a": "x"})),
        Value::from(json!(true)),
    ];
    for value in values {
        let own = collection();
        let metadata = Variables::from([("value", value.clone()), ("text", Value::from("7"))]);
        let document = Document::new("1", "pizza").with_metadata(metadata);
        store.add(&own, std::slice::from_ref(&document)).await?;
        let found = store.search(&own, "pizza", 2).await?;
        let found: Vec<_> = found.into_iter().map(|found| found.document).collect();
        ensure!(found == [document], "metadata of {value:?} came back as {found:?}");
    }
    Ok(())
}

pub(super) async fn a_document_replaces_all_of_another<S: VectorStore>(
    make: &impl AsyncFn(TopicEmbeddings) -> S,
) -> Checked {
    let (store, own) = (make(TopicEmbeddings::new()).await, collection());
    let metadata = |name: &'static str| Variables::from([(name, "known"), ("both", name)]);
    for metadata in [metadata("old"), metadata("new"), Variables::new()] {
        let document = Document::new("1", "pizza").with_metadata(metadata);
        store.add(&own, std::slice::from_ref(&document)).await?;
        let found = store.search(&own, "pizza", 2).await?;
        let found: Vec<_> = found.into_iter().map(|found| found.document).collect();
        ensure!(found == [document], "a document that was replaced is {found:?}");
    }
    Ok(())
}

pub(super) async fn long_ids_and_texts_come_back_as_they_were<S: VectorStore>(
    make: &impl AsyncFn(TopicEmbeddings) -> S,
) -> Checked {
    let (store, own) = (make(TopicEmbeddings::new()).await, collection());
    let long = |count: usize| "0123456789".repeat(count);
    let documents = [("a", "pizza"), ("b", "pizza pizza chess"), ("c", "chess")]
        .map(|(id, text)| Document::new(long(100) + id, long(10_000) + text));
    store.add(&own, &documents).await?;
    let found = store.search(&own, "pizza", 9).await?;
    let found: Vec<_> = found.into_iter().map(|found| found.document).collect();
    let count = found.len();
    ensure!(found == documents, "3 documents with long ids and texts came back as {count} others");
    Ok(())
}

pub(super) async fn many_documents_are_found_and_listed<S: VectorStore>(
    make: &impl AsyncFn(TopicEmbeddings) -> S,
) -> Checked {
    const COUNT: usize = 1_200;
    let (store, own) = (make(TopicEmbeddings::new()).await, collection());
    let documents: Vec<Document> =
        (0..COUNT).map(|number| Document::new(format!("{number:05}"), "pizza")).collect();
    store.add(&own, &documents).await?;
    let found = store.search(&own, "pizza", COUNT).await?.len();
    ensure!(found == COUNT, "a search for {COUNT} documents found {found}");
    match store.list(&own, None, COUNT).await {
        Ok(found) => {
            ensure!(
                found == documents,
                "a list of {COUNT} documents has {} or others",
                found.len()
            );
        }
        Err(VectorStoreError::Unsupported { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
