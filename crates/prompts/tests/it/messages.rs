//! Trimming, filtering and merging.

use std::sync::Arc;

use conversant_core::{Message, Messages, Part, Role, TokenCounter, ToolCall};
use conversant_prompts::{
    MessageFilter, MessageTrim, filter_messages, merge_message_runs, trim_messages,
};
use proptest::prelude::*;
use serde_json::json;

/// Counts the words of what a message says.
struct Words;

impl TokenCounter for Words {
    fn count_text(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }

    fn count_message(&self, message: &Message) -> usize {
        self.count_text(&message.text())
    }
}

fn call(id: &str) -> ToolCall {
    ToolCall::new("look", json!({})).with_id(id)
}

/// `s h a h c(1,2) t1 t2 a h a`: a letter for each message.
fn conversation() -> Messages {
    Messages::from_iter([
        Message::system("s s"),
        Message::human("h1"),
        Message::ai("a1"),
        Message::human("h2"),
        Message::ai("").with_tool_calls([call("1"), call("2")]),
        Message::tool("t1", "1"),
        Message::tool("t2", "2"),
        Message::ai("a2"),
        Message::human("h3"),
        Message::ai("a3"),
    ])
}

fn texts(messages: &Messages) -> String {
    let texts: Vec<_> = messages.iter().map(|m| m.text().replace(' ', "_")).collect();
    texts.join(",")
}

#[test]
fn trimming() {
    let human = [Role::Human];
    let ai = [Role::Ai];
    let table: Vec<(MessageTrim<'_>, &str)> = vec![
        (MessageTrim::to_messages(0), ""),
        (MessageTrim::to_messages(3), "a2,h3,a3"),
        (MessageTrim::to_messages(100), "s_s,h1,a1,h2,,t1,t2,a2,h3,a3"),
        (MessageTrim::to_messages(3).start_on(human.clone()), "h3,a3"),
        (MessageTrim::to_messages(3).keep_system(), "s_s,h3,a3"),
        // The call and its two results count as three and stay together.
        (MessageTrim::to_messages(5), "a2,h3,a3"),
        (MessageTrim::to_messages(6), ",t1,t2,a2,h3,a3"),
        (MessageTrim::to_messages(7), "h2,,t1,t2,a2,h3,a3"),
        (MessageTrim::to_messages(7).keep_system(), "s_s,,t1,t2,a2,h3,a3"),
        (MessageTrim::to_messages(7).keep_system().start_on(human.clone()), "s_s,h3,a3"),
        (MessageTrim::to_messages(2).end_on(human.clone()), "a2,h3"),
        (MessageTrim::to_messages(4).first(), "s_s,h1,a1,h2"),
        (MessageTrim::to_messages(6).first(), "s_s,h1,a1,h2"),
        (MessageTrim::to_messages(7).first(), "s_s,h1,a1,h2,,t1,t2"),
        (MessageTrim::to_messages(4).first().end_on(ai), "s_s,h1,a1"),
        (MessageTrim::to_messages(2).first().start_on(human.clone()), "h1,a1"),
        (MessageTrim::to_tokens(2, &Words), "h3,a3"),
        (MessageTrim::to_tokens(4, &Words).keep_system(), "s_s,h3,a3"),
        (MessageTrim::to_tokens(5, &Words), ",t1,t2,a2,h3,a3"),
        (MessageTrim::to_tokens(1, &Words).keep_system(), ""),
        (MessageTrim::to_tokens(1, &Words).start_on(human), ""),
    ];
    for (trim, expected) in table {
        assert_eq!(texts(&trim_messages(&conversation(), &trim)), expected, "{trim:?}");
    }
    assert!(trim_messages(&Messages::new(), &MessageTrim::to_messages(3).keep_system()).is_empty());
}

#[test]
fn filtering() {
    let messages = Messages::from_iter([
        Message::system("s").with_id("1"),
        Message::human("h").with_name("example").with_id("2"),
        Message::ai("a").with_name("example").with_id("3"),
        Message::human("g").with_id("4"),
        Message::chat("critic", "c"),
    ]);
    let table = [
        (MessageFilter::new(), "s,h,a,g,c"),
        (MessageFilter::new().include_roles([Role::Human]), "h,g"),
        (MessageFilter::new().include_roles([Role::Human]).include_ids(["1"]), "s,h,g"),
        (MessageFilter::new().exclude_names(["example"]), "s,g,c"),
        (MessageFilter::new().include_names(["example"]).exclude_ids(["3"]), "h"),
        (MessageFilter::new().exclude_roles([Role::System, Role::Chat("critic".into())]), "h,a,g"),
        (MessageFilter::new().include_names(["nobody"]), ""),
    ];
    for (filter, expected) in table {
        assert_eq!(texts(&filter_messages(&messages, &filter)), expected, "{filter:?}");
    }
}

