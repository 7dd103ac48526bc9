//! The pages under `docs/` against the program and its sources: what they list exists, and what exists they list.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use centaur_e2e::Proxy;
use centaur_e2e::tools::Tool;
use proc_macro2::{TokenStream, TokenTree};

// Reason codes.

/// Texts in the proxy's sources that look like reason codes and are none. One that is gone from there goes here too.
const NO_CODES: &[&str] = &[
    // Header names and values.
    "alt-svc",
    "chatgpt-account-id",
    "content-length",
    "http2-settings",
    "keep-alive",
    "no-store",
    "proxy-connection",
    "transfer-encoding",
    "x-content-type-options",
    "x-iron-reason",
    // Commands, flags and values of keys.
    "expiry-hours",
    "generate-ca",
    "iron-proxy",
    "last-known-good",
    "sni-only",
    "token-file",
    // A thread.
    "log-writer",
    // Harness logins: their names, and what stands in for tokens and accounts.
    "00000000-0000-0000-0000-000000000000",
    "anthropic-claude",
    "openai-codex",
    "placeholder-access-token-the-real-one-is-not-in-this-sandbox",
    "placeholder-refresh-token-the-real-one-is-not-in-this-sandbox",
];

#[test]
fn every_reason_code_of_the_sources_is_documented_and_the_other_way_round() {
    let written = Source::of_the_proxy();
    let documented = documented_codes();
    let no_codes: BTreeSet<&str> = NO_CODES.iter().copied().collect();
    let unknown: Vec<_> = documented.keys().filter(|code| !written.texts.contains(code.as_str())).collect();
    assert!(
        unknown.is_empty(),
        "docs/compatibility.md lists codes that the proxy does not have: {unknown:?}"
    );
    // Codes of one word are found by this direction alone.
    let silent: Vec<_> = written
        .texts
        .iter()
        .filter(|text| is_code(text) && text.contains('-'))
        .filter(|text| !no_codes.contains(text.as_str()) && !documented.contains_key(text.as_str()))
        .collect();
    assert!(
        silent.is_empty(),
        "neither among the reason codes of docs/compatibility.md nor in NO_CODES: {silent:?}"
    );
    let stale: Vec<_> = no_codes.iter().filter(|text| !written.texts.contains(**text)).collect();
    assert!(stale.is_empty(), "NO_CODES lists what is gone: {stale:?}");
    let both: Vec<_> = no_codes.iter().filter(|text| documented.contains_key(**text)).collect();
    assert!(both.is_empty(), "documented, so they are codes: {both:?}");
}

#[test]
fn the_status_of_a_code_is_the_documented_one_wherever_it_stands() {
    let documented = documented_codes();
    let statuses = |code: &str| documented.get(code).cloned().unwrap_or_default();
    let written = Source::of_the_proxy().statuses;
    assert!(written.len() > 20, "the sources pair codes and statuses in another way now: {written:?}");
    for (code, status) in written {
        let known = statuses(&code);
        assert!(known.is_empty() || known.contains(&status), "{code} is {status}, documented as {known:?}");
    }
    // As in `403 plaintext-credential`, with the code in backticks, anywhere in the page.
    let page = page("compatibility.md");
    let mut pairs = 0;
    for (before, code) in backticked(&page).filter(|(_, code)| documented.contains_key(*code)) {
        let Some(status) = before.rsplit(' ').nth(1).and_then(|word| word.parse::<u16>().ok()) else {
            continue;
        };
        let known = statuses(code);
        assert!(known.is_empty() || known.contains(&status), "{status} {code}, but it is {known:?}");
        pairs += 1;
    }
    assert!(pairs > 5, "only {pairs} places name a status and a code");
}

/// Code and status codes (none where the table says it in words) of every row under "Reason codes".
fn documented_codes() -> BTreeMap<String, BTreeSet<u16>> {
    let page = page("compatibility.md");
    let (_, section) = page.split_once("\n## Reason codes\n").expect("the section");
    let section = section.split("\n## ").next().expect("the section");
    let mut codes = BTreeMap::new();
    for cells in rows(section) {
        let statuses = cells.get(1).map(String::as_str).unwrap_or_default();
        let statuses: BTreeSet<u16> =
            statuses.split([',', ' ', ';']).filter_map(|word| word.parse().ok()).collect();
        // A cell of prose may hold a number by chance; a column of statuses begins with one.
        let statuses = if cells.len() > 2 { statuses } else { BTreeSet::new() };
        for (_, code) in backticked(&cells[0]) {
            assert!(codes.insert(code.to_owned(), statuses.clone()).is_none(), "{code} is listed twice");
        }
    }
    assert!(codes.len() > 50, "{codes:?}");
    codes
}

fn is_code(text: &str) -> bool {
    text.len() > 2
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !text.ends_with('-')
}

/// What the sources of the proxy hold outside their tests.
#[derive(Default)]
struct Source {
    /// Every text.
    texts: BTreeSet<String>,
    /// Codes with the `StatusCode` constant right behind them.
    statuses: Vec<(String, u16)>,
}

