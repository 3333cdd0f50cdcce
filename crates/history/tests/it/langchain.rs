//! LangChain's rows.

use conversant_core::{Message, Turn, TurnId, Version};
use conversant_history::langchain::{Row, encode_turn, numbered_turn_id, turns};

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
