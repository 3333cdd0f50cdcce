//! Lists of sessions: what they show, in which order, and deletion by filter.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use conversant_core::{
    CallRecord, ChatHistory, Cost, Expect, HistoryError, Message, Point, Range, SessionFilter,
    SessionInfo, Turn, TurnId, Usage, UsageTotals,
};

use super::{
    session_driver::{SessionDriver, exchange, supported},
    session_list::{LABEL, List, at, made_at},
};
use crate::suite::check::{Checked, ODD_TEXTS, Stop, ensure};

pub(super) async fn a_session_is_described(history: &impl ChatHistory) -> Checked {
    let list = List::new(history).await?;
    let id = list.session("a", &[10, 20]).await?;
    let info = list.info(&id).await?;
    ensure!(info.session == id, "it is described as `{}`", info.session);
    ensure!(info.turns == 2, "it has {} turns instead of 2", info.turns);
    ensure!(info.created_at == Some(at(10)), "it began at {:?}", info.created_at);
    ensure!(info.last_used_at == at(20), "it was last used at {:?}", info.last_used_at);
    ensure!(info.title.is_none(), "it has the title {:?}", info.title);
    let label = info.labels.get(LABEL).map(String::as_str);
    ensure!(label == Some(&list.run) && info.labels.len() == 1, "its labels: {:?}", info.labels);
    let page = history.list_sessions(&list.filter(), None, 5).await?;
    ensure!(page.sessions == [info], "the list shows it as {:?}", page.sessions);
    // An earlier turn that arrives later, and one whose id has a time that is yet to come.
    history.append(&id, &made_at(5), Expect::Any).await?;
    let used = list.info(&id).await?.last_used_at;
    ensure!(used == at(20), "a late turn moved its last use to {used:?}");
    let future = SystemTime::now() + Duration::from_secs(1_000_000);
    let turn = exchange(1).with_id(TurnId::at(future));
    history.append(&id, &turn, Expect::Any).await?;
    let used = list.info(&id).await?.last_used_at;
    ensure!(used < future && used > at(20), "it was last used at {used:?}");
    let unknown = history.session_info(&list.id("unknown")?).await?;
    ensure!(unknown.is_none(), "a session that was never written: {unknown:?}");
    Ok(())
}

pub(super) async fn a_title_is_set_replaced_and_removed(history: &impl ChatHistory) -> Checked {
    let list = List::new(history).await?;
    let (id, other) = (list.session("a", &[10]).await?, list.session("b", &[9]).await?);
    for title in [Some("A trip to Kyoto"), Some("Kyoto"), None, None, Some("again")] {
        history.set_title(&id, title).await?;
        let info = list.info(&id).await?;
        ensure!(info.title.as_deref() == title, "{title:?} came back as {:?}", info.title);
        ensure!(info.last_used_at == at(10), "the title changed its last use");
        ensure!(info.turns == 1, "the title is a turn");
    }
    let info = list.info(&other).await?;
    ensure!(info.title.is_none(), "another session has the title {:?}", info.title);
    let messages = history.load(&id, Range::All).await?.messages.len();
    ensure!(messages == 2, "there are {messages} messages instead of 2");
    Ok(())
}

pub(super) async fn labels_are_set_replaced_and_removed(history: &impl ChatHistory) -> Checked {
    let list = List::new(history).await?;
    let id = list.session("a", &[10]).await?;
    history.set_label(&id, "user", Some("ada")).await?;
    history.set_label(&id, "pinned", Some("")).await?;
    history.set_label(&id, "user", Some("grace")).await?;
    let labels = list.info(&id).await?.labels;
    let label = |name: &str| labels.get(name).map(String::as_str);
    let expected = (3, Some("grace"), Some(""), Some(list.run.as_str()));
    let found = (labels.len(), label("user"), label("pinned"), label(LABEL));
    ensure!(found == expected, "the labels are {labels:?}");
    history.set_label(&id, "user", None).await?;
    history.set_label(&id, "unknown", None).await?;
    let labels = list.info(&id).await?.labels;
    ensure!(labels.len() == 2 && !labels.contains_key("user"), "the labels are {labels:?}");
    Ok(())
}