impl Source {
    fn of_the_proxy() -> Self {
        let mut source = Self::default();
        let names: HashMap<String, u16> = (100..600)
            .filter_map(|number| {
                let reason = http::StatusCode::from_u16(number).ok()?.canonical_reason()?;
                Some((reason.to_ascii_uppercase().replace([' ', '-'], "_").replace('\'', ""), number))
            })
            .collect();
        for path in rust_files(&root().join("proxy/src")) {
            let text = std::fs::read_to_string(&path).expect("a source file");
            let tokens =
                TokenStream::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            source.read(tokens, &names);
        }
        source
    }

    fn read(&mut self, tokens: TokenStream, names: &HashMap<String, u16>) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            if is_test_attribute(&tokens[at..]) {
                // Up to and with the body of what is for tests only.
                at += 2;
                while at < tokens.len() && !ends_item(&tokens[at]) {
                    at += 1;
                }
                at += 1;
                continue;
            }
            match tokens.get(at) {
                Some(TokenTree::Group(group)) => self.read(group.stream(), names),
                Some(TokenTree::Literal(literal)) => {
                    let text = literal.to_string();
                    if let Some(text) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
                        self.texts.insert(text.to_owned());
                        if let Some(status) =
                            status_behind(&tokens[at + 1..], names).filter(|_| is_code(text))
                        {
                            self.statuses.push((text.to_owned(), status));
                        }
                    }
                }
                _ => {}
            }
            at += 1;
        }
    }
}

/// `#[cfg(test)]`
fn is_test_attribute(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [TokenTree::Punct(hash), TokenTree::Group(group), ..]
        if hash.as_char() == '#' && group.stream().to_string().replace(' ', "") == "cfg(test)")
}

fn ends_item(token: &TokenTree) -> bool {
    match token {
        TokenTree::Group(group) => group.delimiter() == proc_macro2::Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() == ';' || punct.as_char() == ',',
        _ => false,
    }
}

/// `, StatusCode::NAME`
fn status_behind(tokens: &[TokenTree], names: &HashMap<String, u16>) -> Option<u16> {
    let words: Vec<String> = tokens.iter().take(5).map(ToString::to_string).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [",", "StatusCode", ":", ":", name] => names.get(name).copied(),
        _ => None,
    }
}

// Configuration.

#[tokio::test]
async fn the_tables_of_keys_are_those_of_the_schema() {
    let schema = Proxy::spawn(&["schema"], &HashMap::new()).wait().await;
    let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).expect("a schema");
    let keys_of = |object: &serde_json::Value| -> BTreeSet<String> {
        object["properties"].as_object().expect("properties").keys().cloned().collect()
    };
    let mut known = vec![keys_of(&schema)];
    known.extend(schema["$defs"].as_object().expect("definitions").values().map(keys_of));
    let mut listed = Vec::new();
    for table in tables(&page("configuration.md"), "| Key | Takes |") {
        let keys = rows(&table)
            .flat_map(|cells| backticked(&cells[0]).map(|(_, key)| key.to_owned()).collect::<Vec<_>>());
        listed.push(keys.collect::<BTreeSet<_>>());
    }
    known.sort();
    listed.sort();
    assert_eq!(listed, known);
}

#[test]
fn every_documented_variable_is_read() {
    let written = Source::of_the_proxy().texts;
    let page = page("configuration.md");
    let variables: Vec<_> =
        backticked(&page).map(|(_, text)| text).filter(|text| text.starts_with("IRON_")).collect();
    assert!(variables.len() > 15, "{variables:?}");
    for variable in variables {
        // Examples of errors name a variable first.
        let variable = variable.split(':').next().expect("a name");
        assert!(written.contains(variable), "{variable} is read nowhere");
    }
}

// What is left out.

#[tokio::test]
async fn what_is_not_in_this_build_is_refused_as_the_page_says() {
    let page = page("compatibility.md");
    let (_, section) = page.split_once("\n## Not in this build\n").expect("the section");
    let section = section.split("\n## ").next().expect("the section");
    let dir = tempfile::tempdir().expect("directory");
    let ca = centaur_e2e::pki::Pki::new("docs");
    std::fs::write(dir.path().join("ca.crt"), ca.cert_pem()).expect("write");
    std::fs::write(dir.path().join("ca.key"), ca.key_pem()).expect("write");
    let base = centaur_e2e::World::builder()
        .allow("a.test")
        .yaml(dir.path(), "127.0.0.1:53".parse().expect("address"));
    let config = dir.path().join("config.yaml").display().to_string();
    let mut tried = 0;
    for cells in rows(section) {
        let [what, with] = &cells[..] else { panic!("{cells:?}") };
        let (_, with) = backticked(with).next().expect("a text");
        let names: Vec<_> = backticked(what).map(|(_, name)| name).collect();
        for name in &names {
            let said = with.replace(example(with, &names), name);
            let (yaml, args) = if what.starts_with("transforms") {
                (format!("{base}  - name: {name}\n    config: {{}}\n"), vec!["-config", &config])
            } else if what.starts_with("sources") {
                let entry = format!("{{source: {{type: {name}}}, inject: {{header: X-Key}}}}");
                (
                    format!("{base}  - name: secrets\n    config: {{secrets: [{entry}]}}\n"),
                    vec!["-config", &config],
                )
            } else if what.starts_with("managed mode") {
                (base.clone(), vec!["-config", &config, "-token", "fake-token"])
            } else if what.contains("s3://") {
                (base.clone(), vec!["-config", "s3://bucket/key"])
            } else {
                (format!("{name}: {{}}\n{base}"), vec!["-config", &config])
            };
            std::fs::write(&config, yaml).expect("write");
            let ended = Proxy::spawn(&args, &HashMap::new()).wait().await;
            assert_eq!(ended.status.code(), Some(1), "{name}: {}", ended.stderr);
            // Log lines are JSON, in which a quotation mark is escaped.
            let stderr = ended.stderr.replace("\\\"", "\"");
            assert!(stderr.contains(&said), "{name}: {said:?} is not in\n{}", ended.stderr);
            tried += 1;
        }
    }
    assert!(tried > 0, "the section is gone, and this test with it");
    // The twin: what all of these were made from starts.
    std::fs::write(&config, &base).expect("write");
    let mut proxy = Proxy::spawn(&["-config", &config], &HashMap::new());
    proxy.addresses(&["http"]).await;
    assert!(proxy.stop().await.status.success());
}

