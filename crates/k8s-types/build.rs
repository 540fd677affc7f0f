//! Says whether the fields' descriptions are there: they are others' sentences, made by `xtask kubernetes descriptions`
//! and not committed, and a program without them serves all the same.

fn main() {
    // The directory, not the file: a file that is missing would count as changed every time.
    println!("cargo::rerun-if-changed=data");
    println!("cargo::rustc-check-cfg=cfg(descriptions)");
    if std::path::Path::new("data/descriptions.bin").exists() {
        println!("cargo::rustc-cfg=descriptions");
    }
}
