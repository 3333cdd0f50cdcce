//! The fault server: that it does what its steps say, and that its table holds what it should.

use std::{
    collections::BTreeSet,
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use conversant_testkit::{Fault, FaultServer, Step, block_on, faults};

use Step::{Close, Hang, Reset, WaitForHead, WaitForRequest};

const REQUEST: &str = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n\
    Authorization: Bearer sk-canary\r\nContent-Length: 2\r\n\r\n{}";

fn connect(server: &FaultServer) -> TcpStream {
    let address = server.base_url().replace("http://", "").replace("/v1", "");
    let stream = TcpStream::connect(address).unwrap();
    // So that a fault of ours is a failed test and not a hung one.
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn ask(server: &FaultServer) -> TcpStream {
    let mut client = connect(server);
    client.write_all(REQUEST.as_bytes()).unwrap();
    client
}

/// Returns everything that the server sends to one request, and how the connection ends.
fn exchange(script: impl IntoIterator<Item = Step>) -> (String, Result<(), ErrorKind>) {
    let server = FaultServer::start(&Fault::new("test", script)).unwrap();
    let mut received = Vec::new();
    let end = ask(&server).read_to_end(&mut received);
    let received = received.escape_ascii().to_string();
    (received, end.map(|_| ()).map_err(|error| error.kind()))
}

#[test]
fn connections_end_as_the_script_says() {
    let hello = || Step::Send("hello".into());
    let reset = Err(ErrorKind::ConnectionReset);
    assert_eq!(exchange([WaitForRequest, Close]), (String::new(), Ok(())));
    assert_eq!(exchange([WaitForRequest, hello(), Close]), ("hello".into(), Ok(())));
    assert_eq!(exchange([WaitForRequest, Reset]), (String::new(), reset));
    assert_eq!(exchange([WaitForRequest, hello(), Reset]), ("hello".into(), reset));
    assert_eq!(exchange([hello(), Close]), ("hello".into(), Ok(())), "nothing was read");
    assert_eq!(exchange([WaitForHead, hello(), Close]), ("hello".into(), Ok(())));
}

#[test]
fn bytes_are_sent_whole_slowly_and_again() {
    let slowly =
        |chunk| Step::SendSlowly { bytes: "hello".into(), chunk, every: Duration::from_millis(1) };
    let repeat = |bytes: &'static str, times, every| Step::Repeat {
        bytes: bytes.into(),
        times: Some(times),
        every: Duration::from_micros(every),
    };
    for (step, expected) in [
        (slowly(2), "hello".to_owned()),
        (slowly(0), "hello".to_owned()),
        (repeat("abc", 3, 0), "abcabcabc".to_owned()),
        (repeat("abc", 2, 10), "abcabc".to_owned()),
        (repeat("", 5, 0), String::new()),
        (repeat("0123456789", 100_000, 0), "0123456789".repeat(100_000)),
        (Step::chunk("twelve bytes"), r"c\r\ntwelve bytes\r\n".to_owned()),
    ] {
        let described = format!("{step:?}");
        let (received, end) = exchange([WaitForRequest, step, Close]);
        assert!(received == expected && end.is_ok(), "{described}: {end:?}, {received}");
    }
}

#[test]
fn placeholders_are_filled_in() {
    let text = "{key} {self} {port} {bystander} {bystander_port} {date+5}";
    let fault = Fault::new("test", [WaitForRequest, Step::SendFilled(text.into()), Close]);
    let server = FaultServer::start(&fault).unwrap();
    let mut filled = String::new();
    ask(&server).read_to_string(&mut filled).unwrap();
    let words: Vec<&str> = filled.splitn(6, ' ').collect();
    let own = server.base_url().replace("http://", "").replace("/v1", "");
    assert_eq!(words[..2], ["sk-canary", &own]);
    assert_eq!(own, format!("127.0.0.1:{}", words[2]));
    assert_eq!(words[3], format!("127.0.0.1:{}", words[4]));
    assert_ne!(words[1], words[3]);
    assert!(words[5].ends_with(" GMT") && words[5].len() == 29, "{filled}");

    assert_eq!(server.bystander_connections(), 0);
    let mut stranger = TcpStream::connect(words[3]).unwrap();
    stranger.write_all(REQUEST.as_bytes()).unwrap();
    stranger.read_exact(&mut [0; 15]).unwrap();
    assert_eq!(server.bystander_connections(), 1);
}

#[test]
fn a_client_that_goes_is_noticed_whatever_the_server_is_at() {
    let repeat = |times, every| Step::Repeat {
        bytes: "abc".into(),
        times,
        every: Duration::from_millis(every),
    };
    for step in [Hang, repeat(None, 0), repeat(None, 1), repeat(Some(u64::MAX), 1)] {
        let described = format!("{step:?}");
        let fault = Fault::new("test", [WaitForRequest, Step::Send("a".into()), step]);
        let server = FaultServer::start(&fault).unwrap();
        let mut client = ask(&server);
        client.read_exact(&mut [0]).unwrap();
        assert_eq!(server.disconnects(), 0, "{described}");
        drop(client);
        block_on(server.disconnected(1));
    }
}

#[test]
fn a_client_that_goes_in_the_middle_of_its_request_is_noticed() {
    let server = FaultServer::start(&Fault::new("test", [WaitForRequest, Close])).unwrap();
    let mut client = connect(&server);
    client.write_all(REQUEST.split_at(60).0.as_bytes()).unwrap();
    block_on(server.attempted(1));
    client.shutdown(Shutdown::Both).unwrap();
    block_on(server.disconnected(1));
    assert!(server.requests().is_empty());
}

#[test]
fn each_attempt_has_its_script_and_the_last_goes_on() {
    let says = |text: &str| [WaitForRequest, Step::Send(text.to_owned().into())];
    let fault = Fault::new("test", says("1")).then([WaitForRequest, Close]).then(says("3"));
    let server = FaultServer::start(&fault).unwrap();
    let mut kept = ask(&server);
    let mut byte = [0];
    kept.read_exact(&mut byte).unwrap();
    kept.write_all(REQUEST.as_bytes()).unwrap();
    assert_eq!(kept.read(&mut byte).unwrap(), 0, "the second attempt on the same connection");
    for _ in 0..2 {
        ask(&server).read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"3");
    }
    assert_eq!((server.connections(), server.attempts()), (3, 4));
    assert_eq!(server.requests().len(), 4);
    assert!(server.requests().iter().all(|request| request.as_ref() == REQUEST.as_bytes()));
    assert!(!format!("{server:?}").contains("canary"));
}

