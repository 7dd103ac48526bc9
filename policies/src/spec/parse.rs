//! The list of transforms, and those that fit on a screen.

use super::headers::{header_matchers, header_names};
use super::rules::parse_rules;
use super::secrets::secret;
use super::{AllowlistSpec, AnnotateGroup, BodyCaptureSpec, HeaderAllowlistSpec, TransformSpec, tables};
use crate::pattern::{Cidr, HostPattern};
use crate::rule::{Destination, Rule, RuleSet};
use crate::yaml::Cursor;

/// Names that the reference knows beside those of [`tables::CONFIGS`]. A file that has one is refused, since leaving a transform out would
/// let through what it was there to stop.
const ELSEWHERE: [&str; 7] =
    ["aws_auth", "gcp_auth", "gcp_id_token", "grpc", "hmac_sign", "judge", "oauth_token"];

/// Default cap of `body_capture`.
const CAPTURE_BYTES: usize = 16_384;

/// Reads the `transforms` list. With `lenient`, unknown keys inside `config` are warnings. What is missing in the
/// result is in the problems of the cursor.
pub fn parse_transforms(list: &Cursor<'_>, lenient: bool) -> Vec<(String, TransformSpec)> {
    list.items().iter().filter_map(|item| entry(item, lenient)).collect()
}

fn entry(item: &Cursor<'_>, lenient: bool) -> Option<(String, TransformSpec)> {
    let fields = item.fields(&tables::TRANSFORM)?;
    let config = fields.key_or_null("config").lenient(lenient);
    let name = fields.key_or_null("name");
    let text = name.text()?;
    if tables::CONFIGS.iter().all(|(known, _)| *known != text) {
        return reject_name(&name);
    }
    let name = text;
    parse_transform(name, &config).map(|spec| (name.to_owned(), spec))
}

fn reject_name<T>(cursor: &Cursor<'_>) -> Option<T> {
    let name = cursor.text()?;
    if ELSEWHERE.contains(&name) {
        return cursor.reject(format_args!("transform {name:?} is not available in this build"));
    }
    cursor.reject(format_args!("unknown transform {name:?}: unknown transform: {name:?}"))
}

/// Reads the `config` of one transform; `None` for an unknown name, and when there are problems that leave nothing
/// to build.
pub fn parse_transform(name: &str, config: &Cursor<'_>) -> Option<TransformSpec> {
    let label = format!("initializing transform {name:?}");
    let labelled = config.clone().labelled(format!("{label}: {name}"));
    match name {
        "allowlist" => allowlist(&labelled).map(TransformSpec::Allowlist),
        "annotate" => annotate(&labelled).map(TransformSpec::Annotate),
        "body_capture" => body_capture(&labelled).map(TransformSpec::BodyCapture),
        "header_allowlist" => header_allowlist(&labelled).map(TransformSpec::HeaderAllowlist),
        "secrets" => {
            let fields = config.fields(&tables::SECRETS)?;
            let entries = fields.items("secrets");
            let entry = |(at, item): (usize, &Cursor<'_>)| {
                secret(&item.clone().labelled(format!("{label}: secrets[{at}]")))
            };
            Some(TransformSpec::Secrets(entries.iter().enumerate().filter_map(entry).collect()))
        }
        _ => config.reject(format_args!("unknown transform {name:?}: unknown transform: {name:?}")),
    }
}

fn allowlist(config: &Cursor<'_>) -> Option<AllowlistSpec> {
    let fields = config.fields(&tables::ALLOWLIST)?;
    let mut rules: Vec<Rule> = Vec::new();
    for (at, item) in fields.items("domains").iter().enumerate() {
        let Some(text) = item.text() else { continue };
        match HostPattern::parse(text) {
            Ok(pattern) => rules.push(Destination::Host(pattern).into()),
            Err(error) => drop(item.reject::<()>(format_args!("domains[{at}]: {text:?} {error}"))),
        }
    }
    for (at, item) in fields.items("cidrs").iter().enumerate() {
        let Some(text) = item.text() else { continue };
        match Cidr::parse(text) {
            Ok(cidr) => rules.push(Destination::Cidr(cidr).into()),
            Err(error) => drop(item.reject::<()>(format_args!("cidrs[{at}]: {error}"))),
        }
    }
    rules.extend(parse_rules(&fields));
    Some(AllowlistSpec { rules: RuleSet::new(rules), warn: fields.bool_or("warn", false) })
}

fn annotate(config: &Cursor<'_>) -> Option<Vec<AnnotateGroup>> {
    let fields = config.fields(&tables::ANNOTATE)?;
    let groups = fields.items("annotations");
    if groups.is_empty() {
        return fields.key_or_null("annotations").reject("annotations must not be empty");
    }
    let group = |(at, item): (usize, &Cursor<'_>)| {
        let item = item.clone().labelled(format!("{}: annotations[{at}]", item.label()));
        let fields = item.fields(&tables::ANNOTATION)?;
        let rules = fields.items("rules");
        if rules.is_empty() {
            fields.key_or_null("rules").reject::<()>("at least one rule is required");
        }
        let headers = header_names(&fields, "headers");
        if fields.items("headers").is_empty() {
            fields.key_or_null("headers").reject::<()>("at least one header is required");
        }
        Some(AnnotateGroup { rules: RuleSet::new(parse_rules(&fields)), headers })
    };
    Some(groups.iter().enumerate().filter_map(group).collect())
}

fn header_allowlist(config: &Cursor<'_>) -> Option<HeaderAllowlistSpec> {
    let fields = config.fields(&tables::HEADER_ALLOWLIST)?;
    if fields.items("headers").is_empty() {
        return fields.key_or_null("headers").reject("at least one header is required");
    }
    let headers = header_matchers(&fields, "headers");
    Some(HeaderAllowlistSpec { rules: RuleSet::new(parse_rules(&fields)), headers })
}

fn body_capture(config: &Cursor<'_>) -> Option<BodyCaptureSpec> {
    let fields = config.fields(&tables::BODY_CAPTURE)?;
    let cap = usize::try_from(fields.int("max_request_body_bytes")).ok().filter(|cap| *cap > 0);
    let rules = RuleSet::new(parse_rules(&fields));
    Some(BodyCaptureSpec { rules, max_request_body_bytes: cap.unwrap_or(CAPTURE_BYTES) })
}
