//! Chromium without a screen, driven by ChromeDriver.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use conversant_harness::{Missing, Need};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use thirtyfour::{
    By, ChromiumLikeCapabilities, DesiredCapabilities, Key, TypingData, WebDriver, WebElement,
    WindowHandle,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::{Mutex, MutexGuard},
};

/// The time within which the page must come to be as a test expects it.
const TIMEOUT: Duration = Duration::from_secs(30);

/// One browser at a time: several share the cores, and none of them is in time.
static ONE: Mutex<()> = Mutex::const_new(());

/// The number of drivers that are started until one finds a port that is free.
const DRIVERS: usize = 5;

/// Starts a driver, and returns its port. Returns `None` if it ends because another program has
/// taken the port that it chose.
async fn start_driver(driver: &Path) -> Option<(Child, u16)> {
    let mut process = Command::new(driver)
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some((_, port)) = line.split_once("successfully on port ") {
            let port = port.trim_end_matches('.').parse().unwrap();
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Some((process, port));
        }
    }
    None
}

/// A browser.
pub(crate) struct Browser {
    driver: WebDriver,
    process: Child,
    _profile: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Browser {
    /// Starts a browser.
    pub(crate) async fn start() -> Result<Self, Missing> {
        let (Some(chromium), Some(driver)) = (find("chromium"), find("chromedriver")) else {
            return Err(Need::Browser.missing("`chromium` and `chromedriver`"));
        };
        let turn = ONE.lock().await;
        // The driver's client wants one, although nothing here is encrypted.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut started = None;
        for _ in 0..DRIVERS {
            started = start_driver(&driver).await;
            if started.is_some() {
                break;
            }
        }
        let (process, port) = started.expect("a driver finds a port");
        let profile = tempfile::tempdir().unwrap();
        let mut capabilities = DesiredCapabilities::chrome();
        capabilities.set_binary(chromium.to_str().unwrap()).unwrap();
        let data = format!("--user-data-dir={}", profile.path().display());
        for argument in [
            "--headless=new",
            // Tests may run as root, in a container with little shared memory.
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--hide-scrollbars",
            "--force-prefers-reduced-motion",
            "--force-color-profile=srgb",
            "--lang=en-GB",
            "--window-size=1200,800",
            &data,
        ] {
            capabilities.add_arg(argument).unwrap();
        }
        // Else it first shows its page of new tabs, which waits up to 5 seconds for the network.
        let blank = json!({
            "session.restore_on_startup": 4, "session.startup_urls": ["about:blank"],
        });
        capabilities.add_experimental_option("prefs", blank).unwrap();
        let driver =
            WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities).await.unwrap();
        driver.set_script_timeout(TIMEOUT + Duration::from_secs(5)).await.unwrap();
        Ok(Self { driver, process, _profile: profile, _turn: turn })
    }

    pub(crate) async fn end(mut self) {
        self.driver.quit().await.unwrap();
        self.process.kill().await.unwrap();
    }

    pub(crate) async fn open(&self, url: &str) {
        self.driver.goto(url).await.unwrap();
    }

    pub(crate) async fn reload(&self) {
        self.driver.refresh().await.unwrap();
    }

    /// Opens a page in a window of its own, and goes on in it.
    pub(crate) async fn open_window(&self, url: &str) -> WindowHandle {
        let window = self.driver.new_window().await.unwrap();
        self.driver.switch_to_window(window.clone()).await.unwrap();
        self.open(url).await;
        window
    }

    pub(crate) async fn window(&self) -> WindowHandle {
        self.driver.window().await.unwrap()
    }

    pub(crate) async fn go_to(&self, window: &WindowHandle) {
        self.driver.switch_to_window(window.clone()).await.unwrap();
    }

