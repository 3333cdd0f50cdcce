//! Lists of sessions: those of files of earlier versions, and search.

use std::time::{Duration, SystemTime};

use conversant_core::{
    CallRecord, ChatHistory, Expect, HistoryError, Message, SessionFilter, SessionInfo, Turn,
    TurnId, Usage,
};
use conversant_history_sqlite::{SqliteHistory, Synchronous};
use conversant_memory::InMemoryHistory;
use conversant_testkit::block_on;
use proptest::prelude::*;

use crate::{
    schema::{VERSION_4, VERSION_5},
    support::{Folder, append, exchange, load, session},
};

const NAME: &str = "it's a \u{1f600}";

/// Files of earlier versions, each with a session of two turns.
const FILES: [&str; 5] = [
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    VERSION_4,
    VERSION_5,
];

fn info(history: &SqliteHistory, name: &str) -> SessionInfo {
    block_on(history.session_info(&session(name))).unwrap().unwrap()
}

fn found(history: &SqliteHistory, filter: &SessionFilter) -> Vec<String> {
    let page = block_on(history.list_sessions(filter, None, 100)).unwrap();
    page.sessions.iter().map(|info| info.session.to_string()).collect()
}

fn words(text: &str) -> SessionFilter {
    SessionFilter::new().with_text(text)
}

#[test]
fn sessions_of_earlier_versions_are_listed() {
    for sql in FILES {
        let folder = Folder::new();
        folder.sql(sql);
        let read_only = SqliteHistory::builder(folder.file()).read_only(true).open().unwrap();
        let before = info(&read_only, NAME);
        assert_eq!((before.turns, before.created_at), (2, None));
        assert!(before.bytes > 500 && before.last_used_at > SystemTime::UNIX_EPOCH, "{before:?}");
        assert_eq!(found(&read_only, &SessionFilter::new()), [NAME]);
        let error = block_on(read_only.list_sessions(&words("friend"), None, 9)).unwrap_err();
        assert!(matches!(error, HistoryError::Unsupported { .. }), "{error}");
        block_on(read_only.close());
        // A turn that is stored before the others are counted is counted once.
        let history = folder.open();
        let record = CallRecord::new().with_usage(Usage::new(8, 17));
        let answer = Message::ai("Hello!").with_call_record(&record);
        append(&history, NAME, &Turn::new(vec![Message::human("Hi"), answer])).unwrap();
        for turns in 3..6 {
            let after = info(&history, NAME);
            assert_eq!((after.turns, after.totals.usage), (turns, Some(Usage::new(8, 17))));
            assert!(after.bytes > before.bytes && after.last_used_at > before.last_used_at);
            append(&history, NAME, &exchange(1)).unwrap();
        }
        block_on(history.set_title(&session(NAME), Some("They met"))).unwrap();
        block_on(history.check_integrity()).unwrap();
    }
}

#[test]
fn what_is_stored_already_can_be_searched() {
    for sql in FILES {
        let folder = Folder::new();
        folder.sql(sql);
        let builder = || SqliteHistory::builder(folder.file()).synchronous(Synchronous::Normal);
        let plain = builder().open().unwrap();
        block_on(plain.set_title(&session(NAME), Some("Reunion"))).unwrap();
        for number in 0..1100 {
            append(&plain, &format!("s{}", number % 7), &exchange(number)).unwrap();
        }
        let error = block_on(plain.list_sessions(&words("friend"), None, 9)).unwrap_err();
        let expected = "cannot use text search without `SqliteHistoryBuilder::search`: the history \
                        does not support it";
        assert_eq!(error.to_string(), expected);
        let history = builder().search(true).open().unwrap();
        assert_eq!(found(&history, &words("friend reunion")), [NAME]);
        assert_eq!(found(&history, &words("question 1099")), ["s0"]);
        block_on(history.check_integrity()).unwrap();
        // The store without the option adds to the index too, and searches it.
        append(&plain, "new", &Turn::exchange("Where is K\u{f6}ln?", "On the Rhine.")).unwrap();
        for history in [&history, &plain] {
            assert_eq!(found(history, &words("koln")), ["new"]);
        }
        block_on(history.clear(&session(NAME))).unwrap();
        assert!(found(&plain, &words("friend")).is_empty());
        block_on(history.check_integrity()).unwrap();
    }
}

