//! Real client programs: each uses a credential that it does not hold, and each is refused where it should be.

use std::path::Path;
use std::process::Command;

use centaur_e2e::tools::{Tool, deps_dir, first_line, scripts_dir};
use centaur_e2e::world::{PLACEHOLDER, REAL};
use centaur_e2e::{Builder, World};

/// `a.test` with the credential, `b.test` without one, nothing else; the proxy asks for trust in its own authority.
fn world() -> Builder {
    World::usual()
}

/// An endpoint that shows the credential back.
fn url(w: &World, name: &str) -> String {
    format!("https://{}/echo/raw/identity", w.at(name))
}

/// What every client of an HTTP API must have got and sent, then the audit.
async fn check(w: World, got: &str) {
    assert!(got.contains("200") || got.contains("before "), "{got}");
    assert!(got.contains(PLACEHOLDER), "{got}");
    let seen = w.origin.seen();
    assert!(
        seen.iter().any(|seen| seen.header("authorization") == Some(&*format!("Bearer {REAL}"))),
        "{seen:#?}"
    );
    assert!(seen.iter().all(|seen| !seen.authority.starts_with("c.test")), "{seen:#?}");
    let audit = w.proxy.audited(3).await;
    assert!(audit.iter().any(|line| line.action() == "allow" && line.method() != "CONNECT"));
    assert!(audit.iter().any(|line| line.action() == "reject" && line.reason() == "no-rule"), "{audit:?}");
    w.finish_at_least(3).await;
}

#[tokio::test]
async fn curl_over_h1_and_h2() {
    for version in ["--http1.1", "--http2"] {
        let w = world().start().await;
        let curl = |name: &str| {
            let header = format!("Authorization: Bearer {PLACEHOLDER}");
            let format = "%{http_version}\n";
            Tool::new("curl")
                .args(&["-sS", "--fail", version, "-w", format, "-H", &header, &url(&w, name)])
                .behind(&w)
        };
        let good = curl("a.test").run().await.noted(&w);
        let text = good.ok().stdout();
        assert!(text.ends_with(if version == "--http2" { "2\n" } else { "1.1\n" }), "{text}");
        curl("c.test").run().await.noted(&w).failed();
        check(w, &text).await;
    }
}

#[tokio::test]
async fn wget() {
    let w = world().start().await;
    let wget = |name: &str| {
        let header = format!("--header=Authorization: Bearer {PLACEHOLDER}");
        let trust = format!("--ca-certificate={}", w.path("ca.crt"));
        Tool::new("wget").args(&["-qO-", "--tries=1", &header, &trust, &url(&w, name)]).behind(&w)
    };
    let good = wget("a.test").run().await.noted(&w);
    wget("c.test").run().await.noted(&w).failed();
    let text = good.ok().stdout();
    check(w, &text).await;
}

#[tokio::test]
async fn python_requests_httpx_and_urllib() {
    for library in ["requests", "httpx", "urllib"] {
        let w = world().start().await;
        let python = |name: &str| {
            let script = scripts_dir().join("client.py");
            Tool::new("python").arg(script).args(&[library, &url(&w, name), PLACEHOLDER]).behind(&w)
        };
        let good = python("a.test").run().await.noted(&w);
        python("c.test").run().await.noted(&w).failed();
        let text = good.ok().stdout();
        check(w, &text).await;
    }
}

#[tokio::test]
async fn node_fetch() {
    let w = world().start().await;
    let node = |name: &str| {
        let script = scripts_dir().join("client.mjs");
        let deps = deps_dir().join("node").display().to_string();
        Tool::new("node").arg(script).args(&[&deps, &url(&w, name), PLACEHOLDER]).behind(&w)
    };
    let good = node("a.test").run().await.noted(&w);
    node("c.test").run().await.noted(&w).failed();
    let text = good.ok().stdout();
    check(w, &text).await;
}

#[tokio::test]
async fn go_net_http() {
    let w = world().start().await;
    let go = |name: &str| Tool::new("go-client").args(&[&url(&w, name), PLACEHOLDER]).behind(&w);
    let good = go("a.test").run().await.noted(&w);
    go("c.test").run().await.noted(&w).failed();
    let text = good.ok().stdout();
    assert!(text.contains("HTTP/2.0"), "{text}");
    check(w, &text).await;
}