    /// Sets the size of the page.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        self.command(
            "Emulation.setDeviceMetricsOverride",
            json!({
                "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
            }),
        )
        .await;
    }

    /// Sends a command of Chromium's own protocol.
    async fn command(&self, name: &str, parameters: Json) {
        self.driver.cdp().send_raw(name, parameters).await.unwrap();
    }

    /// Runs a script, and returns its value.
    pub(crate) async fn value(&self, script: &str) -> Json {
        let script = format!("return ({script});");
        self.driver.execute(script, Vec::new()).await.unwrap().json().clone()
    }

    /// Waits until an expression is true in the page, and returns its value.
    pub(crate) async fn until(&self, expression: &str) -> Json {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             const end = Date.now() + {};
             const look = () => {{
               let value = null;
               try {{ value = {expression}; }} catch (error) {{ value = null; }}
               if (value || Date.now() > end) done({{value, text: document.body.innerText}});
               else setTimeout(look, 20);
             }};
             look();",
            TIMEOUT.as_millis()
        );
        let found = self.driver.execute_async(script, Vec::new()).await.unwrap().json().clone();
        let value = &found["value"];
        let is_true = !matches!(value, Json::Null | Json::Bool(false)) && value != 0 && value != "";
        assert!(is_true, "not true in time: {expression}\n\nthe page:\n{}", found["text"]);
        value.clone()
    }

    /// Waits until an element has a text.
    pub(crate) async fn shows(&self, css: &str, text: &str) {
        self.until(&format!(
            "[...document.querySelectorAll({})].some((e) => e.checkVisibility() \
             && e.innerText.includes({}))",
            json!(css),
            json!(text)
        ))
        .await;
    }

    /// Waits until no element is seen.
    pub(crate) async fn hides(&self, css: &str) {
        self.until(&format!(
            "![...document.querySelectorAll({})].some((e) => e.checkVisibility())",
            json!(css)
        ))
        .await;
    }

    async fn find(&self, css: &str) -> WebElement {
        self.until(&format!("document.querySelector({})?.checkVisibility()", json!(css))).await;
        self.driver.find(By::Css(css)).await.unwrap()
    }

    pub(crate) async fn click(&self, css: &str) {
        // An element may be drawn anew between being found and being clicked.
        for attempt in 1.. {
            let element = self.find(css).await;
            let scrolled = element.scroll_into_view().await;
            match scrolled.and(element.click().await) {
                Ok(()) => return,
                Err(error) => assert!(attempt < 5, "cannot click {css}: {error}"),
            }
        }
    }

    pub(crate) async fn type_in(&self, css: &str, text: impl Into<TypingData>) {
        self.find(css).await.send_keys(text).await.unwrap();
    }

    /// Presses a key where the focus is.
    pub(crate) async fn press(&self, keys: impl Into<TypingData>) {
        let element = self.driver.active_element().await.unwrap();
        element.send_keys(keys).await.unwrap();
    }

    /// Asks, as a person would.
    pub(crate) async fn ask(&self, text: &str) {
        self.type_in("#message", text).await;
        self.press(Key::Enter).await;
    }

    /// Returns the texts of elements.
    pub(crate) async fn texts(&self, css: &str) -> Vec<String> {
        let script = format!(
            "[...document.querySelectorAll({})].map((e) => e.textContent.trim())",
            json!(css)
        );
        serde_json::from_value(self.value(&script).await).unwrap()
    }

    /// Writes what the page looks like to a PNG file.
    pub(crate) async fn screenshot(&self, file: &Path) {
        self.driver.screenshot(file).await.unwrap();
    }

    /// Checks the page by axe's rules of WCAG 2.2, level AA, and its best practices.
    pub(crate) async fn passes_axe(&self, state: &str) {
        let script = "const done = arguments[arguments.length - 1];
            axe.run().then(({passes, violations}) => done(passes.length < 10 ? ['did not run'] :
              violations.map(({id, help, nodes}) =>
                `${id}: ${help}: ${nodes.map((node) => node.html).join(' ')}`)), done);";
        let found = self.driver.execute_async(script, Vec::new()).await.unwrap().json().clone();
        assert_eq!(found, json!([]), "in the state: {state}");
    }

    /// Loads a script into the page, past its policy.
    pub(crate) async fn load(&self, script: &str) {
        self.driver.execute(script, Vec::new()).await.unwrap();
    }
}

/// Returns the text of axe-core.
pub(crate) fn axe() -> Result<String, Missing> {
    let file = Need::Optional.variable("CONVERSANT_AXE", "the file of axe-core")?;
    Ok(std::fs::read_to_string(file).unwrap())
}

/// Returns the path of a program.
fn find(program: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths).map(|folder| folder.join(program)).find(|file| file.is_file())
}
