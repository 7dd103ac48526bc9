//! One file per noun and verb.

mod audit;
mod broker;
mod completion;
mod declared;
mod doctor;
mod explain;
mod list;
mod principals;
mod record;
mod roles;
mod secrets;
mod tools;

use centaur_client::api::{Grant, NewGrant};
use time::OffsetDateTime;

use crate::args::{
    AuditCommand, BrokerCommand, Command, PrincipalsCommand, RolesCommand, SecretsCommand, ToolsCommand,
};
use crate::failure::Failure;
use crate::plan::{Action, Call, Step, Target, Terms};
use crate::report::Report;
use crate::session::Session;
use crate::span::{self, Direction};

/// Runs a command.
///
/// # Errors
/// [`Failure`]
pub async fn dispatch(session: &Session, command: &Command) -> Result<Report, Failure> {
    match command {
        Command::Principals(command) => match command {
            PrincipalsCommand::List(args) => principals::list::run(session, args).await,
            PrincipalsCommand::Show(args) => principals::show::run(session, args).await,
            PrincipalsCommand::Grant(args) => principals::grant::run(session, args).await,
            PrincipalsCommand::Revoke(args) => principals::revoke::run(session, args).await,
            PrincipalsCommand::Create(args) => principals::create::run(session, args).await,
            PrincipalsCommand::Delete(args) => principals::delete::run(session, args).await,
            PrincipalsCommand::Resolve(args) => Ok(principals::resolve::run(session, args)),
        },
        Command::Roles(command) => match command {
            RolesCommand::List(args) => roles::list::run(session, args).await,
            RolesCommand::Show(args) => roles::show::run(session, args).await,
            RolesCommand::Grant(args) => roles::grant::run(session, args).await,
            RolesCommand::Revoke(args) => roles::revoke::run(session, args).await,
            RolesCommand::Create(args) => roles::create::run(session, args).await,
            RolesCommand::Delete(args) => roles::delete::run(session, args).await,
            RolesCommand::Members(args) => roles::members::run(session, args).await,
        },
        Command::Tools(command) => match command {
            ToolsCommand::List(args) => tools::list::run(session, args).await,
            ToolsCommand::Show(args) => tools::show::run(session, args),
            ToolsCommand::Validate(args) => tools::validate::run(session, args),
            ToolsCommand::Register(args) => tools::register::run(session, args).await,
            ToolsCommand::Sync(args) => tools::sync::run(session, args).await,
        },
        Command::Secrets(command) => match command {
            SecretsCommand::List(args) => secrets::list::run(session, args).await,
            SecretsCommand::Show(args) => secrets::show::run(session, args).await,
            SecretsCommand::Grants(args) => secrets::grants::run(session, args).await,
            SecretsCommand::Delete(args) => secrets::delete::run(session, args).await,
        },
        Command::Broker(command) => match command {
            BrokerCommand::Create(args) => broker::create::run(session, args).await,
            BrokerCommand::List(args) => broker::list::run(session, args).await,
            BrokerCommand::Show(args) => broker::show::run(session, args).await,
            BrokerCommand::Delete(args) => broker::delete::run(session, args).await,
        },
        Command::Explain(args) => explain::run(session, args).await,
        Command::Export(args) => declared::export::run(session, args).await,
        Command::Diff(args) => declared::diff(session, args).await,
        Command::Apply(args) => declared::apply(session, args).await,
        Command::Audit(args) => match args.command {
            Some(AuditCommand::Check) => audit::check::run(session).await,
            None => audit::events::run(session, &args.list).await,
        },
        Command::Doctor => Ok(doctor::run(session).await),
        Command::Completion { shell } => Ok(completion::run(*shell)),
        Command::Complete { what, prefix } => Ok(completion::names::run(session, what, prefix).await),
    }
}

/// `--priority` and `--expires`.
///
/// # Errors
/// [`Failure::BadOption`] for a time that is none or has passed; [`Failure::BadCombination`] without a secret.
fn terms(priority: Option<i64>, expires: Option<&str>, no_secret: bool) -> Result<Terms, Failure> {
    if no_secret && (priority.is_some() || expires.is_some()) {
        let text = "--expires and --priority are of grants; add --secret";
        return Err(Failure::BadCombination(text.to_owned()));
    }
    let bad = |problem: String| Failure::BadOption { name: "--expires".to_owned(), problem };
    let now = OffsetDateTime::now_utc();
    let expires_at = match expires {
        None => None,
        Some(text) => {
            let at = span::instant(text, now, Direction::Ahead);
            let at = at.ok_or_else(|| {
                bad(format!("{text} is no point in time; write 2030-01-31T12:00:00Z, or 12h, 7d from now"))
            })?;
            if at <= now {
                return Err(bad(format!("{text} has passed")));
            }
            Some(span::shown(at))
        }
    };
    Ok(Terms { priority, expires_at })
}

/// What a grant that is there needs to have these terms. One that has ended, or has another end, is renewed.
fn regrant(there: &Grant, target: Target, terms: &Terms) -> Step {
    let now = OffsetDateTime::now_utc();
    let is_over = grant_end(there).is_some_and(|end| end <= now);
    let wanted = terms.expires_at.as_deref().and_then(|text| span::instant(text, now, Direction::Ahead));
    if is_over || (wanted.is_some() && wanted != grant_end(there)) {
        return renew(there, target, terms);
    }
    let Some(priority) = terms.priority.filter(|priority| there.priority != Some(*priority)) else {
        return Step::in_place(target, "it is granted");
    };
    reprioritize(there, target, priority)
}

/// When a grant ends.
fn grant_end(grant: &Grant) -> Option<OffsetDateTime> {
    span::instant(grant.expires_at.as_deref()?, OffsetDateTime::UNIX_EPOCH, Direction::Ahead)
}

/// The same grant with another end. What the terms leave open stays as it is.
fn renew(there: &Grant, target: Target, terms: &Terms) -> Step {
    let new = NewGrant {
        grantee: there.grantee,
        secret: there.secret,
        priority: terms.priority.or(there.priority),
        expires_at: terms.expires_at.clone(),
    };
    let after = new.expires_at.clone();
    let priority = new.priority;
    let step = Step::new(Action::Update, target, "its end changes", Call::Renew { grant: there.id, new });
    let step = step.changing("expires_at", there.expires_at.clone(), after);
    if priority == there.priority { step } else { step.changing("priority", there.priority, priority) }
}

/// The same grant with another priority.
fn reprioritize(there: &Grant, target: Target, priority: i64) -> Step {
    let call = Call::SetPriority { grant: there.id, priority };
    let step = Step::new(Action::Update, target, "its priority changes", call);
    step.changing("priority", there.priority, priority)
}
