//! Measures Postern as its users meet it: the real binary, over its real interfaces, against baselines that take turns
//! with it in the same run. Needs root. Nothing leaves the loopback and the namespaces that the daemon makes.
//!
//! `cargo run --release -p bench -- [create] [modes] [describe] [throughput] [scale] [kube]`; without words all of them.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

mod aws;
mod create;
mod daemon;
mod describe;
mod endpoint;
mod figure;
mod kube;
mod modes;
mod place;
mod scale;
mod scenery;
mod sink;
mod throughput;

use anyhow::bail;

const ALL: [&str; 6] = ["create", "modes", "describe", "throughput", "scale", "kube"];

fn main() -> anyhow::Result<()> {
    let mut asked: Vec<String> = std::env::args().skip(1).collect();
    if let [word, namespace] = asked.as_slice()
        && word == "sink"
    {
        return sink::serve(namespace);
    }
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    if let [word, namespace] = asked.as_slice()
        && word == "responder"
    {
        return kube::responder::serve(namespace);
    }
    if asked.is_empty() {
        asked = ALL.map(str::to_owned).to_vec();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    println!("| what | median | baseline in the same run | ratio | target | |");
    println!("|---|---|---|---|---|---|");
    for name in asked {
        let figures = match name.as_str() {
            "create" => runtime.block_on(create::run())?,
            "modes" => runtime.block_on(modes::run())?,
            "describe" => runtime.block_on(describe::run())?,
            "throughput" => runtime.block_on(throughput::run())?,
            "scale" => runtime.block_on(scale::run())?,
            "kube" => runtime.block_on(kube::run())?,
            other => bail!("{other} is none of {ALL:?}"),
        };
        figures.iter().for_each(|it| println!("{it}"));
    }
    Ok(())
}
