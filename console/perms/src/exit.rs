//! Exit codes.

use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExitStatus {
    /// 0: done, or nothing to do.
    #[default]
    Success,
    /// 1: transport, a failure of the console, an answer nobody expected.
    Failure,
    /// 2: a wrong word.
    Usage,
    /// 3: what was named does not exist.
    NotFound,
    /// 4: 401 or 403.
    Unauthorized,
    /// 5: refused: 409, 412 or 422.
    Rejected,
    /// 6: partly done.
    Partial,
    /// 7: a manifest is invalid.
    ManifestInvalid,
    /// 8: there are differences, and that was the question.
    Differences,
    /// 130: interrupted.
    Interrupted,
}

impl ExitStatus {
    /// The code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Unauthorized => 4,
            Self::Rejected => 5,
            Self::Partial => 6,
            Self::ManifestInvalid => 7,
            Self::Differences => 8,
            Self::Interrupted => 130,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}
