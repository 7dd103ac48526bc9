//! `kubernetes_secret`: a document under one key of a Secret.
//!
//! Written as a merge patch of that key with the observed `resourceVersion` as precondition, so the API server itself
//! refuses a write on top of a write that was not seen. The service account needs `get` and `patch` on that one Secret.

use std::collections::BTreeMap;
use std::time::Duration;

use centaur_base::Secret;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret as SecretObject;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Config};
use serde_json::json;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::{BlobStore, LIMIT, Pending, StoreError, Stored, Version};

/// A key of a Secret.
#[derive(Debug)]
pub struct KubernetesStore {
    name: String,
    namespace: String,
    secret: String,
    key: String,
    client: OnceCell<Connected>,
}

struct Connected(Api<SecretObject>);

/// How long one call may take.
const WITHIN: Duration = Duration::from_secs(10);

impl KubernetesStore {
    /// The key `key` of the Secret `secret`. Nothing is called yet. Where the API server is comes from `KUBECONFIG`, or
    /// from the service account of the pod.
    pub fn new(namespace: &str, secret: &str, key: &str) -> Self {
        Self {
            name: format!("kubernetes_secret {namespace}/{secret} key {key}"),
            namespace: namespace.to_owned(),
            secret: secret.to_owned(),
            key: key.to_owned(),
            client: OnceCell::new(),
        }
    }

    async fn api(&self) -> Result<&Api<SecretObject>, StoreError> {
        let connected = self.client.get_or_try_init(|| async {
            let mut config = Config::infer().await.map_err(|error| {
                StoreError::failed(format_args!("no access to a Kubernetes API server: {error}"))
            })?;
            // A write is repeated by who asked for it, with what stands there by then.
            config.default_retry = false;
            let client = Client::try_from(config).map_err(|error| self.failed("connect to", &error))?;
            Ok(Connected(Api::namespaced(client, &self.namespace)))
        });
        Ok(&connected.await?.0)
    }

    /// Says what was not possible; the API server's own words may quote what was sent.
    fn failed(&self, verb: &str, error: &kube::Error) -> StoreError {
        let (namespace, secret) = (&self.namespace, &self.secret);
        let why = match error {
            kube::Error::Api(status) if status.code == 403 => {
                format!("forbidden; the service account needs get and patch on the Secret {secret:?}")
            }
            kube::Error::Api(status) if status.code == 401 => "unauthorized".to_owned(),
            kube::Error::Api(status) if status.code == 404 => "there is no such Secret".to_owned(),
            kube::Error::Api(status) => format!("the API server answers {} {}", status.code, status.reason),
            kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => {
                "the API server's answer cannot be read".to_owned()
            }
            other => chain(other),
        };
        StoreError::failed(format_args!("cannot {verb} Secret {namespace}/{secret}: {why}"))
    }

    async fn read(&self) -> Result<Option<Stored>, StoreError> {
        let found = self.api().await?.get_opt(&self.secret).await.map_err(|e| self.failed("get", &e))?;
        let Some(object) = found else { return Ok(None) };
        let version = self.version(&object)?;
        let Some(ByteString(bytes)) = object.data.and_then(|mut data| data.remove(&self.key)) else {
            // The Secret is there, so the key may be written on top of it.
            return Ok(Some(Stored { text: Secret::new(String::new()), version }));
        };
        if bytes.len() > LIMIT {
            return Err(StoreError::failed(format_args!("{} is larger than {LIMIT} bytes", self.name)));
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| StoreError::failed(format_args!("{} is not UTF-8 text", self.name)))?;
        Ok(Some(Stored { text: Secret::new(text), version }))
    }

    async fn write(&self, text: &str, seen: Option<&Version>) -> Result<Version, StoreError> {
        let Some(Version(seen)) = seen else {
            // What was deleted whole is not made anew: labels, owners and rights went with it.
            let (namespace, secret) = (&self.namespace, &self.secret);
            return Err(StoreError::failed(format_args!("there is no Secret {namespace}/{secret}")));
        };
        let data: BTreeMap<_, _> = [(&self.key, ByteString(text.as_bytes().to_vec()))].into();
        let patch = json!({ "metadata": { "resourceVersion": seen }, "data": data });
        let params = PatchParams::default();
        match self.api().await?.patch(&self.secret, &params, &Patch::Merge(patch)).await {
            Ok(object) => self.version(&object),
            Err(kube::Error::Api(status)) if status.code == 409 => Err(StoreError::Conflict),
            Err(error) => Err(self.failed("patch", &error)),
        }
    }

    fn version(&self, object: &SecretObject) -> Result<Version, StoreError> {
        let version = object.metadata.resource_version.clone().filter(|version| !version.is_empty());
        version
            .map(Version)
            .ok_or_else(|| StoreError::failed(format_args!("{} came without resourceVersion", self.name)))
    }
}

impl BlobStore for KubernetesStore {
    fn load(&self) -> Pending<'_, Option<Stored>> {
        Box::pin(async move { timeout(WITHIN, self.read()).await.unwrap_or_else(|_| Err(too_late())) })
    }

    fn store<'a>(&'a self, text: &'a str, seen: Option<&'a Version>) -> Pending<'a, Version> {
        Box::pin(
            async move { timeout(WITHIN, self.write(text, seen)).await.unwrap_or_else(|_| Err(too_late())) },
        )
    }

    fn is_exclusive(&self) -> bool {
        false
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl std::fmt::Debug for Connected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connected")
    }
}

fn too_late() -> StoreError {
    StoreError::failed(format_args!("the API server gave no answer within {} seconds", WITHIN.as_secs()))
}

/// An error down to its cause, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}
