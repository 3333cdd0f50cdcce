//! Plain English: phrases that comments, documentation and errors do without.

use super::{
    errors,
    fault::Fault,
    prose,
    tree::{File, Tree},
};

/// Phrases in lower case, and what to write instead.
const PHRASES: &[(&str, &str)] = &[
    ("is no", "negate the verb: `is not a`"),
    ("are no", "negate the verb: `are not`"),
    ("was no", "negate the verb: `was not a`"),
    ("were no", "negate the verb: `were not`"),
    ("whoever", "name the caller"),
    ("whatever", "name the thing, or write `any`"),
    ("whomever", "name the caller"),
    ("somebody", "name the caller"),
    ("anybody", "name the caller"),
    ("nobody", "negate the verb"),
    ("told", "use `informed`, `configured` or the passive of a plain verb"),
    ("tells", "use `returns`, `reports` or `distinguishes`"),
    ("as a rule", "use `usually`, or leave it out"),
    ("so many", "name the number"),
    ("so much", "name the amount"),
    ("stands", "use `is`"),
    ("beside", "use `next to`, `with` or `as well as`"),
    ("one's own", "use `custom`"),
    ("of ones own", "use `custom`"),
    ("of our own", "use `custom`"),
    ("by hand", "use `manually`, or `hand-written`"),
    ("come to nothing", "use `fail`"),
    ("comes to nothing", "use `fails`"),
    ("came to nothing", "use `failed`"),
    ("what came of", "use `the result of`"),
    ("what comes of", "use `the result of`"),
    ("can't be told", "use `cannot determine`"),
];

/// The words before or after a phrase with which it is plain English.
const PLAIN: &[(&str, &[&str], &[&str])] = &[
    ("is no", &["there"], &["longer", "more", "less", "later", "fewer", "larger", "smaller"]),
    ("are no", &["there"], &["longer", "more", "less", "later", "fewer", "larger", "smaller"]),
    ("was no", &["there"], &["longer", "more", "less", "later"]),
    ("were no", &["there"], &["longer", "more", "less", "later"]),
    ("stands", &[], &["for"]),
];

/// Words that an item's documentation does not begin with.
const OPENERS: &[&str] = &["What", "Who", "Whose", "Whom", "Tells"];

/// The beginnings of error texts: attributes, and `Display` that is written out. The attribute is
/// put together so that this file has none.
const TEXTS: &[&str] = &[concat!("#[", "error(\""), "f.write_str(\"", "write!(f, \""];

pub(crate) fn check(tree: &Tree) -> Vec<Fault> {
    tree.files().filter(|file| prose::is_prose(file)).flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Fault> {
    let mut faults = comments(file);
    if file.is_library() {
        faults.extend(literals(file));
    }
    faults
}

fn comments(file: &File) -> Vec<Fault> {
    let mut faults = Vec::new();
    let lines = prose::lines(file);
    for (index, line) in lines.iter().enumerate() {
        let previous = index.checked_sub(1).and_then(|index| lines.get(index));
        let follows = previous
            .is_some_and(|before| before.number + 1 == line.number && before.marker == line.marker);
        // A phrase may go on in the next line; it is reported where it begins.
        let next = lines.get(index + 1).filter(|next| next.number == line.number + 1);
        let paragraph = format!("{} {}", line.text, next.map_or("", |next| next.text));
        let own = line.text.to_lowercase().len();
        for (at, phrase, mend) in phrases(&paragraph) {
            if at < own {
                let what = format!("`{phrase}` is not plain English");
                faults.push(Fault::new(&file.path, line.number, what, mend));
            }
        }
        let first = line.text.split_whitespace().next().unwrap_or_default();
        if !follows && matches!(line.marker, "///" | "//!") && OPENERS.contains(&first) {
            let what = format!("the documentation begins with `{first}`");
            let mend = "begin with a verb in the third person, or with a noun";
            faults.push(Fault::new(&file.path, line.number, what, mend));
        }
    }
    faults
}

/// Checks the texts of errors.
fn literals(file: &File) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (at, beginning) in TEXTS.iter().flat_map(|text| file.text.match_indices(text)) {
        let rest = file.text.get(at + beginning.len()..).unwrap_or_default();
        let message = errors::literal(rest);
        let can_not = message.contains("can't").then_some((0, "can't", "use `cannot`"));
        for (_, phrase, mend) in phrases(message).into_iter().chain(can_not) {
            let what = format!("`{phrase}` is in the text of an error");
            faults.push(Fault::new(&file.path, file.line_at(at), what, mend));
        }
    }
    faults
}

/// Returns the phrases in a text, each with its byte in the text in lower case.
fn phrases(text: &str) -> Vec<(usize, &'static str, &'static str)> {
    let text = text.to_lowercase();
    let mut found = Vec::new();
    for (phrase, mend) in PHRASES {
        for (at, _) in text.match_indices(phrase) {
            let before = text.get(..at).unwrap_or_default();
            let after = text.get(at + phrase.len()..).unwrap_or_default();
            let is_word = |char: char| char.is_alphanumeric() || char == '_' || char == '`';
            let is_whole = !before.ends_with(is_word) && !after.starts_with(is_word);
            if is_whole && !is_plain(phrase, before, after) {
                found.push((at, *phrase, *mend));
            }
        }
    }
    found
}

fn is_plain(phrase: &str, before: &str, after: &str) -> bool {
    let before = before.split_whitespace().next_back().unwrap_or_default();
    let after = after.split_whitespace().next().unwrap_or_default();
    let after = after.trim_end_matches(|char: char| !char.is_alphanumeric());
    PLAIN.iter().any(|(plain, words_before, words_after)| {
        *plain == phrase && (words_before.contains(&before) || words_after.contains(&after))
    })
}
