//! The runtimes, how each fetches a page, and what helps one that does not trust.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::programs;

/// A runtime that needs longer for a page on loopback hangs. Java and npm take some seconds to start.
const PATIENCE: Duration = Duration::from_secs(40);

/// One runtime.
pub(super) struct Runtime {
    /// As shown; its path at the origin is this with `-` for spaces.
    pub(super) name: &'static str,
    /// What has to be on `PATH`.
    program: &'static str,
    /// A command that succeeds if the runtime's part is there; empty if the program is enough.
    present: &'static [&'static str],
    /// The command. `URL` stands for the page's address, `HOST` for the host, `DIR` for a directory to work in.
    command: &'static [&'static str],
    /// Variables, with the same words replaced.
    env: &'static [(&'static str, &'static str)],
    /// A file in `DIR`, with the same words replaced.
    file: Option<(&'static str, &'static str)>,
    /// What is written to its standard input.
    stdin: &'static str,
    /// What helps.
    pub(super) fix: &'static str,
}

const PLAIN: Runtime =
    Runtime { name: "", program: "", present: &[], command: &[], env: &[], file: None, stdin: "", fix: "" };

/// In the order they are shown.
pub(super) const RUNTIMES: &[Runtime] = &[
    Runtime {
        name: "curl",
        program: "curl",
        command: &["curl", "-sS", "-m", "20", "URL"],
        fix: "CURL_CA_BUNDLE, or curl --cacert",
        ..PLAIN
    },
    Runtime {
        name: "wget",
        program: "wget",
        command: &["wget", "-q", "-O", "-", "-t", "1", "-T", "20", "URL"],
        fix: "WGETRC, or --ca-certificate",
        ..PLAIN
    },
    Runtime {
        name: "git",
        program: "git",
        command: &["git", "-C", "/", "ls-remote", "URL"],
        env: &[("GIT_TERMINAL_PROMPT", "0"), ("GIT_CONFIG_NOSYSTEM", "1")],
        fix: "GIT_SSL_CAINFO; a http.sslCAInfo in a git configuration wins over it",
        ..PLAIN
    },
    Runtime {
        name: "openssl",
        program: "openssl",
        command: &[
            "openssl",
            "s_client",
            "-quiet",
            "-verify_return_error",
            "-servername",
            "HOST",
            "-connect",
            "HOST:443",
        ],
        stdin: "GET /openssl HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n",
        fix: "SSL_CERT_FILE, or -CAfile",
        ..PLAIN
    },
    Runtime {
        name: "python urllib",
        program: "python3",
        command: &["python3", "-c", "import urllib.request as u; u.urlopen('URL', timeout=20)"],
        fix: "SSL_CERT_FILE",
        ..PLAIN
    },
    Runtime {
        name: "python requests",
        program: "python3",
        present: &["python3", "-c", "import requests"],
        command: &["python3", "-c", "import requests; requests.get('URL', timeout=20)"],
        fix: "REQUESTS_CA_BUNDLE; a session with trust_env=False ignores it",
        ..PLAIN
    },
    Runtime {
        name: "python httpx",
        program: "python3",
        present: &["python3", "-c", "import httpx"],
        command: &["python3", "-c", "import httpx; httpx.get('URL', timeout=20)"],
        fix: "SSL_CERT_FILE; httpx 0.28 and later need verify=ssl.create_default_context()",
        ..PLAIN
    },
    Runtime {
        name: "pip",
        program: "pip",
        command: &[
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--retries",
            "0",
            "--timeout",
            "20",
            "-d",
            "DIR",
            "--index-url",
            "URL",
            "x",
        ],
        env: &[
            ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
            ("PIP_CONFIG_FILE", "/dev/null"),
            ("PIP_NO_INDEX", ""),
            ("PIP_FIND_LINKS", ""),
            ("PIP_NO_CACHE_DIR", "1"),
        ],
        fix: "PIP_CERT; a cert in pip.conf is used without it",
        ..PLAIN
    },
    Runtime {
        name: "node fetch",
        program: "node",
        present: &["node", "-e", "process.exit(typeof fetch === 'function' ? 0 : 1)"],
        command: &["node", "-e", "fetch('URL').then(r => r.text())"],
        fix: "NODE_EXTRA_CA_CERTS, read once at start",
        ..PLAIN
    },
    Runtime {
        name: "node https",
        program: "node",
        command: &["node", "-e", "require('https').get('URL', r => r.resume())"],
        fix: "NODE_EXTRA_CA_CERTS, read once at start; an agent with its own `ca` ignores it",
        ..PLAIN
    },
    Runtime {
        name: "npm",
        program: "npm",
        command: &["npm", "ping", "--registry", "URL", "--fetch-retries", "0", "--cache", "DIR/npm"],
        env: &[("NPM_CONFIG_UPDATE_NOTIFIER", "false")],
        fix: "npm_config_cafile; a cafile or ca in .npmrc is used without it",
        ..PLAIN
    },
    Runtime {
        name: "cargo",
        program: "cargo",
        command: &["cargo", "search", "x", "--registry", "trust"],
        env: &[
            ("CARGO_REGISTRIES_TRUST_INDEX", "sparse+URL/"),
            ("CARGO_NET_RETRY", "0"),
            ("CARGO_HOME", "DIR/cargo"),
        ],
        fix: "CARGO_HTTP_CAINFO",
        ..PLAIN
    },
    Runtime {
        name: "go",
        program: "go",
        command: &["go", "install", "trust.test/x@latest"],
        env: &[
            ("GOPROXY", "URL"),
            ("GONOSUMDB", "*"),
            ("GOSUMDB", "off"),
            ("GOTOOLCHAIN", "local"),
            ("GOFLAGS", ""),
            ("GONOPROXY", ""),
            ("GOPRIVATE", ""),
            ("GOPATH", "DIR/go"),
            ("GOCACHE", "DIR/gocache"),
        ],
        fix: "SSL_CERT_FILE",
        ..PLAIN
    },
    Runtime {
        name: "java",
        program: "java",
        present: &["javac", "-version"],
        command: &["java", "DIR/Trust.java"],
        file: Some((
            "Trust.java",
            "import java.net.http.*; public class Trust { public static void main(String[] a) throws Exception { \
             HttpClient.newHttpClient().send(HttpRequest.newBuilder(java.net.URI.create(\"URL\")).build(), \
             HttpResponse.BodyHandlers.discarding()); } }\n",
        )),
        fix: "JAVA_TOOL_OPTIONS; a program with a trust store of its own ignores it",
        ..PLAIN
    },
    Runtime {
        name: "deno",
        program: "deno",
        command: &["deno", "eval", "await fetch('URL')"],
        env: &[("DENO_DIR", "DIR/deno")],
        fix: "DENO_CERT",
        ..PLAIN
    },
    Runtime {
        name: "ruby",
        program: "ruby",
        command: &["ruby", "-rnet/http", "-e", "Net::HTTP.get(URI('URL'))"],
        fix: "SSL_CERT_FILE",
        ..PLAIN
    },
    Runtime {
        name: "php streams",
        program: "php",
        present: &["php", "-r", "exit(extension_loaded('openssl') ? 0 : 1);"],
        command: &["php", "-r", "file_get_contents('URL');"],
        fix: "SSL_CERT_FILE; an openssl.cafile in php.ini wins over it",
        ..PLAIN
    },
    // Its libcurl reads no variable and takes the system's bundle unless PHP's settings name another.
    Runtime {
        name: "php curl",
        program: "php",
        present: &["php", "-r", "exit(extension_loaded('curl') ? 0 : 1);"],
        command: &[
            "php",
            "-r",
            "$c = curl_init('URL'); curl_exec($c) !== false or fwrite(STDERR, curl_error($c));",
        ],
        fix: "a file with curl.cainfo=${SSL_CERT_FILE} in a directory of PHP_INI_SCAN_DIR, or CURLOPT_CAINFO",
        ..PLAIN
    },
];

