//! Titles and labels as records.
//!
//! A title is a record in the place of the store's title. A label is a record in the place of the
//! store's label whose name is a keyed hash of the label's name, so that it can be replaced; the
//! record has the name and the value.

use conversant_core::{HistoryError, SessionId, SessionInfo};

use crate::{
    envelope::{self, Envelope, Place},
    error::{DecryptionFault, Record},
    keyring::{Keyring, Purpose},
};

/// The longest title, in bytes: its record fits the longest title of a store.
pub(crate) const MAX_TITLE_BYTES: usize = 600;

/// The longest value of a label, in bytes: with the longest name its record fits the longest value
/// of a store.
pub(crate) const MAX_LABEL_VALUE_BYTES: usize = 240;

/// Encrypts a title.
pub(crate) fn seal_title(
    keys: &Keyring,
    stored: &SessionId,
    title: &str,
) -> Result<String, HistoryError> {
    SessionInfo::check_title(title, MAX_TITLE_BYTES)?;
    let mut envelope = Envelope::with_capacity(title.len());
    envelope.push(title.as_bytes());
    envelope.seal(keys, title_place(stored))
}

/// Encrypts a label's value, with its name, for the name that it has in the store.
pub(crate) fn seal_label(
    keys: &Keyring,
    stored: &SessionId,
    hashed: &str,
    name: &str,
    value: &str,
) -> Result<String, HistoryError> {
    let mut envelope = Envelope::with_capacity(1 + name.len() + value.len());
    // A name has at most 64 bytes.
    envelope.push(&[u8::try_from(name.len()).unwrap_or(u8::MAX)]);
    envelope.push(name.as_bytes());
    envelope.push(value.as_bytes());
    envelope.seal(keys, label_place(stored, hashed))
}

/// Returns the names under which the store may have a label, each once: by the primary key first.
pub(crate) fn label_names(keys: &Keyring, name: &str) -> Result<Vec<String>, HistoryError> {
    let mut names = Vec::new();
    for keys in keys.all() {
        let name = keys.label_name(name)?;
        // The same key may have been added twice.
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Decrypts the title and the labels of a session.
pub(crate) fn open(
    keys: &Keyring,
    stored: &SessionId,
    mut info: SessionInfo,
) -> Result<SessionInfo, HistoryError> {
    if let Some(title) = info.title.take() {
        let at = |fault: DecryptionFault| fault.of(Record::Title);
        let text = envelope::open(&title, keys, title_place(stored)).map_err(at)?;
        info.title = Some(String::from_utf8(text).map_err(|_| at(DecryptionFault::UnknownForm))?);
    }
    let primary = |hashed: &str, name: &str| {
        keys.primary_keys().label_name(name).is_ok_and(|known| known == hashed)
    };
    for (hashed, record) in std::mem::take(&mut info.labels) {
        let at = |fault: DecryptionFault| fault.of(Record::Label);
        let text = envelope::open(&record, keys, label_place(stored, &hashed)).map_err(at)?;
        let (name, value) = read_label(&text).ok_or_else(|| at(DecryptionFault::UnknownForm))?;
        // A label that an older key named stays until the label is set again with room for both.
        if primary(&hashed, &name) || !info.labels.contains_key(&name) {
            info.labels.insert(name, value);
        }
    }
    Ok(info)
}

fn read_label(record: &[u8]) -> Option<(String, String)> {
    let (&length, text) = record.split_first()?;
    let (name, value) = std::str::from_utf8(text).ok()?.split_at_checked(usize::from(length))?;
    Some((name.to_owned(), value.to_owned()))
}

fn title_place(stored: &SessionId) -> Place<'_> {
    Place { purpose: Purpose::Title, session: stored.as_str(), name: "" }
}

fn label_place<'p>(stored: &'p SessionId, hashed: &'p str) -> Place<'p> {
    Place { purpose: Purpose::Label, session: stored.as_str(), name: hashed }
}
