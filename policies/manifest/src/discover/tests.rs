//! Directories in, catalogs out.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;

/// A directory in which tools are made.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(path)
    }

    fn file(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A tool whose description is its directory.
    fn tool(&self, dir: &str) {
        self.file(&format!("{dir}/pyproject.toml"), format!("[project]\ndescription = \"{dir}\"\n"));
    }

    fn discover(&self, roots: &[&str]) -> Catalog {
        discover(&roots.iter().map(|root| self.at(root)).collect::<Vec<_>>())
    }
}

fn names(catalog: &Catalog) -> Vec<&str> {
    catalog.tools.iter().map(|tool| tool.name.as_str()).collect()
}

/// What the tool describes itself as: its directory, as `Place::tool` made it.
fn from<'a>(catalog: &'a Catalog, name: &str) -> &'a str {
    let tool = catalog.named(name).unwrap();
    tool.manifest.as_ref().unwrap().description.as_deref().unwrap()
}

fn codes(problems: &[Problem]) -> Vec<&'static str> {
    problems.iter().map(|problem| problem.code.as_str()).collect()
}

#[test]
fn tools_stand_in_a_root_or_in_a_folder_of_it() {
    let place = Place::new();
    for dir in ["r/demo", "r/infra/grafana", "r/tools/ledger", "r/a b", "r/Ünïcode", "r/too/deep/er"] {
        place.tool(dir);
    }
    // Neither hidden ones, nor those that are set aside, nor what is below a tool.
    for dir in ["r/.hidden", "r/_aside", "r/infra/.git", "r/infra/_x", "r/demo/inner", "r/.cat/tool"] {
        place.tool(dir);
    }
    place.file("r/README.md", "");
    let catalog = place.discover(&["r"]);
    assert_eq!(names(&catalog), ["a b", "demo", "grafana", "ledger", "Ünïcode"]);
    assert!(catalog.warnings.is_empty(), "{:?}", catalog.warnings);
    assert!(catalog.named("Demo").is_none());
    assert_eq!(catalog.nearest("dmeo"), ["demo"]);
    assert!(catalog.nearest("elsewhere").is_empty());
}

#[test]
fn a_manifest_is_a_regular_file_in_utf_8() {
    let place = Place::new();
    fs::create_dir_all(place.at("r/dir/pyproject.toml")).unwrap();
    fs::create_dir_all(place.at("r/dangling")).unwrap();
    symlink("/nowhere", place.at("r/dangling/pyproject.toml")).unwrap();
    place.file("r/linked/pyproject.toml", "");
    symlink(place.at("r/linked"), place.at("r/link")).unwrap();
    place.file("r/latin/pyproject.toml", b"[project]\nname = \"\xe9\"\n");
    place.file("r/bom/pyproject.toml", "\u{feff}[project]\r\nname = \"x\"\r\n");
    place.file("r/huge/pyproject.toml", vec![b'#'; (1 << 20) + 1]);
    let catalog = place.discover(&["r"]);
    assert_eq!(names(&catalog), ["bom", "huge", "latin", "link", "linked"]);
    let problems = |name: &str| codes(catalog.named(name).unwrap().problems());
    assert_eq!(problems("latin"), ["toml_syntax"]);
    assert_eq!(problems("huge"), ["unreadable"]);
    assert!(problems("bom").is_empty() && problems("link").is_empty() && problems("linked").is_empty());
}

#[test]
fn a_root_that_is_not_there_contributes_nothing() {
    let place = Place::new();
    place.tool("r/demo");
    place.file("file", "");
    let catalog = place.discover(&["missing", "file", "r"]);
    assert_eq!(names(&catalog), ["demo"]);
    assert!(catalog.warnings.is_empty());
    assert_eq!(discover(&[]), Catalog::default());
}

#[test]
fn the_later_root_counts_and_the_place_stays() {
    let place = Place::new();
    for dir in ["base/a", "base/b", "base/c", "over/infra/b", "over/d", "top/b"] {
        place.tool(dir);
    }
    let catalog = place.discover(&["base", "over", "top"]);
    assert_eq!(names(&catalog), ["a", "b", "c", "d"]);
    assert_eq!(from(&catalog, "b"), "top/b");
    let b = catalog.named("b").unwrap();
    assert_eq!(b.shadowed, [place.at("base/b"), place.at("over/infra/b")]);
    assert_eq!((&b.root, &b.dir), (&place.at("top"), &place.at("top/b")));
    assert!(catalog.warnings.is_empty());
    assert_eq!(from(&place.discover(&["top", "base"]), "b"), "base/b");
}

#[test]
fn an_invalid_tool_does_not_bring_back_what_it_replaced() {
    let place = Place::new();
    place.tool("base/a");
    place.file("over/a/pyproject.toml", "tool.centaur.secrets = 5");
    let catalog = place.discover(&["base", "over"]);
    assert_eq!(codes(catalog.named("a").unwrap().problems()), ["not_an_array"]);
    assert!(place.discover(&["over", "base"]).named("a").unwrap().manifest.is_ok());
}

