//! The counts of tokens by which servers report what a call cost, each in its own way: the prompt
//! includes what the cache served, and the answer includes its reasoning.

use conversant_core::{ModelError, Reply, Usage};
use conversant_models::wire::{
    ResponsesStreamDecoder, StreamDecoder, decode_chat_response, decode_responses_response,
};
use serde_json::{Value as Json, json};

/// The usage that a server reports, and the input, the output and the total; then the parts of them
/// that were read from the cache, written to it, and reasoning.
fn table() -> Vec<(Json, [u64; 3], [Option<u64>; 3])> {
    let of_prompt = |cached: u64| json!({"cached_tokens": cached});
    let of_answer = |reasoning: u64| json!({"reasoning_tokens": reasoning});
    vec![
        // OpenAI.
        (
            json!({"prompt_tokens": 2000, "completion_tokens": 300, "total_tokens": 2300,
                "prompt_tokens_details": of_prompt(1920),
                "completion_tokens_details": of_answer(256)}),
            [2000, 300, 2300],
            [Some(1920), None, Some(256)],
        ),
        (
            json!({"input_tokens": 2000, "output_tokens": 300, "total_tokens": 2300,
                "input_tokens_details": {"cached_tokens": 1000, "cache_write_tokens": 900},
                "output_tokens_details": of_answer(300)}),
            [2000, 300, 2300],
            [Some(1000), Some(900), Some(300)],
        ),
        // xAI counts reasoning apart.
        (
            json!({"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135,
                "prompt_tokens_details": of_prompt(6),
                "completion_tokens_details": of_answer(94)}),
            [32, 103, 135],
            [Some(6), None, Some(94)],
        ),
        // The answer is longer than its reasoning.
        (
            json!({"prompt_tokens": 32, "completion_tokens": 100, "total_tokens": 172,
                "completion_tokens_details": of_answer(40)}),
            [32, 140, 172],
            [None, None, Some(40)],
        ),
        // Without a total.
        (
            json!({"prompt_tokens": 32, "completion_tokens": 9,
                "completion_tokens_details": of_answer(94)}),
            [32, 103, 135],
            [None, None, Some(94)],
        ),
        // Gemini, with its reasoning and without.
        (
            json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 1015,
                "completion_tokens_details": of_answer(1000)}),
            [10, 1005, 1015],
            [None, None, Some(1000)],
        ),
        (
            json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 1015}),
            [10, 1005, 1015],
            [None; 3],
        ),
        (
            json!({"prompt_tokens": 21, "completion_tokens": 0, "total_tokens": 81,
                "completion_tokens_details": of_answer(60)}),
            [21, 60, 81],
            [None, None, Some(60)],
        ),
        // Anthropic's form counts apart what the cache served.
        (
            json!({"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 9000,
                "cache_creation_input_tokens": 2000}),
            [11_010, 5, 11_015],
            [Some(9000), Some(2000), None],
        ),
        (
            json!({"input_tokens": 5000, "output_tokens": 5, "cache_read_input_tokens": 900,
                "cache_creation_input_tokens": 0}),
            [5900, 5, 5905],
            [Some(900), Some(0), None],
        ),
        // The same by other names.
        (
            json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
                "cache_read_input_tokens": 9000}),
            [9010, 5, 9015],
            [Some(9000), None, None],
        ),
        (
            json!({"prompt_tokens": 1000, "completion_tokens": 5, "total_tokens": 1905,
                "cache_read_input_tokens": 900}),
            [1900, 5, 1905],
            [Some(900), None, None],
        ),
        (
            json!({"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 190,
                "prompt_tokens_details": of_prompt(30),
                "completion_tokens_details": of_answer(10)}),
            [130, 60, 190],
            [Some(30), None, Some(10)],
        ),
        // LiteLLM counts the cache in, and names it twice.
        (
            json!({"prompt_tokens": 9010, "completion_tokens": 5, "total_tokens": 9015,
                "cache_read_input_tokens": 9000, "prompt_tokens_details": of_prompt(9000)}),
            [9010, 5, 9015],
            [Some(9000), None, None],
        ),
        (
            json!({"input_tokens": 9010, "output_tokens": 5, "total_tokens": 9015,
                "cache_read_input_tokens": 9000, "input_tokens_details": of_prompt(9000)}),
            [9010, 5, 9015],
            [Some(9000), None, None],
        ),
        // Gateways with one struct for all servers write zeros.
        (
            json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0,
                "input_tokens": 7, "output_tokens": 8}),
            [7, 8, 15],
            [None; 3],
        ),
        // A rest of the total that details of the prompt come with is not the answer's.
        (
            json!({"prompt_tokens": 1000, "completion_tokens": 5, "total_tokens": 1263,
                "prompt_tokens_details": {"image_tokens": 258}}),
            [1000, 5, 1263],
            [None; 3],
        ),
        // A total alone, and one without the prompt.
        (json!({"total_tokens": 7}), [0, 0, 7], [None; 3]),
        (json!({"completion_tokens": 5, "total_tokens": 15}), [0, 5, 15], [None; 3]),
        // A total that is too small says nothing.
        (
            json!({"prompt_tokens": 7, "completion_tokens": 8, "total_tokens": 8}),
            [7, 8, 8],
            [None; 3],
        ),
    ]
}

