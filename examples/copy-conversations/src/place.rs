//! The places that can be named on the command line: stores and files.

use std::str::FromStr;

use crate::{file::FilePlace, store::Store};

/// A place of conversations, not opened yet.
#[derive(Debug, Clone)]
pub enum Place {
    Store(Store),
    File(FilePlace),
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
