//! Files of conversations.

use std::{
    error::Error,
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::PathBuf,
};

use conversant_core::SessionId;
use conversant_transfer::{Export, Import};

use crate::report::Display;

/// A file, or standard input and output.
#[derive(Debug, Clone)]
pub struct FilePlace {
    kind: Kind,
    /// `None` for standard input and output.
    path: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lines,
    ChatGpt,
    ShareGpt,
    FineTuning,
    LangChainFile,
}

/// The settings of a copy from or to a file.
#[derive(Debug)]
pub struct Settings {
    pub session: Option<String>,
    pub prefix: String,
    pub start: u64,
}

impl FilePlace {
    pub fn of_kind(kind: &str, path: &str) -> Option<Self> {
        let kind = match kind {
            "lines" => Kind::Lines,
            "chatgpt" => Kind::ChatGpt,
            "sharegpt" => Kind::ShareGpt,
            "finetuning" => Kind::FineTuning,
            "langchain-file" => Kind::LangChainFile,
            _ => return None,
        };
        Some(Self { kind, path: (path != "-").then(|| PathBuf::from(path)) })
    }

    pub fn import(&self, settings: &Settings) -> Result<Import, Box<dyn Error>> {
        let import = match self.kind {
            Kind::Lines => Import::lines(),
            Kind::ChatGpt => Import::chatgpt(),
            Kind::ShareGpt => Import::sharegpt(),
            Kind::FineTuning => Import::fine_tuning(),
            Kind::LangChainFile => Import::langchain_file(self.session(settings)?),
        };
        Ok(import.with_session_prefix(settings.prefix.as_str()).with_start(settings.start))
    }

    pub fn export(&self, settings: &Settings) -> Result<Export, Box<dyn Error>> {
        Ok(match self.kind {
            Kind::Lines => Export::lines(),
            Kind::ShareGpt => Export::sharegpt(),
            Kind::FineTuning => Export::fine_tuning(),
            Kind::LangChainFile => Export::langchain_file(self.session(settings)?),
            Kind::ChatGpt => {
                return Err("cannot write ChatGPT's export: it is a format to copy from; copy to \
                            `sharegpt:FILE` or `lines:FILE`"
                    .into());
            }
        })
    }

    fn session(&self, settings: &Settings) -> Result<SessionId, Box<dyn Error>> {
        let stem = self.path.as_ref().and_then(|path| path.file_stem());
        let stem = stem.map(|stem| stem.to_string_lossy().into_owned());
        let session = settings.session.clone().or(stem);
        let missing = "cannot name the session of a langchain-file; set `--session`";
        Ok(SessionId::new(session.ok_or(missing)?)?)
    }

    /// Opens the file for reading, and shows its size.
    pub fn read(&self, display: &mut Display) -> io::Result<Box<dyn BufRead + Send>> {
        let Some(path) = &self.path else { return Ok(Box::new(BufReader::new(io::stdin()))) };
        let file = File::open(path)?;
        display.expect(file.metadata()?.len());
        Ok(Box::new(BufReader::with_capacity(1 << 16, file)))
    }

    /// Creates the file.
    pub fn write(&self) -> io::Result<Box<dyn Write + Send>> {
        Ok(match &self.path {
            None => Box::new(io::stdout()),
            Some(path) => Box::new(BufWriter::new(File::create_new(path)?)),
        })
    }
}
