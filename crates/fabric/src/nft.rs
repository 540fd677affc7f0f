//! The packet filter's transactions: nft's text, run by libnftables in this process or else by the `nft` command.
//!
//! In-process a one-element change costs a twelfth of a child process. The library comes with the command's package
//! and is opened by name, so neither headers nor a link dependency are needed.
#![allow(unsafe_code)] // a C library; each call says why it is sound

use crate::netns;
use libloading::{Library, Symbol};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// libnftables promises nothing about threads, so its calls take turns. The kernel's part of each is below a
/// millisecond.
static TURN: Mutex<()> = Mutex::new(());

type Context = *mut c_void;

/// Runs transactions.
#[derive(Debug)]
pub(crate) struct Nft {
    library: Option<Api>,
}

/// The functions of libnftables that we call. They stay valid as long as `_library` is loaded.
#[derive(Debug)]
struct Api {
    new: unsafe extern "C" fn(u32) -> Context,
    free: unsafe extern "C" fn(Context),
    buffer_output: unsafe extern "C" fn(Context) -> c_int,
    buffer_error: unsafe extern "C" fn(Context) -> c_int,
    error: unsafe extern "C" fn(Context) -> *const c_char,
    run: unsafe extern "C" fn(Context, *const c_char) -> c_int,
    _library: Library,
}

impl Nft {
    /// Opens the library; without it transactions go through the command.
    pub(crate) fn new() -> Self {
        let library = Api::load();
        if let Err(error) = &library {
            tracing::warn!(%error, "libnftables.so.1 cannot be used; falling back to the nft command");
        }
        Self { library: library.ok() }
    }

    /// Runs one transaction in a namespace: all of it or nothing.
    ///
    /// # Errors
    /// What nft says, without the text of the transaction.
    pub(crate) fn run(&self, namespace: BorrowedFd<'_>, script: &str) -> io::Result<()> {
        netns::inside(namespace, || match &self.library {
            // A kernel that cannot do the former gets a process of its own, which also starts from low descriptors.
            Some(library) if own_descriptors().is_ok() => library.run(script),
            _ => run_command(script),
        })
    }

    /// Which of the two ways it takes.
    pub(crate) fn describe(&self) -> &'static str {
        if self.library.is_some() { "libnftables" } else { "the nft command" }
    }
}

impl Api {
    fn load() -> Result<Self, libloading::Error> {
        // SAFETY: libnftables' initialisers only set up its own tables.
        let library = unsafe { Library::new("libnftables.so.1") }?;
        // SAFETY: the types are those of libnftables(3); a name that is missing is an error, not a wild pointer.
        unsafe {
            let api = Self {
                new: *symbol(&library, b"nft_ctx_new\0")?,
                free: *symbol(&library, b"nft_ctx_free\0")?,
                buffer_output: *symbol(&library, b"nft_ctx_buffer_output\0")?,
                buffer_error: *symbol(&library, b"nft_ctx_buffer_error\0")?,
                error: *symbol(&library, b"nft_ctx_get_error_buffer\0")?,
                run: *symbol(&library, b"nft_run_cmd_from_buffer\0")?,
                _library: library,
            };
            Ok(api)
        }
    }

    /// Runs on a thread that stands in the namespace: a context opens its socket there.
    fn run(&self, script: &str) -> io::Result<()> {
        let script = CString::new(script).map_err(|_| io::Error::other("the transaction holds a zero byte"))?;
        let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // SAFETY: the context is used by this thread only and freed once; the script outlives the call and ends in a
        // zero; the error buffer belongs to the context and is copied before that is freed.
        unsafe {
            let context = (self.new)(0);
            if context.is_null() {
                return Err(io::Error::other("libnftables gives no context"));
            }
            (self.buffer_output)(context);
            (self.buffer_error)(context);
            let code = (self.run)(context, script.as_ptr());
            let result = if code == 0 { Ok(()) } else { Err(complaint(&error_text((self.error)(context)))) };
            (self.free)(context);
            result
        }
    }
}

/// Gives the calling thread a table of descriptors of its own, with nothing in it but the standard streams. libnftables
/// waits with `select`, which ends the whole process when its socket's number is 1024 or more, and a daemon with some
/// hundred clusters has more open than that. Only for threads that end soon.
fn own_descriptors() -> io::Result<()> {
    let flags = c_int::try_from(libc::CLOSE_RANGE_UNSHARE).map_err(io::Error::other)?;
    // SAFETY: the table is unshared before anything is closed, so descriptors that others own stay open for them; this
    // thread was made for one call, owns none, and uses none that it was lent after this.
    match unsafe { libc::close_range(3, libc::c_uint::MAX, flags) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// # Safety
/// `T` must be the symbol's type.
unsafe fn symbol<'a, T>(library: &'a Library, name: &[u8]) -> Result<Symbol<'a, T>, libloading::Error> {
    // SAFETY: promised by the caller.
    unsafe { library.get(name) }
}

/// # Safety
/// `text` must be null or end in a zero.
unsafe fn error_text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: promised by the caller.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// nft's first complaint, with the line it is about.
fn complaint(text: &str) -> io::Error {
    /// Enough for a sentence and the rule it quotes; a broken transaction may quote thousands.
    const LENGTH: usize = 400;
    let text: String =
        text.lines().take(3).map(str::trim).collect::<Vec<_>>().join(" | ").chars().take(LENGTH).collect();
    io::Error::other(if text.is_empty() { "nft refused without a reason".to_owned() } else { text })
}

/// Inherits the calling thread's namespace; a plain spawn does not copy the daemon's memory.
fn run_command(script: &str) -> io::Result<()> {
    let mut child = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("cannot run nft (package nftables): {error}")))?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(script.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if output.status.success() { Ok(()) } else { Err(complaint(&String::from_utf8_lossy(&output.stderr))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    fn check(nft: &Nft) {
        let namespace = netns::on_thread(|| netns::unshare().and_then(|()| netns::current())).unwrap();
        nft.run(namespace.as_fd(), "add table inet t\nadd set inet t s { type ipv4_addr; }\n").unwrap();
        nft.run(namespace.as_fd(), "add element inet t s { 10.0.0.1 }\n").unwrap();
        let refused = nft.run(namespace.as_fd(), "add table inet u\nadd element inet t nothing { 10.0.0.1 }\n");
        let complaint = refused.unwrap_err().to_string();
        assert!(complaint.contains("No such file"), "{complaint}");
        // The first half of the refused transaction is not there either.
        assert!(nft.run(namespace.as_fd(), "delete table inet u\n").is_err());
    }

    #[test]
    fn a_transaction_is_all_or_nothing_by_the_library() {
        let nft = Nft::new();
        assert_eq!(nft.describe(), "libnftables");
        check(&nft);
    }

    #[test]
    fn a_transaction_does_not_mind_how_many_descriptors_are_open() {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
        let open: Vec<_> = (0..1100).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
        check(&Nft::new());
        // They are still open: the thread closed its own copies.
        assert!(open.iter().all(|file| file.metadata().is_ok()));
    }

    #[test]
    fn a_transaction_is_all_or_nothing_by_the_command() {
        check(&Nft { library: None });
    }
}
