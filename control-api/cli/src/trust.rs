//! Certificates for the program: a bundle of the system's roots and our CA, under every variable that some runtime
//! reads.

mod jks;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Variables that name a PEM bundle, and who reads them.
pub const BUNDLE_VARIABLES: [&str; 21] = [
    "SSL_CERT_FILE",        // OpenSSL, Go, rustls-native-certs, Python's ssl, Ruby, Erlang
    "NODE_EXTRA_CA_CERTS",  // Node.js, Bun
    "REQUESTS_CA_BUNDLE",   // Python requests
    "CURL_CA_BUNDLE",       // curl, Python requests
    "GIT_SSL_CAINFO",       // git
    "GIT_PROXY_SSL_CAINFO", // git, for an https proxy
    "PIP_CERT",             // pip
    "CARGO_HTTP_CAINFO",    // cargo
    "DENO_CERT",            // Deno
    "AWS_CA_BUNDLE",        // AWS CLI and SDKs
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", // gcloud
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", // gRPC core
    "npm_config_cafile",    // npm
    "NPM_CONFIG_CAFILE",    // npm, pnpm, yarn 1
    "YARN_HTTPS_CA_FILE_PATH", // yarn 2 and later
    "BUNDLE_SSL_CA_CERT",   // Bundler
    "HEX_CACERTS_PATH",     // Elixir's Hex
    "NIX_SSL_CERT_FILE",    // Nix
    "COMPOSER_CAFILE",      // PHP's Composer
    "HTTPLIB2_CA_CERTS",    // Python httplib2
    "SYSTEM_CERTIFICATE_PATH", // Haskell
];

/// The password of the Java store. It guards nothing: the store holds public certificates.
const JAVA_PASSWORD: &str = "changeit";

/// The files, in a directory that the program can read.
pub struct Trust {
    bundle: PathBuf,
    wgetrc: PathBuf,
    java: Option<PathBuf>,
    /// Read by PHP after its own settings.
    php: PathBuf,
}

impl Trust {
    /// Writes the bundle into `directory`, and a Java store when there is a Java to read it.
    ///
    /// # Errors
    /// When a file cannot be written or our own certificate is no PEM.
    pub fn write(directory: &Path, ca_pem: &str, extra_bundles: &[PathBuf]) -> io::Result<Self> {
        let ours = CertificateDer::from_pem_slice(ca_pem.as_bytes())
            .map_err(|_| io::Error::other("the CA certificate is no PEM"))?;
        let mut roots = vec![ours];
        // Roots that cannot be read are roots the program would not have had either.
        for root in rustls_native_certs::load_native_certs().certs {
            push(&mut roots, root);
        }
        for path in extra_bundles {
            for root in CertificateDer::pem_file_iter(path).into_iter().flatten().flatten() {
                push(&mut roots, root);
            }
        }
        let bundle = directory.join("ca-bundle.pem");
        fs::write(&bundle, roots.iter().map(|root| pem(root)).collect::<String>())?;
        let wgetrc = directory.join("wgetrc");
        fs::write(&wgetrc, wget_settings(&bundle))?;
        let java = has_java().then(|| directory.join("truststore.jks"));
        if let Some(path) = &java {
            fs::write(path, jks::trust_store(&roots, JAVA_PASSWORD))?;
        }
        let php = directory.join("php");
        fs::create_dir_all(&php)?;
        let path = bundle.display();
        // PHP's curl and its streams read settings only, never a variable.
        fs::write(php.join("centaur.ini"), format!("curl.cainfo=\"{path}\"\nopenssl.cafile=\"{path}\"\n"))?;
        Ok(Self { bundle, wgetrc, java, php })
    }

    /// The variables that point a program to the files. `java_options` and `php_settings` are the caller's, kept in
    /// front.
    pub fn variables(
        &self,
        java_options: Option<&str>,
        php_settings: Option<&OsStr>,
    ) -> Vec<(&'static str, OsString)> {
        let bundle = self.bundle.as_os_str();
        let mut variables: Vec<_> = BUNDLE_VARIABLES.iter().map(|name| (*name, bundle.to_owned())).collect();
        variables.push(("WGETRC", self.wgetrc.clone().into_os_string()));
        // An empty part stands for the directory that PHP was built with.
        let mut php = php_settings.map(OsStr::to_owned).unwrap_or_default();
        php.push(":");
        php.push(&self.php);
        variables.push(("PHP_INI_SCAN_DIR", php));
        if let Some(store) = &self.java {
            let ours = format!(
                "-Djavax.net.ssl.trustStore={} -Djavax.net.ssl.trustStorePassword={JAVA_PASSWORD} \
                 -Djavax.net.ssl.trustStoreType=JKS",
                store.display()
            );
            variables.push(("JAVA_TOOL_OPTIONS", join(java_options, &ours).into()));
        }
        variables
    }
}

/// Two option strings in one, the first optional.
pub fn join(first: Option<&str>, second: &str) -> String {
    match first.map(str::trim) {
        Some(first) if !first.is_empty() => format!("{first} {second}"),
        _ => second.to_owned(),
    }
}

/// Wget built on GnuTLS reads no variable but the name of its settings file: the caller's, with our bundle.
fn wget_settings(bundle: &Path) -> String {
    let own = std::env::var_os("WGETRC").map(PathBuf::from);
    let path = own.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".wgetrc")));
    let mut settings = path.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    if !settings.is_empty() && !settings.ends_with('\n') {
        settings.push('\n');
    }
    settings + &format!("ca_certificate = {}\n", bundle.display())
}

fn push(roots: &mut Vec<CertificateDer<'static>>, root: CertificateDer<'static>) {
    if !roots.contains(&root) {
        roots.push(root);
    }
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    out.push_str("-----END CERTIFICATE-----\n");
    out
}

fn has_java() -> bool {
    std::env::var_os("JAVA_HOME").is_some_and(|home| !home.is_empty())
        || crate::programs::find("java").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_java_options_stay_in_front() {
        assert_eq!(join(Some(" -Xmx1g "), "-Da=b"), "-Xmx1g -Da=b");
        assert_eq!(join(None, "-Da=b"), "-Da=b");
    }

    #[test]
    fn what_we_write_is_read_back_as_the_same_certificate() {
        let der = vec![7_u8; 200];
        let back = CertificateDer::from_pem_slice(pem(&der).as_bytes()).unwrap();
        assert_eq!(&*back, &*der);
    }
}
