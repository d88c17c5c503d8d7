//! A folder of a test's own.

use std::path::{Path, PathBuf};

use uuid::Uuid;

/// An empty temporary folder, deleted with everything in it when dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A new one; `name` is for the person who finds it left over.
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mcp-test-{name}-{}", Uuid::now_v7().simple()));
        std::fs::create_dir(&path).expect("a temporary folder can be made");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