impl Runtime {
    /// The first segment of its page's path.
    pub(super) fn path(&self) -> String {
        self.name.replace(' ', "-")
    }

    /// Fetches the page; `None` if the runtime is not here, else the last thing it said.
    pub(super) fn fetch(&self, host: &str, directory: &Path) -> Option<String> {
        programs::find(self.program)?;
        let fill = |text: &str| {
            let url = format!("https://{host}/{}", self.path());
            text.replace("URL", &url).replace("HOST", host).replace("DIR", &directory.to_string_lossy())
        };
        if let [program, args @ ..] = self.present
            && !quiet(program).args(args).status().is_ok_and(|status| status.success())
        {
            return None;
        }
        if let Some((name, text)) = self.file
            && let Err(error) = fs::write(directory.join(name), fill(text))
        {
            return Some(error.to_string());
        }
        let [program, args @ ..] = self.command else { return None };
        let mut command = quiet(program);
        command.args(args.iter().map(|arg| fill(arg)));
        command.envs(self.env.iter().map(|(name, value)| (*name, fill(value))));
        command.stdin(Stdio::piped()).stderr(Stdio::piped());
        Some(last_words(&mut command, &fill(self.stdin)))
    }
}

fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Runs the command for as long as it may take; the last line of what it said about it.
fn last_words(command: &mut Command, stdin: &str) -> String {
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return error.to_string(),
    };
    let mut input = child.stdin.take();
    if let Some(input) = &mut input {
        let _ = input.write_all(stdin.as_bytes());
    }
    let stderr = child.stderr.take();
    let reader = std::thread::spawn(move || {
        let mut said = Vec::new();
        if let Some(mut stderr) = stderr {
            let _ = stderr.read_to_end(&mut said);
        }
        String::from_utf8_lossy(&said).into_owned()
    });
    let started = Instant::now();
    loop {
        match child.try_wait() {
            Ok(None) if started.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(20)),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return "it took too long".to_owned();
            }
            _ => break,
        }
    }
    drop(input);
    let said = reader.join().unwrap_or_default();
    let line = said.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing");
    line.replace('\t', " ").chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_runtime_has_a_page_of_its_own_and_a_fix() {
        for (index, runtime) in RUNTIMES.iter().enumerate() {
            assert!(!runtime.fix.is_empty() && !runtime.command.is_empty(), "{}", runtime.name);
            let clash = RUNTIMES[..index].iter().find(|other| {
                other.path().starts_with(&runtime.path()) || runtime.path().starts_with(&other.path())
            });
            assert!(clash.is_none(), "{}", runtime.name);
        }
    }
}
