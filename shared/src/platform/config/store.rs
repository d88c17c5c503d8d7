//! Which database holds the events and the read models.

use crate::platform::secret::Secret;

use super::{ConfigError, Variable, Vars, is_table};

pub(super) const VARIABLES: &[Variable] = &[Variable {
    name: "DATABASE_URL",
    meaning: "where events live: sqlite:PATH, postgres://... or dynamodb:TABLE",
    default: "sqlite:.local/mcp.db",
}];

/// Which database.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file, or `:memory:`.
    Sqlite(String),
    /// A server; the URL may carry a password.
    Postgres(Secret),
    /// A table of DynamoDB.
    DynamoDb(String),
}

impl Database {
    /// Which it is, for a person, without its address.
    pub fn describe(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("SQLite, {path}"),
            Self::Postgres(_) => "Postgres".to_owned(),
            Self::DynamoDb(table) => format!("DynamoDB, {table}"),
        }
    }
}

/// Which database holds the events and the read models.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The database.
    pub database: Database,
}

impl StoreConfig {
    /// Reads the variables. Without `DATABASE_URL` the local process has its file; a Lambda function has none.
    ///
    /// # Errors
    /// [`ConfigError`] without the URL's value, which may carry a password.
    pub fn from_vars(vars: &Vars) -> Result<Self, ConfigError> {
        const EXPECTED: &str = "sqlite:PATH, postgres://USER@HOST:PORT/DATABASE or dynamodb:TABLE";
        let Some(url) = vars.get("DATABASE_URL") else {
            return if vars.on_lambda() {
                Err(ConfigError::expected("DATABASE_URL", EXPECTED))
            } else {
                Ok(Self { database: Database::Sqlite(".local/mcp.db".to_owned()) })
            };
        };
        let database = if let Some(path) = url.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
            Database::Sqlite(path.trim_start_matches("//").to_owned())
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Database::Postgres(Secret::new(url))
        } else if let Some(table) = url.strip_prefix("dynamodb:").filter(|name| is_table(name)) {
            Database::DynamoDb(table.to_owned())
        } else {
            return Err(ConfigError::expected("DATABASE_URL", EXPECTED));
        };
        Ok(Self { database })
    }
}
