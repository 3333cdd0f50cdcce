//! The items of a streamed response by all ways to number, name and repeat them.

use serde_json::{Value as Json, json};

use crate::response_items::{added, arguments, call, check, completed, done, message, text};

/// All ways to number, name and repeat items, of those that say which item an event is about.
#[test]
fn an_answer_is_the_same_however_its_items_are_numbered_named_and_repeated() {
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Name {
        Own,
        Same,
        None,
        /// Another one with each event.
        New,
    }
    let items = || {
        [
            message("m1", "ab"),
            call("c1", "f", "{\"a\":1}"),
            call("c2", "f", "{\"a\":2}"),
            message("m2", "ab"),
            call("c3", "g", ""),
        ]
    };
    let empty = |item: &Json| {
        let mut item = item.clone();
        match item["type"] == "message" {
            true => item["content"] = json!([]),
            false => item["arguments"] = "".into(),
        }
        item
    };
    let mut tried = 0;
    for (has_index, is_counted) in [(true, true), (true, false), (false, false)] {
        for name in [Name::Own, Name::Same, Name::None, Name::New] {
            for (adds, has_pieces, is_done) in
                [(true, true, true), (true, true, false), (true, false, true), (false, false, true)]
            {
                let mut events = Vec::new();
                let mut made_up = 0;
                let mut named = |mut event: Json, id: &Json| {
                    made_up += 1;
                    let id = match name {
                        Name::Own => id.clone(),
                        Name::Same => "x".into(),
                        Name::None => Json::Null,
                        Name::New => format!("n{made_up}").into(),
                    };
                    match event.get_mut("item") {
                        Some(item) => item["id"] = id,
                        None => event["item_id"] = id,
                    }
                    event
                };
                for (index, item) in items().iter().enumerate() {
                    let index = match (has_index, is_counted) {
                        (false, _) => Json::Null,
                        (true, false) => 0.into(),
                        (true, true) => index.into(),
                    };
                    let id = &item["id"];
                    if adds {
                        events.push(named(added(index.clone(), empty(item)), id));
                    }
                    for half in [0, 1].into_iter().filter(|_| has_pieces) {
                        let event = if item["type"] == "message" {
                            text(index.clone(), "", &"ab"[half..=half])
                        } else {
                            let whole = item["arguments"].as_str().unwrap();
                            let (start, end) = whole.split_at(whole.len() / 2);
                            arguments(index.clone(), "", [start, end][half])
                        };
                        events.push(named(event, id));
                    }
                    if is_done {
                        events.push(named(done(index, item.clone()), id));
                    }
                }
                let [m1, c1, c2, m2, c3] = items();
                let blank: Vec<_> = items().iter().map(empty).collect();
                for output in [
                    json!([]),
                    json!(items()),
                    json!([m1, c1, c2, m2]),
                    json!([c2, m2, c3]),
                    json!([m1, m2]),
                    json!(blank),
                ] {
                    let has = |id: &str| {
                        output.as_array().unwrap().iter().any(|item| item["call_id"] == id)
                    };
                    // Two messages with one text, one of which is missing; pieces that do not say
                    // which item they are of, and messages of one id and one index; a call that was
                    // begun, and of which nothing came.
                    let is_undecided = has("c3") && !has("c1") && name != Name::Own
                        || !(has_index && is_counted) && name != Name::Own && !is_done
                        || !(has_index && is_counted) && name == Name::Same
                        || !is_done && output != json!([]) && !has("c3");
                    if is_undecided {
                        continue;
                    }
                    let mut events = events.clone();
                    events.push(completed(output));
                    tried += 1;
                    check(&events, "abab", &["f {\"a\":1}", "f {\"a\":2}", "g {}"]);
                }
            }
        }
    }
    assert!(tried > 100, "{tried}");
}
