//! What a call says that failed: code, exit code, text, and what may help.

use centaur_client::api::{ApiError, Cause};

use crate::exit::ExitStatus;

pub(super) fn code(error: &ApiError) -> &'static str {
    match &*error.cause {
        Cause::Token(_) => "bad_key",
        Cause::Unaddressable(_) => "bad_name",
        Cause::Unreachable(_) | Cause::TimedOut { .. } => "unreachable",
        Cause::TooLarge { .. } | Cause::Unexpected(_) => "schema_mismatch",
        Cause::Answered { status, .. } => match status {
            401 | 403 => "unauthorized",
            404 => "not_found",
            400 | 409 | 412 | 413 | 422 => "rejected",
            300..=399 => "schema_mismatch",
            _ => "server_error",
        },
    }
}

pub(super) fn exit(error: &ApiError) -> ExitStatus {
    match code(error) {
        "bad_key" | "bad_name" => ExitStatus::Usage,
        "unauthorized" => ExitStatus::Unauthorized,
        "not_found" => ExitStatus::NotFound,
        "rejected" => ExitStatus::Rejected,
        _ => ExitStatus::Failure,
    }
}

pub(super) fn text(error: &ApiError, base: &str) -> String {
    let ApiError { method, path, attempts, cause } = error;
    match code(error) {
        "unauthorized" => format!("{base} did not accept the API key"),
        "rejected" => format!("{method} {path} was refused ({})", error.status().unwrap_or_default()),
        "schema_mismatch" => {
            let path = path.split('?').next().unwrap_or_default();
            format!(
                "{path} answered with an unexpected body; check that CLI and control plane versions match"
            )
        }
        "bad_key" | "bad_name" => format!("{cause}"),
        "not_found" => format!("{method} {path}: {cause}"),
        _ => format!("{method} {path}: {cause} after {attempts} attempt(s)"),
    }
}

pub(super) fn hint(error: &ApiError) -> Option<String> {
    match &*error.cause {
        Cause::Answered { status: 403, message, .. } => Some(message.clone()),
        Cause::Answered { status: 401, .. } => {
            Some("check IRON_CONTROL_API_KEY or --iron-control-api-key-file; keys begin with iak_".to_owned())
        }
        Cause::Answered { status: 300..=399, .. } => Some(
            "the address answers with a redirect, which is not followed; check --iron-control-url".to_owned(),
        ),
        Cause::Unexpected(problem) => Some(problem.clone()),
        Cause::TooLarge { limit } => Some(format!("the answer is larger than {limit} bytes")),
        Cause::Unreachable(_) | Cause::TimedOut { .. } => {
            Some("`centaur-perms doctor` checks the way there".to_owned())
        }
        _ => None,
    }
}
