//! Lists of sessions: filters, places, limits of texts, and sums.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use conversant_core::{
    CallRecord, Cost, Message, SessionCursor, SessionFilter, SessionId, SessionInfo, SessionPage,
    Turn, Usage, UsageTotals,
};
use serde_json::json;

fn at(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}

fn info(id: &str, millis: u64) -> SessionInfo {
    SessionInfo::new(SessionId::new(id).unwrap(), at(millis))
}

#[test]
fn a_filter_selects_what_fulfils_all_conditions() {
    let mut ada = info("a", 20);
    ada.labels.insert("user".into(), "ada".into());
    let all = SessionFilter::new();
    let cases = [
        (all.clone(), true),
        (all.clone().with_label("user", "ada"), true),
        (all.clone().with_label("user", "Ada"), false),
        (all.clone().with_label("user", "ada").with_label("team", "ada"), false),
        (all.clone().with_used_since(at(20)), true),
        (all.clone().with_used_since(at(21)), false),
        (all.clone().with_used_before(at(21)), true),
        (all.clone().with_used_before(at(20)), false),
        (all.clone().with_used_since(at(20)).with_used_before(at(21)), true),
        // A store looks for the words.
        (all.clone().with_text("absent"), true),
    ];
    for (filter, expected) in cases {
        assert_eq!(filter.matches(&ada), expected, "{filter:?}");
    }
    let spaced = all.clone().with_text(" \n a \0b\0 a");
    assert_eq!(spaced.words().collect::<Vec<_>>(), ["a", "b"]);
    assert!(all.is_empty() && all.clone().with_text(" ").is_empty() && !spaced.is_empty());
    assert!(!all.clone().with_used_before(at(0)).is_empty());
    assert!(!all.clone().with_used_since(at(0)).is_empty() && !all.with_label("", "").is_empty());
}

