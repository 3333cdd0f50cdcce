//! Bodies and streams whose `Content-Encoding` is not what they are, and those that are compressed
//! although nothing asked for it: they are read if they can be, and paid for once.

use conversant_core::{ChatModel, ChatRequest, Delta, Message, ModelError, Reply};
use conversant_models::{OpenAiChat, OpenAiResponses};
use conversant_testkit::{OpenAiServer, ServerAnswer};

const CHAT: &str = r#"{"choices":[{"message":{"content":"höy"},"finish_reason":"stop"}]}"#;
const RESPONSE: &str = r#"{"status":"completed","output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"höy"}]}]}"#;
const CHAT_EVENTS: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"hö\"}}]}\n\n\
    data: {\"choices\":[{\"delta\":{\"content\":\"y\"},\"finish_reason\":\"stop\"}]}\n\n\
    data: [DONE]\n\n";
const RESPONSE_EVENTS: &str = "data: {\"type\":\"response.output_text.delta\",\"delta\":\"hö\"}\n\n\
    data: {\"type\":\"response.output_text.delta\",\"delta\":\"y\"}\n\n\
    data: {\"type\":\"response.completed\",\"response\":{}}\n\n";

/// Each interface, whole and streamed, with an answer that says `höy`.
const FORMS: [(bool, bool, &str); 4] = [
    (false, false, CHAT),
    (true, false, RESPONSE),
    (false, true, CHAT_EVENTS),
    (true, true, RESPONSE_EVENTS),
];

/// A model that would ask again.
fn model(server: &OpenAiServer, responses: bool) -> Box<dyn ChatModel> {
    let url = server.base_url();
    match responses {
        true => Box::new(OpenAiResponses::builder("m").base_url(url).build().unwrap()),
        false => Box::new(OpenAiChat::builder("m").base_url(url).build().unwrap()),
    }
}

fn answer(streamed: bool, body: impl Into<Vec<u8>>, encodings: &[&str]) -> ServerAnswer {
    let content_type = if streamed { "text/event-stream" } else { "application/json" };
    let answer = ServerAnswer::status(200).with_body(content_type, body.into());
    encodings.iter().fold(answer, |answer, it| answer.with_header("content-encoding", *it))
}

/// Asks a server that is asked once.
async fn ask(responses: bool, streamed: bool, answer: ServerAnswer) -> Result<Reply, ModelError> {
    let server = OpenAiServer::start([answer.clone(), answer.clone(), answer]).unwrap();
    let model = model(&server, responses);
    let request = ChatRequest::new(Message::human("hi"));
    let result = match streamed {
        false => model.generate(&request).await,
        true => read(&*model, &request).await,
    };
    assert_eq!(server.requests().len(), 1, "{result:?}");
    result
}

/// Reads a stream, whose pieces have to say what the answer says.
async fn read(model: &dyn ChatModel, request: &ChatRequest) -> Result<Reply, ModelError> {
    let mut stream = model.stream(request).await?;
    let mut text = String::new();
    while let Some(delta) = stream.next().await {
        match delta? {
            Delta::Text(piece) => text.push_str(&piece),
            Delta::Done(reply) => {
                assert_eq!(reply.text(), text);
                return Ok(*reply);
            }
            _ => {}
        }
    }
    panic!("the stream has no end")
}

/// Gateways that unpacked a body leave the header, and others write a word into it so that nothing
/// compresses their streams.
#[tokio::test]
async fn a_body_that_is_not_compressed_is_read_whatever_its_header_says() {
    let headers: [&[&str]; 14] = [
        &["gzip"],
        &["x-gzip"],
        &["GZIP"],
        &["none"],
        &["utf-8"],
        &["null"],
        &["chunked"],
        &["identity, identity"],
        &["Identity"],
        &["br"],
        &["deflate"],
        &["zstd, gzip"],
        &[""],
        &["identity", "gzip"],
    ];
    for headers in headers {
        for (responses, streamed, body) in FORMS {
            let reply = ask(responses, streamed, answer(streamed, body, headers)).await;
            assert_eq!(reply.unwrap().text(), "höy", "{headers:?} {body}");
        }
    }
    // In place of a stream, and of an answer.
    for (streamed, body) in [(true, CHAT), (false, CHAT_EVENTS)] {
        let reply = ask(false, streamed, answer(!streamed, body, &["none"])).await;
        assert_eq!(reply.unwrap().text(), "höy");
    }
}

