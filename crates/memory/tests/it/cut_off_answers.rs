//! Answers of a memory's model that a limit or a filter has cut off.

use conversant_core::{
    ChatRequest, FinishReason, LanguageModel, LoadContext, Memory, Message, Reply, Turn, vars,
};
use conversant_memory::{EntityMemory, KnowledgeGraphMemory, SummaryBufferMemory, SummaryMemory};
use conversant_testkit::{ScriptedChat, ScriptedReply, block_on};

use crate::support::Whitespace;

/// The model that cuts off its first answer with a reason, and not those after it.
fn model(whole: &[&str], cut: &str, reason: FinishReason) -> LanguageModel {
    let first = Reply::new(Message::ai(cut)).with_finish_reason(reason);
    let whole = whole.iter().map(|answer| ScriptedReply::text(*answer));
    LanguageModel::chat(ScriptedChat::new([ScriptedReply::from(first)].into_iter().chain(whole)))
}

/// Runs a turn as a chain does. Returns what was loaded, and the number of warnings.
async fn call(memory: &dyn Memory) -> (String, usize) {
    let inputs = vars! { "input" => "Where is Ada?" };
    let loaded = memory.load(LoadContext::new(&inputs).with_input("Where is Ada?")).await.unwrap();
    let turn = Turn::exchange("Where is Ada?", "In Lisbon.");
    let saved = memory.save(&turn, loaded.ticket).await.unwrap();
    let tidied = memory.maintain().await.unwrap();
    let shown: Vec<_> = loaded.variables.iter().map(|(_, value)| value.to_text()).collect();
    (shown.join("\n"), saved.warnings.len() + tidied.warnings.len())
}

#[test]
fn a_part_of_an_answer_is_a_warning_and_is_asked_for_again() {
    for reason in [FinishReason::Length, FinishReason::ContentFilter] {
        let model = |whole: &[&str], cut| model(whole, cut, reason.clone());
        let summary = SummaryMemory::new(model(&["Ada is in Lisbon."; 2], "Ada is in Lis"));
        let entities = EntityMemory::new(model(&["Ada", "in Lisbon"].repeat(3), "Ad"));
        let whole = ["(Ada, is in, Lisbon)", "Ada", "(Ada, is in, Lisbon)"];
        let facts = KnowledgeGraphMemory::new(model(&whole, "(Ada, is in, Lis)"));
        let memories: [(&str, &dyn Memory); 3] =
            [("summary", &summary), ("entities", &entities), ("facts", &facts)];
        for (name, memory) in memories {
            block_on(async {
                let (_, warnings) = call(memory).await;
                assert_eq!(warnings, 1, "{name}: {reason}");
                let (_, warnings) = call(memory).await;
                assert_eq!(warnings, 0, "{name}: {reason}");
                let (shown, _) = call(memory).await;
                assert!(shown.contains("in Lisbon"), "{name}: {reason}: {shown}");
            });
        }
    }
}

/// The summary needs more than the model's limit. LangChain keeps what it got.
#[test]
fn a_summary_that_is_cut_off_each_time_does_not_grow_the_prompt() {
    block_on(async {
        for reason in ["length", "MAX_TOKENS", "incomplete: max_output_tokens", "model_length"] {
            let answer = Reply::new(Message::ai("<think>so</think>one two three"))
                .with_finish_reason(FinishReason::from(reason));
            let model = ScriptedChat::with_handler(move |_: &ChatRequest| answer.clone().into());
            let summary = SummaryMemory::new(model.clone());
            let buffer =
                SummaryBufferMemory::new(model.clone(), Whitespace).with_max_token_limit(8);
            for memory in [&summary as &dyn Memory, &buffer] {
                let (mut longest, mut warnings) = (0, 0);
                for _ in 0..30 {
                    let (shown, told) = call(memory).await;
                    longest = longest.max(shown.len());
                    warnings += told;
                }
                let (shown, _) = call(memory).await;
                assert!(shown.contains("one two three[…]"), "{reason}: {shown}");
                assert!(longest < 200, "{reason}: {longest}");
                assert!(warnings >= 15, "{reason}: {warnings}");
            }
            assert!(model.requests().len() <= 2 * 2 * 31, "{reason}");
        }
    });
}
