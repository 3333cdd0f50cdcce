//! Sessions with branches, titles and labels, copied and exported.

use std::{
    fmt::Write as _,
    future::Future as _,
    pin::pin,
    task::{Context, Poll, Waker},
};

use conversant_core::{
    ChatHistory, Expect, HistoryError, Point, Range, SessionId, Slice, Turn, TurnId, Version,
    async_trait,
};
use conversant_history_jsonl::JsonlHistory;
use conversant_memory::InMemoryHistory;
use conversant_testkit::{FailingHistory, FailureMode, HistoryCall, block_on};
use conversant_transfer::{Export, Import, copy};
use serde_json::json;

use crate::support::{export, import, session};

pub(crate) const NAME: &str = "a tree";

fn turn(number: u128) -> Turn {
    Turn::exchange(format!("q{number}"), format!("a{number}")).with_id(TurnId::from_u128(number))
}

pub(crate) fn point(number: u128) -> Point {
    match number {
        0 => Point::Start,
        number => TurnId::from_u128(number).into(),
    }
}

pub(crate) fn append_at(history: &dyn ChatHistory, follows: u128, number: u128) {
    let view = history.at(point(follows)).unwrap();
    block_on(view.append(&session(NAME), &turn(number), Expect::Any)).unwrap();
}

/// A session whose first question was asked again, in which an answer was given three times and
/// the last turns were undone, and a session of one path.
fn tree() -> InMemoryHistory {
    let history = InMemoryHistory::new();
    for (follows, number) in
        [(0, 1), (1, 2), (2, 3), (0, 4), (4, 5), (4, 6), (4, 7), (6, 8), (8, 9)]
    {
        append_at(&history, follows, number);
    }
    block_on(async {
        history.set_tip(&session(NAME), point(6), Expect::Any).await.unwrap();
        history.set_title(&session(NAME), Some("A title")).await.unwrap();
        history.set_label(&session(NAME), "user", Some("ada")).await.unwrap();
        for number in [1, 2] {
            history.append(&session("a path"), &turn(number), Expect::Any).await.unwrap();
        }
    });
    history
}

/// Describes a session: each turn below the one that it follows, the current path marked.
fn shape(history: &dyn ChatHistory) -> String {
    let mut text = String::new();
    let mut open = vec![(Point::Start, 0)];
    while let Some((after, depth)) = open.pop() {
        let children = block_on(history.alternatives(&session(NAME), after)).unwrap();
        for child in children.iter().rev() {
            open.push((child.turn.into(), depth + 1));
        }
        if let Some(id) = after.turn() {
            let view = history.at(after).unwrap();
            let found = block_on(view.turns(&session(NAME), Range::LastTurns(1))).unwrap();
            assert_eq!(found[0].id(), id);
            let words = found[0].messages().get(0).unwrap().text().into_owned();
            writeln!(text, "{}{words}", "  ".repeat(depth - 1)).unwrap();
        }
    }
    let path = block_on(history.load(&session(NAME), Range::All)).unwrap().messages;
    writeln!(text, "path: {}", path.to_string().replace('\n', ", ")).unwrap();
    let info = block_on(history.session_info(&session(NAME)));
    if let Ok(Some(info)) = info {
        writeln!(text, "{:?} {:?}", info.title, info.labels).unwrap();
    }
    text
}

