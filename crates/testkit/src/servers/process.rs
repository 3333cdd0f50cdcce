//! Processes of servers: their programs, folders and ends.

use std::{
    env, fs, io,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use conversant_core::TurnId;

/// The time that a server has to start.
const MAX_START: Duration = Duration::from_secs(60);

/// The pause between two looks at a server that starts.
const PAUSE: Duration = Duration::from_millis(5);

/// A temporary folder. It is removed when it is dropped.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> io::Result<Self> {
        let path = env::temp_dir().join(format!("{name}-{}", TurnId::random()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server that runs. It is killed when it is dropped.
pub(super) struct Process(Child);

impl Process {
    /// Starts a server, with its output in a file.
    pub(super) fn start(command: &mut Command, log: &Path) -> io::Result<Self> {
        let log = fs::File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(Self(command.spawn()?))
    }

    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.0.kill()?;
        self.0.wait().map(drop)
    }

    /// Waits until a server is ready. Returns `false` if it has ended.
    pub(super) fn wait_until(&mut self, is_ready: impl Fn() -> bool) -> io::Result<bool> {
        let started = Instant::now();
        while !is_ready() {
            if self.0.try_wait()?.is_some() {
                return Ok(false);
            }
            if started.elapsed() > MAX_START {
                return Err(io::Error::other("the server is not ready in time"));
            }
            thread::sleep(PAUSE);
        }
        Ok(true)
    }

    /// Waits until the process has ended.
    pub(super) fn wait(&mut self) -> io::Result<()> {
        self.0.wait().map(drop)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

pub(super) fn connect(port: u16) -> io::Result<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    Ok(stream)
}

/// Returns the path of an installed program.
pub(super) fn find_program(name: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Runs a program to its end.
pub(super) fn run(command: &mut Command) -> io::Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let name = command.get_program().to_string_lossy();
    Err(io::Error::other(format!("`{name}` failed: {}", errors.trim())))
}

/// Copies a folder with all that is in it.
pub(super) fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    run(Command::new("cp").arg("-a").arg(from).arg(to))
}
