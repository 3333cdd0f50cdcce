//! Text in a field: precision cuts it, width pads it, both counted in characters.

use crate::spec::{Align, Spec};

/// Appends text whose class the spec is known to fit.
pub(super) fn write(out: &mut String, value: &str, spec: &Spec) {
    let shown = match spec.precision.and_then(|limit| value.char_indices().nth(limit.into())) {
        Some((end, _)) => value.get(..end).unwrap_or(value),
        None => value,
    };
    let width = usize::from(spec.width.unwrap_or(0));
    // Only as many characters are counted as the width can ask for.
    let padding = width - shown.chars().take(width).count();
    let before = match spec.align {
        Some(Align::Right) => padding,
        Some(Align::Centre) => padding / 2,
        Some(Align::Left | Align::Inside) | None => 0,
    };
    pad(out, spec.fill, before);
    out.push_str(shown);
    pad(out, spec.fill, padding - before);
}

/// Appends a fill character `count` times.
pub(super) fn pad(out: &mut String, fill: char, count: usize) {
    out.extend(std::iter::repeat_n(fill, count));
}
