//! A long run of calls over HTTP: file descriptors, threads and memory must not grow.
//!
//! Chains with a window memory call a loopback server of this process. Some calls are cancelled at
//! varying points. After a warm-up, the process may grow by less than fixed limits.

use std::{
    error::Error,
    fs,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use clap::Args;
use conversant_chains::{Conversations, LlmChain};
use conversant_core::{LanguageModel, SessionId, vars};
use conversant_memory::{InMemoryHistory, WindowMemory};
use conversant_models::OpenAiChat;
use conversant_prompts::PromptTemplate;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::verdict::Verdict;

/// The number of sessions. Each is cleared after [`TURNS_PER_SESSION`] turns.
const SESSIONS: u64 = 1_000;
/// The number of turns after which a session is cleared, so that the store does not grow.
const TURNS_PER_SESSION: u64 = 20;
/// The file descriptors that may be added, for connections of the pool.
const DESCRIPTORS_LIMIT: u64 = 4;
/// The memory that may be added, in KiB, for fragmentation.
const MEMORY_LIMIT: u64 = 24 * 1024;
/// The time until connections of cancelled calls are closed.
const SETTLE_LIMIT: Duration = Duration::from_secs(10);

/// Options of `cargo xtask soak`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The number of turns.
    #[arg(long, default_value_t = 1_000_000)]
    turns: u64,
    /// The number of calls that are cancelled.
    #[arg(long, default_value_t = 10_000)]
    cancels: u64,
}

/// The size of this process.
#[derive(Debug, Clone, Copy)]
struct Usage {
    descriptors: u64,
    threads: u64,
    /// In KiB.
    memory: u64,
}

/// Runs the turns and the cancelled calls. Returns whether the process stayed within the limits.
pub(crate) fn run(options: &Options) -> Verdict {
    if !cfg!(target_os = "linux") {
        println!("soak: skipped, as it reads `/proc`");
        return Ok(true);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(soak(options))
}

async fn soak(options: &Options) -> Verdict {
    let address = start_server().await?;
    let model = OpenAiChat::builder("soak")
        .base_url(format!("http://{address}/v1"))
        .api_key("sk-soak")
        .max_retries(0)
        .build()?;
    let history = InMemoryHistory::new();
    let definition = LlmChain::builder()
        .prompt(PromptTemplate::from_template("{history}\nHuman: {human_input}\nAI:")?)
        .model(LanguageModel::chat(model));
    let conversations = Conversations::new(move |session| {
        let memory = WindowMemory::new().with_history(history.clone(), session.clone());
        definition.clone().memory(memory).build()
    })?;

    let start = Instant::now();
    let warm_up = (options.turns / 10).max(SESSIONS * TURNS_PER_SESSION).min(options.turns);
    take_turns(&conversations, 0..warm_up).await?;
    cancel(&conversations, options.cancels / 10).await?;
    let before = Usage::read()?;
    println!("after {warm_up} turns: {before:?}");
    take_turns(&conversations, warm_up..options.turns).await?;
    let middle = Usage::read()?;
    println!("after {} turns: {middle:?}", options.turns);
    cancel(&conversations, options.cancels).await?;
    let settled_by = Instant::now() + SETTLE_LIMIT;
    let mut after = Usage::read()?;
    while after.exceeds(before).is_some() && Instant::now() < settled_by {
        tokio::time::sleep(Duration::from_millis(50)).await;
        after = Usage::read()?;
    }
    println!("after {} cancelled calls: {after:?}", options.cancels);
    // The sessions still answer.
    take_turns(&conversations, 0..SESSIONS).await?;
    println!("soak: {:.1} s", start.elapsed().as_secs_f64());
    let faults = [middle.exceeds(before), after.exceeds(before)];
    faults.iter().flatten().for_each(|fault| println!("soak: {fault} grew"));
    Ok(faults.iter().all(Option::is_none))
}

async fn take_turns(
    conversations: &Conversations,
    turns: std::ops::Range<u64>,
) -> Result<(), Box<dyn Error>> {
    for turn in turns {
        let chain = conversations.chain(&session(turn)?)?;
        chain.predict(vars! { "human_input" => format!("question {turn}") }).await?;
        if (turn / SESSIONS) % TURNS_PER_SESSION == TURNS_PER_SESSION - 1
            && let Some(memory) = chain.memory()
        {
            memory.clear().await?;
        }
    }
    Ok(())
}

/// Drops calls after times from none to longer than a call takes.
async fn cancel(conversations: &Conversations, count: u64) -> Result<(), Box<dyn Error>> {
    for number in 0..count {
        let chain = conversations.chain(&session(number)?)?;
        let call = chain.predict(vars! { "human_input" => "a question" });
        let time = Duration::from_micros(number % 500);
        // Whether the call ends in time or not, both are fine.
        if let Ok(answered) = tokio::time::timeout(time, call).await {
            answered?;
        }
    }
    for number in 0..SESSIONS {
        if let Some(memory) = conversations.chain(&session(number)?)?.memory() {
            memory.clear().await?;
        }
    }
    Ok(())
}

fn session(number: u64) -> Result<SessionId, Box<dyn Error>> {
    Ok(SessionId::new(format!("session-{}", number % SESSIONS))?)
}

impl Usage {
    fn read() -> Result<Self, Box<dyn Error>> {
        let status = fs::read_to_string("/proc/self/status")?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next());
            number.and_then(|number| number.parse().ok()).ok_or(format!("no `{name}` in `/proc`"))
        };
        Ok(Self {
            descriptors: fs::read_dir("/proc/self/fd")?.count() as u64,
            threads: field("Threads:")?,
            memory: field("VmRSS:")?,
        })
    }

    /// Returns the name of a quantity that has grown beyond its limit.
    fn exceeds(self, before: Self) -> Option<&'static str> {
        if self.descriptors > before.descriptors + DESCRIPTORS_LIMIT {
            Some("the number of file descriptors")
        } else if self.threads > before.threads {
            Some("the number of threads")
        } else if self.memory > before.memory + MEMORY_LIMIT {
            Some("memory")
        } else {
            None
        }
    }
}

/// Starts a server that answers every request with the same chat completion, and keeps no record.
async fn start_server() -> Result<SocketAddr, Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                // The client closes the connection of a cancelled call.
                let _ = serve(stream).await;
            });
        }
    });
    Ok(address)
}

async fn serve(mut stream: TcpStream) -> Result<(), Box<dyn Error + Send + Sync>> {
    const BODY: &str = r#"{"id":"1","object":"chat.completion","created":0,"model":"soak","choices":[{"index":0,"message":{"role":"assistant","content":"An answer."},"finish_reason":"stop"}]}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    loop {
        let head_end = loop {
            let end = buffer.windows(4).position(|window| window == b"\r\n\r\n");
            if let Some(end) = end {
                break end + 4;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(buffer.get(..head_end).unwrap_or_default());
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
        });
        let end = head_end + length.transpose()?.unwrap_or(0);
        while buffer.len() < end {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        buffer.drain(..end);
        stream.write_all(answer.as_bytes()).await?;
    }
}
