//! Principals that may be those whose account a credential is of (broker.md, section 13). A suggestion says on what it
//! rests, and to follow it is a grant like any other, made by a person.

use centaur_base::oid::PrincipalId;
use centaur_store::{AutoGrant, BrokerCredential, Labels, Principal, ReadTx};
use serde_json::{Value, json};

use super::{RESOURCE, by_id};
use crate::api::answer::{Answer, Result};
use crate::api::call::Call;
use crate::api::principals;
use crate::api::routes::{Routes, route};
use crate::api::target::{found, oid};
use crate::openapi::{Parameter, Verb, list_of, reference};
use crate::provider::Provider;

pub(super) fn routes() -> Routes {
    const PATH: &str = "/api/v1/broker_credentials/{id}/grant_suggestions";
    let list = RESOURCE.of_one(
        "listGrantSuggestions",
        "List principals that may be those whose account a broker credential is of",
    );
    let list = list.gives(200, "All of them, the surest first", list_of(reference("GrantSuggestion")));
    let principal = Parameter::oid("principal", principals::RESOURCE.prefix);
    let decline = RESOURCE
        .of_one("declineGrantSuggestion", "Have a principal not be suggested for a broker credential again")
        .numbered()
        .with([principal.example(principals::RESOURCE.example)])
        .empty(204, "It is not suggested any more");
    let item = "/api/v1/broker_credentials/{id}/grant_suggestions/{principal}";
    route(PATH, Verb::Get, list, all).merge(route(item, Verb::Delete, decline, self::decline))
}

async fn all(call: Call) -> Result {
    let mut tx = call.read().await?;
    let credential = by_id(&mut tx, call.param(0)).await?;
    Ok(Answer::body(json!({ "data": suggestions(&mut tx, &credential).await? })))
}

async fn decline(call: Call) -> Result {
    call.write(|tx, call| {
        Box::pin(async move {
            let credential = by_id(tx, call.param(0)).await?.id;
            let principal: PrincipalId = oid(call.param(1), principals::TYPE)?;
            found(tx.principal(principal).await?, principals::TYPE, call.param(1))?;
            Ok(tx.decline_suggestion(credential, principal).await?)
        })
    })
    .await?;
    Ok(Answer::empty())
}

async fn suggestions(tx: &mut ReadTx, credential: &BrokerCredential) -> Result<Vec<Value>> {
    let Some(app) = credential.oauth_app_id else { return Ok(Vec::new()) };
    let app = tx.app(app).await?.filter(|app| app.auto_grant == AutoGrant::Suggest);
    let Some(provider) = app.and_then(|app| Provider::named(&app.provider)) else { return Ok(Vec::new()) };
    let links = tx.credential_links(&[credential.id]).await?;
    let wrapper = links.get(&credential.id).and_then(|links| links.wrapper);
    let Some(wrapper) = wrapper else { return Ok(Vec::new()) };
    let account = Account::of(provider, credential);
    let labels = account.labels();
    let labels: Vec<_> = labels.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let principals =
        tx.principals_to_suggest(&credential.namespace, (credential.id, wrapper), &labels).await?;
    let mut matches: Vec<_> =
        principals.iter().filter_map(|one| Some((one, account.basis(&one.labels)?))).collect();
    matches.sort_by_key(|(_, basis)| *basis);
    let shown = |(principal, basis): &(&Principal, Basis)| {
        json!({
            "principal_id": principal.id,
            "namespace": principal.namespace,
            "foreign_id": principal.foreign_id,
            "name": principal.name,
            "static_secret_id": wrapper.to_string(),
            "basis": basis.as_str(),
            "matched_labels": account.matched(&principal.labels),
        })
    };
    Ok(matches.iter().map(shown).collect())
}

/// On what a suggestion rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Basis {
    /// The provider's own id of the account.
    Subject,
    /// An address alone, which a provider may not have verified.
    Email,
}

impl Basis {
    const ALL: [Self; 2] = [Self::Subject, Self::Email];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Email => "email",
        }
    }
}

/// As the API writes them.
pub(crate) const BASES: [&str; 2] = [Basis::ALL[0].as_str(), Basis::ALL[1].as_str()];

