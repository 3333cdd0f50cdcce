//! Turns whose messages follow from their id, so that a stored turn can be checked.

use std::collections::HashSet;

use conversant_core::{Message, Turn, TurnId};

use super::findings::Findings;

/// Returns turn `number` of a writer.
pub(super) fn turn(writer: u64, number: u64) -> Turn {
    of(TurnId::from_u128(u128::from(writer) << 64 | u128::from(number)))
}

/// Returns the turn with this id: two to six messages, some of them long.
fn of(id: TurnId) -> Turn {
    let mixed = id.as_bytes().iter().fold(7_u64, |mixed, byte| {
        (mixed ^ u64::from(*byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23)
    });
    let count = 2 + mixed % 5;
    let filler = "x".repeat(usize::try_from(mixed >> 8 & 0x3ff).unwrap_or_default());
    let message = |number: u64| {
        let text = format!("{id} {number} of {count} {filler}");
        if number.is_multiple_of(2) { Message::human(text) } else { Message::ai(text) }
    };
    Turn::new((0..count).map(message).collect::<Vec<_>>()).with_id(id)
}

/// Returns the writer of a turn, and its number.
pub(super) fn number(turn: &Turn) -> (u64, u64) {
    let bits = u128::from_be_bytes(*turn.id().as_bytes());
    (u64::try_from(bits >> 64).unwrap_or_default(), bits as u64)
}

/// Checks that turns are whole and unique.
pub(super) fn check_whole(turns: &[Turn], at: &str, findings: &mut Findings) {
    let mut seen = HashSet::new();
    for turn in turns {
        let id = turn.id();
        findings.expect(seen.insert(id), || format!("{at}: turn {id} is stored twice"));
        findings.expect(of(id).messages() == turn.messages(), || {
            format!("{at}: turn {id} has {} messages, or others", turn.messages().len())
        });
    }
}

/// Checks that turns are whole and unique, and that those of each writer are in order.
pub(super) fn check(turns: &[Turn], at: &str, findings: &mut Findings) {
    check_whole(turns, at, findings);
    let mut last = std::collections::HashMap::new();
    for turn in turns {
        let id = turn.id();
        let (writer, number) = number(turn);
        let before = last.insert(writer, number);
        findings.expect(before.is_none_or(|before| before < number), || {
            format!("{at}: turn {id} came after a later one of its writer")
        });
    }
}
