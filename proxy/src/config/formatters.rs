//! `inject.formatter`: the language belongs to `centaur-transform`, which the tables know nothing of.

use centaur_policies::yaml::{Class, Kind, Node, Problem};
use centaur_transform::format::Formatter;

use super::env::Context;

/// Reports every formatter that cannot be parsed, and warns of those that fail when they are run on a value.
pub(super) fn check(root: &Node, context: Context<'_>) {
    for (at, transform) in items(root.key("transforms")).enumerate() {
        if text(transform.key("name")) != Some("secrets") {
            continue;
        }
        let secrets = transform.key("config").and_then(|config| config.key("secrets"));
        for (entry, secret) in items(secrets).enumerate() {
            let Some(node) = secret.key("inject").and_then(|inject| inject.key("formatter")) else {
                continue;
            };
            let Some(formatter) = text(Some(node)) else { continue };
            let path = format!("transforms[{at}].config.secrets[{entry}].inject.formatter");
            let problem = |class, text| Problem { class, at: node.at, path, text };
            match Formatter::parse(formatter).map(|formatter| formatter.run("value")) {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    let text = format!("secrets[{entry}]: inject: formatter: fails when it is used: {error}");
                    context.problems.warning(problem(Class::Invalid, text));
                }
                Err(error) => {
                    let label = "initializing transform \"secrets\"";
                    let text = format!("{label}: secrets[{entry}]: inject: formatter: {error}");
                    context.problems.error(problem(Class::Build, text));
                }
            }
        }
    }
}

fn items(list: Option<&Node>) -> impl Iterator<Item = &Node> {
    match list.map(|list| &list.kind) {
        Some(Kind::Sequence(items)) => items.iter(),
        _ => [].iter(),
    }
}

fn text(node: Option<&Node>) -> Option<&str> {
    match &node?.kind {
        Kind::Scalar(scalar) => Some(&scalar.text),
        _ => None,
    }
}
