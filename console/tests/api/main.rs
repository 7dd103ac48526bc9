//! The running console over HTTP, each test with a database of its own, on SQLite and on PostgreSQL.

mod access;
mod audit;
mod broker;
mod browser;
mod consent;
mod console;
mod described;
mod engine;
mod generations;
mod grants;
mod keys;
mod limits;
mod metrics;
mod nonsense;
mod notices;
mod openapi;
mod principals;
mod provider;
mod refresh;
mod relay;
mod scoped;
mod secrets;
mod shell;
mod sign_in;
mod sso;
mod stand_in;
mod sync;
mod together;
mod users;
mod views;
mod withdrawn;

/// Runs each test on both engines: `sqlite::…` and `postgres::…` are the same tests.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                crate::console::ENGINE.scope(crate::console::Engine::Sqlite, super::$name()).await;
            })*
        }

        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                crate::console::ENGINE.scope(crate::console::Engine::Postgres, super::$name()).await;
            })*
        }
    };
}
use on_both;
