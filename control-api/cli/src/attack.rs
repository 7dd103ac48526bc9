//! The attack corpus and what runs it: hostile clients as data, played against any proxy that takes the same
//! configuration, with origins that record every byte they were sent.
//!
//! What an entry claims is judged from outside only: what the client got, what each origin saw, what the proxy
//! wrote. Three claims hold for every entry without being written down: the origin of a host that is not allowed
//! is never connected to, the real value is seen by no origin but the one it is bound to and only over TLS, and
//! it stands in no byte that a client or a log received.
//!
//! | File | Holds |
//! |---|---|
//! | `corpus` | the files of `tests/attacks` as types |
//! | `script` | the steps of an entry |
//! | `escape` | bytes and variables in texts |
//! | `client` | a connection that plays steps |
//! | `hello`, `h2` | hand-made TLS and HTTP/2 for what libraries refuse to send |
//! | `origin`, `names` | origins and the name server |
//! | `pki` | throw-away certificates |
//! | `target` | the proxy attacked: started here, or running |
//! | `judge` | what may have been received |
//! | `run` | one entry from start to verdict |
//! | `report` | the page at the end |
//!
//! To add an attack: a `[[attack]]` in the file of its class. To add a class: a file there and a line in `corpus`.

pub mod client;
pub mod corpus;
pub mod escape;
pub mod h2;
pub mod hello;
pub mod judge;
pub mod names;
pub mod origin;
pub mod pki;
pub mod report;
pub mod run;
pub mod script;
pub mod target;

/// What keeps a run from happening. Broken attacks are no error; they are the result.
#[derive(Debug, thiserror::Error)]
pub enum AttackError {
    /// A file of the corpus does not parse.
    #[error("{file}: {problem}")]
    Corpus {
        /// Which file.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// Files, sockets or processes of the runner itself.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What came of it.
        #[source]
        source: std::io::Error,
    },
    /// Certificates could not be made.
    #[error("making certificates: {0}")]
    Pki(String),
    /// The proxy did not start with a profile.
    #[error("the proxy did not start with profile {profile}: {said}")]
    Start {
        /// The profile.
        profile: String,
        /// The last it said.
        said: String,
    },
    /// Nothing to attack, or nothing to attack it with.
    #[error("{0}")]
    Usage(String),
}

/// Names an input or output error.
pub(crate) fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> AttackError {
    move |source| AttackError::Io { what, source }
}