pub(super) async fn a_new_chat_is_listed_before_its_first_turn(
    history: &impl ChatHistory,
) -> Checked {
    let list = List::new(history).await?;
    let driver = SessionDriver { history, session: list.id("a")? };
    let seen = driver.all().await?.version;
    let before = SystemTime::now() - Duration::from_secs(1);
    history.set_title(&driver.session, Some("New chat")).await?;
    let info = list.info(&driver.session).await?;
    ensure!(info.turns == 0 && info.bytes == 0, "it has {} turns", info.turns);
    let times = info.created_at.is_some_and(|began| began >= before) && info.last_used_at >= before;
    ensure!(times, "it began at {:?}, and was used at {:?}", info.created_at, info.last_used_at);
    driver.holds(&[]).await?;
    history.set_label(&driver.session, LABEL, Some(&list.run)).await?;
    list.lists(&list.filter(), &["a"]).await?;
    // Its first turn is one of a new session.
    let turn = exchange(1);
    driver.append_if(&turn, Expect::Exactly(seen)).await?;
    driver.holds(&[&turn]).await?;
    let info = list.info(&driver.session).await?;
    ensure!(info.title.as_deref() == Some("New chat"), "its title is {:?}", info.title);
    // What has neither turns nor a title nor labels is not listed.
    let empty = list.id("empty")?;
    history.set_title(&empty, Some("New chat")).await?;
    history.set_title(&empty, None).await?;
    let found = history.session_info(&empty).await?;
    ensure!(found.is_none(), "an empty session is listed: {found:?}");
    Ok(())
}

pub(super) async fn a_new_chat_outlasts_the_deletion_of_others(
    history: &impl ChatHistory,
) -> Checked {
    let list = List::new(history).await?;
    let driver = SessionDriver { history, session: list.id("a")? };
    let seen = driver.all().await?.version;
    list.session("b", &[10]).await?;
    let deleted = history.delete_sessions(&list.filter(), 1).await?;
    ensure!(deleted == 1, "{deleted} sessions were deleted instead of 1");
    history.set_title(&driver.session, Some("New chat")).await?;
    history.set_label(&driver.session, LABEL, Some(&list.run)).await?;
    let turn = exchange(1);
    driver.append_if(&turn, Expect::SameEpoch(seen)).await?;
    driver.holds(&[&turn]).await
}

pub(super) async fn odd_titles_come_back_as_they_were(history: &impl ChatHistory) -> Checked {
    let list = List::new(history).await?;
    let id = list.session("a", &[10]).await?;
    let is_title = |text: &&&str| !text.is_empty() && !text.contains(char::is_control);
    for text in ODD_TEXTS.iter().filter(is_title) {
        history.set_title(&id, Some(text)).await?;
        history.set_label(&id, "odd", Some(text)).await?;
        let info = list.info(&id).await?;
        ensure!(info.title.as_deref() == Some(*text), "{text:?} came back as {:?}", info.title);
        let label = info.labels.get("odd").map(String::as_str);
        ensure!(label == Some(*text), "label {text:?} came back as {label:?}");
        list.lists(&list.filter().with_label("odd", *text), &["a"]).await?;
    }
    Ok(())
}

pub(super) async fn titles_and_labels_have_limits(history: &impl ChatHistory) -> Checked {
    let list = List::new(history).await?;
    let id = list.session("a", &[10]).await?;
    history.set_title(&id, Some("kept")).await?;
    history.set_label(&id, "kept", Some("kept")).await?;
    let long = "x".repeat(1001);
    for title in ["", "two\nlines", &long] {
        let refused = history.set_title(&id, Some(title)).await;
        let is_told = matches!(refused, Err(HistoryError::InvalidText { what: "title", .. }));
        ensure!(is_told, "a title of {} bytes: {refused:?}", title.len());
    }
    for (name, value) in
        [("", "x"), ("two\nlines", "x"), (&long, "x"), ("kept", "\0"), ("kept", &long)]
    {
        let refused = history.set_label(&id, name, Some(value)).await;
        let is_told = matches!(refused, Err(HistoryError::InvalidText { .. }));
        ensure!(is_told, "a label of {} and {} bytes: {refused:?}", name.len(), value.len());
    }
    for number in 2..SessionInfo::MAX_LABELS {
        history.set_label(&id, &number.to_string(), Some("x")).await?;
    }
    let refused = history.set_label(&id, "more", Some("x")).await;
    let is_told =
        matches!(refused, Err(HistoryError::TooManyLabels { limit: SessionInfo::MAX_LABELS }));
    ensure!(is_told, "a label more than there can be: {refused:?}");
    // One that is there can be changed.
    history.set_label(&id, "2", Some("y")).await?;
    let info = list.info(&id).await?;
    let kept = (info.title.as_deref(), info.labels.get("kept").map(String::as_str));
    ensure!(kept == (Some("kept"), Some("kept")), "what was refused replaced {kept:?}");
    ensure!(info.labels.len() == SessionInfo::MAX_LABELS, "there are {} labels", info.labels.len());
    Ok(())
}

