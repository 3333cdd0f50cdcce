//! An embedding model, and the documents of the tests.

use std::sync::{Arc, Mutex};

use conversant_core::{
    Collection, Document, Embeddings, ModelError, SessionId, VectorStore, async_trait, vars,
};

/// Returns vectors by a text's topics, after one fault if one is set.
#[derive(Clone, Default)]
pub(crate) struct Topics(Arc<Mutex<Option<&'static str>>>);

impl Topics {
    pub(crate) fn next(&self, fault: &'static str) {
        *self.0.lock().unwrap() = Some(fault);
    }
}

#[async_trait]
impl Embeddings for Topics {
    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        let topic = |text: &String, topic| text.matches(topic).count() as f32;
        let vector = |text| vec![topic(text, "pizza"), topic(text, "chess"), topic(text, "rain")];
        match self.0.lock().unwrap().take() {
            Some("fail") => Err(ModelError::custom("it fails", true, None)),
            Some("none") => Ok(Vec::new()),
            Some("NaN") => Ok(vec![vec![f32::NAN; 3]; texts.len()]),
            Some("long") => Ok(vec![vec![1.0; 4]; texts.len()]),
            // All vectors but the last are valid.
            Some("last is long") => {
                let mut vectors: Vec<_> = texts.iter().map(vector).collect();
                *vectors.last_mut().unwrap() = vec![1.0; 4];
                Ok(vectors)
            }
            _ => Ok(texts.iter().map(vector).collect()),
        }
    }
}

pub(crate) fn documents() -> [Document; 4] {
    let texts = [("1", "pizza"), ("2", "chess"), ("3", "pizza pizza chess"), ("4", "nothing")];
    texts.map(|(id, text)| Document::new(id, text).with_metadata(vars! { "n" => 1, "t" => "é" }))
}

pub(crate) fn session(name: &str) -> Collection {
    SessionId::new(name).unwrap().into()
}

pub(crate) fn own() -> Collection {
    session("s")
}

pub(crate) async fn ids_in(
    collection: &Collection,
    store: &dyn VectorStore,
    text: &str,
    k: usize,
) -> Vec<String> {
    let found = store.search(collection, text, k).await.unwrap();
    found.into_iter().map(|found| found.document.id).collect()
}

pub(crate) async fn ids(store: &dyn VectorStore, text: &str, k: usize) -> Vec<String> {
    ids_in(&own(), store, text, k).await
}
