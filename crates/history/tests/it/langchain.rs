//! LangChain's rows.

use std::sync::atomic::{AtomicUsize, Ordering};

use conversant_core::{Message, Range, Turn, TurnId, Version};
use conversant_history::langchain::{
    Part, Row, Tail, encode_turn, load_range, load_turns, numbered_turn_id, turns,
};

fn decode(number: u64, json: impl AsRef<[u8]>) -> Row {
    Row::decode(json, format_args!("row {number}"), || numbered_turn_id(number)).unwrap()
}

#[test]
fn turn_ids_of_rows_that_python_wrote_never_change() {
    let foreign = [Message::system("Be kind."), Message::human("Hi"), Message::ai("Hello!")]
        .map(|message| message.to_stored_json(1024).unwrap());
    let rows: Vec<Row> = (7..).zip(foreign).map(|(number, json)| decode(number, json)).collect();
    let ids: Vec<String> = turns(&rows).iter().map(|turn| turn.id().to_string()).collect();
    insta::assert_snapshot!(ids.join("\n"), @r"
    6c616e67-6368-8061-8000-000000000007
    6c616e67-6368-8061-8000-000000000008
    ");
}

#[test]
fn turns_come_back_with_their_marks_and_without_them_in_the_messages() {
    let whole = Turn::exchange("Hi", "Hello!").with_base(Version::new(3, 4));
    let cut = Turn::identified(TurnId::from_u128(9), Message::ai("Hel")).with_incomplete(true);
    let rows: Vec<Row> = [&whole, &cut]
        .iter()
        .flat_map(|turn| encode_turn(turn, 1024).unwrap())
        .map(|json| decode(0, json))
        .collect();
    assert_eq!(turns(&rows), [whole, cut]);
}

#[test]
fn a_row_that_cannot_be_decoded_is_named() {
    let error = Row::decode("{", "row 7", || TurnId::from_u128(1)).unwrap_err();
    insta::assert_snapshot!(error, @"cannot use the history: cannot decode row 7");
    let kwargs = Message::human("Hi").with_extra("additional_kwargs", 1);
    let error = encode_turn(&Turn::new(vec![kwargs]), 1024).unwrap_err();
    insta::assert_snapshot!(error, @"cannot use messages whose `additional_kwargs` are not an object: the history does not support it");
}

/// The rows of a session to which another process appends a turn before each look but the first.
fn rows(turns: usize) -> Vec<Row> {
    let turn = |number: usize| Turn::exchange(format!("{number}"), "ok").with_id(id(number));
    let rows = (0..turns).flat_map(|number| encode_turn(&turn(number), 1024).unwrap());
    rows.map(|json| decode(0, json)).collect()
}

fn id(number: usize) -> TurnId {
    TurnId::from_u128(number as u128 + 1)
}

/// The turns of a range are those of one moment, and the rows are fetched once.
#[tokio::test]
async fn turns_of_a_range_are_of_one_moment() {
    let looks = AtomicUsize::new(0);
    let fetch = async |part| {
        let rows = rows(3 + looks.fetch_add(1, Ordering::Relaxed));
        let (version, count) = (Version::new(7, rows.len() as u64), rows.len());
        let skipped = match part {
            Part::Last(last) => count - count.min(usize::try_from(last).unwrap_or(usize::MAX)),
            Part::After(seen) if seen.epoch == 7 => {
                count.min(usize::try_from(seen.messages).unwrap())
            }
            _ => 0,
        };
        Ok(Tail { version, rows: rows.into_iter().skip(skipped).collect() })
    };
    let seen = |epoch, turns: usize| Version::new(epoch, 2 * turns as u64);
    let tip = |number| id(number).fingerprint();
    for (range, expected) in [
        (Range::All, 0..3),
        (Range::LastTurns(1), 2..3),
        (Range::LastTurns(9), 0..3),
        (Range::LastMessages(3), 2..3),
        (Range::LastBytes(0), 3..3),
        (Range::After(seen(7, 0)), 0..3),
        (Range::After(seen(7, 1)), 1..3),
        (Range::After(seen(7, 1).with_tip(tip(0))), 1..3),
        (Range::After(seen(7, 1).with_tip(tip(1))), 0..3),
        (Range::After(seen(6, 1)), 0..3),
        (Range::After(seen(7, 9)), 3..3),
        (Range::After(seen(7, 9).with_tip(tip(1))), 0..3),
    ] {
        looks.store(0, Ordering::Relaxed);
        let found = load_turns(range, &fetch).await.unwrap();
        let ids: Vec<_> = found.iter().map(Turn::id).collect();
        assert_eq!(ids, expected.clone().map(id).collect::<Vec<_>>(), "{range:?}");
        assert_eq!(looks.load(Ordering::Relaxed), 1, "{range:?}");
    }
    // As the messages of the range are.
    looks.store(0, Ordering::Relaxed);
    let found = load_range(Range::LastTurns(1), &fetch).await.unwrap();
    assert_eq!(found.rows.len(), 2);
}