#[test]
fn a_search_takes_any_text() {
    let folder = Folder::new();
    let history = SqliteHistory::builder(folder.file()).search(true).open().unwrap();
    append(&history, "a", &Turn::exchange("It's \"odd\", isn't it?", "25,000 * (1+2) - 3"))
        .unwrap();
    for text in [
        "it's",
        "\"odd\"",
        "isn't",
        "25,000",
        "od",
        "\"odd\" OR",
        "* ( odd ) -",
        "NOT",
        "\u{0}",
        "text:odd",
        "{odd}",
        "^odd",
        "od*",
        "\u{1f600}",
        "odd\u{301}",
    ] {
        block_on(history.list_sessions(&words(text), None, 9)).unwrap();
    }
    for text in ["it's", "\"odd\"", "isn't", "25,000", "od", "* ( odd ) -", "(1+2)"] {
        assert_eq!(found(&history, &words(text)), ["a"], "{text}");
    }
}

/// The index splits words at what is neither a letter nor a digit for it.
#[test]
fn a_deletion_takes_the_words_as_they_are() {
    let folder = Folder::new();
    let history = SqliteHistory::builder(folder.file()).search(true).open().unwrap();
    let cases = [
        ("\u{915}\u{93e}\u{92e}", "\u{915}\u{940}\u{92e}\u{924} kya hai"),
        ("don't", "Don took a T shirt. Don, tomorrow!"),
        ("l'\u{e9}t\u{e9}", "L, ete"),
        ("e-mail", "The letter E, mailed."),
        ("\u{e9}t\u{e9}", "ete"),
    ];
    for (word, other) in cases {
        append(&history, "other", &Turn::exchange(other, "ok")).unwrap();
        block_on(history.set_title(&session("other"), Some(other))).unwrap();
        // In a turn or in the title, also in one that a fork shares or a branch has.
        let turn = Turn::exchange(format!("({})", word.to_uppercase()), "ok");
        append(&history, "turn", &turn).unwrap();
        append(&history, "turn", &exchange(1)).unwrap();
        block_on(history.fork(&session("turn"), turn.id().into(), &session("fork"))).unwrap();
        append(&history, "branch", &exchange(2)).unwrap();
        let start = history.at(conversant_core::Point::Start).unwrap();
        append(&*start, "branch", &turn).unwrap();
        append(&*start, "branch", &exchange(3)).unwrap();
        block_on(history.set_title(&session("title"), Some(&format!("On {word}.")))).unwrap();
        assert_eq!(found(&history, &words(word)).len(), 5, "{word}");
        let deleted =
            [2, 2, 2].map(|limit| block_on(history.delete_sessions(&words(word), limit)).unwrap());
        assert_eq!(deleted, [2, 2, 0], "{word}");
        assert_eq!(found(&history, &SessionFilter::new()), ["other"], "{word}");
        block_on(history.delete(&session("other"))).unwrap();
    }
    block_on(history.check_integrity()).unwrap();
}

/// Returns whether a file of the store, or a log, has some bytes.
fn is_on_disk(folder: &Folder, text: &str) -> bool {
    let files = std::fs::read_dir(folder.file().parent().unwrap()).unwrap();
    let contents = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
    contents.into_iter().any(|content| {
        content.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text.as_bytes()))
    })
}

