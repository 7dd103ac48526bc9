//! Routes, each with its description: the router and the OpenAPI document come from the same list.

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, on};

use crate::app::App;
use crate::openapi::{Described, Operation, Verb};

/// Some routes.
pub(super) struct Routes {
    router: Router<App>,
    described: Vec<Described>,
}

/// The methods of one path; `HEAD` comes with `GET`. What is not offered is 404.
pub(super) fn route<H, T>(path: &str, verb: Verb, operation: Operation, handler: H) -> Routes
where
    H: Handler<T, App>,
    T: 'static,
{
    let router = Router::new().route(path, on(filter(verb), handler));
    Routes { router, described: vec![Described { path: path.to_owned(), verb, operation }] }
}

impl Routes {
    pub(super) fn new() -> Self {
        Self { router: Router::new(), described: Vec::new() }
    }

    pub(super) fn merge(mut self, other: Self) -> Self {
        self.described.extend(other.described);
        Self { router: self.router.merge(other.router), described: self.described }
    }

    /// Surrounds all of them with something.
    pub(super) fn surrounded(self, with: impl FnOnce(Router<App>) -> Router<App>) -> Self {
        Self { router: with(self.router), described: self.described }
    }

    pub(super) fn into_router(self) -> Router<App> {
        self.router
    }

    pub(super) fn described(&self) -> &[Described] {
        &self.described
    }
}

const fn filter(verb: Verb) -> MethodFilter {
    match verb {
        Verb::Get => MethodFilter::GET,
        Verb::Post => MethodFilter::POST,
        // The same.
        Verb::Write => MethodFilter::PUT.or(MethodFilter::PATCH),
        Verb::Delete => MethodFilter::DELETE,
    }
}
