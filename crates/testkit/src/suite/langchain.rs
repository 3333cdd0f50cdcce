//! The suite of histories in a table or list that LangChain's Python programs share.

use conversant_core::{
    BoxError, ChatHistory, Expect, HistoryError, Message, Range, SessionId, Turn, TurnId, Version,
    async_trait,
};

use super::{
    check::{Checked, Stop, ensure, run},
    malformed::{MALFORMED_MESSAGES, MALFORMED_SECRET},
    report::{Running, SuiteError, SuiteReport},
};

/// Rows as langchain-community 0.0.38 (langchain-core 0.1.53) wrote them with
/// `SQLChatMessageHistory`, one a line.
const ROWS: &str = include_str!("langchain_rows.jsonl");

/// The changes that a Python program makes to the rows of a history.
#[async_trait]
pub trait LangChainRows: Send + Sync {
    /// Adds a row to a session, after its others.
    ///
    /// # Errors
    /// The error of the store.
    async fn add(&self, session: &SessionId, row: &str) -> Result<(), BoxError>;

    /// Removes the rows of a session. A store that numbers its rows begins again at the first
    /// number.
    ///
    /// # Errors
    /// The error of the store.
    async fn clear(&self, session: &SessionId) -> Result<(), BoxError>;

    /// Removes the last row of a session.
    ///
    /// # Errors
    /// The error of the store.
    async fn remove_last(&self, session: &SessionId) -> Result<(), BoxError>;
}

/// Checks that a history reads the rows that Python programs write, goes on with their
/// conversations, and notices what they do meanwhile.
///
/// `rows` changes the rows of `history` as Python does. `own` is a history that the conversations
/// are copied to.
///
/// # Errors
/// [`SuiteError`], which names all checks that failed.
pub async fn langchain_history<H: ChatHistory>(
    history: &H,
    own: &dyn ChatHistory,
    rows: &dyn LangChainRows,
) -> Result<SuiteReport, SuiteError> {
    let mut running = Running::new("LangChain history");
    let subject = &Subject { history, own, rows };
    run!(running, subject =>
        a_conversation_of_python_is_read,
        a_conversation_of_python_goes_on,
        what_python_writes_and_removes_is_noticed,
        rows_that_were_replaced_are_noticed,
        conversations_are_copied_once,
        errors_quote_no_row,
    );
    running.finish()
}

struct Subject<'s, H> {
    history: &'s H,
    own: &'s dyn ChatHistory,
    rows: &'s dyn LangChainRows,
}

impl<H> Subject<'_, H> {
    async fn add(&self, session: &SessionId, row: &str) -> Checked {
        self.rows.add(session, row).await.map_err(|error| failed(&error))
    }

    async fn clear(&self, session: &SessionId) -> Checked {
        self.rows.clear(session).await.map_err(|error| failed(&error))
    }

    /// Adds the rows of a recorded conversation to a new session.
    async fn recorded(&self) -> Result<SessionId, Stop> {
        let session = new_session()?;
        for row in ROWS.lines() {
            self.add(&session, row).await?;
        }
        Ok(session)
    }
}

fn failed(error: &BoxError) -> Stop {
    Stop::Failed(format!("cannot change the rows: {error}"))
}

fn new_session() -> Result<SessionId, Stop> {
    Ok(SessionId::new(format!("suite {}", TurnId::random()))?)
}