#[test]
fn a_chunked_request_is_read_whole() {
    let server = FaultServer::start(&Fault::new("test", [WaitForRequest, Close])).unwrap();
    let request = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
    let mut client = connect(&server);
    client.write_all(request.as_bytes()).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    assert_eq!(server.requests(), [request]);
}

#[test]
fn the_table_has_every_row_that_a_server_can_cause() {
    let rows: BTreeSet<u16> = faults().iter().map(Fault::row).collect();
    assert_eq!(rows, (5..=81).chain([84]).collect());
    let names: BTreeSet<&str> = faults().iter().map(Fault::name).collect();
    assert_eq!(names.len(), faults().len(), "names are unique");
    for fault in faults() {
        assert_eq!(fault.is_streamed(), fault.name().starts_with("sse_"), "{}", fault.name());
    }
}

#[test]
fn the_table() {
    let mut shown = String::new();
    for fault in faults() {
        shown.push_str(&format!("{} {}", fault.row(), fault.name()));
        if fault.text() != "hello" {
            shown.push_str(&format!(" says {:?}", fault.text()));
        }
        for script in fault.scripts() {
            let steps: Vec<String> = script.iter().map(|step| format!("{step:?}")).collect();
            shown.push_str(&format!("\n    {}", steps.join("\n      ")));
        }
        shown.push('\n');
    }
    // What all answers have in common says nothing.
    for object in ["chat.completion.chunk", "chat.completion"] {
        let common = format!(
            r#""id":"chatcmpl-1","object":"{object}","created":1700000000,"model":"gpt-6-luna""#
        );
        shown = shown.replace(&common.escape_default().to_string(), "…");
    }
    insta::assert_snapshot!(shown);
}

/// Plays the first script of every fault to a client that reads what it can and goes.
#[test]
fn every_fault_of_the_table_does_what_its_script_says() {
    for fault in faults() {
        let name = fault.name();
        let server = FaultServer::start(fault).unwrap();
        let mut client = ask(&server);
        let script = &fault.scripts()[0];
        let mut received = vec![0; 1 << 16];
        let sent = |step: &Step| match step {
            Step::Send(bytes) => bytes.len(),
            Step::SendSlowly { bytes, .. } | Step::Repeat { bytes, .. } => bytes.len().min(9),
            _ => 0,
        };
        let expected = script.iter().map(sent).sum::<usize>().min(received.len());
        client.read_exact(&mut received[..expected]).unwrap_or_else(|e| panic!("{name}: {e}"));
        match script.last().unwrap() {
            Close => drop(client.read_to_end(&mut received)),
            Reset => assert_eq!(
                client.read_to_end(&mut received).unwrap_err().kind(),
                ErrorKind::ConnectionReset,
                "{name}"
            ),
            _ => {}
        }
        block_on(server.attempted(1));
        drop(client);
        assert_eq!((server.connections(), server.attempts()), (1, 1), "{name}");
        assert_eq!(server.bystander_connections(), 0, "{name}");
        if matches!(script.last().unwrap(), Hang | Step::Repeat { times: None, .. }) {
            block_on(server.disconnected(1));
        }
    }
}
