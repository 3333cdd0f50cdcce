//! Turns: their identity, their words, and what a session expects of them.

use std::{borrow::Cow, collections::HashSet, sync::Arc};

use conversant_core::{
    Expect, HistoryError, Message, Messages, Note, Range, SessionId, Slice, Slot, ToolCall, Turn,
    TurnId, TurnKeyError, TurnKeys, UserId, Value, Version, vars,
};
use serde_json::json;

#[test]
fn turn_ids() {
    let ids: HashSet<_> = (0..1000).map(|_| TurnId::random()).collect();
    assert_eq!(ids.len(), 1000);
    let id = TurnId::random();
    let text = id.to_string();
    assert_eq!((text.len(), text.as_bytes()[14]), (36, b'7'));
    assert_eq!(text.parse(), Ok(id));
    assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{text}\""));
    assert_eq!(serde_json::from_str::<TurnId>(&format!("\"{text}\"")).unwrap(), id);
    assert!("".parse::<TurnId>().is_err() && "not a uuid".parse::<TurnId>().is_err());
    assert_eq!(TurnId::from_u128(1).as_bytes()[15], 1);
}

#[test]
fn a_turn_is_stored_whole() {
    let turn = Turn::new(vec![Message::human("q"), Message::ai("a")])
        .with_id(TurnId::from_u128(7))
        .with_incomplete(true)
        .with_base(Version::new(1, 4));
    let json = serde_json::to_string(&turn).unwrap();
    assert_eq!(serde_json::from_str::<Turn>(&json).unwrap(), turn);
    assert_eq!((turn.is_incomplete(), turn.base()), (true, Some(Version::new(1, 4))));
    let plain = Turn::exchange("q", "a");
    assert_eq!((plain.is_incomplete(), plain.base()), (false, None));
    assert_eq!(plain.messages(), turn.messages());
    assert_ne!(plain.id(), Turn::exchange("q", "a").id());
    // What an older version wrote, without the later fields.
    let messages = serde_json::to_value(plain.messages()).unwrap();
    let old = serde_json::json!({"id": plain.id(), "messages": messages});
    assert_eq!(serde_json::from_value::<Turn>(old).unwrap(), plain);
}

/// Turns, each with one that is stored under its id, and whether the conversation keeps the first.
#[test]
fn a_turn_is_kept_by_one_that_says_the_same() {
    let told = || vec![Message::human("q"), Message::ai("a")];
    let with = |message: Message| vec![Message::human("q"), message];
    let looked = |arguments| {
        let call = ToolCall::new("look", arguments).with_id("1");
        with(Message::ai("").with_tool_calls([call]))
    };
    let answered = |request: &str, seconds: f64| {
        let metadata = json!({"request": request, "seconds": seconds});
        with(Message::ai("a").with_id(request).with_extra("response_metadata", metadata))
    };
    let whole = |messages: Vec<Message>| Turn::identified(TurnId::from_u128(7), messages);
    let part = |messages| whole(messages).with_incomplete(true);
    for (turn, stored, is_kept) in [
        (whole(told()), whole(told()), true),
        (part(told()), part(told()), true),
        (whole(told()), part(told()), false),
        (part(told()), whole(told()), true),
        (part(with(Message::ai("b"))), part(told()), false),
        (whole(told()).with_base(Version::new(1, 2)), whole(told()), true),
        (whole(told()), whole(vec![Message::human("q")]), false),
        (whole(vec![Message::human("q")]), whole(told()), false),
        (whole(told()), whole(Vec::new()), false),
        (whole(with(Message::ai("b"))), whole(told()), false),
        (whole(with(Message::system("a"))), whole(told()), false),
        (whole(with(Message::ai("a").with_name("ada"))), whole(told()), false),
        (whole(with(Message::ai("a").with_extra("x", 1))), whole(told()), false),
        (whole(answered("one", 1.5)), whole(answered("two", 2.5)), true),
        (whole(answered("one", 1.5)), whole(told()), true),
        (
            whole(looked(json!({"n": 1e16}))),
            whole(looked(json!({"n": 10_000_000_000_000_000_u64}))),
            true,
        ),
        (whole(looked(json!({"n": [1.0, -2]}))), whole(looked(json!({"n": [1, -2.0]}))), true),
        (whole(looked(json!({"n": u64::MAX}))), whole(looked(json!({"n": u64::MAX - 1}))), false),
        (whole(looked(json!({"n": 1}))), whole(looked(json!({"n": 2}))), false),
        (whole(looked(json!({"n": 1}))), whole(looked(json!({"n": "1"}))), false),
        (whole(looked(json!({"n": [1]}))), whole(looked(json!({"n": [1, 2]}))), false),
        (whole(looked(json!({"n": 1}))), whole(looked(json!({"m": 1}))), false),
        (whole(looked(json!({"n": 1}))), whole(looked(json!({"n": 1, "m": 1}))), false),
        (whole(looked(json!({"n": 1, "m": 2}))), whole(looked(json!({"m": 2, "n": 1}))), true),
    ] {
        let found = turn.check_stored(&stored);
        assert_eq!(found.is_ok(), is_kept, "{turn:?} by {stored:?}");
        if let Err(error) = found {
            let HistoryError::TurnIdInUse { turn: id, incomplete } = error else {
                panic!("{error:?}");
            };
            assert_eq!((id, incomplete), (turn.id(), stored.is_incomplete()));
        }
    }
}