#[tokio::test]
async fn java_http_client() {
    let w = world().start().await;
    let java = |name: &str| {
        let port = w.addr("tunnel").port().to_string();
        let script = scripts_dir().join("Client.java");
        let roots = w.path("ca.crt");
        // Small and quick: the program runs for a moment.
        let options = ["-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];
        Tool::new("java").args(&options).arg(script).args(&[&url(&w, name), PLACEHOLDER, &port, &roots])
    };
    let good = java("a.test").run().await.noted(&w);
    java("c.test").run().await.noted(&w).failed();
    let text = good.ok().stdout();
    check(w, &text).await;
}

#[tokio::test]
async fn python_websockets() {
    let w = world().start().await;
    let python = |name: &str| {
        let script = scripts_dir().join("client.py");
        let url = format!("wss://{}/ws", w.at(name));
        Tool::new("python").arg(script).args(&["websockets", &url, PLACEHOLDER]).behind(&w)
    };
    let good = python("a.test").run().await.noted(&w);
    assert!(good.ok().stdout().contains("101 hello from python"));
    python("c.test").run().await.noted(&w).failed();
    assert_eq!(w.origin.only().header("authorization"), Some(&*format!("Bearer {REAL}")));
    let audit = w.proxy.audited(3).await;
    assert!(audit.iter().any(|line| line.status() == 101));
    w.finish_at_least(3).await;
}

#[tokio::test]
async fn grpc_client_and_server() {
    let w = world().start().await;
    let (certificate, key) = w.upstream_ca.leaf_pem(&["a.test", "c.test"]);
    std::fs::write(w.path("grpc.crt"), certificate).expect("write");
    std::fs::write(w.path("grpc.key"), key).expect("write");
    let mut server = Tool::new("python")
        .arg(scripts_dir().join("grpc_server.py"))
        .args(&[&w.path("grpc.crt"), &w.path("grpc.key")])
        .env("REAL", REAL)
        .spawn();
    let port = first_line(&mut server).await;
    let call = |name: &str, token: &str| {
        Tool::new("python")
            .arg(scripts_dir().join("grpc_client.py"))
            .args(&[&format!("{name}:{port}"), &w.path("ca.crt"), token])
            .behind(&w)
    };
    let good = call("a.test", PLACEHOLDER).run().await.noted(&w);
    let text = good.ok().stdout();
    assert!(text.contains("ok reply to hello"), "{text}");
    assert_eq!(text.matches(PLACEHOLDER).count(), 3, "head, message and trailers: {text}");
    let wrong = call("a.test", "another").run().await.noted(&w);
    assert!(wrong.failed().text().contains("UNAUTHENTICATED"), "{}", wrong.text());
    call("c.test", PLACEHOLDER).run().await.noted(&w).failed();
    w.finish_at_least(3).await;
}

#[tokio::test]
async fn git_over_https() {
    let w = world().start().await;
    let files = tempfile::tempdir().expect("directory");
    let work = files.path().join("work");
    let git = |dir: &Path, args: &[&str]| {
        let status = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.test", "-c", "init.defaultBranch=main"])
            .args(args)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .current_dir(dir)
            .output()
            .expect("git");
        assert!(status.status.success(), "{status:?}");
    };
    std::fs::create_dir(&work).expect("directory");
    git(&work, &["init", "-q"]);
    std::fs::write(work.join("file.txt"), "from the repository").expect("write");
    git(&work, &["add", "."]);
    git(&work, &["commit", "-q", "-m", "one"]);
    git(files.path(), &["clone", "-q", "--bare", "work", "repo.git"]);
    git(&files.path().join("repo.git"), &["update-server-info"]);
    w.origin.share(files.path());

    let clone = |name: &str, token: &str, to: &str| {
        let url = format!("https://agent:{token}@{}/files/repo.git", w.at(name));
        Tool::new("git")
            .args(&["clone", "-q", &url, &w.path(to)])
            .behind(&w)
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
    };
    clone("a.test", PLACEHOLDER, "good").run().await.noted(&w).ok();
    let file = std::fs::read_to_string(format!("{}/file.txt", w.path("good"))).expect("cloned");
    assert_eq!(file, "from the repository");
    clone("a.test", "wrong", "wrong").run().await.noted(&w).failed();
    clone("b.test", PLACEHOLDER, "unbound").run().await.noted(&w).failed();
    clone("c.test", PLACEHOLDER, "refused").run().await.noted(&w).failed();
    w.finish_at_least(3).await;
}

#[tokio::test]
async fn pip() {
    let w = world().start().await;
    let files = tempfile::tempdir().expect("directory");
    let index = files.path().join("simple/demo-pkg");
    std::fs::create_dir_all(&index).expect("directory");
    let wheel = index.join("demo_pkg-1.0-py3-none-any.whl");
    let make = "import sys, zipfile\n\
        with zipfile.ZipFile(sys.argv[1], 'w') as z:\n\
        \x20   z.writestr('demo_pkg.py', 'x = 1\\n')\n\
        \x20   info = 'demo_pkg-1.0.dist-info/'\n\
        \x20   z.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: demo-pkg\\nVersion: 1.0\\n')\n\
        \x20   z.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n\
        \x20   z.writestr(info + 'RECORD', '')\n";
    Tool::new("python").args(&["-c", make, &wheel.display().to_string()]).run().await.ok();
    let page = "<!DOCTYPE html><html><body><a href=\"demo_pkg-1.0-py3-none-any.whl\">demo_pkg-1.0-py3-none-any.whl</a>";
    std::fs::write(index.join("index.html"), page).expect("write");
    w.origin.share(files.path());

    let pip = |name: &str, token: &str, to: &str| {
        let index = format!("https://agent:{token}@{}/files/simple/", w.at(name));
        let options =
            ["-m", "pip", "download", "--no-deps", "--no-cache-dir", "--no-input", "--retries=0", "-q"];
        Tool::new("python")
            .args(&options)
            .args(&["--index-url", &index, "-d", &w.path(to), "demo-pkg"])
            .behind(&w)
            .env("PIP_CONFIG_FILE", "/dev/null")
            .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    };
    pip("a.test", PLACEHOLDER, "good").run().await.noted(&w).ok();
    assert!(Path::new(&format!("{}/demo_pkg-1.0-py3-none-any.whl", w.path("good"))).exists());
    pip("a.test", "wrong", "wrong").run().await.noted(&w).failed();
    pip("c.test", PLACEHOLDER, "refused").run().await.noted(&w).failed();
    w.finish_at_least(3).await;
}

#[tokio::test]
async fn npm() {
    let w = world().start().await;
    let files = tempfile::tempdir().expect("directory");
    let package = files.path().join("package");
    std::fs::create_dir_all(&package).expect("directory");
    std::fs::write(package.join("package.json"), "{\"name\":\"demo-pkg\",\"version\":\"1.0.0\"}")
        .expect("write");
    let tarball = files.path().join("demo-pkg-1.0.0.tgz").display().to_string();
    let root = files.path().display().to_string();
    Tool::new("tar").args(&["-czf", &tarball, "-C", &root, "package"]).run().await.ok();
    let project = |name: &str, token: &str, dir: &str| {
        let registry = format!("{}/files/", w.at(name));
        let dir = w.path(dir);
        std::fs::create_dir_all(&dir).expect("directory");
        std::fs::write(format!("{dir}/package.json"), "{\"name\":\"x\",\"version\":\"1.0.0\"}")
            .expect("write");
        let rc = format!("registry=https://{registry}\n//{registry}:_authToken={token}\nfetch-retries=0\n");
        std::fs::write(format!("{dir}/.npmrc"), rc).expect("write");
        let options =
            ["install", "demo-pkg", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
        Tool::new("npm").args(&options).dir(&dir).behind(&w).env("npm_config_update_notifier", "false")
    };
    let document = serde_json::json!({
        "name": "demo-pkg", "dist-tags": {"latest": "1.0.0"},
        "versions": {"1.0.0": {"name": "demo-pkg", "version": "1.0.0",
            "dist": {"tarball": format!("https://{}/files/demo-pkg-1.0.0.tgz", w.at("a.test"))}}}
    });
    // The document stands where the registry's path says, without an extension.
    std::fs::write(files.path().join("demo-pkg"), document.to_string()).expect("write");
    w.origin.share(files.path());

    project("a.test", PLACEHOLDER, "good").run().await.noted(&w).ok();
    assert!(Path::new(&format!("{}/node_modules/demo-pkg/package.json", w.path("good"))).exists());
    project("a.test", "wrong", "wrong").run().await.noted(&w).failed();
    project("c.test", PLACEHOLDER, "refused").run().await.noted(&w).failed();
    w.finish_at_least(3).await;
}

#[tokio::test]
async fn cargo() {
    let w = world().start().await;
    let files = tempfile::tempdir().expect("directory");
    let root = files.path();
    let source = root.join("demo-crate-1.0.0");
    std::fs::create_dir_all(source.join("src")).expect("directory");
    std::fs::write(source.join("src/lib.rs"), "").expect("write");
    std::fs::write(source.join("Cargo.toml"), "[package]\nname = \"demo-crate\"\nversion = \"1.0.0\"\n")
        .expect("write");
    let archive = root.join("crates/demo-crate/1.0.0/download");
    std::fs::create_dir_all(archive.parent().expect("parent")).expect("directory");
    let archive = archive.display().to_string();
    let folder = root.display().to_string();
    Tool::new("tar").args(&["-czf", &archive, "-C", &folder, "demo-crate-1.0.0"]).run().await.ok();
    let sum = Tool::new("sha256sum").arg(&archive).run().await.ok().stdout();
    let sum = sum.split(' ').next().expect("sum");
    std::fs::create_dir_all(root.join("index/de/mo")).expect("directory");
    let entry = serde_json::json!({"name": "demo-crate", "vers": "1.0.0", "deps": [], "cksum": sum, "features": {}, "yanked": false});
    std::fs::write(root.join("index/de/mo/demo-crate"), format!("{entry}\n")).expect("write");
    let config =
        serde_json::json!({"dl": format!("https://{}/files/crates", w.at("a.test")), "auth-required": true});
    std::fs::write(root.join("index/config.json"), config.to_string()).expect("write");
    w.origin.share(root);

    let fetch = |name: &str, token: &str, dir: &str| {
        let dir = w.path(dir);
        std::fs::create_dir_all(format!("{dir}/src")).expect("directory");
        std::fs::write(format!("{dir}/src/lib.rs"), "").expect("write");
        let manifest = "[package]\nname = \"x\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n\
            [dependencies]\ndemo-crate = { version = \"1\", registry = \"demo\" }\n";
        std::fs::write(format!("{dir}/Cargo.toml"), manifest).expect("write");
        // The toolchain's own cargo and rustc, since rustup would look for its settings in the real home.
        let cargo = Path::new(option_env!("CARGO").unwrap_or("cargo"));
        Tool::new(&cargo.display().to_string())
            .args(&["fetch", "-q"])
            .env("RUSTC", cargo.with_file_name("rustc"))
            .dir(&dir)
            .behind(&w)
            .env("CARGO_HOME", format!("{dir}/home"))
            .env("CARGO_REGISTRIES_DEMO_INDEX", format!("sparse+https://{}/files/index/", w.at(name)))
            .env("CARGO_REGISTRIES_DEMO_TOKEN", token)
            .env("CARGO_REGISTRIES_DEMO_CREDENTIAL_PROVIDER", "cargo:token")
            .env("CARGO_NET_RETRY", "0")
    };
    fetch("a.test", PLACEHOLDER, "good").run().await.noted(&w).ok();
    assert!(w.origin.seen().iter().any(|seen| seen.target.ends_with("/download")));
    fetch("a.test", "wrong", "wrong").run().await.noted(&w).failed();
    fetch("c.test", PLACEHOLDER, "refused").run().await.noted(&w).failed();
    w.finish_at_least(3).await;
}
