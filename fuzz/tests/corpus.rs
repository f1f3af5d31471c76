//! What was found, and what is to be looked at first, still holds.

use std::fs;
use std::path::{Path, PathBuf};

/// The files of a corpus, in an order that is always the same.
fn corpus(target: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let files = fs::read_dir(&folder).expect("the corpus is there").map(|file| file.expect("it is listed").path());
    let mut files: Vec<PathBuf> = files.collect();
    files.sort();
    assert!(!files.is_empty(), "no corpus in {}", folder.display());
    files.into_iter().map(|path| (path.clone(), fs::read_to_string(path).expect("it is UTF-8"))).collect()
}

/// Runs a target on its corpus. Which file it was is said before what was wrong with it.
fn run(name: &str, target: fn(&str)) {
    for (path, text) in corpus(name) {
        let broken = std::panic::catch_unwind(|| target(&text)).is_err();
        assert!(!broken, "{} breaks a promise", path.display());
    }
}

#[test]
fn the_resolver_keeps_its_promises_to_the_corpus() {
    run("resolver", session_fuzz::resolver);
}

#[test]
fn the_config_keeps_its_promises_to_the_corpus() {
    run("config", session_fuzz::config);
}