#[track_caller]
fn check(
    reply: Result<Reply, ModelError>,
    [input, output, total]: [u64; 3],
    [cached, written, reasoning]: [Option<u64>; 3],
) {
    let mut usage = Usage::new(input, output).with_total_tokens(total);
    (usage.cached_tokens, usage.cache_write_tokens) = (cached, written);
    usage.reasoning_tokens = reasoning;
    assert_eq!(reply.unwrap().usage, Some(usage));
}

fn chat_events(usages: &[Json]) -> Result<Reply, ModelError> {
    let mut decoder = StreamDecoder::new();
    decoder.feed("data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n".into());
    for usage in usages {
        decoder.feed(format!("data: {}\n\n", json!({"choices": [], "usage": usage})).into());
    }
    decoder.feed("data: [DONE]\n\n".into());
    while decoder.next_delta()?.is_some() {}
    decoder.finish()
}

#[test]
fn the_counts_of_a_usage_include_their_parts() {
    for (usage, counts, parts) in table() {
        let chat = json!({"choices": [{"message": {"content": "x"}}], "usage": usage});
        check(decode_chat_response(chat.to_string().as_bytes()), counts, parts);
        check(chat_events(std::slice::from_ref(&usage)), counts, parts);
        let response = json!({"status": "completed", "output": [], "usage": usage});
        check(decode_responses_response(response.to_string().as_bytes()), counts, parts);
        let mut decoder = ResponsesStreamDecoder::new();
        let event = json!({"type": "response.completed", "response": response});
        decoder.feed(format!("data: {event}\n\n").into());
        while decoder.next_delta().unwrap().is_some() {}
        check(decoder.finish(), counts, parts);
    }
}

/// Servers report the prompt first and the answer at the end, or all of it each time.
#[test]
fn reports_of_a_stream_are_one_usage() {
    let begin = json!({"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 9000,
        "cache_creation_input_tokens": 2000});
    for end in [
        json!({"output_tokens": 5}),
        json!({"input_tokens": 0, "output_tokens": 5}),
        json!({"input_tokens": 10, "output_tokens": 5}),
        json!({"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 9000,
            "cache_creation_input_tokens": 2000}),
    ] {
        let cached = [Some(9000), Some(2000), None];
        check(chat_events(&[begin.clone(), end]), [11_010, 5, 11_015], cached);
    }
    let of_answer = json!({"reasoning_tokens": 1000});
    let all = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 1015,
        "completion_tokens_details": of_answer});
    let again = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 1015});
    check(chat_events(&[all, again]), [10, 1005, 1015], [None, None, Some(1000)]);
}
