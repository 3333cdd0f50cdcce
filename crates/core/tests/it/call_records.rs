//! Records of calls: what is stored with a turn, what is read, prices and sums.

use std::time::{Duration, UNIX_EPOCH};

use conversant_core::{
    CallRecord, Cost, FinishReason, Message, PriceList, Prices, Timings, Totals, Turn, Usage,
};
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
use serde_json::{Value as Json, json};

fn full() -> CallRecord {
    let usage = Usage::new(1203, 87)
        .with_total_tokens(1300)
        .with_cached_tokens(1024)
        .with_cache_write_tokens(128)
        .with_reasoning_tokens(64);
    let mut timings = Timings::default();
    timings.queue = Some(Duration::from_millis(3));
    timings.load = Some(Duration::from_millis(1));
    timings.first_token = Some(Duration::from_millis(210));
    timings.model = Some(Duration::from_millis(812));
    timings.total = Some(Duration::from_millis(818));
    let mut record = CallRecord::new()
        .with_model("gpt-6-luna-2026-05-01")
        .with_finish_reason(FinishReason::Stop)
        .with_usage(usage)
        .with_cost("0.0023405".parse().unwrap())
        .with_started_at(UNIX_EPOCH + Duration::from_millis(1_780_000_000_123))
        .with_timings(timings);
    record.retries = 1;
    record.tool_calls = 2;
    record.cache_hits = 3;
    record
}