/// A stream is not held up until its end.
#[tokio::test]
async fn a_stream_that_is_not_compressed_comes_in_pieces() {
    let gate = conversant_testkit::Gate::new();
    let answer = ServerAnswer::chunks([CHAT_EVENTS.split_at(50).0, CHAT_EVENTS.split_at(50).1])
        .with_header("content-encoding", "gzip")
        .held_after(1, &gate);
    let server = OpenAiServer::start([answer]).unwrap();
    let request = ChatRequest::new(Message::human("hi"));
    let mut stream = model(&server, false).stream(&request).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), Delta::Text("hö".into()));
    gate.open();
    assert_eq!(stream.into_reply().await.unwrap().text(), "höy");
}

#[tokio::test]
async fn a_body_that_cannot_be_unpacked_is_asked_for_once() {
    let brotli = b"\x0b\x02\x80hey\x03";
    for (responses, streamed, _) in FORMS {
        for headers in [&["br"][..], &["none"], &["zstd"]] {
            let error =
                ask(responses, streamed, answer(streamed, brotli, headers)).await.unwrap_err();
            let text = error.to_string();
            assert!(text.contains("compressed, which was not asked for"), "{text}");
            assert!(!error.is_retryable());
        }
    }
}

#[cfg(feature = "gzip")]
mod gzip {
    use std::io::Write;

    use super::*;

    fn zip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn a_body_that_is_compressed_is_read() {
        for (responses, streamed, body) in FORMS {
            let (start, end) = body.split_at(20);
            for zipped in [
                zip(body),
                [zip(start), zip(end)].concat(),
                [zip(body), zip("")].concat(),
                // Padding, which gzip and Python skip, and other bytes, which browsers ignore.
                [&*zip(body), &[0; 600]].concat(),
                [&*zip(body), b"\r\n"].concat(),
                [&*zip(start), &[0; 3], &*zip(end), &[0, 1]].concat(),
            ] {
                for headers in
                    [&["gzip"][..], &["x-gzip"], &["Gzip"], &["gzip", "gzip"], &[], &["none"]]
                {
                    let reply =
                        ask(responses, streamed, answer(streamed, zipped.clone(), headers)).await;
                    assert_eq!(reply.unwrap().text(), "höy", "{headers:?} {body}");
                }
            }
        }
    }

    /// The two bytes that show it come one by one.
    #[tokio::test]
    async fn a_stream_that_is_compressed_may_come_byte_by_byte() {
        let bytes = zip(CHAT_EVENTS).into_iter().map(|byte| vec![byte]);
        let answer = ServerAnswer::chunks(bytes).with_header("content-encoding", "gzip");
        assert_eq!(ask(false, true, answer).await.unwrap().text(), "höy");
    }

    #[tokio::test]
    async fn a_body_that_is_damaged_is_asked_for_once() {
        for (responses, streamed, body) in FORMS {
            let mut checksum = zip(body);
            let end = checksum.len();
            checksum[end - 6] ^= 1;
            let mut data = zip(body);
            data[12] ^= 0xff;
            for damaged in [checksum, data] {
                let answer = answer(streamed, damaged, &["gzip"]);
                let error = ask(responses, streamed, answer).await.unwrap_err();
                assert!(matches!(&error, ModelError::Decode(_)), "{error:?}");
                assert!(error.to_string().contains("compressed by gzip, and damaged"), "{error}");
            }
        }
    }
}