pub(super) async fn sessions_are_listed_by_their_last_use(history: &impl ChatHistory) -> Checked {
    let list = List::new(history).await?;
    for (name, times) in
        [("b", &[5, 30][..]), ("a", &[20]), ("e", &[10, 40]), ("c", &[20]), ("d", &[1])]
    {
        list.session(name, times).await?;
    }
    let expected = ["e", "b", "c", "a", "d"];
    for limit in [1, 2, 4, 5, 6] {
        let found = list.names(&list.filter(), None, limit).await?;
        ensure!(found == expected, "in pages of {limit}: {found:?} instead of {expected:?}");
    }
    let none = history.list_sessions(&list.filter(), None, 0).await?;
    ensure!(none.sessions.is_empty(), "none were asked for, and {} given", none.sessions.len());
    Ok(())
}

pub(super) async fn no_session_is_listed_twice(history: &impl ChatHistory) -> Checked {
    let list = List::new(history).await?;
    for (name, time) in [("a", 50), ("b", 40), ("c", 30), ("d", 20), ("e", 10)] {
        list.session(name, &[time]).await?;
    }
    let page = history.list_sessions(&list.filter(), None, 2).await?;
    let next = page.next.ok_or_else(|| Stop::Failed("there is no next page".to_owned()))?;
    // One that was shown is used, and one that was not; one is deleted, and one begins.
    for name in ["b", "d", "f"] {
        list.session(name, &[60]).await?;
    }
    match history.delete(&list.id("e")?).await {
        Err(HistoryError::Unsupported { .. }) => {
            history.delete_sessions(&list.filter().with_used_before(at(20)), 1).await?;
        }
        deleted => deleted?,
    }
    let next = next.to_string().parse()?;
    let rest = list.names(&list.filter(), Some(next), 2).await?;
    ensure!(rest == ["c"], "the pages to come show {rest:?} instead of c");
    let start = list.filter().with_used_since(at(50));
    list.lists(&start, &["f", "d", "b", "a"]).await?;
    list.lists(&list.filter(), &["f", "d", "b", "a", "c"]).await
}

pub(super) async fn a_filter_selects_by_labels_and_times(history: &impl ChatHistory) -> Checked {
    let list = List::new(history).await?;
    for (name, time) in [("a", 10), ("b", 20), ("c", 30)] {
        let id = list.session(name, &[time]).await?;
        history.set_label(&id, "user", Some(if name == "b" { "grace" } else { "ada" })).await?;
    }
    history.set_label(&list.id("c")?, "pinned", Some("")).await?;
    let all = list.filter();
    for (filter, expected) in [
        (all.clone().with_label("user", "ada"), &["c", "a"][..]),
        (all.clone().with_label("user", "Ada"), &[]),
        (all.clone().with_label("user", ""), &[]),
        (all.clone().with_label("pinned", ""), &["c"]),
        (all.clone().with_label("user", "grace").with_label("pinned", ""), &[]),
        (all.clone().with_used_since(at(20)), &["c", "b"]),
        (all.clone().with_used_before(at(20)), &["a"]),
        (all.clone().with_used_since(at(20)).with_used_before(at(30)), &["b"]),
        (all.clone().with_label("user", "ada").with_used_before(at(30)), &["a"]),
        (all.clone().with_used_before(UNIX_EPOCH), &[]),
    ] {
        list.lists(&filter, expected).await?;
    }
    Ok(())
}

