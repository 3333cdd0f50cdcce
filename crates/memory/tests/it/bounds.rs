//! The size of what memories derive from a conversation does not depend on one message or answer.

use conversant_core::{LanguageModel, LoadContext, Memory, Turn, Value, vars};
use conversant_memory::{EntityMemory, KnowledgeGraphMemory, SummaryBufferMemory, SummaryMemory};
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
