//! One suite, run on both engines: `sqlite::…` and `postgres::…` are the same tests.

mod access;
mod broker;
mod broker_engine;
mod consent;
mod constraints;
mod ledger;
mod migrations;
mod objects;
mod open;
mod secrets;
mod sign_in;
mod world;

/// Runs each test on a file of SQLite and on a database of PostgreSQL.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::tests::world::World::sqlite().await).await;
            })*
        }

        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::tests::world::World::postgres().await).await;
            })*
        }
    };
}
use on_both;
