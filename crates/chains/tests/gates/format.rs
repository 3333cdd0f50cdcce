//! Formatting a prompt, and what a memory does for it.

use allocation_counter::measure;
use conversant_core::{Prompt, Value, Variables};
use conversant_testkit::block_on;

use crate::workload::{Conversation, LENGTHS, chat_prompt, inputs, merged, text_prompt};

/// A call's variables over a conversation of `n` messages.
fn variables(conversation: &Conversation, n: usize) -> Variables {
    merged(inputs(), block_on(conversation.hold(0..n / 2)))
}

#[test]
fn a_chat_prompt_over_2000_messages_costs_what_one_over_2_costs() {
    let prompt = chat_prompt();
    let [short, .., long] = LENGTHS.map(|n| {
        let variables = variables(&Conversation::of_messages(), n);
        measure(|| drop(prompt.format(&variables).unwrap()))
    });
    assert_eq!(long.count_total, short.count_total);
    assert!(long.bytes_total < short.bytes_total + 512, "{short:?} {long:?}");
}

#[test]
fn a_text_prompt_is_one_copy_of_its_values() {
    let prompt = text_prompt();
    for n in LENGTHS {
        let variables = variables(&Conversation::of_text(), n);
        let length = prompt.format(&variables).unwrap().to_text().len() as u64;
        let info = measure(|| drop(prompt.format(&variables).unwrap()));
        assert_eq!((info.count_total, info.bytes_total), (1, length));
    }
}

/// A rendered transcript is kept, and shown as one copy. At most once in ten turns, its buffer may
/// double.
#[test]
fn a_memory_renders_what_is_new_and_copies_its_text_once() {
    for n in LENGTHS {
        let conversation = Conversation::of_text();
        block_on(conversation.hold(0..n / 2));
        let mut shown = 0;
        let info = measure(|| {
            for turn in 0..10 {
                block_on(conversation.add(turn));
                let variables = block_on(conversation.load());
                shown +=
                    variables.get("chat_history").and_then(Value::as_text).unwrap().len() as u64;
            }
        });
        let limit = shown + shown / 4 + 10 * 4096;
        assert!(info.bytes_total < limit, "{n} messages: {info:?} for {shown} bytes");
    }
}
