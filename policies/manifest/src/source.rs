//! How references of manifests become sources: one policy for all of an invocation.

use centaur_base::SourceType;
use serde_json::{Value, json};

use crate::manifest::FieldSource;

/// Where values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SourcePolicy {
    /// In the environment of the proxy.
    #[default]
    Env,
    /// In 1Password.
    OnePassword,
    /// In 1Password, through a Connect server.
    OnePasswordConnect,
}

impl SourcePolicy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Env, Self::OnePassword, Self::OnePasswordConnect];

    /// As the option has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Env => "env",
            Self::OnePassword => "onepassword",
            Self::OnePasswordConnect => "onepassword-connect",
        }
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }
}

/// How a reference becomes a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// The policy.
    pub policy: SourcePolicy,
    /// It was asked for, not taken from a default; records then say which it was.
    pub is_explicit: bool,
    /// Vault of `op://` references.
    pub vault: Option<String>,
    /// Lifetime of values, as 1Password sources have it.
    pub ttl: String,
}

impl Sources {
    /// The lifetime when nothing else is said.
    pub const DEFAULT_TTL: &'static str = "10m";

    /// Whether everything that the policy needs is there, so that it can be asked before anything is read or written.
    ///
    /// # Errors
    /// [`SourceError::NoVault`]
    pub fn check(&self) -> Result<(), SourceError> {
        match (self.policy, &self.vault) {
            (SourcePolicy::OnePassword | SourcePolicy::OnePasswordConnect, None) => {
                Err(SourceError::NoVault(self.policy.as_str()))
            }
            _ => Ok(()),
        }
    }

    /// The source of a reference, as the API takes it. Vault and reference are inserted as they are.
    ///
    /// # Errors
    /// [`SourceError`]
    pub fn source(&self, reference: &FieldSource) -> Result<Value, SourceError> {
        let name = &reference.secret_ref;
        let is_path = name.starts_with("op://");
        let kind = match self.policy {
            SourcePolicy::Env if is_path => return Err(SourceError::PathUnderEnv(name.clone())),
            SourcePolicy::Env => SourceType::Env,
            SourcePolicy::OnePassword => SourceType::OnePassword,
            SourcePolicy::OnePasswordConnect => SourceType::OnePasswordConnect,
        };
        let mut config = match (self.policy, &self.vault) {
            (SourcePolicy::Env, _) => json!({ "var": name }),
            (_, None) => return Err(SourceError::NoVault(self.policy.as_str())),
            (_, Some(_)) if is_path => json!({ "secret_ref": name, "ttl": self.ttl }),
            (_, Some(_)) if name.contains('/') => return Err(SourceError::Slash(name.clone())),
            (_, Some(vault)) => {
                json!({ "secret_ref": format!("op://{vault}/{name}/credential"), "ttl": self.ttl })
            }
        };
        if let (Some(key), Value::Object(members)) = (&reference.json_key, &mut config) {
            members.insert("json_key".to_owned(), key.as_str().into());
        }
        Ok(json!({ "source_type": kind.as_str(), "config": config }))
    }
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            policy: SourcePolicy::default(),
            is_explicit: false,
            vault: None,
            ttl: Self::DEFAULT_TTL.to_owned(),
        }
    }
}

/// Why a reference has no source under a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// A policy of 1Password without a vault.
    #[error("the source policy {0} needs a vault")]
    NoVault(&'static str),
    /// A path in 1Password where variables are meant.
    #[error("{0:?} is a path in 1Password, which the source policy env cannot read")]
    PathUnderEnv(String),
    /// A reference that would reach into another item.
    #[error("{0:?} has a slash, which an item of 1Password cannot have")]
    Slash(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(policy: SourcePolicy, vault: Option<&str>) -> Sources {
        Sources { policy, vault: vault.map(str::to_owned), ttl: "5m".to_owned(), ..Sources::default() }
    }

    #[test]
    fn each_policy_has_its_source_with_and_without_a_key() {
        let whole = FieldSource::whole("TOKEN");
        let member = FieldSource { json_key: Some("id".to_owned()), ..whole.clone() };
        for (policy, kind, config) in [
            (SourcePolicy::Env, "env", json!({ "var": "TOKEN" })),
            (
                SourcePolicy::OnePassword,
                "1password",
                json!({ "secret_ref": "op://My Vault/TOKEN/credential", "ttl": "5m" }),
            ),
            (
                SourcePolicy::OnePasswordConnect,
                "1password_connect",
                json!({ "secret_ref": "op://My Vault/TOKEN/credential", "ttl": "5m" }),
            ),
        ] {
            let sources = sources(policy, Some("My Vault"));
            let mut expected = json!({ "source_type": kind, "config": config });
            assert_eq!(sources.source(&whole).unwrap(), expected);
            expected["config"]["json_key"] = "id".into();
            assert_eq!(sources.source(&member).unwrap(), expected);
            assert_eq!(SourcePolicy::named(policy.as_str()), Some(policy));
        }
        assert_eq!(SourcePolicy::named("vault"), None);
    }

    #[test]
    fn a_policy_of_1password_needs_a_vault() {
        for policy in SourcePolicy::ALL {
            let needs = policy != SourcePolicy::Env;
            assert_eq!(sources(policy, None).check().is_err(), needs);
            assert_eq!(sources(policy, None).source(&FieldSource::whole("TOKEN")).is_err(), needs);
            assert_eq!(sources(policy, Some("V")).check(), Ok(()));
        }
    }

    #[test]
    fn a_path_passes_through_1password_and_nothing_else() {
        let path = FieldSource::whole("op://Ops/Item/field");
        let source = sources(SourcePolicy::OnePassword, Some("V")).source(&path).unwrap();
        assert_eq!(source["config"]["secret_ref"], "op://Ops/Item/field");
        let refused = sources(SourcePolicy::Env, None).source(&path);
        assert_eq!(refused, Err(SourceError::PathUnderEnv("op://Ops/Item/field".to_owned())));
    }

    #[test]
    fn a_reference_cannot_reach_into_another_item() {
        let slash = FieldSource::whole("a/b");
        let refused = sources(SourcePolicy::OnePasswordConnect, Some("V")).source(&slash);
        assert_eq!(refused, Err(SourceError::Slash("a/b".to_owned())));
        let source = sources(SourcePolicy::Env, None).source(&slash).unwrap();
        assert_eq!(source["config"]["var"], "a/b");
    }
}
