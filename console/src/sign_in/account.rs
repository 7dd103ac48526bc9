//! What somebody who is signed in may do with the own account: the start page, the sessions, signing out.

use axum::extract::Path;
use axum::response::Response;
use centaur_base::oid::SessionId;
use centaur_store::UserStatus;
use http::header::SET_COOKIE;

use super::cookies::{self, Name};
use super::failure::{Failure, Result};
use super::form::Form;
use super::notice::Notice;
use super::page;
use super::visitor::{Administrator, Member, Operator, Page};

pub(super) async fn root(Page(Operator(member)): Page<Operator>) -> Response {
    page::see_other(&member.visitor.app, "/console")
}

pub(super) async fn home(Page(Operator(member)): Page<Operator>) -> Response {
    page::home(&member)
}

pub(super) async fn pending(Page(member): Page<Member>) -> Response {
    if member.user.status == UserStatus::Active {
        return page::see_other(&member.visitor.app, "/console");
    }
    let contact = member.visitor.app.config().sign_in.support_contact.as_deref();
    page::pending(&member, contact)
}

pub(super) async fn sessions(Page(Operator(member)): Page<Operator>) -> Result<Response> {
    let limits = member.visitor.app.config().sign_in.sessions;
    let all = member.visitor.app.store().read().await?.sessions(member.user.id, limits).await?;
    Ok(page::sessions(&member, &all))
}

pub(super) async fn end_session(Path(id): Path<String>, form: Form<Operator>) -> Result<Response> {
    let Operator(member) = &form.by;
    let id: SessionId = id.parse().map_err(|_| Failure::NotFound)?;
    end(member, id).await?;
    if id == member.session.id {
        return Ok(signed_out(member));
    }
    Ok(told(member, "/console/sessions", Notice::SessionEnded))
}

pub(super) async fn end_others(form: Form<Operator>) -> Result<Response> {
    let Operator(member) = &form.by;
    let (user, but, actor) = (member.user.id, Some(member.session.id), member.actor());
    let work = member.visitor.write(&actor, |tx| Box::pin(tx.end_sessions(user, but, "asked")));
    work.await?;
    Ok(told(member, "/console/sessions", Notice::OthersEnded))
}

pub(super) async fn sign_out(form: Form<Member>) -> Result<Response> {
    end(&form.by, form.by.session.id).await?;
    form.by.visitor.app.metrics().logout();
    Ok(signed_out(&form.by))
}

pub(super) async fn pause_admin(form: Form<Administrator>) -> Result<Response> {
    let Administrator(member) = &form.by;
    view_as_operator(member, true).await?;
    Ok(told(member, "/console", Notice::AdminPaused))
}

pub(super) async fn restore_admin(form: Form<Operator>) -> Result<Response> {
    let Operator(member) = &form.by;
    if !member.user.admin {
        return Err(Failure::Forbidden);
    }
    view_as_operator(member, false).await?;
    Ok(told(member, "/console", Notice::AdminRestored))
}

async fn view_as_operator(member: &Member, paused: bool) -> Result<()> {
    let (user, session, actor) = (member.user.id, member.session.id, member.actor());
    member.visitor.write(&actor, |tx| Box::pin(tx.view_as_operator(user, session, paused))).await
}

async fn end(member: &Member, id: SessionId) -> Result<()> {
    let (user, actor) = (member.user.id, member.actor());
    member.visitor.write(&actor, |tx| Box::pin(tx.end_session(user, id))).await
}

fn signed_out(member: &Member) -> Response {
    let mut response = told(member, "/login", Notice::SignedOut);
    response.headers_mut().append(SET_COOKIE, cookies::remove(&member.visitor.site, Name::Session));
    response
}

fn told(member: &Member, to: &str, notice: Notice) -> Response {
    let mut response = page::see_other(&member.visitor.app, to);
    response.headers_mut().append(SET_COOKIE, notice.keep(&member.visitor.site));
    response
}
