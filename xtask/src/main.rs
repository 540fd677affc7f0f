//! Chores of the repository that a shell script would do worse.

mod botocore;
mod emit;
mod facts;
mod generate;
mod kubernetes;
mod names;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["generate"] => generate::run(false),
        ["generate", "--check"] => generate::run(true),
        ["kubernetes"] => kubernetes::run(false),
        ["kubernetes", "--check"] => kubernetes::run(true),
        ["kubernetes", "descriptions"] => kubernetes::descriptions(),
        _ => bail!("usage: cargo run -p xtask -- generate [--check] | kubernetes [--check | descriptions]"),
    }
}