#[test]
fn a_cursor_is_a_place_and_a_text() {
    let cursor = SessionCursor::after(&info("b:c", 20));
    for (id, millis, is_after) in [
        ("b:c", 20, false),
        ("b:b", 20, true),
        ("b:d", 20, false),
        ("z", 19, true),
        ("a", 21, false),
    ] {
        assert_eq!(cursor.is_before(&info(id, millis)), is_after, "{id} {millis}");
    }
    assert_eq!(cursor.to_string(), "20:b:c");
    assert_eq!("20:b:c".parse(), Ok(cursor.clone()));
    let json = serde_json::to_string(&cursor).unwrap();
    assert_eq!(json, r#""20:b:c""#);
    assert_eq!(serde_json::from_str::<SessionCursor>(&json).unwrap(), cursor);
    let refused = ["", "20", ":a", "x:a", "-1:a", "20:", "20:\0"]
        .map(|text| format!("{:?}", text.parse::<SessionCursor>().unwrap_err()));
    insta::assert_snapshot!(refused.join("\n"), @r"
    invalid cursor: expected a number, a colon and a session id; use the text of a page
    invalid cursor: expected a number, a colon and a session id; use the text of a page
    invalid cursor: expected a number, a colon and a session id; use the text of a page
    invalid cursor: expected a number, a colon and a session id; use the text of a page
    invalid cursor: expected a number, a colon and a session id; use the text of a page
    invalid cursor: invalid session id: it has 0 bytes; use 1 to 512
    invalid cursor: invalid session id: it contains a NUL at byte 0
    ");
}

#[test]
fn a_page_has_a_next_one_if_more_was_found() {
    let found = vec![info("c", 3), info("b", 2), info("a", 1)];
    for (limit, next) in [(0, None), (1, Some("3:c")), (2, Some("2:b")), (3, None), (9, None)] {
        let page = SessionPage::of(found.clone(), limit);
        assert_eq!(page.sessions, found[..limit.min(3)]);
        assert_eq!(page.next.map(|next| next.to_string()).as_deref(), next);
    }
}

#[test]
fn titles_and_labels_have_limits() {
    let long = |bytes| "x".repeat(bytes);
    SessionInfo::check_title(&long(SessionInfo::MAX_TITLE_BYTES), SessionInfo::MAX_TITLE_BYTES)
        .unwrap();
    SessionInfo::check_title(
        "\u{202e} odd but no control character 🙂",
        SessionInfo::MAX_TITLE_BYTES,
    )
    .unwrap();
    SessionInfo::check_label(
        &long(64),
        Some(&long(SessionInfo::MAX_LABEL_VALUE_BYTES)),
        SessionInfo::MAX_LABEL_VALUE_BYTES,
    )
    .unwrap();
    SessionInfo::check_label("pinned", Some(""), SessionInfo::MAX_LABEL_VALUE_BYTES).unwrap();
    let refused = [
        SessionInfo::check_title("", SessionInfo::MAX_TITLE_BYTES),
        SessionInfo::check_title(&long(1001), SessionInfo::MAX_TITLE_BYTES),
        SessionInfo::check_title("é\n", SessionInfo::MAX_TITLE_BYTES),
        SessionInfo::check_title("é\u{85}", SessionInfo::MAX_TITLE_BYTES),
        SessionInfo::check_label("", None, SessionInfo::MAX_LABEL_VALUE_BYTES),
        SessionInfo::check_label(&long(65), None, SessionInfo::MAX_LABEL_VALUE_BYTES),
        SessionInfo::check_label("a\tb", None, SessionInfo::MAX_LABEL_VALUE_BYTES),
        SessionInfo::check_label("a", Some(&long(513)), SessionInfo::MAX_LABEL_VALUE_BYTES),
        SessionInfo::check_label("a", Some("\0"), SessionInfo::MAX_LABEL_VALUE_BYTES),
    ]
    .map(|refused| refused.unwrap_err().to_string());
    insta::assert_snapshot!(refused.join("\n"), @r"
    cannot use the title: it has 0 bytes; use 1 to 1000
    cannot use the title: it has 1001 bytes; use 1 to 1000
    cannot use the title: it has a control character at byte 2; remove it
    cannot use the title: it has a control character at byte 2; remove it
    cannot use the label's name: it has 0 bytes; use 1 to 64
    cannot use the label's name: it has 65 bytes; use 1 to 64
    cannot use the label's name: it has a control character at byte 1; remove it
    cannot use the label's value: it has 513 bytes; use 0 to 512
    cannot use the label's value: it has a control character at byte 0; remove it
    ");
}

#[test]
fn what_is_recorded_is_summed_and_nothing_else() {
    let usage = |input, output| json!({"input_tokens": input, "output_tokens": output});
    let answer =
        |input, output| Message::ai("a").with_extra("usage_metadata", usage(input, output));
    let record = CallRecord::new()
        .with_usage(Usage::new(100, 10).with_cached_tokens(50))
        .with_cost(Cost::from_picos(7));
    let cases: Vec<(Vec<Message>, Option<Usage>, Option<u64>)> = vec![
        (vec![], None, None),
        (vec![Message::human("q"), Message::ai("a")], None, None),
        (vec![Message::human("q"), answer(8, 17)], Some(Usage::new(8, 17)), None),
        // Each answer of a loop has the usage of its request.
        (vec![answer(8, 17), answer(20, 3)], Some(Usage::new(28, 20)), None),
        // A record is that of the whole call.
        (
            vec![answer(8, 17), answer(20, 3).with_call_record(&record)],
            Some(Usage::new(100, 10).with_cached_tokens(50)),
            Some(7),
        ),
        (vec![Message::ai("a").with_call_record(&CallRecord::new())], None, None),
    ];
    for (messages, usage, picos) in cases {
        let turn = Turn::new(messages);
        let totals = UsageTotals::of_turn(&turn);
        assert_eq!(totals, UsageTotals::new(usage, picos.map(Cost::from_picos)), "{turn:?}");
        assert_eq!(totals.is_empty(), usage.is_none());
        let json = serde_json::to_string(&totals).unwrap();
        assert_eq!(serde_json::from_str::<UsageTotals>(&json).unwrap(), totals);
        assert_eq!(totals + UsageTotals::default(), totals);
    }
    let most = UsageTotals::new(Some(Usage::new(u64::MAX, 1)), Some(Cost::from_picos(u64::MAX)));
    assert_eq!((most + most).usage.unwrap().input_tokens, u64::MAX);
}