pub(super) async fn usage_is_summed(history: &impl ChatHistory) -> Checked {
    let list = List::new(history).await?;
    let id = list.session("a", &[10]).await?;
    let totals = list.info(&id).await?.totals;
    ensure!(totals.is_empty(), "nothing is recorded, and the sums are {totals:?}");
    let usage = Usage::new(8, 17).with_cached_tokens(3);
    let record = CallRecord::new().with_usage(usage).with_cost(Cost::from_picos(5));
    let answer = |record| Message::ai("an answer").with_call_record(record);
    let turn = Turn::new(vec![Message::human("q"), answer(&record)]);
    // A repetition is not counted.
    for _ in 0..2 {
        history.append(&id, &turn, Expect::Any).await?;
    }
    let seen = list.info(&id).await?.totals;
    if seen.is_empty() {
        return Err(Stop::Skipped("no sums of usage".to_owned()));
    }
    ensure!(seen == UsageTotals::of_turn(&turn), "the sums of one turn are {seen:?}");
    let record = CallRecord::new().with_usage(Usage::new(1, 2));
    let turn = Turn::new(vec![Message::human("q"), answer(&record)]);
    history.append(&id, &turn, Expect::Any).await?;
    history.append(&id, &exchange(3), Expect::Any).await?;
    let seen = list.info(&id).await?.totals;
    let usage = Usage::new(9, 19).with_cached_tokens(3);
    let expected = UsageTotals::new(Some(usage), Some(Cost::from_picos(5)));
    ensure!(seen == expected, "the sums are {seen:?} instead of {expected:?}");
    Ok(())
}

pub(super) async fn the_size_is_that_of_the_turns(history: &impl ChatHistory) -> Checked {
    let list = List::new(history).await?;
    let id = list.session("a", &[10]).await?;
    let small = list.info(&id).await?.bytes;
    ensure!(small > 20, "two messages have {small} bytes");
    let turn = Turn::exchange("x".repeat(10_000), "an answer");
    for _ in 0..2 {
        history.append(&id, &turn, Expect::Any).await?;
        let grown = list.info(&id).await?.bytes.saturating_sub(small);
        let expected = 10_000..20_000;
        ensure!(expected.contains(&grown), "10,000 bytes of text added {grown} bytes");
    }
    Ok(())
}

pub(super) async fn clearing_keeps_labels_and_times(history: &impl ChatHistory) -> Checked {
    let list = List::new(history).await?;
    let id = list.session("a", &[10, 20]).await?;
    history.set_title(&id, Some("A trip to Kyoto")).await?;
    history.clear(&id).await?;
    let info = list.info(&id).await?;
    ensure!(info.title.is_none(), "the title is still {:?}", info.title);
    ensure!((info.turns, info.bytes) == (0, 0), "{} turns are counted", info.turns);
    ensure!(info.totals.is_empty(), "the sums are {:?}", info.totals);
    ensure!(info.labels.len() == 1, "the labels are {:?}", info.labels);
    let times = (info.created_at, info.last_used_at);
    ensure!(times == (Some(at(10)), at(20)), "the times are {times:?}");
    let turn = made_at(30);
    history.append(&id, &turn, Expect::Any).await?;
    let info = list.info(&id).await?;
    ensure!(info.turns == 1 && info.last_used_at == at(30), "then it is {info:?}");
    Ok(())
}

pub(super) async fn deleting_takes_title_and_labels(history: &impl ChatHistory) -> Checked {
    let list = List::new(history).await?;
    let (id, kept) = (list.session("a", &[10]).await?, list.session("b", &[10]).await?);
    history.set_title(&id, Some("A trip to Kyoto")).await?;
    supported(history.delete(&id).await, "no deletion")?;
    let found = history.session_info(&id).await?;
    ensure!(found.is_none(), "it is still listed: {found:?}");
    list.lists(&list.filter(), &["b"]).await?;
    history.append(&id, &made_at(30), Expect::Any).await?;
    let info = list.info(&id).await?;
    ensure!(info.title.is_none() && info.labels.is_empty(), "the new one is {info:?}");
    let times = (info.created_at, info.last_used_at, info.turns);
    ensure!(times == (Some(at(30)), at(30), 1), "the new one is {info:?}");
    ensure!(list.info(&kept).await?.turns == 1, "another one lost its turn");
    Ok(())
}

