//! The size of what memories derive from a conversation does not depend on one message or answer.

use conversant_core::{
    Collection, Document, Embeddings, LanguageModel, LoadContext, Memory, ModelError, Turn, Value,
    VectorStore, async_trait, vars,
};
use conversant_memory::{
    EntityMemory, InMemoryVectorStore, KnowledgeGraphMemory, SummaryBufferMemory, SummaryMemory,
};
use conversant_testkit::{ScriptedCompletion, ScriptedReply, block_on};

use crate::support::Whitespace;

/// The size of the answers and of the user's text.
const HUGE: usize = 1 << 20;
/// The most bytes of a memory's variables and of a prompt of its model, for these conversations.
const MAX: usize = 300 * 1024;

/// Returns a model that answers each kind of prompt with a huge answer, and checks the prompts.
fn model() -> LanguageModel {
    LanguageModel::completion(ScriptedCompletion::with_handler(|request| {
        let prompt = &request.prompt;
        assert!(prompt.len() < MAX, "a prompt of {} bytes", prompt.len());
        ScriptedReply::text(if prompt.ends_with("Names:") {
            format!("{},Ada,{}", "n".repeat(HUGE / 32), "Bob,Cid,Dan,".repeat(HUGE / 12))
        } else if prompt.ends_with("Triples:") {
            format!("(Ada, knows, Bob)<|>({}, is, long)", "x".repeat(5 * HUGE))
        } else {
            "é".repeat(HUGE / 2)
        })
    }))
}

#[test]
fn answers_and_texts_of_a_megabyte_are_cut() {
    let memories: [(&str, Box<dyn Memory>, &str); 4] = [
        ("entities", Box::new(EntityMemory::new(model())), "éé[…]"),
        ("facts", Box::new(KnowledgeGraphMemory::new(model())), "On Ada: Ada knows Bob."),
        ("summary", Box::new(SummaryMemory::new(model())), "éé[…]"),
        (
            "summary buffer",
            Box::new(SummaryBufferMemory::new(model(), Whitespace).with_max_token_limit(1)),
            "éé[…]",
        ),
    ];
    for (name, memory, expected) in memories {
        block_on(async {
            let mut shown = String::new();
            for question in ["w ".repeat(HUGE / 2), "hi".to_owned(), "hi".to_owned()] {
                let inputs = vars! { "input" => question.as_str() };
                let context = LoadContext::new(&inputs).with_input(&question);
                let loaded = memory.load(context).await.unwrap();
                shown = loaded.variables.iter().map(|(_, value)| Value::to_text(value)).collect();
                memory.save(&Turn::exchange(question, "ok"), loaded.ticket).await.unwrap();
                let maintained = memory.maintain().await.unwrap();
                assert!(maintained.warnings.iter().all(|w| w.source.is_none()), "{name}");
            }
            assert!(shown.contains(expected), "{name}");
            if name != "entities" {
                assert!(shown.len() < MAX, "{name} shows {} bytes", shown.len());
            }
        });
    }
}

/// Points in one direction for each text.
struct Same;

#[async_trait]
impl Embeddings for Same {
    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        Ok(vec![vec![1.0]; texts.len()])
    }
}

/// Comparing each new document with all others would take a minute.
#[test]
fn many_documents_are_added_replaced_and_removed() {
    const COUNT: usize = 50_000;
    block_on(async {
        let (store, own) = (InMemoryVectorStore::new(Same), Collection::shared("own"));
        let documents = |text: &str| -> Vec<_> {
            (0..COUNT).map(|number| Document::new(format!("{number:05}"), text)).collect()
        };
        for text in ["first", "second"] {
            store.add(&own, &documents(text)).await.unwrap();
        }
        assert_eq!(store.search(&own, "?", usize::MAX).await.unwrap().len(), COUNT);
        assert!(store.search(&own, "?", 0).await.unwrap().is_empty());
        let ids: Vec<_> = (0..COUNT - 2).map(|number| format!("{number:05}")).collect();
        let ids: Vec<_> = ids.iter().map(String::as_str).collect();
        assert_eq!(store.remove(&own, &ids).await.unwrap(), COUNT - 2);
        // What is left is found by its id.
        store
            .add(&own, &[Document::new("49998", "third"), Document::new("new", "x")])
            .await
            .unwrap();
        let listed = store.list(&own, None, 9).await.unwrap();
        let listed: Vec<_> = listed.iter().map(|it| (it.id.as_str(), it.text.as_str())).collect();
        assert_eq!(listed, [("49998", "third"), ("49999", "second"), ("new", "x")]);
    });
}
