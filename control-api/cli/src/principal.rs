//! A proxy registered at a console for the length of one run.

mod left;
mod taken;

use std::path::{Path, PathBuf};
use std::time::Duration;

use centaur_base::Secret;
use centaur_base::oid::ProxyId;
use centaur_client::api::{ApiClient, EffectiveConfig, Requester};
use centaur_client::token::TokenSource;
use centaur_policies::pattern::{HostPattern, Scheme};
use centaur_policies::rule::{Destination, Rule, RuleSet};
use iron_proxy::managed::settings::{AllowHosts, Settings};
use tokio::runtime::Runtime;

use crate::binding::{Target, is_variable};
use crate::console::{self, Access};
use crate::printer;

use self::left::Note;
use self::taken::Taken;

/// How long the end of a run waits for the console to take the registration back.
const GOODBYE: Duration = Duration::from_secs(5);
/// How the names of proxies begin that are registered here.
const NAMED: &str = "centaur run ";
/// Variables that no placeholder takes: a program without them does not run, or runs something else.
const RESERVED: [&str; 8] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "TMPDIR", "PWD"];

/// The registration; taken back when dropped.
pub struct Registration {
    api: ApiClient,
    runtime: Runtime,
    id: ProxyId,
    token: Secret<String>,
    placeholders: Vec<String>,
    taken: Taken,
    /// For the next run, should this one be killed.
    note: Option<Note>,
}

impl Registration {
    /// Registers a proxy for `principal`, under a name that says which program it is for.
    ///
    /// # Errors
    /// What the console, or the way to it, says; nothing is registered then.
    pub fn open(access: &Access, principal: &str, program: &str) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let api = access.client()?;
        let (placeholders, taken, made) = runtime.block_on(async {
            let id = console::principal(&api, &access.namespace, principal).await?;
            let failed = |error| console::failed(&api, &error);
            let config = api.effective_config(id, &Requester::default()).await.map_err(failed)?;
            let made = api.create_proxy(&name(program), Some(id)).await.map_err(failed)?;
            Ok::<_, String>((placeholders(&config), Taken::of(&config), made))
        })?;
        let (id, token) = (made.proxy.id, made.token);
        let mut open = Self { api, runtime, id, token, placeholders, taken, note: None };
        if let Some(data) = &access.data {
            match Note::write(data, &open.api.base().to_string(), id) {
                Ok(note) => open.note = Some(note),
                Err(error) => printer::note(format_args!(
                    "cannot note the registration in {} ({error}): it stays if this process is killed",
                    data.display()
                )),
            }
            open.take_back(data);
        }
        Ok(open)
    }

    /// How its proxy reaches the console, and what may be reached without a credential: what `allows` names.
    pub fn settings(&self, allows: &[Target]) -> Result<Settings, String> {
        let rules = allows.iter().map(rule).collect::<Result<RuleSet, String>>()?;
        Ok(Settings {
            base: self.api.base().clone(),
            token: TokenSource::Value(Secret::new(self.token.expose().clone())),
            allow_hosts: AllowHosts { rules, granted: true },
        })
    }

    /// Takes back what runs that were killed have left at the same console. What does not work now is tried again by
    /// the next run.
    fn take_back(&self, data: &Path) {
        let left = left::all(data, &self.api.base().to_string());
        let all = async {
            for (id, note) in left {
                let deleted = match self.api.proxy(id).await {
                    // A note cannot have a proxy of another kind deleted, whoever wrote it.
                    Ok(Some(proxy)) if proxy.name.starts_with(NAMED) => self.api.delete_proxy(id).await,
                    Ok(_) => Ok(()),
                    Err(error) => Err(error),
                };
                match deleted {
                    Err(error) if !error.is_not_found() => return,
                    _ => note.remove(),
                }
            }
        };
        let _ = self.runtime.block_on(async { tokio::time::timeout(GOODBYE, all).await });
    }

    /// What the proxy identifies itself with.
    pub fn token(&self) -> &Secret<String> {
        &self.token
    }

    /// What the caller's variables hold that the proxy takes values from.
    pub fn values(&self, env: &dyn Fn(&str) -> Option<String>) -> Vec<Secret<String>> {
        self.taken.values(env)
    }

    /// The files that the proxy takes values from.
    pub fn files(&self) -> &[PathBuf] {
        &self.taken.files
    }

    /// Variable and placeholder: a credential's placeholder is also the name of its variable, unless `named` says
    /// another.
    ///
    /// # Errors
    /// A name for something that is no placeholder of the principal.
    pub fn variables(&self, named: &[(String, String)]) -> Result<Vec<(String, String)>, String> {
        variables(&self.placeholders, named)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let gone = self
            .runtime
            .block_on(async { tokio::time::timeout(GOODBYE, self.api.delete_proxy(self.id)).await });
        let problem = match gone {
            Ok(Err(error)) if !error.is_not_found() => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
            _ => {
                if let Some(note) = &self.note {
                    note.remove();
                }
                return;
            }
        };
        printer::note(format_args!("{} stays registered at the console: {problem}", self.id));
    }
}

