//! A `quillon up` that a test starts, asks and kills.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

pub(crate) const QUILLON: &str = env!("CARGO_BIN_EXE_quillon");

/// A running `quillon up`; killed when it is dropped.
pub(crate) struct Instance {
    process: Child,
    data: PathBuf,
}

impl Instance {
    /// Starts it and waits until it says that it runs.
    pub(crate) fn start(directory: &Path, agents: usize) -> Self {
        let data = directory.join("data");
        let mut process = Command::new(QUILLON)
            .args(["up", "--listen", "127.0.0.1:0", "--agents", &agents.to_string(), "--dagger"])
            .arg(engine(directory))
            .arg("--data")
            .arg(&data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("up");
        let lines = BufReader::new(process.stdout.take().expect("stdout")).lines();
        let said = lines.map_while(Result::ok).take_while(|line| !line.starts_with("Ctrl-C")).count();
        assert!(said > 4, "`up` ended before it ran");
        Self { process, data }
    }

    /// Runs another command beside it and gives what it prints.
    pub(crate) fn quillon(&self, arguments: &[&str]) -> String {
        let output = Command::new(QUILLON).args(arguments).arg("--data").arg(&self.data).output().expect("a command");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    /// Runs a command that does not work, and gives what it says.
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        let output = Command::new(QUILLON).args(arguments).arg("--data").arg(&self.data).output().expect("a command");
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Runs a command that knows no data directory, with this operator's key.
    pub(crate) fn beside_nothing(&self, arguments: &[&str], key: &str) -> Output {
        let nowhere = self.data.join("nowhere");
        Command::new(QUILLON).args(arguments).arg("--data").arg(nowhere).env("QUILLON_OPERATOR_KEY", key).output().expect("a command")
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        self.contact("url").trim_end_matches('/').to_owned()
    }

    /// What it tells those beside it.
    pub(crate) fn contact(&self, name: &str) -> String {
        let contact = fs::read_to_string(self.data.join("instance.json")).expect("a contact");
        let contact: serde_json::Value = serde_json::from_str(&contact).expect("JSON");
        contact[name].as_str().expect("a text").to_owned()
    }

    /// Ends it without a word, as a power switch would.
    pub(crate) fn kill(mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("ended");
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // It may have been killed on purpose.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The demo engine as a program, so that a `dagger` on the machine's PATH plays no part.
fn engine(directory: &Path) -> PathBuf {
    let script = directory.join("dagger");
    fs::write(&script, format!("#!/bin/sh\nexec '{QUILLON}' demo-engine \"$@\"\n")).expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("a program");
    script
}

/// A git repository with a module of one check that passes.
pub(crate) fn repository(directory: &Path) -> PathBuf {
    let path = directory.join("module");
    fs::create_dir_all(path.join("checks")).expect("a directory");
    fs::write(path.join("dagger.json"), "{\"name\":\"module\",\"source\":\".\"}\n").expect("a manifest");
    fs::write(path.join("checks/lint"), "#!/bin/sh\nexit 0\n").expect("a check");
    fs::set_permissions(path.join("checks/lint"), fs::Permissions::from_mode(0o755)).expect("a program");
    let git = |arguments: &[&str]| {
        let status = Command::new("git").arg("-C").arg(&path).args(arguments).status().expect("git");
        assert!(status.success(), "git {arguments:?}");
    };
    git(&["init", "--quiet", "--initial-branch", "main"]);
    git(&["add", "--all"]);
    git(&["-c", "user.name=Ada", "-c", "user.email=ada@acme.example", "commit", "--quiet", "--message", "a module"]);
    path
}
