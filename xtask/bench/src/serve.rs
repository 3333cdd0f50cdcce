//! The server that every system talks to, in a process of its own: it answers always the same, as fast as it can.

use std::{
    convert::Infallible,
    io::{self, BufRead, BufReader, Write},
    net::Ipv4Addr,
    pin::Pin,
    process::{Child, Command, Stdio},
};

use bytes::Bytes;
use futures_util::{Stream, stream};
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::{
    Request, Response,
    body::{Frame, Incoming},
    header::CONTENT_TYPE,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use memchr::memmem;
use tokio::{net::TcpListener, runtime::Builder, task::LocalSet};

const CHAT: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"gpt-4o-mini","choices":[{"index":0,"message":{"role":"assistant","content":"This is the fixed reply of the mock server, about one hundred bytes long, to keep the parse cost small.","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30}}"#;
const COMPLETION: &str = r#"{"id":"cmpl-1","object":"text_completion","created":1700000000,"model":"gpt-3.5-turbo-instruct","choices":[{"text":"This is the fixed reply of the mock server, about one hundred bytes long, to keep the parse cost small.","index":0,"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30}}"#;
const LAST: &str = "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";
/// How many pieces of text a stream has.
const CHUNKS: usize = 1_000;
/// How much of a body's start and end may tell that it asks for a stream.
const ENDS: usize = 512;

type Chunks = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>>>>;
type Body = Either<Full<Bytes>, StreamBody<Chunks>>;

/// The server's process, which ends with this.
pub(crate) struct Server {
    child: Child,
    /// The address to configure a client with.
    pub(crate) base_url: String,
}

impl Server {
    /// Starts this program once more, as the server.
    pub(crate) fn start() -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.arg("serve").stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        Ok(Self { child, base_url: line.trim().to_owned() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already, perhaps.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves on a free port, whose address it writes to standard output, until the process is ended.
pub(crate) fn serve() -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("http://{}/v1", listener.local_addr()?);
        io::stdout().flush()?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::task::spawn_local(async move {
                // A client that goes away is no failure.
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service_fn(answer))
                    .await;
            });
        }
    })
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
    let is_chat = request.uri().path().ends_with("/chat/completions");
    if !asks_for_stream(request.into_body()).await? {
        let body = if is_chat { CHAT } else { COMPLETION };
        return Ok(respond("application/json", Either::Left(Full::from(body))));
    }
    let texts = (0..CHUNKS).map(chunk).chain([Bytes::from(LAST), Bytes::from(DONE)]);
    let chunks: Chunks = Box::pin(stream::iter(texts.map(|text| Ok(Frame::data(text)))));
    Ok(respond("text/event-stream", Either::Right(StreamBody::new(chunks))))
}

fn respond(content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, content_type.try_into().expect("it is a value"));
    response
}

/// Reads a body to its end. The field is near one of its ends, whoever wrote it.
async fn asks_for_stream(mut body: Incoming) -> Result<bool, hyper::Error> {
    let says_so = |bytes: &[u8]| {
        memmem::find(bytes, b"\"stream\":true").is_some()
            || memmem::find(bytes, b"\"stream\": true").is_some()
    };
    let (mut is_first, mut streamed, mut end) = (true, false, Vec::new());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if std::mem::take(&mut is_first) {
            streamed = says_so(&data[..data.len().min(ENDS)]);
        }
        end.extend_from_slice(&data[data.len().saturating_sub(ENDS)..]);
        end.drain(..end.len().saturating_sub(ENDS));
    }
    Ok(streamed || says_so(&end))
}

fn chunk(index: usize) -> Bytes {
    let role = if index == 0 { "\"role\":\"assistant\"," } else { "" };
    format!(
        "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"gpt-4o-mini\",\
         \"system_fingerprint\":\"fp_1\",\"choices\":[{{\"index\":0,\"delta\":{{{role}\"content\":\" tok{index}\"}},\
         \"logprobs\":null,\"finish_reason\":null}}]}}\n\n"
    )
    .into()
}
