//! The file of a local model: found, or downloaded after a line that says so.

use std::{path::PathBuf, sync::mpsc, thread, time::Duration};

use conversant_models_local::weights::{
    DownloadProgress, KNOWN_MODELS, KnownModel, ModelFolder, SMOLLM2_135M,
};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::oneshot;

use crate::failure::Failure;

/// The time between two looks at the progress of a download.
const TICK: Duration = Duration::from_millis(100);

/// Returns the known model with a name, and the default one without a name.
pub fn known(name: Option<&str>) -> Option<&'static KnownModel> {
    KnownModel::by_name(name.unwrap_or(&SMOLLM2_135M.name))
}

/// Returns the names of the known models, with their sizes.
pub fn names() -> Vec<String> {
    let size = |model: &KnownModel| format!("{} ({} MB)", model.name, model.bytes / 1_000_000);
    KNOWN_MODELS.iter().map(size).collect()
}

/// Returns the file of a model, after a line on standard error that says what runs, and what is
/// downloaded.
pub async fn file(
    model: &'static KnownModel,
    offline: bool,
    is_named: bool,
    program: &str,
) -> Result<PathBuf, Failure> {
    let folder = ModelFolder::of_user().map_err(Failure::other)?;
    let name = &model.name;
    let reason = match is_named {
        true => String::new(),
        false => "no key and no server: ".to_owned(),
    };
    if let Some(file) = folder.find(model) {
        eprintln!(
            "{program}: {reason}{name} runs on this machine; it is for trying, not for truth"
        );
        return Ok(file);
    }
    let path = folder.path().display().to_string();
    if offline {
        return Err(Failure::Other(format!(
            "{reason}{name} would run on this machine, but it is not in {path}, and --offline \
             forbids its download; give a file with --model-file, or a server with --base-url"
        )));
    }
    eprintln!(
        "{program}: {reason}{name} runs on this machine; it is for trying, not for truth. \
         Its {} MB ({}) are downloaded once to {path}, from {}",
        model.bytes / 1_000_000,
        model.license,
        folder.sources(model).join(", or "),
    );
    download(folder, model).await.map_err(|failure| match failure {
        Failure::Other(line) => Failure::Other(format!(
            "{line}; give a file with --model-file, or a server with --base-url"
        )),
        failure => failure,
    })
}

/// Downloads a model, and shows the progress. If the future is dropped, the download goes on until
/// the process ends: a later start continues it.
async fn download(folder: ModelFolder, model: &'static KnownModel) -> Result<PathBuf, Failure> {
    let (done, mut downloaded) = oneshot::channel();
    let (report, progress) = mpsc::channel();
    // A thread, because the end of the process does not wait for it.
    let run = move || {
        let file = folder.download(model, &mut |progress| drop(report.send(progress)));
        drop(done.send(file));
    };
    thread::Builder::new().spawn(run).map_err(Failure::other)?;
    let bar = Bar::new();
    loop {
        let tick = tokio::time::sleep(TICK);
        tokio::select! {
            file = &mut downloaded => {
                return file.map_err(Failure::other)?.map_err(Failure::other);
            }
            () = tick => progress.try_iter().last().iter().for_each(|progress| bar.show(progress)),
        }
    }
}

/// The progress of a download, on standard error if that is a terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    fn show(&self, progress: &DownloadProgress) {
        if let Some(total) = progress.total {
            if self.0.length() != Some(total) {
                let template = "{wide_bar} {bytes}/{total_bytes} {eta}";
                if let Ok(style) = ProgressStyle::with_template(template) {
                    self.0.set_style(style);
                }
                self.0.set_length(total);
            }
            self.0.set_position(progress.received);
        } else {
            self.0.set_message(progress.source.clone());
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
