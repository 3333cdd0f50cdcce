//! The program itself.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    task::JoinHandle,
    time::timeout,
};

use crate::client::{Events, ask, request};

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_web-chat"));
    command.args(arguments).env_remove("OPENAI_API_KEY").env_remove("OPENAI_BASE_URL");
    command.env_remove("OPENAI_MODEL").stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Starts the program, and returns it with its address.
pub(crate) async fn start(arguments: &[&str]) -> (Child, String) {
    let (child, address, _) = start_with_log(arguments).await;
    (child, address)
}

/// Starts the program, and returns it with its address, and what it writes after that.
async fn start_with_log(arguments: &[&str]) -> (Child, String, JoinHandle<String>) {
    let always = ["--no-open", "--listen", "127.0.0.1:0"];
    let mut child = program(&[&always[..], arguments].concat()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let url = loop {
        let line = lines.next_line().await.unwrap().expect("the program says its address");
        if let Some((_, url)) = line.split_once("http://") {
            break url.split('/').next().unwrap().to_owned();
        }
    };
    let log = tokio::spawn(async move {
        let mut log = String::new();
        while let Ok(Some(line)) = lines.next_line().await {
            log.push_str(&line);
        }
        log
    });
    (child, url, log)
}

pub(crate) async fn what_cannot_be_used_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let db = folder.path().join("chat.db");
    let db = db.to_str().unwrap();
    let text = folder.path().join("notes.txt");
    std::fs::write(
        &text,
        "notes, and not a database, for longer than a header has bytes\n".repeat(9),
    )
    .unwrap();
    let free = ["--listen", "127.0.0.1:0", "--no-open"];
    let cases: [(&[&str], i32, &str); 5] = [
        (&["--listen", "0.0.0.0:0"], 2, "not an address of this machine"),
        (&["--listen", "everywhere"], 2, "not an address"),
        (&["--listen", &taken, "--db", db], 1, "use --listen with another port"),
        (&["--db", text.to_str().unwrap()], 1, "--db FILE"),
        (&["--db", db, "--model-file", "/no/such.gguf"], 1, "`/no/such.gguf`"),
    ];
    for (arguments, code, words) in cases {
        let arguments = match arguments.contains(&"--listen") {
            true => arguments.to_vec(),
            false => [&free[..], arguments].concat(),
        };
        let ended = program(&arguments).output().await.unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}

/// A server may quote the prompt: the page shows its words, and the log of a service does not.
#[cfg(unix)]
pub(crate) async fn the_log_has_no_words_of_a_server() {
    use conversant_testkit::{OpenAiServer, ServerAnswer};
    let refused = ServerAnswer::error(400, "invalid", "Invalid value: 'my diagnosis'");
    let model = OpenAiServer::builder().reply(refused).start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("chat.db");
    let base_url = model.base_url();
    let arguments = ["--base-url", &base_url, "--model", "m", "--db", db.to_str().unwrap()];
    let (mut child, address, log) = start_with_log(&arguments).await;
    let address = address.parse().unwrap();
    let mut events = Events::open(address, "s", None).await;
    assert_eq!(ask(address, "s", "019ab000-0000-7000-8000-000000000001", "Hi").await, 202);
    let (_, failed) = events.until("failed").await;
    assert!(failed.data["error"].as_str().unwrap().contains("my diagnosis"), "{failed:?}");
    child.kill().await.unwrap();
    let log = log.await.unwrap();
    assert!(log.contains("status 400") && !log.contains("diagnosis"), "{log}");
}

/// The program ends at Ctrl-C, and the part of an answer is kept.
#[cfg(unix)]
pub(crate) async fn the_program_ends_when_it_is_interrupted() {
    use conversant_testkit::{Gate, OpenAiServer, ServerAnswer};
    let gate = Gate::new();
    let story = ServerAnswer::pieces(["Once upon ", "a time"]).held_after(2, &gate);
    let model = OpenAiServer::builder().reply(story).start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("chat.db");
    let base_url = model.base_url();
    let arguments = ["--base-url", &base_url, "--model", "m", "--db", db.to_str().unwrap()];
    let (mut child, address) = start(&arguments).await;
    let address = address.parse().unwrap();
    let mut events = Events::open(address, "s", None).await;
    assert_eq!(ask(address, "s", "019ab000-0000-7000-8000-000000000001", "A story.").await, 202);
    events.until("text").await;
    let id = child.id().unwrap().to_string();
    let killed = Command::new("kill").args(["-INT", &id]).status().await.unwrap();
    assert!(killed.success());
    let ended = timeout(Duration::from_secs(30), child.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(0));

    let (_child, address) = start(&arguments).await;
    let page = request(address.parse().unwrap(), "GET /api/sessions/s/turns", None).await.json();
    assert_eq!(page["turns"][0]["messages"][0]["text"], "Once upon ");
    assert_eq!(page["turns"][0]["incomplete"], true);
}
