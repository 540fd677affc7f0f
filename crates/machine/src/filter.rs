//! The system calls that a machine may not make although the kernel would let it.
//!
//! Namespaces do not cover two things: the kernel log, which every user may read where `dmesg_restrict` is 0, and
//! pushing characters into the terminal of whoever entered the machine (`TIOCSTI`), which would run commands on the
//! host.

use std::io;

use libc::sock_filter;

use crate::sys;

/// Offsets in the kernel's `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const SECOND_ARGUMENT: u32 = 24; // its low half, on the little-endian machines that we run on

/// `AUDIT_ARCH_*`: the ELF machine number, with bits for 64-bit and little-endian.
#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xc000_00b7;

/// The 32-bit personalities of both, i386 and arm, happen to agree on these two numbers.
const COMPAT_SYSLOG: u32 = 103;
const COMPAT_IOCTL: u32 = 54;

/// Numbers from here on are the x32 personality, which nothing uses; 64-bit Arm has no numbers that high.
const X32: u32 = 0x4000_0000;

const TIOCSTI: u32 = 0x5412;
const TIOCLINUX: u32 = 0x541c;

#[allow(clippy::cast_possible_truncation)] // system call numbers are small
const SYSLOG: u32 = libc::SYS_syslog as u32;
#[allow(clippy::cast_possible_truncation)]
const IOCTL: u32 = libc::SYS_ioctl as u32;

/// Refuses the kernel log and terminal injection (EPERM) to this process and its descendants.
pub(crate) fn install() -> io::Result<()> {
    sys::seccomp(&program())
}

#[rustfmt::skip] // one instruction a line, its number beside it: jumps count lines
fn program() -> [sock_filter; 15] {
    [
        load(ARCH),                         // 0
        equal(NATIVE, 0, 4),                // 1: other -> 6
        load(NUMBER),                       // 2
        at_least(X32, 10, 0),               // 3: -> 14
        equal(SYSLOG, 9, 0),                // 4: -> 14
        equal(IOCTL, 4, 7),                 // 5: -> 10, else 13
        load(NUMBER),                       // 6
        equal(COMPAT_SYSLOG, 6, 0),         // 7: -> 14
        equal(COMPAT_IOCTL, 1, 0),          // 8: -> 10
        answer(libc::SECCOMP_RET_ALLOW),    // 9
        load(SECOND_ARGUMENT),              // 10
        equal(TIOCSTI, 2, 0),               // 11: -> 14
        equal(TIOCLINUX, 1, 0),             // 12: -> 14
        answer(libc::SECCOMP_RET_ALLOW),    // 13
        answer(libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs()), // 14
    ]
}

const fn load(offset: u32) -> sock_filter {
    sock_filter { code: 0x20, jt: 0, jf: 0, k: offset } // BPF_LD | BPF_W | BPF_ABS
}

const fn equal(value: u32, then: u8, otherwise: u8) -> sock_filter {
    sock_filter { code: 0x15, jt: then, jf: otherwise, k: value } // BPF_JMP | BPF_JEQ | BPF_K
}

const fn at_least(value: u32, then: u8, otherwise: u8) -> sock_filter {
    sock_filter { code: 0x35, jt: then, jf: otherwise, k: value } // BPF_JMP | BPF_JGE | BPF_K
}

const fn answer(value: u32) -> sock_filter {
    sock_filter { code: 0x06, jt: 0, jf: 0, k: value } // BPF_RET | BPF_K
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel's interpreter would answer.
    fn run(arch: u32, number: u32, second: u32) -> u32 {
        let (program, mut at, mut value) = (program(), 0, 0);
        loop {
            let it = program[at];
            at += 1;
            let jump = |yes: bool| usize::from(if yes { it.jt } else { it.jf });
            match it.code {
                0x20 => {
                    value = [(NUMBER, number), (ARCH, arch), (SECOND_ARGUMENT, second)]
                        .iter()
                        .find(|p| p.0 == it.k)
                        .unwrap()
                        .1
                }
                0x15 => at += jump(value == it.k),
                0x35 => at += jump(value >= it.k),
                _ => return it.k,
            }
        }
    }

    #[track_caller]
    fn check(arch: u32, number: u32, second: u32, denied: bool) {
        let want = if denied { libc::SECCOMP_RET_ERRNO | 1 } else { libc::SECCOMP_RET_ALLOW };
        assert_eq!(run(arch, number, second), want, "{arch:x} {number} {second:x}");
    }

    #[test]
    fn the_kernel_log_is_refused_in_every_personality() {
        check(NATIVE, SYSLOG, 0, true);
        check(NATIVE, SYSLOG | X32, 0, true);
        check(0x4000_0003, COMPAT_SYSLOG, 0, true);
    }

    #[test]
    fn terminal_injection_is_refused_and_other_ioctls_pass() {
        check(NATIVE, IOCTL, TIOCSTI, true);
        check(NATIVE, IOCTL, TIOCLINUX, true);
        check(NATIVE, IOCTL, 0x5401, false);
        check(0x4000_0003, COMPAT_IOCTL, TIOCSTI, true);
        check(0x4000_0003, COMPAT_IOCTL, 0x5401, false);
    }

    #[test]
    fn everything_else_passes() {
        check(NATIVE, 0, TIOCSTI, false);
        check(NATIVE, SYSLOG + 1, 0, false);
        check(0x4000_0003, 1, TIOCSTI, false);
    }
}