/// The name among `names` that a refusal's text was written down for; the text itself if it names none.
fn example<'t>(text: &'t str, names: &[&'t str]) -> &'t str {
    let quoted = names.iter().find(|name| text.contains(&format!("\"{name}\"")));
    let first = names.iter().find(|name| text.starts_with(&format!("{name} ")));
    quoted.or(first).copied().unwrap_or("\0")
}

// The corpus.

#[tokio::test]
async fn the_corpus_has_as_many_entries_as_its_page_says() {
    let page = page("attack-corpus.md");
    let table = tables(&page, "| Class | File |").next().expect("the classes");
    let (mut attacks, mut controls) = (0, 0);
    for cells in rows(&table) {
        let (_, file) = backticked(&cells[1]).next().expect("a file");
        let text =
            std::fs::read_to_string(root().join("tests/attacks").join(file)).expect("a file of the corpus");
        let count = |line: &str| text.lines().filter(|found| *found == line).count();
        let honest = count("control = true");
        assert_eq!(cells[2], (count("[[attack]]") - honest).to_string(), "{file}");
        assert!(text.contains(&format!("class = '{}'", cells[0])), "{file} is of another class");
        attacks += count("[[attack]]") - honest;
        controls += honest;
    }
    assert!(
        page.contains(&format!("\n{attacks} entries, and {controls} controls:")),
        "{attacks}, {controls}"
    );
    let files = std::fs::read_dir(root().join("tests/attacks")).expect("the corpus").count();
    assert_eq!(rows(&table).count(), files - 1, "all but the profiles");
}

#[tokio::test]
async fn the_usage_of_the_runner_names_the_options_of_its_page() {
    let program = centaur_e2e::proxy::centaur().display().to_string();
    let help = Tool::new(&program).args(&["attack", "--help"]).run().await.stdout();
    let page = page("attack-corpus.md");
    let options: BTreeSet<_> = page
        .split(|c: char| c.is_whitespace() || "`(),;".contains(c))
        .filter(|word| word.starts_with("--"))
        .collect();
    assert!(options.len() > 5, "{options:?}");
    for option in options {
        assert!(
            help.contains(&format!("{option} ")) || help.contains(&format!("{option}\n")),
            "{option}\n{help}"
        );
    }
}

// Pages.

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the checkout").to_owned()
}

fn page(name: &str) -> String {
    std::fs::read_to_string(root().join("docs").join(name)).expect("a page")
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
    found
}

/// The rows of the tables in `text`, without headings, as cells.
fn rows(text: &str) -> impl Iterator<Item = Vec<String>> {
    let lines: Vec<&str> = text.lines().collect();
    let body = |at: usize| {
        let rule = |line: &&str| line.starts_with("|--");
        !rule(&lines[at]) && !lines.get(at + 1).is_some_and(rule)
    };
    (0..lines.len())
        .filter(|at| lines[*at].starts_with('|') && body(*at))
        .map(|at| lines[at].trim_matches('|').split(" |").map(|cell| cell.trim().to_owned()).collect())
        .collect::<Vec<_>>()
        .into_iter()
}

/// The tables whose heading begins like this.
fn tables(text: &str, heading: &str) -> impl Iterator<Item = String> {
    let paragraphs: Vec<String> = text.split("\n\n").map(str::to_owned).collect();
    let heading = heading.to_owned();
    paragraphs.into_iter().filter(move |paragraph| paragraph.trim_start().starts_with(&heading))
}

/// Texts in backticks, each with what stands before it up to and with its first backtick.
fn backticked(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let marks: Vec<usize> = text.match_indices('`').map(|(at, _)| at).collect();
    let pairs: Vec<_> = marks.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    pairs.into_iter().map(|(from, to)| (&text[..=from], &text[from + 1..to]))
}