#[test]
fn the_shape_of_the_tree() {
    insta::assert_snapshot!(shape(&tree()), @r#"
    q1
      q2
        q3
    q4
      q5
      q6
        q8
          q9
      q7
    path: Human: q4, AI: a4, Human: q6, AI: a6
    Some("A title") {"user": "ada"}
    "#);
}

#[test]
fn all_branches_are_copied_once() {
    let from = tree();
    let folder = tempfile::tempdir().unwrap();
    let files = JsonlHistory::open(folder.path()).unwrap();
    let memory = InMemoryHistory::new();
    for to in [&memory as &dyn ChatHistory, &files] {
        for _ in 0..2 {
            let done = block_on(copy(&from, to, |_| {})).unwrap();
            assert_eq!((done.sessions, done.turns), (2, 11));
        }
    }
    assert_eq!(shape(&memory), shape(&from));
    let tree_of = |text: &str| text.split("Some(").next().unwrap().to_owned();
    assert_eq!(tree_of(&shape(&files)), tree_of(&shape(&from)));
}

#[test]
fn a_copy_that_has_gone_on_keeps_its_tip_and_its_title() {
    let (from, to) = (tree(), InMemoryHistory::new());
    block_on(copy(&from, &to, |_| {})).unwrap();
    block_on(async {
        to.append(&session(NAME), &turn(20), Expect::Any).await.unwrap();
        to.set_title(&session(NAME), Some("Another title")).await.unwrap();
    });
    append_at(&from, 3, 10);
    let gone_on = shape(&to);
    block_on(copy(&from, &to, |_| {})).unwrap();
    // The new turn of the source is there.
    let found = shape(&to);
    assert!(found.contains("q10") && found.contains("Another title"), "{found}");
    let tip = block_on(to.turns(&session(NAME), Range::LastTurns(1))).unwrap();
    assert_eq!(tip[0].id(), turn(20).id(), "{found}");
    let before = shape(&to);
    block_on(copy(&from, &to, |_| {})).unwrap();
    assert_eq!(shape(&to), before);
    assert!(gone_on.contains("q20"));
}

/// An interrupted copy or import is finished by a repetition, wherever it stopped.
#[test]
fn what_was_interrupted_is_finished() {
    let from = tree();
    let (lines, _) = export(&Export::lines(), &from);
    for call in [HistoryCall::Append, HistoryCall::SetTip, HistoryCall::SetTitle] {
        for nth in 1..13 {
            let copied = InMemoryHistory::new();
            let fails = || {
                let failure = FailureMode::fail(|| HistoryError::Busy);
                FailingHistory::new(copied.clone()).on(call, nth, failure)
            };
            let is_err = block_on(copy(&from, &fails(), |_| {})).is_err();
            assert!(is_err || nth > 1, "{call:?} {nth}");
            block_on(copy(&from, &copied, |_| {})).unwrap();
            assert_eq!(shape(&copied), shape(&from), "{call:?} {nth}");

            let imported = InMemoryHistory::new();
            let failure = FailureMode::fail(|| HistoryError::Busy);
            let failing = FailingHistory::new(imported.clone()).on(call, nth, failure);
            let _ = import(&Import::lines(), &failing, lines.as_bytes());
            import(&Import::lines(), &imported, lines.as_bytes()).0.unwrap();
            assert_eq!(shape(&imported), shape(&from), "{call:?} {nth}");
        }
    }
}

#[test]
fn lines_have_all_branches() {
    let from = tree();
    let (lines, omissions) = export(&Export::lines(), &from);
    assert!(omissions.is_empty());
    insta::assert_snapshot!(lines);
    let to = InMemoryHistory::new();
    for _ in 0..2 {
        let (done, omissions) = import(&Import::lines(), &to, lines.as_bytes());
        assert_eq!((done.unwrap().turns, omissions.len()), (11, 0));
        assert_eq!(shape(&to), shape(&from));
    }
    // From the middle on.
    let to = InMemoryHistory::new();
    let half: String = lines.lines().take(6).map(|line| format!("{line}\n")).collect();
    import(&Import::lines(), &to, half.as_bytes()).0.unwrap();
    import(&Import::lines().with_start(6), &to, lines.as_bytes()).0.unwrap();
    assert_eq!(shape(&to), shape(&from));
}

/// The tip of a session that has gone on stays, and a session of other turns gets none.
#[test]
fn lines_with_branches_leave_a_session_that_went_on() {
    let (lines, _) = export(&Export::lines(), &tree());
    let part: String = lines.lines().take(5).map(|line| format!("{line}\n")).collect();
    for start in [0, 5] {
        let to = InMemoryHistory::new();
        import(&Import::lines(), &to, part.as_bytes()).0.unwrap();
        block_on(to.append(&session(NAME), &turn(20), Expect::Any)).unwrap();
        let path = block_on(to.load(&session(NAME), Range::All)).unwrap().messages;
        let format = Import::lines().with_start(start);
        let (done, omissions) = import(&format, &to, lines.as_bytes());
        assert_eq!((done.unwrap().turns, omissions.len()), (11 - start, 0));
        let found = block_on(to.load(&session(NAME), Range::All)).unwrap().messages;
        assert_eq!(found, path);
        let found = shape(&to);
        let all = shape(&tree());
        assert!(all.lines().take(9).all(|line| found.contains(line)), "{found}");
    }
    let to = InMemoryHistory::new();
    block_on(to.append(&session(NAME), &turn(20), Expect::Any)).unwrap();
    let before = shape(&to);
    let (done, omissions) = import(&Import::lines(), &to, lines.as_bytes());
    let other = format!(
        "conversation 3 (`{NAME}`): the session has other turns in the history, after turn 0"
    );
    assert_eq!((done.unwrap().sessions, omissions), (1, vec![other]));
    assert_eq!(shape(&to), before);
}

#[test]
fn invalid_places_are_errors() {
    let turn = r#""turn":{"id":"00000000-0000-0000-0000-000000000007","messages":[]}"#;
    for (line, expected) in [
        (r#"{"session":"a"}"#.to_owned(), "cannot import line 1: "),
        (format!(r#"{{"session":"a","follows":"nowhere",{turn}}}"#), "cannot import line 1: "),
        (
            format!(r#"{{"session":"a","follows":"00000000-0000-0000-0000-000000000008",{turn}}}"#),
            "cannot transfer session `a`",
        ),
    ] {
        let error = import(&Import::lines(), &InMemoryHistory::new(), line.as_bytes()).0;
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{line}: {error}");
    }
}

/// A history without branches and titles.
struct Linear(InMemoryHistory);

#[async_trait]
impl ChatHistory for Linear {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.0.load(session, range).await
    }
    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        self.0.append(session, turn, expect).await
    }
    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.0.clear(session).await
    }
    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        self.0.turns(session, range).await
    }
}

#[test]
fn a_history_without_branches_gets_the_current_one() {
    let from = tree();
    let to = Linear(InMemoryHistory::new());
    let done = block_on(copy(&from, &to, |_| {})).unwrap();
    // Seven turns of other branches, and the names.
    assert_eq!((done.sessions, done.turns, done.omissions), (2, 4, 8));
    let path = |history: &dyn ChatHistory| {
        block_on(history.load(&session(NAME), Range::All)).unwrap().messages
    };
    assert_eq!(path(&to), path(&from));

    let (lines, _) = export(&Export::lines(), &from);
    let to = Linear(InMemoryHistory::new());
    let (done, omissions) = import(&Import::lines(), &to, lines.as_bytes());
    assert_eq!((done.unwrap().turns, omissions.len()), (4, 8));
    assert_eq!(path(&to), path(&from));
    insta::assert_snapshot!(omissions.join("\n"));
}

/// A conversation of ChatGPT: nodes with their parents, and the current node.
fn chatgpt(nodes: &[(&str, &str)], current: &str) -> String {
    let node = |(time, (id, parent)): (usize, &(&str, &str))| {
        let role = if id.starts_with('q') { "user" } else { "assistant" };
        let parent = if parent.is_empty() { "null".to_owned() } else { format!("{parent:?}") };
        format!(
            r#""{id}":{{"parent":{parent},"message":{{"author":{{"role":"{role}"}},"create_time":{time},"content":{{"content_type":"text","parts":["{id}"]}}}}}}"#
        )
    };
    let mapping: Vec<_> = nodes.iter().enumerate().map(node).collect();
    let mapping = mapping.join(",");
    format!(
        r#"[{{"id":"{NAME}","title":"Two\nlines","current_node":"{current}","mapping":{{{mapping}}}}}]"#
    )
}

const NODES: &[(&str, &str)] = &[
    ("q1", ""),
    ("a1", "q1"),
    ("a1-again", "q1"),
    ("q2", "a1"),
    ("a2", "q2"),
    ("q2-edited", "a1"),
    ("a2-edited", "q2-edited"),
    ("q3", "a2-edited"),
    ("a3", "q3"),
    ("q2-after-again", "a1-again"),
    ("q0", ""),
    ("a0", "q0"),
];

#[test]
fn branches_of_chatgpt_are_alternatives() {
    let history = InMemoryHistory::new();
    for _ in 0..2 {
        let file = chatgpt(NODES, "a3");
        let (done, omissions) = import(&Import::chatgpt(), &history, file.as_bytes());
        // The conversation that begins at another root cannot be reached from the current one.
        assert_eq!(omissions.len(), 1, "{omissions:?}");
        assert_eq!(done.unwrap().turns, 6);
        insta::assert_snapshot!("chatgpt_branches", shape(&history));
    }
    // A later export, in which another answer is the current one and the conversation went on.
    let more: Vec<_> = NODES.iter().copied().chain([("a2-again", "q2-after-again")]).collect();
    let file = chatgpt(&more, "a3");
    import(&Import::chatgpt(), &history, file.as_bytes()).0.unwrap();
    assert!(shape(&history).contains("path: Human: q1, AI: a1, Human: q2-edited"));

    // Without branches, the current one is taken.
    let linear = Linear(InMemoryHistory::new());
    let (done, omissions) = import(&Import::chatgpt(), &linear, chatgpt(NODES, "a3").as_bytes());
    assert_eq!((done.unwrap().turns, omissions.len()), (3, 3), "{omissions:?}");
}

/// Nodes with calls, results, hidden messages, and branches of branches, which leave a turn at any
/// message.
const KINDS: &[(&str, &str)] = &[
    ("root", ""),
    ("system", "root"),
    ("q1", "system"),
    ("call1", "q1"),
    ("result1", "call1"),
    ("a1", "result1"),
    ("result1-again", "call1"),
    ("a1-of-it", "result1-again"),
    ("call-without-result", "q1"),
    ("q2-after-it", "call-without-result"),
    ("a2-after-it", "q2-after-it"),
    ("a2-after-it-again", "q2-after-it"),
    ("hidden", "a1"),
    ("q2", "hidden"),
    ("a2", "q2"),
    ("a2-more", "a2"),
    ("a2-more-again", "a2"),
    ("q3", "a2-more-again"),
    ("a3", "q3"),
    ("a3-again", "q3"),
    ("q3-again", "a2-more-again"),
    ("system-again", "root"),
    ("q1-after-it", "system-again"),
];

fn of_kinds(current: &str) -> String {
    let node = |(number, (id, parent)): (usize, &(&str, &str))| {
        let role = match id.split(['-', '1', '2', '3']).next() {
            Some("q") => "user",
            Some("result") => "tool",
            Some("system") => "system",
            _ => "assistant",
        };
        let message = json!({
            "author": {"role": role},
            "create_time": (number % 3 > 0).then_some(number),
            "recipient": if id.starts_with("call") { "python" } else { "all" },
            "metadata": {"is_visually_hidden_from_conversation": *id == "hidden"},
            "content": {"content_type": "text", "parts": [id]},
        });
        let message = if *id == "root" { json!(null) } else { message };
        let parent = if parent.is_empty() { json!(null) } else { json!(parent) };
        ((*id).to_owned(), json!({"parent": parent, "message": message}))
    };
    let mapping: serde_json::Map<_, _> = KINDS.iter().enumerate().map(node).collect();
    json!([{"id": NAME, "create_time": 7, "current_node": current, "mapping": mapping}]).to_string()
}

/// A turn has the same id at every import, whichever branch is the current one.
#[test]
fn each_branch_has_the_turns_that_it_has_as_the_current_one() {
    let parents: Vec<_> = KINDS.iter().map(|(_, parent)| *parent).collect();
    let leaves = || KINDS.iter().map(|(id, _)| *id).filter(|id| !parents.contains(id));
    assert_eq!(leaves().count(), 8);
    let all = |current| {
        let history = InMemoryHistory::new();
        let (done, omissions) = import(&Import::chatgpt(), &history, of_kinds(current).as_bytes());
        (history, done.unwrap().turns, omissions)
    };
    let (_, turns, omissions) = all("a3");
    // Each is reported once: it is in several branches.
    assert_eq!(omissions.len(), 2, "{omissions:?}");
    for current in leaves() {
        let (history, found, omitted) = all(current);
        assert_eq!((found, omitted.len()), (turns, omissions.len()), "{current}: {omitted:?}");
        for leaf in leaves() {
            let alone = Linear(all(leaf).0);
            let path = block_on(alone.turns(&session(NAME), Range::All)).unwrap();
            let view = history.at(path.last().unwrap().id().into()).unwrap();
            let branch = block_on(view.turns(&session(NAME), Range::All)).unwrap();
            assert_eq!(branch, path, "{leaf}, {current} is the current one");
        }
    }
}

#[test]
fn an_import_lets_other_tasks_run() {
    let mut nodes = vec![("q0".to_owned(), String::new())];
    nodes.extend((1..2_000).map(|number| (format!("q{number}"), format!("q{}", number - 1))));
    nodes.extend((0..200).map(|number| (format!("a{number}"), "q1000".to_owned())));
    let nodes: Vec<_> = nodes.iter().map(|(id, parent)| (id.as_str(), parent.as_str())).collect();
    let file = chatgpt(&nodes, "q1999");
    let history = InMemoryHistory::new();
    let import = Import::chatgpt();
    let mut run = pin!(import.run(&history, file.as_bytes(), |_| {}));
    let mut pauses = 0;
    let mut context = Context::from_waker(Waker::noop());
    let done = loop {
        match run.as_mut().poll(&mut context) {
            Poll::Ready(done) => break done.unwrap(),
            Poll::Pending => pauses += 1,
        }
    };
    assert_eq!(done.turns, 2_200);
    assert!((20..200).contains(&pauses), "{pauses}");
}

#[test]
fn too_many_branches_are_reported() {
    let mut nodes = vec![("q1".to_owned(), String::new()), ("a1".to_owned(), "q1".to_owned())];
    nodes.extend((0..300).map(|number| (format!("a1-{number}"), "q1".to_owned())));
    let nodes: Vec<_> = nodes.iter().map(|(id, parent)| (id.as_str(), parent.as_str())).collect();
    let history = InMemoryHistory::new();
    let file = chatgpt(&nodes, "a1");
    let (done, omissions) = import(&Import::chatgpt(), &history, file.as_bytes());
    assert_eq!((done.unwrap().turns, omissions.len()), (257, 44));
}

/// Each branch has only its own messages until it is loaded.
#[test]
fn a_history_in_memory_takes_many_branches() {
    let history = InMemoryHistory::new();
    let (name, number) = (session(NAME), 1_000);
    let ids: Vec<_> = block_on(async {
        let (mut ids, mut after) = (Vec::new(), Point::Start);
        for _ in 0..number {
            let view = history.at(after).unwrap();
            let other = Turn::exchange("q", "other");
            view.append(&name, &other, Expect::Any).await.unwrap();
            let turn = Turn::exchange("q", "a");
            history.at(after).unwrap().append(&name, &turn, Expect::Any).await.unwrap();
            after = turn.id().into();
            ids.push((turn.id(), other.id()));
        }
        ids
    });
    block_on(async {
        let all: Vec<_> = ids.iter().map(|(turn, _)| *turn).collect();
        let found = history.turns(&name, Range::All).await.unwrap();
        assert_eq!(found.iter().map(Turn::id).collect::<Vec<_>>(), all);
        for (turn, other) in &ids {
            for id in [*turn, *other] {
                let view = history.at(id.into()).unwrap();
                let last = view.turns(&name, Range::LastTurns(1)).await.unwrap();
                assert_eq!(last.first().map(Turn::id), Some(id));
            }
        }
        let loaded = history.load(&name, Range::All).await.unwrap();
        assert_eq!(
            (loaded.messages.len(), loaded.version.messages),
            (2 * number, 2 * number as u64)
        );
        let (_, other) = ids[number / 2];
        let view = history.at(other.into()).unwrap();
        let found = view.load(&name, Range::LastMessages(3)).await.unwrap().messages;
        assert_eq!(found.to_string(), "AI: a\nHuman: q\nAI: other");
        let stored = history.session_info(&name).await.unwrap().unwrap();
        assert_eq!(stored.turns, number as u64);
    });
}
