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

    fn zip(text: impl AsRef<[u8]>) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text.as_ref()).unwrap();
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

    /// Compresses texts as a gateway does that sends each as it comes, and the end.
    fn zip_each(texts: &[&str]) -> Vec<Vec<u8>> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        let mut chunks = Vec::new();
        for text in texts {
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.flush().unwrap();
            chunks.push(std::mem::take(encoder.get_mut()));
        }
        chunks.push(encoder.finish().unwrap());
        chunks
    }

    /// The events of each interface, and their compressed forms.
    fn zipped_events() -> [(bool, Vec<Vec<u8>>); 2] {
        [(false, CHAT_EVENTS), (true, RESPONSE_EVENTS)].map(|(responses, events)| {
            (responses, zip_each(&events.split_inclusive("\n\n").collect::<Vec<_>>()))
        })
    }

    fn zipped_answer(chunks: impl IntoIterator<Item = Vec<u8>>) -> ServerAnswer {
        ServerAnswer::chunks(chunks).with_header("content-encoding", "gzip")
    }

    #[tokio::test]
    async fn a_stream_that_is_compressed_comes_in_pieces() {
        for (responses, chunks) in zipped_events() {
            let gate = conversant_testkit::Gate::new();
            let server = OpenAiServer::start([zipped_answer(chunks).held_after(1, &gate)]).unwrap();
            let request = ChatRequest::new(Message::human("hi"));
            let mut stream = model(&server, responses).stream(&request).await.unwrap();
            assert_eq!(stream.next().await.unwrap().unwrap(), Delta::Text("hö".into()));
            gate.open();
            assert_eq!(stream.into_reply().await.unwrap().text(), "höy");
        }
    }

    /// The pieces that have come stay, and are not paid for again.
    #[tokio::test]
    async fn a_stream_that_is_compressed_and_cut_off_keeps_its_pieces() {
        for (responses, mut chunks) in zipped_events() {
            chunks.truncate(1);
            let answer = zipped_answer(chunks);
            let server = OpenAiServer::start([answer.clone(), answer]).unwrap();
            let request = ChatRequest::new(Message::human("hi"));
            let mut stream = model(&server, responses).stream(&request).await.unwrap();
            assert_eq!(stream.next().await.unwrap().unwrap(), Delta::Text("hö".into()));
            let error = stream.next().await.unwrap().unwrap_err();
            let ModelError::StreamTruncated { partial, .. } = &error else { panic!("{error:?}") };
            assert_eq!(partial.text, "hö".into());
            assert_eq!(server.requests().len(), 1);
        }
    }

    /// The end of the answer ends it, though neither the connection nor the compression does.
    #[tokio::test]
    async fn a_stream_that_is_compressed_ends_with_its_answer() {
        for (responses, chunks) in zipped_events() {
            let gate = conversant_testkit::Gate::new();
            let answer = zipped_answer(chunks).held_after(3, &gate);
            assert_eq!(ask(responses, true, answer).await.unwrap().text(), "höy");
            gate.open();
        }
    }

    /// A few bytes may become very many.
    #[tokio::test]
    async fn a_stream_that_is_compressed_is_bounded_by_what_it_becomes() {
        let comments = ": nothing\n\n".repeat(100_000);
        for (before, is_whole) in [("", false), (CHAT_EVENTS, true)] {
            let answer = zipped_answer([zip(format!("{before}{comments}{CHAT_EVENTS}"))]);
            let server = OpenAiServer::start([answer]).unwrap();
            let model = OpenAiChat::builder("m").base_url(server.base_url());
            let model = model.max_response_bytes(1 << 20).build().unwrap();
            let read = read(&model, &ChatRequest::new(Message::human("hi"))).await;
            match read {
                Ok(reply) => assert!(is_whole && reply.text() == "höy"),
                Err(ModelError::BodyTooLarge { limit: 1_048_576, .. }) => assert!(!is_whole),
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    /// It is unpacked once, as a whole answer is.
    #[tokio::test]
    async fn a_stream_that_is_compressed_twice_is_not_read() {
        let answer = answer(true, zip(zip(CHAT_EVENTS)), &["gzip", "gzip"]);
        assert!(matches!(ask(false, true, answer).await, Err(ModelError::Decode(_))));
    }

    /// A header may have a name, a comment, other fields and a checksum.
    #[tokio::test]
    async fn a_body_with_a_long_header_is_read() {
        for (responses, streamed, body) in FORMS {
            let mut zipped = zip(body);
            let rest = zipped.split_off(10);
            // All flags but those that have no meaning.
            zipped[3] = 0b1_1111;
            zipped.extend(b"\x02\x00xyname\0comment\0\x12\x34");
            zipped.extend(rest);
            let chunks = zipped.into_iter().map(|byte| vec![byte]);
            let answer = match streamed {
                true => zipped_answer(chunks),
                false => answer(false, chunks.collect::<Vec<_>>().concat(), &["gzip"]),
            };
            assert_eq!(ask(responses, streamed, answer).await.unwrap().text(), "höy");
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