pub(super) async fn sessions_are_deleted_by_filter(history: &impl ChatHistory) -> Checked {
    let list = List::new(history).await?;
    for (name, time) in [("a", 50), ("b", 40), ("c", 30), ("d", 20), ("e", 10)] {
        list.session(name, &[time]).await?;
    }
    let kept = SessionDriver { history, session: list.id("a")? };
    let late = SessionDriver { history, session: list.id("d")? };
    let seen = late.version().await?;
    let old = list.filter().with_used_before(at(40));
    for (limit, deleted, left) in [
        (0, 0, &["a", "b", "c", "d", "e"][..]),
        (2, 2, &["a", "b", "c"]),
        (2, 1, &["a", "b"]),
        (2, 0, &["a", "b"]),
    ] {
        let found = history.delete_sessions(&old, limit).await?;
        ensure!(found == deleted, "{found} sessions were deleted instead of {deleted}");
        list.lists(&list.filter(), left).await?;
    }
    late.holds(&[]).await?;
    let stale = late.append_if(&exchange(1), Expect::SameEpoch(seen)).await;
    let is_stale = matches!(stale, Err(HistoryError::Stale { .. }));
    ensure!(is_stale, "a turn of a deleted session: {stale:?}");
    kept.holds(&[&made_at(50)]).await?;
    let none = history.delete_sessions(&list.filter().with_label("user", "ada"), 9).await?;
    ensure!(none == 0, "{none} sessions were deleted that do not have the label");
    let rest = history.delete_sessions(&list.filter(), 9).await?;
    ensure!(rest == 2, "{rest} of 2 sessions were deleted");
    Ok(())
}

pub(super) async fn an_empty_filter_deletes_nothing(history: &impl ChatHistory) -> Checked {
    let list = List::new(history).await?;
    list.session("a", &[10]).await?;
    for filter in [SessionFilter::new(), SessionFilter::new().with_text(" ")] {
        // Other checks may use the same store.
        let refused = history.delete_sessions(&filter, 0).await;
        let is_told = matches!(refused, Err(HistoryError::EmptyFilter));
        ensure!(is_told, "deletion by {filter:?}: {refused:?}");
    }
    list.lists(&list.filter(), &["a"]).await
}

pub(super) async fn branches_are_counted_once(history: &impl ChatHistory) -> Checked {
    let list = List::new(history).await?;
    let turn = made_at(10);
    history.append(&list.id("a")?, &turn, Expect::Any).await?;
    let (id, first) = (list.session("a", &[]).await?, Point::After(turn.id()));
    let Some(view) = history.at(first) else {
        return Err(Stop::Skipped("no branches".to_owned()));
    };
    history.append(&id, &made_at(20), Expect::Any).await?;
    history.append(&id, &made_at(30), Expect::Any).await?;
    let path = list.info(&id).await?;
    view.append(&id, &made_at(40), Expect::Any).await?;
    let both = list.info(&id).await?;
    ensure!(both.turns == 2, "the path has {} turns instead of 2", both.turns);
    ensure!(both.bytes > path.bytes, "the branch that was left is not counted");
    ensure!(both.last_used_at == at(40), "it was last used at {:?}", both.last_used_at);
    history.set_tip(&id, Point::Start, Expect::Any).await?;
    let undone = list.info(&id).await?;
    ensure!((undone.turns, undone.bytes) == (0, both.bytes), "undone, it is {undone:?}");
    history.set_title(&id, Some("A trip to Kyoto")).await?;

    let into = list.id("fork")?;
    history.fork(&id, first, &into).await?;
    let fork = list.info(&into).await?;
    ensure!((fork.turns, fork.bytes) == (1, 0), "the fork has {} turns", fork.turns);
    ensure!(fork.title.is_none(), "the fork has the title {:?}", fork.title);
    ensure!(fork.labels == both.labels, "the fork has the labels {:?}", fork.labels);
    ensure!(fork.last_used_at > at(40), "the fork was last used at {:?}", fork.last_used_at);
    history.append(&into, &exchange(1), Expect::Any).await?;
    let grown = list.info(&into).await?;
    ensure!(grown.turns == 2 && grown.bytes > 0, "with a turn, the fork is {grown:?}");
    let source = list.info(&id).await?;
    ensure!(source.bytes == both.bytes, "the fork's turn is counted in its source");
    Ok(())
}