fn human(text: &str) -> String {
    format!(r#"{{"type":"human","data":{{"content":"{text}"}}}}"#)
}

/// Returns the messages of the recorded rows.
fn messages() -> Result<Vec<Message>, Stop> {
    let decode = |row| Message::from_stored_json(row, "a recorded row");
    Ok(ROWS.lines().map(decode).collect::<Result<_, _>>()?)
}

async fn a_conversation_of_python_is_read<H: ChatHistory>(subject: &Subject<'_, H>) -> Checked {
    let (history, session) = (subject.history, &subject.recorded().await?);
    let expected = messages()?;
    let slice = history.load(session, Range::All).await?;
    ensure!(slice.messages.iter().eq(&expected), "found {} messages", slice.messages.len());
    ensure!(slice.version.messages == 10, "the version is {}", slice.version);
    for count in [0, 1, 3, 10, 11] {
        let Some(first) = history.first(session, count).await? else { break };
        ensure!(first == slice.messages.slice(..count), "the first {count} are {}", first.len());
    }
    // A turn is from one human message to the next; the last one is half a turn.
    let turns = history.turns(session, Range::All).await?;
    let sizes: Vec<usize> = turns.iter().map(|turn| turn.messages().len()).collect();
    ensure!(sizes == [3, 6, 1], "the turns have {sizes:?} messages");
    let again = history.turns(session, Range::All).await?;
    ensure!(turns == again, "the turns differ when they are read again");
    Ok(())
}

async fn a_conversation_of_python_goes_on<H: ChatHistory>(subject: &Subject<'_, H>) -> Checked {
    let (history, session) = (subject.history, &subject.recorded().await?);
    let seen = history.load(session, Range::All).await?.version;
    let turn = Turn::exchange("Rust here", "Hello!").with_base(seen).with_incomplete(true);
    let expect = Expect::Exactly(seen);
    let version = history.append(session, &turn, expect).await?;
    let expected = Version::new(seen.epoch, 12).with_tip(turn.id().fingerprint());
    ensure!(version == expected, "instead of {expected:?} came {version:?}");
    let again = history.append(session, &turn, expect).await?;
    ensure!(again == version, "a repeated append returned {again:?}");
    subject.add(session, &human("Python again")).await?;
    let again = history.append(session, &turn, expect).await?;
    ensure!(again == version, "a repeated append after another row returned {again:?}");

    let other = Turn::exchange("Rust here", "Good morning!").with_id(turn.id());
    let whole = turn.clone().with_incomplete(false);
    for other in [other, whole] {
        let refused = history.append(session, &other, Expect::Any).await;
        ensure!(
            matches!(refused, Err(HistoryError::TurnIdInUse { incomplete: true, .. })),
            "another turn of an id: {refused:?}"
        );
    }
    let turns = history.turns(session, Range::LastTurns(2)).await?;
    ensure!(turns.first() == Some(&turn), "the turn came back as {:?}", turns.first());
    let last = turns.last().map(|turn| turn.messages().to_string());
    ensure!(last.as_deref() == Some("Human: Python again"), "the last turn is {last:?}");
    for (range, expected) in [
        (Range::LastTurns(1), 1),
        (Range::LastTurns(2), 3),
        (Range::LastTurns(3), 4),
        (Range::LastTurns(4), 10),
        (Range::LastTurns(5), 13),
        (Range::LastTurns(6), 13),
        (Range::LastMessages(2), 2),
        (Range::After(version), 1),
        (Range::After(Version::new(u64::MAX, 0)), 13),
        (Range::LastBytes(u64::MAX), 13),
    ] {
        let found = history.load(session, range).await?;
        let count = found.messages.len();
        ensure!(count == expected, "{range:?} gave {count} messages instead of {expected}");
        ensure!(found.version.messages == 13, "{range:?} gave {}", found.version);
    }
    Ok(())
}

/// Checks that appends to a version that is gone are refused.
async fn expect_stale<H: ChatHistory>(
    subject: &Subject<'_, H>,
    session: &SessionId,
    seen: Version,
) -> Checked {
    for expect in [Expect::SameEpoch(seen), Expect::Exactly(seen)] {
        let turn = Turn::exchange("late", "answer");
        let late = subject.history.append(session, &turn, expect).await;
        ensure!(matches!(late, Err(HistoryError::Stale { .. })), "{expect:?}: {late:?}");
    }
    Ok(())
}

async fn what_python_writes_and_removes_is_noticed<H: ChatHistory>(
    subject: &Subject<'_, H>,
) -> Checked {
    let (history, session) = (subject.history, &new_session()?);
    let empty = history.load(session, Range::All).await?.version;
    subject.add(session, &human("first")).await?;
    let late = Turn::exchange("late", "answer");
    let refused = history.append(session, &late, Expect::Exactly(empty)).await;
    ensure!(matches!(refused, Err(HistoryError::Stale { .. })), "a new row: {refused:?}");
    let kept = Turn::exchange("kept", "answer");
    let seen = history.append(session, &kept, Expect::SameEpoch(empty)).await?;
    ensure!(seen.messages == 3, "after three rows the version is {seen}");
    subject.clear(session).await?;
    for _ in 0..4 {
        expect_stale(subject, session, seen).await?;
        subject.add(session, &human("begun anew")).await?;
    }
    let seen = history.load(session, Range::All).await?.version;
    subject.rows.remove_last(session).await.map_err(|error| failed(&error))?;
    expect_stale(subject, session, seen).await
}

async fn rows_that_were_replaced_are_noticed<H: ChatHistory>(subject: &Subject<'_, H>) -> Checked {
    let (history, session) = (subject.history, &new_session()?);
    let fill = async |last: &str| {
        subject.add(session, &human("Hi")).await?;
        subject.add(session, &human(last)).await
    };
    fill("old").await?;
    let seen = history.load(session, Range::All).await?.version;
    subject.clear(session).await?;
    // As many rows, of which the first is the same.
    fill("new").await?;
    let found = history.load(session, Range::After(seen)).await?.messages.to_string();
    ensure!(found == "Human: Hi\nHuman: new", "after rows that are gone came `{found}`");
    expect_stale(subject, session, seen).await
}

async fn conversations_are_copied_once<H: ChatHistory>(subject: &Subject<'_, H>) -> Checked {
    let sessions = [subject.recorded().await?, subject.recorded().await?];
    let expected = messages()?;
    for _ in 0..2 {
        for session in &sessions {
            for turn in subject.history.turns(session, Range::All).await? {
                subject.own.append(session, &turn, Expect::Any).await?;
            }
            let copied = subject.own.load(session, Range::All).await?.messages;
            ensure!(copied.iter().eq(&expected), "the copy has {} messages", copied.len());
        }
    }
    Ok(())
}

async fn errors_quote_no_row<H: ChatHistory>(subject: &Subject<'_, H>) -> Checked {
    let history = subject.history;
    let mut errors = 0;
    for row in MALFORMED_MESSAGES {
        let session = &new_session()?;
        // A column of another type than text does not take every row.
        if subject.rows.add(session, row).await.is_err() {
            continue;
        }
        let turn = Turn::exchange("next", "answer");
        let outcomes = [
            history.load(session, Range::All).await.map(drop),
            history.turns(session, Range::All).await.map(drop),
            history.first(session, 5).await.map(drop),
            history.append(session, &turn, Expect::Any).await.map(drop),
        ];
        for error in outcomes.into_iter().filter_map(Result::err) {
            errors += 1;
            // `Debug` of an error is its text with all causes.
            let shown = format!("{error} {error:?}");
            ensure!(!shown.contains(MALFORMED_SECRET), "the row {row} is quoted: {shown}");
        }
        subject.clear(session).await?;
    }
    ensure!(errors > 0, "no row was refused");
    Ok(())
}