#[test]
fn ids_are_made_of_any_kind_of_text() {
    let (owned, shared): (String, Arc<str>) = ("ada".to_owned(), "ada".into());
    for id in [
        SessionId::new("ada"),
        SessionId::new(&owned),
        SessionId::new(owned.clone()),
        SessionId::new(&shared),
        SessionId::new(Cow::Borrowed("ada")),
        SessionId::try_from(Arc::clone(&shared)),
    ] {
        assert_eq!(id.unwrap().as_str(), "ada");
    }
    for id in [UserId::new(&owned), UserId::new(&shared), UserId::try_from(Arc::clone(&shared))] {
        assert_eq!(id.unwrap().as_str(), "ada");
    }
    // A shared text is checked as the others are, and is not copied.
    let session = SessionId::try_from(Arc::clone(&shared)).unwrap();
    assert_eq!(session.as_str().as_ptr(), shared.as_ptr());
    assert!(SessionId::try_from(Arc::<str>::from("conversant:user:ada")).is_err());
    assert!(SessionId::try_from(Arc::<str>::from("")).is_err());
    assert!(UserId::try_from(Arc::<str>::from("a\0b")).is_err());
}

#[test]
fn session_ids_are_any_text_of_1_to_512_bytes_without_nul() {
    let longest = "x".repeat(512);
    for id in ["a", " ", "../x", "%00", "'; DROP TABLE", "é", "e\u{301}", "🙂", "A", &longest] {
        let session = SessionId::new(id).unwrap();
        assert_eq!((session.as_str(), session.to_string().as_str()), (id, id));
        assert_eq!(SessionId::try_from(id), Ok(session.clone()));
        let json = serde_json::to_string(&session).unwrap();
        assert_eq!(serde_json::from_str::<SessionId>(&json).unwrap(), session);
    }
    assert_ne!(SessionId::new("é").unwrap(), SessionId::new("e\u{301}").unwrap());
    let too_long = "x".repeat(513);
    let refused = ["", too_long.as_str(), "a\0b", "é\0", "conversant:user:ada"]
        .map(|id| SessionId::new(id).unwrap_err().to_string());
    insta::assert_snapshot!(refused.join("\n"), @r"
    invalid session id: it has 0 bytes; use 1 to 512
    invalid session id: it has 513 bytes; use 1 to 512
    invalid session id: it contains a NUL at byte 1
    invalid session id: it contains a NUL at byte 2
    invalid session id: it begins with `conversant:`, which is reserved; choose another
    ");
    for json in ["\"\"", "\"conversant:user:ada\""] {
        assert!(serde_json::from_str::<SessionId>(json).is_err());
    }
    // Stores return what memories have stored.
    assert_eq!(
        SessionId::from_stored("conversant:user:ada").unwrap().as_str(),
        "conversant:user:ada"
    );
    assert!(SessionId::from_stored("a\0b").is_err());
    let id = TurnId::random();
    assert_eq!(SessionId::from(id).as_str(), id.to_string());
}

#[test]
fn the_users_words_and_the_answer() {
    let memory = [Slot::text("history")];
    let inputs = vars! { "history" => "old", "stop" => "\n", "question" => 7 };
    let answer = vars! { "text" => "a" };
    let told = TurnKeys::new();
    let picked = |keys: &TurnKeys, inputs, outputs| keys.pick(inputs, outputs, &memory);

    assert_eq!(picked(&told, &inputs, &answer), Ok(("7".into(), "a".into())));
    // An input that is named is taken even if it would be no candidate, and `output` wins among
    // several outputs.
    let named = TurnKeys::new().with_input_key("stop");
    let two = vars! { "score" => 1, "output" => "o" };
    assert_eq!(picked(&named, &inputs, &two), Ok(("\n".into(), "o".into())));
    let named = named.with_output_key("score");
    assert_eq!(picked(&named, &inputs, &two), Ok(("\n".into(), "1".into())));
    assert_eq!((named.input_key(), named.output_key()), (Some("stop"), Some("score")));

    // The input is looked at first.
    let nothing = vars! {};
    assert!(matches!(picked(&told, &nothing, &nothing), Err(TurnKeyError::AmbiguousInput { .. })));
    let faults = [
        picked(&told, &vars! { "a" => 1, "b" => 2 }, &answer),
        picked(&told, &vars! { "history" => "old", "stop" => 1 }, &answer),
        picked(&told, &inputs, &nothing),
        picked(&told, &inputs, &vars! { "text" => "a", "score" => 1 }),
        picked(&TurnKeys::new().with_input_key("queston"), &inputs, &answer),
        picked(&TurnKeys::new().with_input_key("x"), &inputs, &answer),
        picked(&TurnKeys::new().with_input_key("x"), &nothing, &answer),
        picked(&TurnKeys::new().with_output_key("txt"), &inputs, &answer),
        picked(&TurnKeys::new().with_output_key("zzz"), &inputs, &answer),
    ];
    let told = faults.map(|fault| fault.unwrap_err().to_string());
    insta::assert_snapshot!(told.join("\n"), @r"
    cannot infer the user's input; call `with_input_key` on the memory with one of `a`, `b`
    cannot infer the user's input; add an input besides the memory's variables
    cannot infer the answer; add an output besides the memory's variables
    cannot infer the answer; call `with_output_key` on the memory with one of `text`, `score`
    cannot find input `queston`, which `with_input_key` names (nearest: `question`)
    cannot find input `x`, which `with_input_key` names (there is `history`, `stop`, `question`)
    cannot find input `x`, which `with_input_key` names
    cannot find output `txt`, which `with_output_key` names (nearest: `text`)
    cannot find output `zzz`, which `with_output_key` names (there is `text`)
    ");
}

#[test]
fn what_an_append_expects() {
    let current = Version::new(2, 6);
    for (expect, holds) in [
        (Expect::Any, true),
        (Expect::SameEpoch(Version::new(2, 0)), true),
        (Expect::SameEpoch(Version::new(1, 6)), false),
        (Expect::SameEpoch(Version::new(3, 0)), false),
        (Expect::Exactly(Version::new(2, 6)), true),
        (Expect::Exactly(Version::new(2, 4)), false),
        (Expect::Exactly(Version::new(1, 6)), false),
    ] {
        assert_eq!(expect.check(current).is_ok(), holds, "{expect:?}");
    }
}

#[test]
fn a_slice_knows_where_it_starts() {
    let messages = Messages::from(vec![Message::human("q"), Message::ai("a")]);
    assert_eq!(Slice::new(messages.clone(), Version::new(0, 7)).start(), 5);
    assert_eq!(Slice::new(messages, Version::new(0, 1)).start(), 0);
    assert_eq!(Slice::default().start(), 0);
}

/// A window that is given where turns begin loads only the new ones.
#[test]
fn a_cut_says_where_its_turns_begin() {
    let messages = Messages::from_iter(["a", "b", "c", "d"].map(Message::human));
    // The third turn has no messages.
    let turns = [0, 2, 3, 3];
    let version = |messages| Version::new(1, messages);
    for (range, count, begun) in [
        (Range::All, 4, &[0, 2, 3][..]),
        (Range::LastTurns(1), 1, &[0]),
        (Range::LastMessages(3), 3, &[1, 2]),
        (Range::LastMessages(0), 0, &[]),
        (Range::After(version(2)), 2, &[0, 1]),
        (Range::After(version(4)), 0, &[]),
        (Range::After(version(5)), 0, &[]),
        (Range::After(version(u64::MAX)), 0, &[]),
        // Of another epoch.
        (Range::After(Version::new(0, 2)), 4, &[0, 2, 3]),
    ] {
        let slice = range.cut(1, &messages, &turns);
        assert_eq!(slice.messages.len(), count, "{range:?}");
        assert_eq!(slice.turns.as_deref(), Some(begun), "{range:?}");
        // A store that does not know them.
        assert_eq!(range.cut(1, &messages, &[]).turns, None, "{range:?}");
    }
}

#[test]
fn a_note_is_stored_whole() {
    for body in [Value::from("summary"), Value::from(7), Value::from(serde_json::json!({"a": [1]}))]
    {
        let note = Note::new(body, Version::new(1, 4));
        let json = serde_json::to_string(&note).unwrap();
        assert_eq!(serde_json::from_str::<Note>(&json).unwrap(), note);
    }
}

/// The test vectors of the authors of FNV-1a. Stored names contain such hashes.
#[test]
fn hashes_never_change() {
    for (text, hash) in [
        ("", 0xcbf2_9ce4_8422_2325),
        ("a", 0xaf63_dc4c_8601_ec8c),
        ("foobar", 0x8594_4171_f739_67e8),
    ] {
        assert_eq!(conversant_core::fnv1a(text.bytes()), hash, "{text}");
    }
}
