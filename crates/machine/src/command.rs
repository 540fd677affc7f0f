//! Turning the calling process into a command, as a shell would: what [`crate::enter`], bare places and init have in
//! common.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::StepFailure;
use crate::sys;

/// Where commands are looked up in a machine.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a shell answers for a command that it can't find, and for one that it can't run.
const NOT_FOUND: i32 = 127;
const NOT_RUN: i32 = 126;

/// A command, ready to run.
pub(crate) struct Run {
    pub(crate) argv: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) cwd: String,
}

impl Run {
    /// Becomes the command; returns a status only if that fails.
    pub(crate) fn become_it(&self, guard: impl FnOnce() -> Result<(), StepFailure>) -> i32 {
        let cwd = Path::new(&self.cwd);
        if let Err(e) = std::env::set_current_dir(cwd).or_else(|_| std::env::set_current_dir("/")) {
            eprintln!("{}: {e}", self.cwd);
            return NOT_RUN;
        }
        if let Err(e) = guard() {
            eprintln!("{e}");
            return NOT_RUN;
        }
        let default = ["/bin/bash".to_owned()];
        let argv = if self.argv.is_empty() { &default[..] } else { &self.argv };
        let path = self.env.get("PATH").map_or(PATH, String::as_str);
        let Some(program) = look_up(&argv[0], path) else {
            eprintln!("{}: command not found", argv[0]);
            return NOT_FOUND;
        };
        let strings = |list: Vec<String>| list.into_iter().map(CString::new).collect::<Result<Vec<_>, _>>();
        let env = self.env.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let (Ok(program), Ok(argv), Ok(env)) =
            (CString::new(program.into_os_string().into_encoded_bytes()), strings(argv.to_vec()), strings(env))
        else {
            eprintln!("an argument or a variable holds a zero byte");
            return NOT_RUN;
        };
        if let Err(e) = sys::release_signals() {
            eprintln!("{e}");
            return NOT_RUN;
        }
        let error = sys::exec(&program, &argv, &env);
        eprintln!("{}: {error}", argv[0].to_string_lossy());
        if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_RUN }
    }
}

/// The program, as a shell would find it.
fn look_up(name: &str, path: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(name.into());
    }
    let runnable = |it: &PathBuf| it.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0);
    path.split(':').filter(|it| !it.is_empty()).map(|it| Path::new(it).join(name)).find(runnable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_as_a_shell_finds_them() {
        assert_eq!(look_up("sh", "/nowhere:/bin"), Some("/bin/sh".into()));
        assert_eq!(look_up("./x", "/bin"), Some("./x".into()));
        assert_eq!(look_up("no-such-command", "/bin"), None);
        assert_eq!(look_up("etc", "/"), None);
    }
}
