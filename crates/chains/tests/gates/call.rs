//! A call of a chain over a conversation of any length.

use std::pin::pin;

use allocation_counter::{AllocationInfo, measure};
use conversant_chains::LlmChain;
use conversant_testkit::OpenAiServer;

use crate::workload::{LENGTHS, chat_chain, completion_chain, inputs, runtime, server};

/// The most allocations of a call: those of the HTTP client, the reply and the stored turn.
const ALLOCATIONS: u64 = 49;
/// The most bytes that a call allocates in addition to its body. Most of them are hyper's buffer
/// for the answer, and the futures.
const AROUND: u64 = 36 * 1024;
/// The most bytes of a conversation that are copied: a tail that is not yet a block, and blocks
/// that are too small to share.
const COPIED: u64 = 96 * 1024;

/// Measures a call over a conversation of `n` messages, and returns how long its body was.
fn call<C: Future<Output = LlmChain>>(
    n: usize,
    chain: impl Fn(&'static OpenAiServer, usize) -> C,
) -> (AllocationInfo, u64) {
    // The chain's future borrows it.
    let server: &'static OpenAiServer = Box::leak(Box::new(server()));
    let runtime = runtime();
    let chain = runtime.block_on(chain(server, n));
    let mut call = pin!(async { chain.predict(inputs()).await });
    let info = measure(|| {
        runtime.block_on(call.as_mut()).unwrap();
    });
    (info, server.requests().last().unwrap().bytes().len() as u64)
}

#[track_caller]
fn assert_at_most(what: &str, n: usize, found: u64, limit: u64) {
    println!("{n} messages: {found} {what} of at most {limit}");
    assert!(found <= limit, "a call over {n} messages takes {found} {what}, of at most {limit}");
}

#[test]
fn a_call_copies_and_allocates_no_more_over_a_long_conversation() {
    for n in LENGTHS {
        let (info, body) = call(n, chat_chain);
        assert_at_most("allocations", n, info.count_total, ALLOCATIONS);
        assert_at_most("bytes", n, info.bytes_total, AROUND + COPIED.min(body * 21 / 20));
    }
}

#[test]
fn a_completion_copies_its_text_three_times_and_allocates_no_more_over_a_long_conversation() {
    for n in LENGTHS {
        let (info, body) = call(n, completion_chain);
        assert_at_most("allocations", n, info.count_total, ALLOCATIONS);
        // What the memory shows, the prompt, and the body.
        assert_at_most("bytes", n, info.bytes_total, AROUND + body * 63 / 20);
    }
}