pub(super) async fn words_are_found(history: &impl ChatHistory) -> Checked {
    let list = List::new(history).await?;
    let words = |text: &str| list.filter().with_text(text);
    let probe = history.list_sessions(&words("probe"), None, 1).await;
    supported(probe, "no search")?;
    let trip = list.session("trip", &[10]).await?;
    let told = Turn::exchange("When do the cherries bloom in Kyoto?", "In \"April\", usually.");
    history.append(&trip, &told.with_id(TurnId::at(at(20))), Expect::Any).await?;
    let tax = list.session("tax", &[30]).await?;
    history.set_title(&tax, Some("The Invoice of Kyoto")).await?;
    for (text, expected) in [
        ("kyoto", &["tax", "trip"][..]),
        ("KYOTO bloom", &["trip"]),
        // Of a turn and the one before it.
        ("bloom question", &["trip"]),
        ("kyoto question invoice", &["tax"]),
        ("april", &["trip"]),
        ("kyoto osaka", &[]),
        ("\"' * NEAR( -kyoto", &[]),
        (" ", &["tax", "trip"]),
    ] {
        list.lists(&words(text), expected).await?;
    }
    list.lists(&words("kyoto").with_used_before(at(30)), &["trip"]).await?;
    // A word is searched for once, and many words are an error, not a part of them.
    let most: String = (0..SessionFilter::MAX_WORDS - 1).map(|n| format!("kyoto{n} ")).collect();
    list.lists(&words(&"kyoto\n".repeat(10_000)), &["tax", "trip"]).await?;
    list.lists(&words(&format!("{most}{most}kyoto")), &[]).await?;
    let many = words(&format!("kyoto {most}more"));
    let listed = history.list_sessions(&many, None, 9).await;
    ensure!(matches!(listed, Err(HistoryError::InvalidText { .. })), "many words: {listed:?}");
    let deleted = history.delete_sessions(&many, 9).await;
    ensure!(matches!(deleted, Err(HistoryError::InvalidText { .. })), "deletion: {deleted:?}");
    // What is gone is not found.
    history.set_title(&tax, Some("The tax of Osaka")).await?;
    list.lists(&words("kyoto"), &["trip"]).await?;
    list.lists(&words("osaka tax"), &["tax"]).await?;
    history.clear(&trip).await?;
    list.lists(&words("kyoto"), &[]).await?;
    // A word that the search passes over deletes nothing, nor do the parts of a word.
    history.append(&tax, &Turn::exchange("Don asked for a T shirt.", "Yes."), Expect::Any).await?;
    for text in [
        "osaka \u{1f642}",
        "osaka++",
        ".osaka",
        "o++",
        "…osaka",
        "osaka will",
        "osaka don't",
        "osaka_will",
    ] {
        let deleted = history.delete_sessions(&words(text), 9).await;
        let is_kept = matches!(deleted, Ok(0) | Err(HistoryError::InvalidText { .. }));
        ensure!(is_kept, "a part of `{text}` deleted sessions: {deleted:?}");
    }
    let deleted = history.delete_sessions(&words("osaka"), 9).await?;
    ensure!(deleted == 1, "{deleted} sessions were deleted by a word");
    list.lists(&words("osaka"), &[]).await?;
    let Some(view) = history.at(Point::Start) else { return Ok(()) };
    // A branch that was left is searched, and what a fork has taken over.
    let id = list.session("source", &[39]).await?;
    let turn = Turn::exchange("Where is Nara?", "Near Kyoto.").with_id(TurnId::at(at(40)));
    let point = Point::After(turn.id());
    history.append(&id, &turn, Expect::Any).await?;
    let later = Turn::exchange("And Kobe?", "In the west.").with_id(TurnId::at(at(41)));
    history.append(&id, &later, Expect::Any).await?;
    history.fork(&id, point, &list.id("fork")?).await?;
    view.append(&id, &made_at(42), Expect::Any).await?;
    list.lists(&words("nara"), &["fork", "source"]).await?;
    list.lists(&words("kobe"), &["source"]).await
}
