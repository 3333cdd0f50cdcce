//! Files of conversations.

use std::{
    error::Error,
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Stdout, Write},
    path::{Path, PathBuf},
};

use conversant_core::SessionId;
use conversant_transfer::{Export, Import};
use tempfile::{Builder, NamedTempFile};

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
    pub fn read(&self, display: &mut Display) -> Result<Box<dyn BufRead + Send>, String> {
        let Some(path) = &self.path else { return Ok(Box::new(BufReader::new(io::stdin()))) };
        let failed = |error: io::Error| format!("cannot read `{}`: {error}", path.display());
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        display.expect(metadata.len());
        Ok(Box::new(BufReader::with_capacity(1 << 16, file)))
    }

    /// Creates a file that has its name at the end, so that a part is never taken for the whole.
    pub fn write(&self) -> Result<Output, String> {
        let Some(path) = self.path.clone() else { return Ok(Output::Standard(io::stdout())) };
        let failed = |error: io::Error| format!("cannot write `{}`: {error}", path.display());
        if path.exists() {
            return Err(failed(io::ErrorKind::AlreadyExists.into()));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or_else(|| Path::new("."));
        let part = Builder::new().prefix(".copy-").suffix(".part").tempfile_in(folder);
        Ok(Output::File(BufWriter::new(part.map_err(failed)?), path))
    }
}

/// A file that is being written, or standard output.
#[derive(Debug)]
pub enum Output {
    Standard(Stdout),
    File(BufWriter<NamedTempFile>, PathBuf),
}

impl Output {
    /// Gives the file its name.
    pub fn finish(self) -> Result<(), String> {
        let Self::File(writer, path) = self else { return Ok(()) };
        let failed = |error: io::Error| format!("cannot write `{}`: {error}", path.display());
        let file = writer.into_inner().map_err(|error| failed(error.into_error()))?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist_noclobber(&path).map(drop).map_err(|error| failed(error.error))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Standard(output) => output.write(bytes),
            Self::File(output, _) => output.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Standard(output) => output.flush(),
            Self::File(output, _) => output.flush(),
        }
    }
}
