//! Titles and labels as records.
//!
//! A title is a record in the place of the store's title. A label is a record in the place of the
//! store's label whose name is a keyed hash of the label's name, so that it can be replaced; the
//! record has the name and the value.

use conversant_core::{HistoryError, SessionFilter, SessionId, SessionInfo};

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

/// The part that can be decrypted of a session's title and labels.
pub(crate) struct Names {
    /// The session without what cannot be decrypted.
    pub(crate) info: SessionInfo,
    /// The error of its title.
    title: Option<HistoryError>,
    /// The error of the first label that cannot be decrypted.
    label: Option<HistoryError>,
}

impl Names {
    /// Returns the session if all of it can be decrypted.
    pub(crate) fn whole(self) -> Result<SessionInfo, HistoryError> {
        self.title.or(self.label).map_or(Ok(self.info), Err)
    }

    /// Returns the error of a label that a filter could select.
    pub(crate) fn undecided(self, filter: &SessionFilter) -> Option<HistoryError> {
        let differs = |(name, value): (&String, &String)| {
            self.info.labels.get(name).is_some_and(|found| found != value)
        };
        let is_other = filter.labels.iter().any(differs);
        self.label.filter(|_| !is_other)
    }
}

/// Decrypts the title and the labels of a session that the store has as `stored`.
pub(crate) fn open(
    keys: &Keyring,
    stored: &SessionId,
    session: &SessionId,
    mut info: SessionInfo,
) -> Names {
    let (sealed_title, sealed_labels) = (info.title.take(), std::mem::take(&mut info.labels));
    let (mut title, mut label) = (None, None);
    match sealed_title.map(|sealed| open_title(keys, stored, &sealed)).transpose() {
        Ok(opened) => info.title = opened,
        Err(fault) => title = Some(fault.in_session(Record::Title, session)),
    }
    let primary = |hashed: &str, name: &str| {
        keys.primary_keys().label_name(name).is_ok_and(|known| known == hashed)
    };
    for (hashed, sealed) in sealed_labels {
        match open_label(keys, stored, &hashed, &sealed) {
            // A label that an older key named stays until the label is set again with room for
            // both.
            Ok((name, value)) => {
                if primary(&hashed, &name) || !info.labels.contains_key(&name) {
                    info.labels.insert(name, value);
                }
            }
            Err(fault) => {
                label.get_or_insert_with(|| fault.in_session(Record::Label, session));
            }
        }
    }
    info.session = session.clone();
    Names { info, title, label }
}

fn open_title(keys: &Keyring, stored: &SessionId, sealed: &str) -> Result<String, DecryptionFault> {
    let text = envelope::open(sealed, keys, title_place(stored))?;
    String::from_utf8(text).map_err(|_| DecryptionFault::UnknownForm)
}

/// Returns the name and the value of a label.
fn open_label(
    keys: &Keyring,
    stored: &SessionId,
    hashed: &str,
    sealed: &str,
) -> Result<(String, String), DecryptionFault> {
    let text = envelope::open(sealed, keys, label_place(stored, hashed))?;
    read_label(&text).ok_or(DecryptionFault::UnknownForm)
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
