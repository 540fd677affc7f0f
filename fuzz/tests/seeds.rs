//! Every seed, and some thousand changes to each, goes through its target: what fuzzing found once stays found, and a
//! build without a fuzzer still looks around every seed.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

/// Changes to each seed.
const ROUNDS: u64 = 1000;

/// Numbers that look like chance and are the same in every run (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((it ^ (it >> 31)) % bound.max(1) as u64).unwrap()
    }
}

/// Words that parsers treat apart.
const WORDS: &[&str] = &[
    "null",
    "{}",
    "[]",
    "\"\"",
    "-1",
    "1e400",
    "9223372036854775808",
    "$patch",
    "$setElementOrder/",
    "/-",
    "~1",
    "%",
    "\u{0}",
    "\\ud800",
    "true",
    ",",
    "in ()",
    "!",
    "==",
    "0x",
    ": |",
    "&a *a",
    "limit=-1",
    "metadata",
    "name",
    "{\"",
    "\n",
];

fn changed(seed: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        let end = (at + dice.below(12)).min(bytes.len());
        match dice.below(4) {
            0 => drop(bytes.drain(at..end)),
            1 => drop(bytes.splice(at..end, WORDS[dice.below(WORDS.len())].bytes())),
            2 => {
                let copy = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, copy));
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << dice.below(8);
                }
            }
        }
    }
    bytes
}

#[test]
fn seeds_and_what_is_near_them_are_taken() {
    for (name, run) in fuzz::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(name);
        let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|it| it.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{name} has no seeds");
        for (number, file) in files.iter().enumerate() {
            let seed = std::fs::read(file).unwrap();
            let mut dice = Dice(number as u64);
            run(&seed);
            for _ in 0..ROUNDS {
                let input = changed(&seed, &mut dice);
                // Shown only when the test fails.
                let guard = Shown(&input, name);
                run(&input);
                std::mem::forget(guard);
            }
        }
    }
}

/// Prints an input when a panic drops it.
struct Shown<'a>(&'a [u8], &'a str);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        #[allow(clippy::print_stderr, reason = "a test may print")]
        {
            eprintln!("{}: {:?}", self.1, String::from_utf8_lossy(self.0));
        }
    }
}
