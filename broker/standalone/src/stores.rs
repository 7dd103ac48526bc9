//! Where documents are kept. To add a kind: a file below with a type that is a [`BlobStore`], a variant of
//! [`crate::config::StoreConfig`], its keys in `config/tables.rs`, an arm in [`open`].

mod file;
mod kubernetes;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use centaur_base::Secret;

pub use file::FileStore;
pub use kubernetes::KubernetesStore;

use crate::config::StoreConfig;

/// What a store promises: [`BlobStore::store`] is one step that is durable when it returns, and takes place only if
/// the document is still the one that was seen.
pub trait BlobStore: Send + Sync + 'static {
    /// The document; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError::Failed`]
    fn load(&self) -> Pending<'_, Option<Stored>>;

    /// Replaces the document whose version is `seen`; `None` is for one that is not there. The error may come although
    /// the write was done.
    ///
    /// # Errors
    /// [`StoreError`]
    fn store<'a>(&'a self, text: &'a str, seen: Option<&'a Version>) -> Pending<'a, Version>;

    /// No other process can write as long as this one lives. An attempt that another has noted is then over.
    fn is_exclusive(&self) -> bool;

    /// Its name in messages.
    fn name(&self) -> &str;
}

/// What a store is asked for, when it is here.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A document and which one it is.
#[derive(Debug)]
pub struct Stored {
    /// The document.
    pub text: Secret<String>,
    /// Its version.
    pub version: Version,
}

/// What a store tells documents apart by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(pub String);

/// Why a store did not do it. Holds nothing of a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The document is another by now.
    #[error("it was written by somebody else")]
    Conflict,
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

impl StoreError {
    /// A failure with its reason.
    pub fn failed(reason: impl fmt::Display) -> Self {
        Self::Failed(reason.to_string())
    }
}

/// The largest document, in bytes.
pub const LIMIT: usize = 1024 * 1024;

/// The store of a configuration. It is not touched yet.
pub fn open(config: &StoreConfig) -> Arc<dyn BlobStore> {
    match config {
        StoreConfig::File { path } => Arc::new(FileStore::new(path)),
        StoreConfig::KubernetesSecret { namespace, name, key } => {
            Arc::new(KubernetesStore::new(namespace, name, key))
        }
    }
}