/// Labels of principals that have an address.
const ADDRESSES: [&str; 3] = ["email", "google_email", "slack_email"];
/// The label that has a team of Slack, of credentials and of principals.
const TEAM: &str = "slack_team_id";

/// What is known of the account of a credential.
#[derive(Debug, Default)]
struct Account {
    /// The label by which principals name an account of this provider, and the account.
    subject: Option<(&'static str, String)>,
    email: Option<String>,
    team: Option<Value>,
}

impl Account {
    fn of(provider: Provider, credential: &BrokerCredential) -> Self {
        let label = match provider {
            Provider::Google => Some("google_subject"),
            Provider::Slack => Some("slack_user_id"),
            Provider::Attio | Provider::Generic | Provider::Github | Provider::Granola | Provider::Linear => {
                None
            }
        };
        Self {
            subject: label.zip(credential.provider_subject.clone()),
            email: credential.provider_email.clone(),
            team: (provider == Provider::Slack).then(|| credential.labels.get(TEAM).cloned()).flatten(),
        }
    }

    /// Labels of which a principal has one.
    fn labels(&self) -> Vec<(&'static str, String)> {
        let addresses = self.email.iter().flat_map(|email| {
            let lower = email.to_lowercase();
            let spellings = [Some(email.clone()), (lower != *email).then_some(lower)];
            spellings.into_iter().flatten().flat_map(|email| ADDRESSES.map(|key| (key, email.clone())))
        });
        self.subject.clone().into_iter().chain(addresses).collect()
    }

    /// Which of a principal's labels are this account's.
    fn matched(&self, labels: &Labels) -> Vec<&'static str> {
        let wanted = self.labels();
        let is_same =
            |key: &str, value: &str| labels.get(key).is_some_and(|found| found.as_str() == Some(value));
        wanted.iter().filter(|(key, value)| is_same(key, value)).map(|(key, _)| *key).collect()
    }

    /// Nothing for a principal of another team, or one that names another account of this provider: its address is then
    /// the only thing they share.
    fn basis(&self, labels: &Labels) -> Option<Basis> {
        let is_other_team = self.team.as_ref().zip(labels.get(TEAM)).is_some_and(|(one, other)| one != other);
        let names = self.subject.as_ref().and_then(|(key, value)| Some((labels.get(*key)?, value)));
        match names {
            _ if is_other_team => None,
            Some((named, subject)) => (named.as_str() == Some(subject)).then_some(Basis::Subject),
            None => (!self.matched(labels).is_empty()).then_some(Basis::Email),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(value: Value) -> Labels {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn a_principal_is_that_of_an_account_by_its_id_or_by_its_address() {
        let account = Account {
            subject: Some(("slack_user_id", "U1".to_owned())),
            email: Some("Ada@Example.test".to_owned()),
            team: Some(json!("T1")),
        };
        for (found, want, matched) in [
            (json!({"slack_user_id":"U1"}), Some(Basis::Subject), vec!["slack_user_id"]),
            (json!({"slack_user_id":"U1","slack_team_id":"T1"}), Some(Basis::Subject), vec!["slack_user_id"]),
            (json!({"slack_user_id":"U1","slack_team_id":"T2"}), None, vec!["slack_user_id"]),
            (json!({"slack_user_id":"U2"}), None, vec![]),
            (json!({"slack_user_id":"U2","email":"ada@example.test"}), None, vec!["email"]),
            (json!({"email":"ada@example.test"}), Some(Basis::Email), vec!["email"]),
            (json!({"slack_email":"Ada@Example.test"}), Some(Basis::Email), vec!["slack_email"]),
            (json!({"email":"ada@example.test","slack_team_id":"T2"}), None, vec!["email"]),
            (json!({"email":"bob@example.test"}), None, vec![]),
            (json!({"google_subject":"U1"}), None, vec![]),
            (json!({"slack_user_id":1}), None, vec![]),
        ] {
            let found = labels(found);
            assert_eq!((account.basis(&found), account.matched(&found)), (want, matched), "{found:?}");
        }
        assert!(Account::default().labels().is_empty());
    }
}