#[test]
fn merging() {
    let merged = merge_message_runs(&Messages::from_iter([
        Message::system("s"),
        Message::human("h1").with_id("first"),
        Message::human("h2").with_id("second"),
        Message::ai("a1").with_tool_calls([call("1")]),
        Message::ai(vec![Part::text("a2")]).with_tool_calls([call("2")]),
        Message::tool("t1", "1"),
        Message::tool("t2", "2"),
        Message::ai(""),
        Message::ai("a3"),
        Message::chat("critic", "c"),
        Message::chat("author", "d"),
    ]));
    let expected = Messages::from_iter([
        Message::system("s"),
        Message::human("h1\nh2").with_id("first"),
        Message::ai(vec![Part::text("a1"), Part::text("a2")])
            .with_tool_calls([call("1"), call("2")]),
        Message::tool("t1", "1"),
        Message::tool("t2", "2"),
        Message::ai("a3"),
        Message::chat("critic", "c"),
        Message::chat("author", "d"),
    ]);
    assert_eq!(merged, expected);
}

#[test]
fn what_is_kept_is_shared() {
    let messages = conversation();
    let same = |kept: &Messages| {
        kept.iter_shared().all(|kept| messages.iter_shared().any(|given| Arc::ptr_eq(kept, given)))
    };
    assert!(same(&trim_messages(&messages, &MessageTrim::to_messages(4).keep_system())));
    assert!(same(&filter_messages(&messages, &MessageFilter::new().exclude_roles([Role::System]))));
    assert!(same(&merge_message_runs(&messages)));
}

#[test]
fn counts_that_do_not_fit_a_number_are_more_than_any_limit() {
    struct Huge;
    impl TokenCounter for Huge {
        fn count_text(&self, _: &str) -> usize {
            usize::MAX / 2
        }

        fn count_message(&self, message: &Message) -> usize {
            self.count_text(&message.text())
        }
    }
    // The call and its results are counted together.
    let called = conversation().slice(4..7);
    let trim = MessageTrim::to_tokens(usize::MAX - 1, &Huge);
    assert!(trim_messages(&called, &trim).is_empty());
    assert_eq!(texts(&trim_messages(&conversation().slice(7..), &trim)), "h3,a3");
}

/// Conversations with tool calls at any place; results may be orphans from the start.
fn conversations() -> impl Strategy<Value = Messages> {
    let message = prop_oneof![
        Just(Message::system("s")),
        "[a-z ]{0,12}".prop_map(Message::human),
        "[a-z ]{0,12}".prop_map(Message::ai),
        Just(Message::ai("").with_tool_calls([call("1")])),
        Just(Message::tool("r", "1")),
    ];
    prop::collection::vec(message, 0..24).prop_map(Messages::from)
}

proptest! {
    #[test]
    fn no_result_loses_its_call(
        messages in conversations(),
        limit in 0usize..20,
        first: bool,
        keep_system: bool,
        start_on_human: bool,
    ) {
        let mut trim = MessageTrim::to_messages(limit);
        if first { trim = trim.first(); }
        if keep_system { trim = trim.keep_system(); }
        if start_on_human { trim = trim.start_on([Role::Human]); }
        let kept = trim_messages(&messages, &trim);
        prop_assert!(kept.len() <= limit);

        // In what is kept, a result has its call, and a call all of its results.
        let all: Vec<_> = messages.iter_shared().collect();
        let kept: Vec<_> = kept.iter_shared().collect();
        let place = |wanted: &Arc<Message>| all.iter().position(|m| Arc::ptr_eq(m, wanted)).unwrap();
        let is_result = |message: &Message| *message.role() == Role::Tool;
        for (index, message) in kept.iter().enumerate() {
            let at = place(message);
            if is_result(message) {
                let before = all[..at].iter().rev().find(|m| !is_result(m));
                let calls = before.is_some_and(|m| !m.tool_calls().is_empty());
                prop_assert!(!calls || index > 0 && Arc::ptr_eq(kept[index - 1], all[at - 1]));
            }
            if !message.tool_calls().is_empty() {
                let results = all[at + 1..].iter().take_while(|m| is_result(m)).count();
                let left = kept[index + 1..].iter().take_while(|m| is_result(m)).count();
                prop_assert_eq!(left, results);
            }
        }
    }

    #[test]
    fn no_two_that_could_be_merged_are_left(messages in conversations()) {
        let merged = merge_message_runs(&messages);
        let merged: Vec<_> = merged.iter().collect();
        for pair in merged.windows(2) {
            prop_assert!(pair[0].role() != pair[1].role() || *pair[1].role() == Role::Tool);
        }
    }
}
