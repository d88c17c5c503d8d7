//! Bringing a schema up to date: SQL files embedded in the program, applied in order within one transaction, each
//! once. What was applied, with a checksum, is in the table `_sqlx_migrations`.

use std::collections::HashSet;

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};

/// A migration: its version, its name and its SQL.
pub(super) type File = (i64, &'static str, &'static str);

/// The files of one database, as they lie in `shared/migrations`.
macro_rules! files {
    ($database:literal: $($version:literal $name:literal),* $(,)?) => {
        &[$((
            $version,
            $name,
            include_str!(concat!("../../../migrations/", $database, "/", $name, ".sql")),
        )),*]
    };
}
pub(super) use files;

/// Applies what is missing and returns the names of that. The caller holds a transaction that keeps others out.
pub(super) async fn run<C: Migrate>(connection: &mut C, files: &[File]) -> Result<Vec<String>, MigrateError> {
    let migration = |&(version, name, sql): &File| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    let mut migrator = Migrator::with_migrations(files.iter().map(migration).collect());
    // A deployment that went back finds migrations of the one after it, which suit the code before them.
    migrator.set_ignore_missing(true);
    // The library's lock is a session's, which a proxy between us and the database cannot share.
    migrator.set_locking(false);
    connection.ensure_migrations_table(&migrator.table_name).await?;
    let before = connection.list_applied_migrations(&migrator.table_name).await?;
    let before: HashSet<_> = before.iter().map(|applied| applied.version).collect();
    migrator.run_direct(None, connection, false).await?;
    Ok(files.iter().filter(|file| !before.contains(&file.0)).map(|file| file.1.to_owned()).collect())
}

/// The error of the database inside a failed migration, or what else is wrong.
pub(super) fn cause(error: MigrateError) -> Result<sqlx::Error, String> {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => Ok(error),
        other => Err(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// Every file of the folder is in the list, under its own version, in order.
    #[track_caller]
    fn assert_complete(database: &str, files: &[super::File]) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(database);
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        assert_eq!(names, files.iter().map(|file| file.1.to_owned()).collect::<Vec<_>>());
        for (version, name, _) in files {
            assert!(name.starts_with(&format!("{version:04}_")), "{name} is listed as version {version}");
        }
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn every_sqlite_migration_is_embedded() {
        assert_complete("sqlite", crate::store::sqlite::MIGRATIONS);
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn every_postgres_migration_is_embedded() {
        assert_complete("postgres", crate::store::postgres::MIGRATIONS);
    }
}
