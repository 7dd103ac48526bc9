//! Where a console keeps its state.

use tempfile::TempDir;

/// A database of its own for each test.
pub enum Database {
    /// A file in a temporary directory.
    Sqlite(TempDir),
    /// The address of a database of the server that this process's tests share.
    Postgres(String),
}

impl Database {
    /// A new file.
    pub fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().expect("a directory"))
    }

    /// A new database of a PostgreSQL server, which the first call starts.
    pub async fn postgres() -> Self {
        Self::Postgres(centaur_test_postgres::new_database().await)
    }

    /// What goes into `DATABASE_URL`.
    pub fn address(&self) -> String {
        match self {
            Self::Sqlite(dir) => format!("sqlite:{}", dir.path().join("console.db").display()),
            Self::Postgres(address) => address.clone(),
        }
    }

    /// `SQLite` or `PostgreSQL`, to be printed.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }
}