fn name(program: &str) -> String {
    let program: String = program.chars().filter(|c| !c.is_control()).take(100).collect();
    let uname = rustix::system::uname();
    format!("{NAMED}{program} ({}, process {})", uname.nodename().to_string_lossy(), std::process::id())
}

/// The placeholders, each once, in the order in which they are delivered.
fn placeholders(config: &EffectiveConfig) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for entry in &config.secrets {
        let text = entry["replace"]["proxy_value"].as_str().unwrap_or_default().trim();
        if !text.is_empty() && !found.iter().any(|known| known == text) {
            found.push(text.to_owned());
        }
    }
    found
}

fn variables(placeholders: &[String], named: &[(String, String)]) -> Result<Vec<(String, String)>, String> {
    if let Some((name, _)) = named.iter().find(|(_, text)| !placeholders.contains(text)) {
        let all = placeholders.join(", ");
        return Err(format!("--placeholder {name}: the principal has no such placeholder; it has {all:?}"));
    }
    let usable = |text: &&String| is_variable(text) && !RESERVED.contains(&text.as_str());
    let own = placeholders.iter().filter(usable).map(|text| (text.clone(), text.clone()));
    Ok(own.chain(named.iter().cloned()).collect())
}

fn rule(target: &Target) -> Result<Rule, String> {
    let host =
        HostPattern::parse(&target.host).map_err(|error| format!("--allow {:?}: {error}", target.host))?;
    let scheme = if target.cleartext { Scheme::Http } else { Scheme::Https };
    Ok(Rule::from(Destination::Host(host)).with_ports(vec![target.port]).with_schemes(vec![scheme]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_placeholder_is_delivered_once_and_what_is_injected_has_none() {
        let entry = |text: &str| json!({"replace": {"proxy_value": text}});
        let config = EffectiveConfig {
            secrets: vec![
                entry("A"),
                entry("B "),
                json!({"inject": {"header": "X"}}),
                entry("A"),
                entry(" "),
            ],
            transforms: Vec::new(),
            postgres: Vec::new(),
        };
        assert_eq!(placeholders(&config), ["A", "B"]);
    }

    #[test]
    fn a_placeholder_is_its_own_variable_unless_none_can_be_called_that() {
        let all = texts(&["API_KEY", "sk-fake-1", "PATH", "a=b"]);
        let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        assert_eq!(variables(&all, &[]).unwrap(), [pair("API_KEY", "API_KEY")]);
        let named = [pair("OPENAI_API_KEY", "sk-fake-1")];
        assert_eq!(variables(&all, &named).unwrap(), [pair("API_KEY", "API_KEY"), named[0].clone()]);
        let error = variables(&all, &[pair("X", "sk-other")]).unwrap_err();
        assert!(error.starts_with("--placeholder X: ") && error.contains("sk-fake-1"), "{error}");
    }
}
