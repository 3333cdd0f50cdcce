//! The places that can be named on the command line: stores and files.

use std::str::FromStr;

use crate::{file::FilePlace, langchain::LangChain, store::Store};

/// A place of conversations, not opened yet.
#[derive(Debug, Clone)]
pub enum Place {
    Store(Store),
    File(FilePlace),
}

impl Place {
    /// Reads the places of the command line, from and to. The settings are those of the first store
    /// of LangChain's, and refused where they are for another one.
    pub fn two(from: &str, to: &str, settings: LangChain) -> Result<(Self, Self), String> {
        let (mut from, mut to): (Self, Self) = (from.parse()?, to.parse()?);
        let is_source = from.langchain().is_some();
        let first = if is_source { &mut from } else { &mut to };
        let (is_table, is_keys) = match &*first {
            Self::Store(store) => (store.is_table(), store.is_keys()),
            Self::File(_) => (false, false),
        };
        for (is_given, is_right, flag, stores) in [
            (settings.table.is_some(), is_table, "--table", "a table of LangChain's"),
            (settings.key_prefix.is_some(), is_keys, "--key-prefix", "keys of LangChain's"),
            (settings.add_index, is_table && is_source, "--add-index", "a table to copy from"),
        ] {
            if is_given && !is_right {
                return Err(format!("`{flag}` is for {stores}; see --help"));
            }
        }
        if let Some(default) = first.langchain() {
            *default = settings;
        }
        Ok((from, to))
    }

    /// Returns the reason that there may be for no conversations.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(store) => store.hint(),
            Self::File(_) => None,
        }
    }

    const fn langchain(&mut self) -> Option<&mut LangChain> {
        match self {
            Self::Store(store) => store.langchain(),
            Self::File(_) => None,
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((kind, rest)) = text.split_once(':') else {
            return Err("a place has the form `KIND:WHERE`; see --help".to_owned());
        };
        if let Some(store) = Store::of_kind(kind, rest, text) {
            return Ok(Self::Store(store));
        }
        match FilePlace::of_kind(kind, rest) {
            Some(file) => Ok(Self::File(file)),
            None => Err(format!("there is no kind of store or file `{kind}`; see --help")),
        }
    }
}
