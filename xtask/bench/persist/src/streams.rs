//! Many slow streams at once: the memory of each.

use std::{
    env,
    io::{self, BufRead as _, BufReader, Write as _},
    net::Ipv4Addr,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bench::{
    measure::resident,
    workload::{KEY, MODEL, QUESTION, runtime},
};
use bytes::{Bytes, BytesMut};
use clap::ValueEnum;
use conversant_core::{BoxError, ChatModel as _, ChatRequest, Delta, Message, Messages};
use conversant_models::OpenAiChat;
use http_body_util::{BodyExt as _, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};

use crate::measured::{Effort, Measured};

/// The streams that are open at once.
const STREAMS: usize = 1_000;
/// The pieces that each stream has received when the memory is read.
const PIECES: usize = 10;
/// The pause of the server between two pieces of a stream.
const PAUSE: Duration = Duration::from_millis(300);
/// The longest wait for the pieces.
const LIMIT: Duration = Duration::from_secs(60);

/// The program whose memory is measured.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Reader {
    /// The chat model of conversant.
    Conversant,
    /// hyper-util's client, and lines of JSON.
    Floor,
}

/// The resident memory of a stream, of 1,000 that are open.
pub(crate) fn memory(effort: Effort) -> Result<Vec<Measured>, BoxError> {
    let rounds = if effort == Effort::Quick { 1 } else { 3 };
    let server = Server::start()?;
    let of = |reader| {
        let server = &server;
        move || measure_reader(reader, &server.base_url)
    };
    let (ours, floor) = (of(Reader::Conversant), of(Reader::Floor));
    Ok(vec![Measured::in_turns(STREAMS, "bytes", rounds, ours, floor)?])
}

fn measure_reader(reader: Reader, base_url: &str) -> Result<f64, BoxError> {
    let name = reader.to_possible_value().ok_or("a reader has no name")?.get_name().to_owned();
    let arguments = ["--read-streams", &name, "--base-url", base_url];
    let output = Command::new(env::current_exe()?).args(arguments).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// A server in another process, which ends with this.
struct Server {
    child: Child,
    base_url: String,
}

impl Server {
    fn start() -> Result<Self, BoxError> {
        let mut command = Command::new(env::current_exe()?);
        let mut child = command.arg("--serve-streams").stdout(Stdio::piped()).spawn()?;
        let mut base_url = String::new();
        let out = child.stdout.take().ok_or("the server writes nothing")?;
        BufReader::new(out).read_line(&mut base_url)?;
        Ok(Self { child, base_url: base_url.trim().to_owned() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn networked() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Sends a piece to each client from time to time, until the process ends. Writes its address to
/// standard output.
pub(crate) fn serve() -> Result<(), BoxError> {
    networked()?.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("http://{}/v1", listener.local_addr()?);
        io::stdout().flush()?;
        loop {
            let (stream, _) = listener.accept().await?;
            // A client may close its connection.
            tokio::spawn(async move { drop(send(stream).await) });
        }
    })
}

async fn send(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // The request is small, and needs no answer of its own.
    let mut request = [0; 4096];
    if stream.read(&mut request).await? == 0 {
        return Ok(());
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                transfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    for index in 0_usize.. {
        let event = format!(
            "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\
             \"created\":1700000000,\"model\":\"{MODEL}\",\"choices\":[{{\"index\":0,\
             \"delta\":{{\"content\":\" tok{index}\"}},\"finish_reason\":null}}]}}\n\n"
        );
        let chunk = format!("{:x}\r\n{event}\r\n", event.len());
        stream.write_all(chunk.as_bytes()).await?;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Reads the streams, and prints the resident bytes of each.
pub(crate) fn read(reader: Reader, base_url: &str) -> Result<(), BoxError> {
    let now = || resident().ok_or("the resident memory is not known on this system");
    // What a runtime and its first stream load is not counted.
    runtime()?.block_on(async {});
    networked()?.block_on(async {
        let reading = Reading { pieces: Arc::default(), base_url: base_url.to_owned() };
        let model = OpenAiChat::builder(MODEL).api_key(KEY).base_url(base_url).build()?;
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let mut before = 0;
        for opened in [1, STREAMS] {
            for _ in 0..opened {
                let reading = reading.clone();
                match reader {
                    Reader::Conversant => {
                        let model = model.clone();
                        tokio::spawn(async move { reading.by_conversant(model).await });
                    }
                    Reader::Floor => {
                        let client = client.clone();
                        tokio::spawn(async move { reading.by_hand(client).await });
                    }
                }
            }
            let expected = reading.pieces.load(Ordering::Relaxed) + opened * PIECES;
            let is_read = async {
                while reading.pieces.load(Ordering::Relaxed) < expected {
                    tokio::time::sleep(PAUSE / 10).await;
                }
            };
            tokio::time::timeout(LIMIT, is_read).await.map_err(|_| "the streams are late")?;
            if opened == 1 {
                before = now()?;
            }
        }
        println!("{}", now()?.saturating_sub(before) / STREAMS as u64);
        Ok(())
    })
}

/// Streams that are read until the process ends.
#[derive(Clone)]
struct Reading {
    /// The pieces that were received.
    pieces: Arc<AtomicUsize>,
    base_url: String,
}

#[derive(Deserialize)]
struct Chunk {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Content,
}

#[derive(Deserialize)]
struct Content {
    content: Option<String>,
}

impl Reading {
    async fn by_conversant(&self, model: OpenAiChat) -> Result<(), BoxError> {
        let messages = Messages::from_iter([Message::human(QUESTION)]);
        let mut stream = model.stream(&ChatRequest::new(messages)).await?;
        let mut text = String::new();
        while let Some(delta) = stream.next().await {
            if let Delta::Text(piece) = delta? {
                text.push_str(&piece);
                self.pieces.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    async fn by_hand(
        &self,
        client: Client<hyper_util::client::legacy::connect::HttpConnector, Full<Bytes>>,
    ) -> Result<(), BoxError> {
        let body = serde_json::json!({
            "model": MODEL, "stream": true, "messages": [{"role": "user", "content": QUESTION}],
        });
        let request = http::Request::post(format!("{}/chat/completions", self.base_url))
            .header("authorization", format!("Bearer {KEY}"))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(serde_json::to_vec(&body)?)))?;
        let mut body = client.request(request).await?.into_body();
        let (mut buffer, mut text) = (BytesMut::new(), String::new());
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            buffer.extend_from_slice(&data);
            drop(data);
            while let Some(end) = buffer.windows(2).position(|two| two == b"\n\n") {
                let event = buffer.split_to(end + 2);
                let data = event.strip_prefix(b"data: ").ok_or("not an event")?;
                let chunk: Chunk = serde_json::from_slice(data)?;
                let piece =
                    chunk.choices.into_iter().next().and_then(|choice| choice.delta.content);
                text.push_str(&piece.unwrap_or_default());
                self.pieces.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}
