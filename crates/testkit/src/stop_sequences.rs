//! Stop sequences of a request, for scripted answers.

/// Cuts pieces of a text before the first stop sequence. Returns whether there was one.
pub(crate) fn cut(pieces: &mut Vec<String>, stops: &[String]) -> bool {
    if stops.is_empty() {
        return false;
    }
    let text = pieces.concat();
    let found = stops.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| text.find(stop));
    let Some(mut left) = found.min() else { return false };
    for piece in &mut *pieces {
        // A stop sequence begins where a character does, and so does its part in a piece.
        piece.truncate(left);
        left -= piece.len();
    }
    pieces.retain(|piece| !piece.is_empty());
    true
}
