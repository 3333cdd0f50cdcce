//! Message text appears in no `Debug` output and in no error.

use std::time::UNIX_EPOCH;

use conversant_core::{
    ApiError, ChatRequest, CompletionRequest, DecodeError, Delta, Document, Event, FinishReason,
    InvalidToolCall, Lease, LeaseHolder, LoadContext, Loaded, Match, Message, Messages, ModelError,
    Note, ParseError, Part, PartialReply, PromptValue, Reply, ReplyStream, Role, SessionFilter,
    SessionId, SessionInfo, SessionPage, Slice, StatusKind, Ticket, ToolCall, ToolCallDelta, Turn,
    TurnId, Value, Version, Withheld, vars,
};
use serde_json::json;

const SECRET: &str = "my own words";

fn message() -> Message {
    Message::ai(SECRET)
        .with_tool_calls([ToolCall::new("f", json!({"q": SECRET}))])
        .with_extra("additional_kwargs", json!({"refusal": SECRET}))
}

/// Names that files and servers make up.
#[test]
fn debug_withholds_made_up_names() {
    let part: Part = serde_json::from_value(json!({"type": SECRET})).unwrap();
    assert_eq!(format!("{part:?}"), "<12 bytes>");
    assert_eq!(format!("{:?}", Part::image_url("https://example.com/a.png")), "image_url");
    assert_eq!(format!("{:?}", Role::Chat(SECRET.to_owned())), "Chat(<12 bytes>)");
    assert_eq!(format!("{:?} {:?}", Role::Chat("judge".into()), Role::Ai), r#"Chat("judge") Ai"#);
}

/// A server can write any text in place of a code, an id or a reason.
#[test]
fn errors_show_words_of_a_server_only() {
    for (text, shown) in [
        (SECRET, "<12 bytes>"),
        ("a\nb", "<3 bytes>"),
        (&*"a".repeat(129), "<129 bytes>"),
        ("com.example#Too_Many-1:2/3", "com.example#Too_Many-1:2/3"),
    ] {
        let mut error = ApiError::new(StatusKind::Server);
        (error.code, error.request_id) = (Some(text.to_owned()), Some(text.to_owned()));
        let expected = format!("the server failed (`{shown}`), request id `{shown}`");
        assert_eq!(error.to_string(), expected);
        error.error_type = error.code.clone();
        error.param = error.code.clone();
        assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
        let finish_reason = FinishReason::from(text);
        let debug =
            format!("{finish_reason:?} {:?}", Reply::new(message()).with_finish_reason(text));
        assert!(!debug.contains(SECRET), "{debug}");
        let empty = ModelError::EmptyAnswer { finish_reason: Some(finish_reason.clone()) };
        assert!(empty.to_string().ends_with(&format!("(it ended with `{shown}`)")), "{empty}");
        let partial = PartialReply::default();
        let cut = ModelError::Incomplete { finish_reason, partial };
        assert!(cut.to_string().ends_with(&format!("({shown})")), "{cut}");
    }
    assert_eq!(FinishReason::from("incomplete: new_reason").to_string(), "incomplete: new_reason");
    assert_eq!(FinishReason::from("incomplete: my words").to_string(), "incomplete: <8 bytes>");
}

/// The arguments and results of lists and searches.
#[test]
fn debug_withholds_what_is_listed_and_found() {
    let metadata = vars! { "a" => SECRET };
    let document = Document::new(SECRET, SECRET).with_metadata(metadata.clone());
    let mut info = SessionInfo::new(SessionId::new("s").unwrap(), UNIX_EPOCH);
    info.title = Some(SECRET.to_owned());
    info.labels.insert("user".to_owned(), "ada".to_owned());
    let untitled = SessionInfo::new(info.session.clone(), UNIX_EPOCH);
    let filter = SessionFilter::new().with_text(SECRET).with_label("user", "ada");
    let shown = [
        format!("{document:?}"),
        format!("{:?}", Match::new(document, 0.5)),
        format!("{info:?}"),
        format!("{:?}", SessionPage::of(vec![info, untitled], 9)),
        format!("{filter:?}"),
        format!("{:?}", LoadContext::new(&metadata).with_input(SECRET)),
    ];
    for text in &shown {
        assert!(!text.contains(SECRET), "{text}");
        assert!(text.contains("<12 bytes>"), "{text}");
    }
    assert!(shown[2].contains("ada") && shown[4].contains("ada"), "labels are shown");
}

#[test]
fn debug_withholds_text() {
    let invalid: InvalidToolCall =
        serde_json::from_value(json!({"name": "f", "args": SECRET, "error": SECRET, "x": SECRET}))
            .unwrap();
    let mut delta = ToolCallDelta::new(0);
    delta.arguments = SECRET.into();
    let messages = Messages::from(vec![
        Message::human(vec![
            Part::text(SECRET),
            Part::image_url(SECRET),
            serde_json::from_value(json!(SECRET)).unwrap(),
        ]),
        message().with_invalid_tool_calls([invalid.clone()]),
    ]);
    let prompt = PromptValue::from(messages.clone());
    let reply = Reply::new(message());
    let variables = vars! { "a" => SECRET, "b" => messages.clone(), "c" => json!({"x": SECRET}) };
    let mut api = ApiError::new(StatusKind::BadRequest);
    api.message = SECRET.into();
    api.body = SECRET.into();
    let status = ModelError::Status { status: 400, error: Box::new(api) };
    let decode = ModelError::from(DecodeError::new("at byte 3").with_body(SECRET));
    let truncated = ModelError::truncated(PartialReply::new(SECRET));
    let parse = ParseError::without_source(SECRET, "no number");
    let shown = [
        format!("{:?}", Message::human(SECRET)),
        format!("{messages:?}"),
        format!("{invalid:?}"),
        format!("{delta:?}"),
        format!("{:?}", Value::from(SECRET)),
        format!("{variables:?}"),
        format!("{prompt:?}"),
        format!("{:?}", PromptValue::from(SECRET)),
        format!("{:?}", ChatRequest::new(messages.clone())),
        format!("{:?}", CompletionRequest::new(SECRET)),
        format!("{reply:?}"),
        format!("{:?}", Delta::Text(SECRET.into())),
        format!("{:?}", Delta::Reasoning(SECRET.into())),
        format!("{:?}", Delta::Refusal(SECRET.into())),
        format!("{:?}", Delta::from(reply.clone())),
        format!("{:?}", ReplyStream::whole(reply.clone())),
        format!("{:?}", Turn::exchange(SECRET, SECRET).with_id(TurnId::from_u128(7))),
        format!("{:?}", Slice::new(messages, Version::default())),
        format!("{:?}", Note::new(SECRET, Version::default())),
        format!("{:?}", Loaded::new(variables.clone())),
        format!("{:?}", Ticket::new(Version::default()).with_state(SECRET)),
        format!("{:?}", Withheld::from(SECRET)),
        format!("{:?}", Event::prompt_formatted(&prompt)),
        format!("{:?}", Event::model_answered(&reply)),
        format!("{:?}", Event::chain_started("c", &variables)),
        format!("{status:?} {status}"),
        format!("{decode:?} {decode}"),
        format!("{truncated:?} {truncated}"),
        format!("{parse:?} {parse}"),
        format!("{:?}", ModelError::Refused { text: SECRET.into() }),
    ];
    for text in &shown {
        assert!(!text.contains(SECRET), "{text}");
    }
    insta::assert_snapshot!(shown.join("\n"));
}

/// A model can write any text as the name of a tool.
#[test]
fn debug_withholds_what_is_no_name_of_a_tool() {
    let call = ToolCall::new(SECRET, json!({})).with_id(SECRET);
    let invalid: InvalidToolCall =
        serde_json::from_value(json!({"name": SECRET, "args": "", "id": SECRET})).unwrap();
    let mut delta = ToolCallDelta::new(0);
    delta.name = Some(SECRET.to_owned());
    delta.id = Some(SECRET.to_owned());
    for shown in [
        format!("{call:?}"),
        format!("{:?}", Message::ai("").with_tool_calls([call.clone()])),
        format!("{:?}", Event::tool_started(0, &call)),
        format!("{invalid:?}"),
        format!("{delta:?}"),
    ] {
        assert!(!shown.contains(SECRET), "{shown}");
        assert!(shown.contains("<12 bytes>"), "{shown}");
    }
    let long = "x".repeat(129);
    assert!(!format!("{:?}", ToolCall::new(long.as_str(), json!({}))).contains(&long));
    let named = ToolCall::new("weather.now", json!({})).with_id("call_1");
    let shown = format!("{named:?}");
    assert!(shown.contains("weather.now") && shown.contains("call_1"), "{shown}");
}

/// The holder of a lease can release it, so it is a secret.
#[test]
fn debug_withholds_the_holder_of_a_lease() {
    let holder = LeaseHolder::from_bytes(*b"my own words now");
    let lease = Lease::new(SessionId::new("s").unwrap(), holder);
    let shown = format!("{lease:?} {holder:?}");
    let holder = "LeaseHolder { .. }";
    let session = format!("Lease {{ session: SessionId(\"s\"), holder: {holder} }}");
    assert_eq!(shown, format!("{session} {holder}"));
    assert_ne!(LeaseHolder::in_process(), LeaseHolder::in_process());
}

/// A stored message that can't be read is not quoted in what is said of it.
#[test]
fn an_unreadable_message_is_not_quoted() {
    for data in [
        json!({"content": {"text": SECRET}}),
        json!({"content": [[SECRET]]}),
        json!({"content": "x", "tool_calls": SECRET}),
        json!({"content": "x", "tool_calls": [{"name": {"x": SECRET}, "args": {}}]}),
        json!({"content": "x", "invalid_tool_calls": [SECRET]}),
        json!({"content": "x", "id": [SECRET]}),
    ] {
        let stored = json!({"type": "ai", "data": data});
        let error = Message::from_stored(stored).unwrap_err();
        assert!(!format!("{error:?} {error}").contains(SECRET), "{error}");
    }
}

#[test]
fn withheld_text_can_be_read_in_code() {
    let text = Withheld::from(SECRET.to_owned());
    assert_eq!((text.as_str(), text.len()), (SECRET, 12));
    assert_eq!(text.into_string(), SECRET);
}