#[test]
fn two_folders_of_one_root_with_one_tool_are_noted() {
    let place = Place::new();
    for dir in ["r/one/t", "r/two/t", "r/aaa/u", "r/u"] {
        place.tool(dir);
    }
    let catalog = place.discover(&["r"]);
    assert_eq!(from(&catalog, "t"), "r/two/t");
    assert_eq!(from(&catalog, "u"), "r/u");
    assert_eq!(codes(&catalog.warnings), ["shadowed_in_root", "shadowed_in_root"]);
    assert_eq!(catalog.named("t").unwrap().shadowed, [place.at("r/one/t")]);
}

#[test]
fn a_root_listed_twice_shadows_nothing_of_itself() {
    let place = Place::new();
    place.tool("a/t");
    place.tool("b/t");
    let catalog = place.discover(&["a", "a"]);
    assert!(catalog.named("t").unwrap().shadowed.is_empty());
    let catalog = place.discover(&["a", "b", "a"]);
    assert_eq!(from(&catalog, "t"), "a/t");
    assert_eq!(catalog.named("t").unwrap().shadowed, [place.at("b/t")]);
}

#[test]
fn a_tool_and_a_persona_of_one_name_are_one() {
    let place = Place::new();
    place.tool("base/eng");
    place.file("over/eng/pyproject.toml", "tool.centaur.type = \"persona\"");
    let catalog = place.discover(&["base", "over"]);
    assert_eq!(names(&catalog), ["eng"]);
    assert!(catalog.named("eng").unwrap().is_persona());
    assert_eq!(codes(&catalog.warnings), ["kind_changed"]);
}

#[test]
fn the_overlay_of_a_relative_or_linked_root_is_the_real_one() {
    let place = Place::new();
    place.tool("acme-overlay/tools/ledger");
    symlink(place.at("acme-overlay/tools"), place.at("mounted")).unwrap();
    fs::create_dir_all(place.at("acme-overlay/tools/x/y")).unwrap();
    for root in ["mounted", "acme-overlay/tools/x/..", "acme-overlay/tools/"] {
        let tool = place.discover(&[root]).tools.remove(0);
        assert_eq!(tool.overlay, "acme-overlay", "{root}");
        assert_eq!(tool.dir, place.at("acme-overlay/tools/ledger"));
    }
}

#[test]
fn two_names_with_one_role_cannot_both_be_registered() {
    let place = Place::new();
    place.tool("r/my-tool");
    place.tool("r/my_tool");
    place.tool("r/other");
    let catalog = place.discover(&["r"]);
    let register =
        |name: &str| catalog.registration(catalog.named(name).unwrap(), "default", &Sources::default());
    assert!(register("my-tool").is_ok() && register("other").is_ok());
    let error = register("my_tool").unwrap_err();
    assert!(matches!(&error, RegisterError::SlugCollision { other, .. } if other == "my-tool"), "{error}");
    assert!(error.to_string().contains("[slug_collision]"));
}

#[test]
fn a_tool_is_shown_to_programs_as_one_object() {
    let place = Place::new();
    place.file(
        "r/t/pyproject.toml",
        "[project]\ndescription = \" Does. \"\n[project.scripts]\nt-two = \"x\"\nt-one = \"x\"\n\"a/b\" = \"x\"\n\
         [tool.centaur]\nhosts = [\"a.example.net\"]\nsecrets = [\"KEY\"]\nmodul = \"x\"\n",
    );
    place.file("r/u/pyproject.toml", "[tool.centaur]\nsecrets = [5]\n");
    let catalog = place.discover(&["r"]);
    let shown = serde_json::to_value(&catalog.tools[0]).unwrap();
    assert_eq!(shown["name"], "t");
    assert_eq!(shown["valid"], true);
    assert_eq!(shown["warnings"][0]["code"], "unknown_key");
    assert_eq!(shown["warnings"][0]["line"], 10);
    let manifest = &shown["manifest"];
    assert_eq!(manifest["kind"], "tool");
    assert_eq!(manifest["description"], "Does.");
    assert_eq!(manifest["commands"], serde_json::json!(["t-one", "t-two"]));
    let entry = &manifest["secrets"][0];
    assert_eq!(
        (&entry["type"], &entry["mode"], &entry["index"]),
        (&"http".into(), &"replace".into(), &0.into())
    );
    assert_eq!(entry["list"], "secrets");
    let shown = serde_json::to_value(&catalog.tools[1]).unwrap();
    assert_eq!(shown["valid"], false);
    assert_eq!(shown["problems"][0]["code"], "entry_shape");
    assert_eq!(shown["manifest"], serde_json::Value::Null);
}

#[test]
fn a_directory_that_cannot_be_listed_is_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    place.tool("r/ok");
    place.tool("r/shut/t");
    fs::set_permissions(place.at("r/shut"), fs::Permissions::from_mode(0o000)).unwrap();
    let catalog = place.discover(&["r"]);
    // Root may list everything.
    let may_list = Path::new(&place.at("r/shut")).read_dir().is_ok();
    assert_eq!(codes(&catalog.warnings).is_empty(), may_list);
    assert!(catalog.named("ok").is_some());
    fs::set_permissions(place.at("r/shut"), fs::Permissions::from_mode(0o700)).unwrap();
}
