//! The server of every system, in another process. Its answers are constant, and as fast as
//! possible.

use std::{
    cell::RefCell,
    convert::Infallible,
    io::{self, BufRead, BufReader, Write},
    net::Ipv4Addr,
    pin::Pin,
    process::{Child, Command, Stdio},
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
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
use tokio::{net::TcpListener, task::LocalSet};

use crate::workload::{PACED_MODEL, runtime};

const CHAT: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"gpt-5.4-mini","choices":[{"index":0,"message":{"role":"assistant","content":"This is the fixed reply of the mock server, about one hundred bytes long, to keep the parse cost small.","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30}}"#;
const COMPLETION: &str = r#"{"id":"cmpl-1","object":"text_completion","created":1700000000,"model":"gpt-oss-20b","choices":[{"text":"This is the fixed reply of the mock server, about one hundred bytes long, to keep the parse cost small.","index":0,"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30}}"#;
const LAST: &str = "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"gpt-5.4-mini\",\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";
/// The text of the answers.
pub(crate) const REPLY: &str = "This is the fixed reply of the mock server, about one hundred bytes long, to keep the parse cost small.";
/// The path of the last body.
const KEPT: &str = "/kept";
/// The number of pieces of a stream.
const CHUNKS: usize = 1_000;
/// The number of pieces of a stream with pauses.
const PACED_CHUNKS: usize = 50;
/// The pause before each of its chunks but the first. The timer makes two milliseconds of it.
const PAUSE: Duration = Duration::from_millis(1);
/// The number of bytes at a body's start and end that are searched for its settings.
const ENDS: usize = 512;

type Chunks = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>>>>;
type Body = Either<Full<Bytes>, StreamBody<Chunks>>;

/// The last body.
type Kept = Rc<RefCell<Bytes>>;

/// The server's process, which ends with this.
pub(crate) struct Server {
    child: Child,
    /// The address to configure a client with.
    pub(crate) base_url: String,
}

impl Server {
    /// Starts this program once more, as the server.
    pub(crate) fn start() -> io::Result<Self> {
        Self::with(&["serve"])
    }

    /// Starts one that can tell what it was sent last.
    pub(crate) fn that_keeps() -> io::Result<Self> {
        Self::with(&["serve", "--keep"])
    }

    /// Returns the process's number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the last body.
    pub(crate) async fn kept(&self) -> reqwest::Result<Bytes> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        client.get(format!("{}{KEPT}", self.base_url)).send().await?.bytes().await
    }

    fn with(arguments: &[&str]) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.args(arguments).stdout(Stdio::piped()).spawn()?;
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

/// Serves on a free port, whose address it writes to standard output, until the process ends. Keeps
/// the last body if `keep` is set.
pub(crate) fn serve(keep: bool) -> io::Result<()> {
    let kept = keep.then(|| Rc::new(RefCell::new(Bytes::new())));
    let runtime = runtime()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("http://{}/v1", listener.local_addr()?);
        io::stdout().flush()?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let kept = kept.clone();
            tokio::task::spawn_local(async move {
                // A client may close its connection.
                let _ = http1::Builder::new()
                    .serve_connection(
                        TokioIo::new(stream),
                        service_fn(move |request| answer(request, kept.clone())),
                    )
                    .await;
            });
        }
    })
}

async fn answer(
    request: Request<Incoming>,
    kept: Option<Kept>,
) -> Result<Response<Body>, hyper::Error> {
    let is_chat = request.uri().path().ends_with("/chat/completions");
    let asked = match kept {
        Some(kept) if request.uri().path().ends_with(KEPT) => {
            let body = kept.borrow().clone();
            return Ok(respond("application/json", Either::Left(Full::from(body))));
        }
        Some(kept) => {
            let body = request.into_body().collect().await?.to_bytes();
            let asked = Asked::of(&body);
            kept.replace(body);
            asked
        }
        None => Asked::read(request.into_body()).await?,
    };
    if !asked.stream {
        let body = if is_chat { CHAT } else { COMPLETION };
        return Ok(respond("application/json", Either::Left(Full::from(body))));
    }
    let (chunks, pause) =
        if asked.paced { (PACED_CHUNKS, PAUSE) } else { (CHUNKS, Duration::ZERO) };
    let texts = (0..chunks).map(chunk).chain([Bytes::from(LAST), Bytes::from(DONE)]);
    let frames = stream::iter(texts.enumerate()).then(move |(index, text)| async move {
        if index > 0 && !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Ok(Frame::data(text))
    });
    let frames: Chunks = Box::pin(frames);
    Ok(respond("text/event-stream", Either::Right(StreamBody::new(frames))))
}

fn respond(content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, content_type.try_into().expect("it is a value"));
    response
}

/// The kind of answer that a body asks for.
#[derive(Clone, Copy, Default)]
struct Asked {
    stream: bool,
    paced: bool,
}

impl Asked {
    /// Reads a body to its end. Its fields are near one of its ends, for every client.
    async fn read(mut body: Incoming) -> Result<Self, hyper::Error> {
        let (mut first, mut end) = (None, Vec::new());
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            first.get_or_insert_with(|| Self::of(&data[..data.len().min(ENDS)]));
            end.extend_from_slice(&data[data.len().saturating_sub(ENDS)..]);
            end.drain(..end.len().saturating_sub(ENDS));
        }
        let (first, last) = (first.unwrap_or_default(), Self::of(&end));
        Ok(Self { stream: first.stream || last.stream, paced: first.paced || last.paced })
    }

    fn of(bytes: &[u8]) -> Self {
        let says = |text: &str| memmem::find(bytes, text.as_bytes()).is_some();
        let stream = says("\"stream\":true") || says("\"stream\": true");
        Self { stream, paced: says(PACED_MODEL) }
    }
}

fn chunk(index: usize) -> Bytes {
    let role = if index == 0 { "\"role\":\"assistant\"," } else { "" };
    format!(
        "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"gpt-5.4-mini\",\
         \"system_fingerprint\":\"fp_1\",\"choices\":[{{\"index\":0,\"delta\":{{{role}\"content\":\" tok{index}\"}},\
         \"logprobs\":null,\"finish_reason\":null}}]}}\n\n"
    )
    .into()
}
