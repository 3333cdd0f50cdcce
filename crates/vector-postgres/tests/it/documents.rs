//! The documents of the tests.

use conversant_core::{Collection, Document, SessionId, VectorStore, vars};

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

pub(crate) async fn ids(store: &dyn VectorStore, text: &str, k: usize) -> Vec<String> {
    let found = store.search(&own(), text, k).await.unwrap();
    found.into_iter().map(|found| found.document.id).collect()
}
