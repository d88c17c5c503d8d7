//! What npm brings for the tests of the chains (`tests/chains/`).

use std::path::{Path, PathBuf};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/chains");

/// A file of ours in `tests/chains`.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

/// A file of an installed package, by its path below `node_modules`. A missing one fails the test.
pub(crate) fn installed(path: &str) -> PathBuf {
    let file = Path::new(FOLDER).join("node_modules").join(path);
    assert!(
        file.exists(),
        "{} is missing: run `make test`, or `npm --prefix tests/chains ci --ignore-scripts`",
        file.display()
    );
    file
}