#[test]
fn what_is_deleted_is_gone_from_the_disk() {
    for search in [false, true] {
        let folder = Folder::new();
        let history = SqliteHistory::builder(folder.file()).search(search).open().unwrap();
        let secret = |name: &str| {
            let turn = Turn::exchange(format!("xylophone{name}"), "x".repeat(9_000));
            append(&history, name, &turn).unwrap();
            append(&history, name, &Turn::exchange("a", format!("zeppelin{name}"))).unwrap();
            block_on(history.set_title(&session(name), Some(&format!("quagga{name}")))).unwrap();
            block_on(history.set_label(&session(name), "user", Some(&format!("okapi{name}"))))
                .unwrap();
        };
        let names = ["deleted", "cleared", "swept", "kept"];
        for _ in 0..3 {
            names.iter().for_each(|name| secret(name));
        }
        for name in names {
            assert!(is_on_disk(&folder, &format!("xylophone{name}")));
        }
        block_on(history.delete(&session("deleted"))).unwrap();
        block_on(history.clear(&session("cleared"))).unwrap();
        let filter = SessionFilter::new().with_label("user", "okapiswept");
        assert_eq!(block_on(history.delete_sessions(&filter, 9)).unwrap(), 1);
        block_on(history.set_title(&session("kept"), Some("another"))).unwrap();
        for (text, is_left) in [
            ("xylophonedeleted", false),
            ("zeppelindeleted", false),
            ("quaggadeleted", false),
            ("okapideleted", false),
            ("xylophonecleared", false),
            ("zeppelincleared", false),
            ("quaggacleared", false),
            ("okapicleared", true),
            ("xylophoneswept", false),
            ("okapiswept", false),
            ("quaggakept", false),
            ("xylophonekept", true),
        ] {
            assert_eq!(is_on_disk(&folder, text), is_left, "{text}, search {search}");
        }
        assert_eq!(load(&history, "kept").unwrap().messages.len(), 12);
        block_on(history.check_integrity()).unwrap();
    }
}

#[test]
fn what_has_expired_is_not_listed() {
    let folder = Folder::new();
    append(&folder.open(), "a", &exchange(1)).unwrap();
    let day = Duration::from_secs(24 * 3600);
    let history = SqliteHistory::builder(folder.file()).time_to_live(day).open().unwrap();
    assert_eq!(found(&history, &SessionFilter::new()), ["a"]);
    let strict = SqliteHistory::builder(folder.file()).time_to_live(Duration::ZERO);
    let strict = strict.open().unwrap();
    let start = std::time::Instant::now();
    while start.elapsed() < Duration::from_millis(3) {
        std::hint::spin_loop();
    }
    assert!(found(&strict, &SessionFilter::new()).is_empty());
    assert_eq!(block_on(strict.session_info(&session("a"))).unwrap(), None);
    // A title begins it again, without its turns.
    block_on(strict.set_title(&session("a"), Some("New chat"))).unwrap();
    assert_eq!(load(&history, "a").unwrap().messages.len(), 0);
    assert_eq!(info(&history, "a").turns, 0);
    let seen = load(&history, "a").unwrap().version;
    let late = block_on(history.append(&session("a"), &exchange(2), Expect::Exactly(seen)));
    assert_eq!(late.unwrap().to_string(), "1.2");
}

fn at(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_000 + millis)
}

/// Returns the names of a list that is read in pages.
fn paged(history: &dyn ChatHistory, filter: &SessionFilter) -> Vec<String> {
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let page = block_on(history.list_sessions(filter, after.as_ref(), 2)).unwrap();
        names.extend(page.sessions.iter().map(|info| info.session.to_string()));
        after = page.next;
        if after.is_none() {
            return names;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// The index is up to a minute behind the last uses of the sessions.
    #[test]
    fn sessions_that_are_used_in_the_same_minutes_have_their_order(
        uses in prop::collection::vec((0..8_u8, 0..200_000_u64), 1..60),
        since in 0..200_000_u64,
        before in 0..200_000_u64,
    ) {
        let folder = Folder::new();
        let history =
            SqliteHistory::builder(folder.file()).synchronous(Synchronous::Normal).open().unwrap();
        let expected = InMemoryHistory::new();
        for (number, millis) in uses {
            let turn = exchange(1).with_id(TurnId::at(at(millis)));
            let name = format!("session-{number}");
            append(&history, &name, &turn).unwrap();
            append(&expected, &name, &turn).unwrap();
        }
        let all = SessionFilter::new();
        for filter in [
            all.clone(),
            all.clone().with_used_since(at(since)),
            all.clone().with_used_before(at(before)),
            all.clone().with_used_since(at(since)).with_used_before(at(before)),
        ] {
            prop_assert_eq!(paged(&history, &filter), paged(&expected, &filter));
        }
        // The oldest are deleted first.
        let filter = all.clone().with_used_before(at(before));
        for history in [&history as &dyn ChatHistory, &expected] {
            block_on(history.delete_sessions(&filter, 2)).unwrap();
        }
        prop_assert_eq!(paged(&history, &all), paged(&expected, &all));
    }
}
