//! The types of source of a secret, as the API, the store and the proxy name them.

use serde::{Deserialize, Serialize};

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SourceType {
    /// A variable of the environment.
    #[serde(rename = "env")]
    Env,
    /// AWS Secrets Manager.
    #[serde(rename = "aws_sm")]
    AwsSm,
    /// AWS Systems Manager Parameter Store.
    #[serde(rename = "aws_ssm")]
    AwsSsm,
    /// 1Password with a service account.
    #[serde(rename = "1password")]
    OnePassword,
    /// 1Password through a Connect server.
    #[serde(rename = "1password_connect")]
    OnePasswordConnect,
    /// The value itself, sealed in the store.
    #[serde(rename = "control_plane")]
    ControlPlane,
    /// The current access token of a broker credential.
    #[serde(rename = "token_broker")]
    TokenBroker,
}

impl SourceType {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Env,
        Self::AwsSm,
        Self::AwsSsm,
        Self::OnePassword,
        Self::OnePasswordConnect,
        Self::ControlPlane,
        Self::TokenBroker,
    ];

    /// The value of `source_type`, and of `type` on the wire to a proxy.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Env => "env",
            Self::AwsSm => "aws_sm",
            Self::AwsSsm => "aws_ssm",
            Self::OnePassword => "1password",
            Self::OnePasswordConnect => "1password_connect",
            Self::ControlPlane => "control_plane",
            Self::TokenBroker => "token_broker",
        }
    }

    /// The type of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_has_one_name_everywhere() {
        for kind in SourceType::ALL {
            assert_eq!(SourceType::parse(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!(SourceType::parse("vault"), None);
    }
}
