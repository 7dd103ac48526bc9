//! `gcp_auth`, `gcp_id_token` and `aws_auth`.

use super::entry::{Inherited, own_hosts, secret_ref};
use super::fields::Fields;
use super::host;
use crate::manifest::{AwsAuth, Binding, GcpAuth, GcpIdToken};
use crate::problem::Code;

pub(super) const GCP_KEYS: &[&str] = &["scopes", "subject"];
pub(super) const ID_TOKEN_KEYS: &[&str] = &["audience", "header"];
pub(super) const AWS_KEYS: &[&str] =
    &["access_key_id", "secret_access_key", "session_token", "allowed_regions", "allowed_services"];

const GOOGLE: &str = "*.googleapis.com";
const PLATFORM_SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

pub(super) fn gcp(fields: &Fields<'_>, name: &str, _inherited: Inherited<'_>) -> Option<Binding> {
    let secret_ref = secret_ref(fields, name);
    let hosts = if fields.has("hosts") { host::some(fields) } else { Some(vec![GOOGLE.to_owned()]) };
    let scopes = fields.texts("scopes", Code::KeyInvalid).filter(|scopes| !scopes.is_empty());
    let subject = fields.text("subject", Code::KeyInvalid);
    Some(Binding::GcpAuth(GcpAuth {
        secret_ref: secret_ref?,
        hosts: hosts?,
        scopes: scopes.unwrap_or_else(|| vec![PLATFORM_SCOPE.to_owned()]),
        subject,
    }))
}

pub(super) fn id_token(fields: &Fields<'_>, name: &str, _inherited: Inherited<'_>) -> Option<Binding> {
    const HEADERS: [&str; 2] = ["authorization", "x-serverless-authorization"];
    let secret_ref = secret_ref(fields, name);
    let hosts = own_hosts(fields);
    let audience = fields.needed("audience", Code::AudienceRequired, Code::AudienceRequired);
    let header = fields.text("header", Code::HeaderNotSupported).map(|header| header.to_lowercase());
    if let Some(header) = header.as_deref().filter(|header| !HEADERS.contains(header)) {
        let text = format!("header {header:?} is none of {}", HEADERS.join(", "));
        fields.report::<()>(Code::HeaderNotSupported, "header", text);
    }
    Some(Binding::GcpIdToken(GcpIdToken {
        secret_ref: secret_ref?,
        hosts: hosts?,
        audience: audience?,
        header,
    }))
}

pub(super) fn aws(fields: &Fields<'_>, _name: &str, _inherited: Inherited<'_>) -> Option<Binding> {
    let hosts = own_hosts(fields);
    let access_key_id = fields.needed("access_key_id", Code::AwsRefMissing, Code::AwsRefMissing);
    let secret_access_key = fields.needed("secret_access_key", Code::AwsRefMissing, Code::AwsRefMissing);
    let session_token = fields.text("session_token", Code::AwsRefMissing);
    let allowed_regions = fields.texts("allowed_regions", Code::AwsListInvalid).unwrap_or_default();
    let allowed_services = fields.texts("allowed_services", Code::AwsListInvalid).unwrap_or_default();
    Some(Binding::AwsAuth(AwsAuth {
        hosts: hosts?,
        access_key_id: access_key_id?,
        secret_access_key: secret_access_key?,
        session_token,
        allowed_regions,
        allowed_services,
    }))
}
