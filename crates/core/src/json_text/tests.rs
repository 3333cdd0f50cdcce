//! serde_json is the measure.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::push_text;

fn encode(text: &str) -> String {
    let (mut bytes, mut string) = (Vec::new(), String::new());
    push_text(&mut bytes, text);
    push_text(&mut string, text);
    assert_eq!(bytes, string.as_bytes());
    string
}

#[test]
fn each_character_is_written_as_serde_json_does_wherever_it_stands() {
    for character in (0..0x100_u32).filter_map(char::from_u32).chain(['ß', '語', '🦀', '\u{2028}'])
    {
        for before in 0..160 {
            let text = format!("{}{character}{}", "a".repeat(before), "z".repeat(160 - before));
            assert_eq!(encode(&text), serde_json::to_string(&text).unwrap());
        }
    }
    assert_eq!(encode(""), "\"\"");
}

proptest! {
    #[test]
    fn any_text_is_written_as_serde_json_does(text in "(?s)([\u{0}-\u{24}\\\\x]|.){0,64}") {
        prop_assert_eq!(encode(&text), serde_json::to_string(&text).unwrap());
    }
}
