//! The file of a local model: found, or downloaded after a line that says so.

use std::path::PathBuf;

use conversant_models_local::weights::{KnownModel, ModelFolder, Progress, SMOLLM2_135M};
use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::Failure;

/// Returns the known model with a name, and the default one without a name.
pub fn known(name: Option<&str>) -> Option<&'static KnownModel> {
    KnownModel::by_name(name.unwrap_or(SMOLLM2_135M.name))
}

/// Returns the file of a model, after a line on standard error that says what runs, and what is
/// downloaded.
pub async fn file(
    model: &'static KnownModel,
    offline: bool,
    is_named: bool,
) -> Result<PathBuf, Failure> {
    let folder = ModelFolder::of_user().map_err(Failure::other)?;
    let name = model.name;
    let reason = match is_named {
        true => String::new(),
        false => "no key and no server: ".to_owned(),
    };
    if let Some(file) = folder.find(model) {
        eprintln!("chat: {reason}{name} runs on this machine; it is for trying, not for truth");
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
        "chat: {reason}{name} runs on this machine; it is for trying, not for truth. \
         Its {} MB ({}) are downloaded once to {path}, from {}",
        model.bytes / 1_000_000,
        model.license,
        folder.sources(model).join(", or "),
    );
    let downloaded = tokio::task::spawn_blocking(move || {
        let bar = Bar::new();
        folder.download(model, &mut |progress| bar.show(&progress))
    });
    downloaded.await.map_err(Failure::other)?.map_err(|error| {
        let Failure::Other(line) = Failure::other(error) else { return Failure::Interrupted };
        Failure::Other(format!(
            "{line}; give a file with --model-file, or a server with --base-url"
        ))
    })
}

/// The progress of a download, on standard error if that is a terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(std::time::Duration::from_millis(100));
        Self(bar)
    }

    fn show(&self, progress: &Progress) {
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
