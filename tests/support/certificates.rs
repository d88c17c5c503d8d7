//! Certificates for servers on loopback.

use std::path::{Path, PathBuf};

use crate::process::command;

/// A server's certificate for `127.0.0.1` and `localhost`, from an authority of its own. All in PEM, in a folder of the caller.
#[derive(Debug)]
pub struct Certificates {
    ca: PathBuf,
    server: PathBuf,
    key: PathBuf,
}

impl Certificates {
    /// New ones, valid for two days.
    pub async fn in_folder(folder: &Path) -> Self {
        let script = r#"
            set -e
            new="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
            openssl req -x509 $new -keyout ca.key -out ca.pem -days 2 -subj "/CN=authority of a test"
            openssl req $new -keyout server.key -out server.csr -subj /CN=localhost
            echo "subjectAltName=IP:127.0.0.1,DNS:localhost" >names
            openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem
        "#;
        let made = command("sh").args(["-c", script]).current_dir(folder).output().await.expect("a shell starts");
        assert!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
        Self { ca: folder.join("ca.pem"), server: folder.join("server.pem"), key: folder.join("server.key") }
    }

    /// The authority's certificate, which clients trust.
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// The server's certificate.
    pub fn server(&self) -> &Path {
        &self.server
    }

    /// The server's private key.
    pub fn key(&self) -> &Path {
        &self.key
    }
}
