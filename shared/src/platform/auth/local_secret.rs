//! The secret of this machine: what signs the tokens of the local process where nothing else is configured.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::platform::secret::Secret;

/// What is in the way, with the file it is about and never its content.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LocalSecretError {
    /// The file or its folder cannot be used.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    NoRandomness,
}

/// Reads `folder/jwt-secret`, or makes it from 256 random bits, readable by its owner alone. Of several processes that
/// start at once, all get the same secret.
pub(crate) fn read_or_create(folder: &Path) -> Result<Secret, LocalSecretError> {
    let path = folder.join("jwt-secret");
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| LocalSecretError::File { path, source }
    };
    if let Some(secret) = read(&path).map_err(failed(&path))? {
        return Ok(secret);
    }
    fs::create_dir_all(folder).map_err(failed(folder))?;
    publish(folder, &path, &random_secret()?).map_err(failed(&path))?;
    read(&path).map_err(failed(&path))?.ok_or_else(|| failed(&path)(ErrorKind::NotFound.into()))
}

fn read(path: &Path) -> io::Result<Option<Secret>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    make_private(path)?;
    Ok(Some(Secret::new(text.trim())))
}

/// Writes the whole secret aside and then links it to its name, so that no process ever reads half of one; if another
/// process was first, its secret stays.
fn publish(folder: &Path, path: &Path, secret: &str) -> io::Result<()> {
    let aside = folder.join(format!(".jwt-secret.{}", Uuid::now_v7().simple()));
    let written = create_private(&aside).and_then(|mut file| {
        file.write_all(secret.as_bytes())?;
        file.sync_all()
    });
    let linked = written.and_then(|()| match fs::hard_link(&aside, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    });
    let removed = fs::remove_file(&aside);
    linked.and(removed)
}

fn random_secret() -> Result<String, LocalSecretError> {
    let mut bytes = [0; 32];
    let random = rustls::crypto::aws_lc_rs::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| LocalSecretError::NoRandomness)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Takes back what others may read, after a copy or a careless `chmod`.
#[cfg(unix)]
fn make_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "others could read this secret: delete it if they should not know it");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn make_private(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A folder of its own, removed at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            Self(std::env::temp_dir().join(format!("local-secret-{}", Uuid::now_v7())))
        }

        #[expect(clippy::unwrap_used, reason = "clippy does not see that this is a test's")]
        fn mode(&self) -> u32 {
            fs::metadata(self.0.join("jwt-secret")).unwrap().permissions().mode() & 0o777
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_secret_is_made_once_and_belongs_to_its_owner_alone() {
        let folder = Folder::new();
        let first = read_or_create(&folder.0).unwrap();
        assert!(first.expose().len() >= 43);
        assert_eq!(folder.mode(), 0o600);
        assert_eq!(read_or_create(&folder.0).unwrap(), first);
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
    }

    #[test]
    fn every_machine_has_another_secret() {
        let (one, other) = (Folder::new(), Folder::new());
        assert_ne!(read_or_create(&one.0).unwrap(), read_or_create(&other.0).unwrap());
    }

    #[test]
    fn processes_that_start_at_once_agree() {
        let folder = Folder::new();
        let secrets: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| read_or_create(&folder.0).unwrap())).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(secrets.iter().all(|secret| *secret == secrets[0]));
    }

    #[test]
    fn a_secret_that_others_could_read_is_taken_back() {
        let folder = Folder::new();
        read_or_create(&folder.0).unwrap();
        fs::set_permissions(folder.0.join("jwt-secret"), fs::Permissions::from_mode(0o644)).unwrap();
        read_or_create(&folder.0).unwrap();
        assert_eq!(folder.mode(), 0o600);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let error = read_or_create(Path::new("/dev/null/nowhere")).unwrap_err();
        assert!(error.to_string().contains("/dev/null/nowhere"), "{error}");
    }
}