#[test]
fn the_stored_form_is_short_and_reads_back() {
    let message = Message::ai("Hello!").with_call_record(&full());
    let stored = message.to_stored();
    insta::assert_snapshot!(stored["data"]["response_metadata"], @r#"{"conversant":{"model":"gpt-6-luna-2026-05-01","finish":"stop","in":1203,"out":87,"total":1300,"cached":1024,"cache_write":128,"reasoning":64,"cost":"0.0023405","at":1780000000123,"queue_ms":3,"load_ms":1,"first_ms":210,"model_ms":812,"total_ms":818,"retries":1,"tools":2,"cache_hits":3}}"#);
    let read = Message::from_stored(stored).unwrap();
    assert_eq!(read.call_record(), Some(full()));
    assert_eq!(Turn::new(vec![Message::human("Hi"), read.clone()]).call_record(), Some(full()));
    assert_eq!(*read.without_call_record(), Message::ai("Hello!"));

    // An ordinary record: what is unknown, zero or the sum is left out.
    let usual = CallRecord::new().with_model("gpt-6-luna").with_usage(Usage::new(8, 17));
    let stored = Message::ai("Hello!").with_call_record(&usual).to_stored();
    insta::assert_snapshot!(stored["data"]["response_metadata"], @r#"{"conversant":{"model":"gpt-6-luna","in":8,"out":17}}"#);
}

#[test]
fn other_metadata_stays() {
    let origin = json!({"base_url": "http://localhost/v1", "model_name": "m"});
    let message = Message::ai("x").with_extra("response_metadata", origin.clone());
    let recorded = message.clone().with_call_record(&full());
    assert_eq!(recorded.extra()["response_metadata"]["base_url"], origin["base_url"]);
    assert_eq!(recorded.extra()["response_metadata"]["model_name"], origin["model_name"]);
    assert_eq!(*recorded.without_call_record(), message);
    assert_eq!(message.call_record(), None, "an origin alone is not a record");
    let strange = Message::ai("x").with_extra("response_metadata", json!([1]));
    assert_eq!(strange.clone().with_call_record(&full()), strange);
    assert_eq!(strange.call_record(), None);
}

/// Messages as LangChain writes them: version 0.1 with `response_metadata`, later ones with
/// `usage_metadata` too.
#[test]
fn what_langchain_knows_of_a_call_is_read() {
    let table = [
        (
            json!({"response_metadata": {
                "token_usage": {"completion_tokens": 17, "prompt_tokens": 8, "total_tokens": 25},
                "model_name": "gpt-6-luna", "system_fingerprint": null, "finish_reason": "stop",
                "logprobs": null,
            }}),
            CallRecord::new()
                .with_model("gpt-6-luna")
                .with_finish_reason("stop")
                .with_usage(Usage::new(8, 17)),
        ),
        (
            json!({
                "response_metadata": {"model_name": "m", "finish_reason": "length"},
                "usage_metadata": {
                    "input_tokens": 8, "output_tokens": 17, "total_tokens": 25,
                    "input_token_details": {"cache_read": 4, "cache_creation": 2},
                    "output_token_details": {"reasoning": 9},
                },
            }),
            CallRecord::new().with_model("m").with_finish_reason("length").with_usage(
                Usage::new(8, 17)
                    .with_cached_tokens(4)
                    .with_cache_write_tokens(2)
                    .with_reasoning_tokens(9),
            ),
        ),
    ];
    for (fields, expected) in table {
        let mut data = json!({"content": "x"});
        data.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let message = Message::from_stored(json!({"type": "ai", "data": data})).unwrap();
        assert_eq!(message.call_record(), Some(expected), "{fields}");
    }
    assert_eq!(Message::ai("x").call_record(), None);
}

#[test]
fn a_record_of_strange_values_is_read_as_far_as_it_can_be() {
    for value in [json!(null), json!("x"), json!(-1), json!(1.5), json!([]), json!({})] {
        let record: serde_json::Map<String, Json> =
            ["model", "finish", "in", "out", "total", "cost", "at", "load_ms", "retries", "tools"]
                .into_iter()
                .map(|name| (name.to_owned(), value.clone()))
                .collect();
        let metadata = json!({"conversant": record});
        let read = Message::ai("x").with_extra("response_metadata", metadata).call_record();
        let text = value.as_str();
        let mut expected = CallRecord::new();
        expected.model = text.map(str::to_owned);
        expected.finish_reason = text.map(FinishReason::from);
        assert_eq!(read, Some(expected), "{value}");
    }
}

#[test]
fn each_kind_of_token_has_its_price() {
    let prices = Prices::per_million(2.0, 10.0);
    let all = prices.with_cached_input(0.5).with_cache_write(2.5).with_reasoning(12.0);
    let usage = Usage::new(1_000, 100)
        .with_cached_tokens(600)
        .with_cache_write_tokens(300)
        .with_reasoning_tokens(40);
    let table = [
        ("plain", prices, Usage::new(1_000, 100), "0.003"),
        ("no further prices", prices, usage, "0.003"),
        // 100 · 2 + 600 · 0.5 + 300 · 2.5 + 60 · 10 + 40 · 12
        ("all prices", all, usage, "0.00233"),
        ("more cached than input", all, Usage::new(10, 0).with_cached_tokens(50), "0.000005"),
        ("nothing", all, Usage::default(), "0"),
        ("free", Prices::per_million(0.0, -1.0), usage, "0"),
        ("not a number", Prices::per_million(f64::NAN, f64::INFINITY), usage, "0"),
        (
            "one token of a cheap model",
            Prices::per_million(0.000_001, 0.0),
            Usage::new(1, 0),
            "0.000000000001",
        ),
        (
            "too much",
            Prices::per_million(1e18, 1e18),
            Usage::new(u64::MAX, u64::MAX),
            "18446744.073709551615",
        ),
    ];
    for (name, prices, usage, expected) in table {
        assert_eq!(prices.cost(&usage).to_string(), expected, "{name}");
    }
}

#[test]
fn a_price_list_knows_models_and_their_snapshots() {
    let (large, small) = (Prices::per_million(1.0, 8.0), Prices::per_million(0.2, 1.6));
    let list =
        PriceList::new().with_model("gpt-6-luna", large).with_model("gpt-6-luna-mini", small);
    let table = [
        (Some("gpt-6-luna"), Some(large)),
        (Some("gpt-6-luna-2026-05-01"), Some(large)),
        (Some("gpt-6-luna-0613"), Some(large)),
        (Some("gpt-6-luna-mini-2026-05-01"), Some(small)),
        (Some("gpt-6-luna-max"), None),
        (Some("gpt-6-luna-1"), None),
        (Some("gpt-6"), None),
        (None, None),
    ];
    for (name, expected) in table {
        assert_eq!(list.of(name), expected, "{name:?}");
    }
    // The order of the names does not count, and a version is not a date.
    let names = [("opus-4", large), ("opus-4-5", small)];
    for names in [names, [names[1], names[0]]] {
        let list = names
            .into_iter()
            .fold(PriceList::new(), |list, (name, prices)| list.with_model(name, prices));
        let table = [
            ("opus-4-20250514", Some(large)),
            ("opus-4-2025-05-14", Some(large)),
            ("opus-4-05-2025", Some(large)),
            ("opus-4-05-14", Some(large)),
            ("opus-4-5-20251101", Some(small)),
            ("opus-4-1-20250805", None),
            ("opus-4-10-20250805", None),
            ("opus-4-1-2025", None),
            ("opus-4-", None),
            ("opus-4--20250514", None),
        ];
        for (name, expected) in table {
            assert_eq!(list.of(Some(name)), expected, "{name}");
        }
    }
    assert_eq!(PriceList::from(small).of(None), Some(small));
    assert_eq!(list.with_default(small).of(Some("other")), Some(small));
}

#[test]
fn stored_turns_are_summed() {
    let turn = |record: Option<&CallRecord>| {
        let answer = Message::ai("x");
        Turn::new(vec![
            Message::human("q"),
            match record {
                Some(record) => answer.with_call_record(record),
                None => answer,
            },
        ])
    };
    let turns = [turn(Some(&full())), turn(None), turn(Some(&full()))];
    let totals = Totals::of_turns(&turns);
    assert_eq!((totals.calls, totals.retries, totals.tool_calls), (3, 2, 4));
    assert_eq!(totals.cache_hits, 6);
    assert_eq!(totals.usage, full().usage.unwrap() + full().usage.unwrap());
    assert_eq!(totals.cost.to_string(), "0.004681");
    let twice = full().after(&full());
    assert_eq!((twice.usage, twice.cost), (Some(totals.usage), Some(totals.cost)));
}

fn counts() -> impl Strategy<Value = (u64, u64, Option<u64>, Option<u64>)> {
    let count = 0..1_000_000_000_u64;
    (count.clone(), count.clone(), proptest::option::of(count.clone()), proptest::option::of(count))
}

proptest! {
    #[test]
    fn costs_read_back_and_records_too(picos in any::<u64>(), (input, output, cached, reasoning) in counts()) {
        let cost = Cost::from_picos(picos);
        prop_assert_eq!(cost.to_string().parse::<Cost>().ok(), Some(cost));
        let mut usage = Usage::new(input, output);
        (usage.cached_tokens, usage.reasoning_tokens) = (cached.filter(|n| *n > 0), reasoning.filter(|n| *n > 0));
        let record = CallRecord::new().with_usage(usage).with_cost(cost);
        let read = Message::ai("x").with_call_record(&record).call_record().unwrap();
        prop_assert_eq!(read.usage.unwrap_or_default(), usage);
        prop_assert_eq!(read.cost, Some(cost));
    }

    #[test]
    fn no_text_panics_as_a_cost(text in "[0-9.+-]{0,24}|.*") {
        if let Ok(cost) = text.parse::<Cost>() {
            prop_assert!(cost.to_string().parse::<Cost>().unwrap() == cost);
        }
    }
}
