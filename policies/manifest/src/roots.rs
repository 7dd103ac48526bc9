//! Which directories are searched for tools.

use std::path::{Path, PathBuf};

/// The parts of a list such as `TOOL_DIRS`: split at `:`, trimmed, without empty ones.
pub fn split(list: &str) -> Vec<PathBuf> {
    list.split(':').map(str::trim).filter(|part| !part.is_empty()).map(PathBuf::from).collect()
}

/// The roots of a server, the first of these that says something:
/// 1. `TOOL_DIRS`, or what was given in its place;
/// 2. `TOOLS_PATH` and `TOOLS_OVERLAY_PATH`;
/// 3. `plugin_dirs` of the `tools.toml` that `TOOLS_CONFIG` names, or of the nearest one at or above `cwd`;
/// 4. `PLUGINS_DIR`;
/// 5. `tools` beside that `tools.toml`, or below `cwd`.
///
/// # Errors
/// [`RootsError`] for a `tools.toml` that was named and cannot be read, or that is not valid.
pub fn of_server(env: &dyn Fn(&str) -> Option<String>, cwd: &Path) -> Result<Vec<PathBuf>, RootsError> {
    let listed = split(&env("TOOL_DIRS").unwrap_or_default());
    if !listed.is_empty() {
        return Ok(listed);
    }
    let dir = |name: &str| {
        let value = env(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| PathBuf::from(value))
    };
    let paths: Vec<_> = ["TOOLS_PATH", "TOOLS_OVERLAY_PATH"].into_iter().filter_map(dir).collect();
    if !paths.is_empty() {
        return Ok(paths);
    }
    let nearest = || cwd.ancestors().map(|dir| dir.join(CONFIG)).find(|file| file.is_file());
    let config = dir("TOOLS_CONFIG").map(|file| cwd.join(file)).or_else(nearest);
    if let Some(config) = &config {
        let plugins = plugin_dirs(config)?;
        if !plugins.is_empty() {
            return Ok(plugins);
        }
    }
    if let Some(plugins) = dir("PLUGINS_DIR") {
        return Ok(vec![plugins]);
    }
    let beside = config.as_deref().and_then(Path::parent).unwrap_or(cwd);
    Ok(vec![beside.join("tools")])
}

const CONFIG: &str = "tools.toml";

/// Relative ones are relative to the file.
fn plugin_dirs(config: &Path) -> Result<Vec<PathBuf>, RootsError> {
    let text = std::fs::read_to_string(config)
        .map_err(|source| RootsError::Read { path: config.to_owned(), source })?;
    let invalid = |problem: String| RootsError::Invalid { path: config.to_owned(), problem };
    let table: toml::Table =
        text.parse().map_err(|error: toml::de::Error| invalid(error.message().to_owned()))?;
    let Some(value) = table.get("plugin_dirs") else { return Ok(Vec::new()) };
    let dirs: Option<Vec<&str>> =
        value.as_array().and_then(|dirs| dirs.iter().map(toml::Value::as_str).collect());
    let dirs = dirs.ok_or_else(|| invalid("plugin_dirs has to be an array of strings".to_owned()))?;
    let base = config.parent().unwrap_or(Path::new(""));
    Ok(dirs.into_iter().map(str::trim).filter(|dir| !dir.is_empty()).map(|dir| base.join(dir)).collect())
}

/// Why roots cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// The file cannot be read.
    #[error("{path}: {source}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not as it should be.
    #[error("{path}: {problem}", path = .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_list_has_no_empty_parts() {
        assert_eq!(split(" /a : :/b:"), [PathBuf::from("/a"), PathBuf::from("/b")]);
        assert!(split("").is_empty() && split(" : ").is_empty());
    }

    /// `dir` has `tools.toml` with one plugin; `dir/deep/er` is where a server runs.
    fn roots(dir: &Path, env: &[(&str, &str)]) -> Vec<PathBuf> {
        let env = |name: &str| {
            let found = env.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        of_server(&env, &dir.join("deep/er")).unwrap()
    }

    #[test]
    fn the_first_that_says_something_counts() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        fs::create_dir_all(dir.join("deep/er")).unwrap();
        let all = [
            ("TOOL_DIRS", "/one:/two"),
            ("TOOLS_PATH", "/three"),
            ("TOOLS_OVERLAY_PATH", "/four"),
            ("PLUGINS_DIR", "/five"),
        ];
        assert_eq!(roots(dir, &all), [PathBuf::from("/one"), PathBuf::from("/two")]);
        assert_eq!(roots(dir, &all[1..]), [PathBuf::from("/three"), PathBuf::from("/four")]);
        assert_eq!(roots(dir, &[("TOOL_DIRS", " : "), all[2]]), [PathBuf::from("/four")]);
        assert_eq!(roots(dir, &all[3..]), [PathBuf::from("/five")]);
        assert_eq!(roots(dir, &[]), [dir.join("deep/er/tools")]);
        fs::write(dir.join(CONFIG), "plugin_dirs = [\"plugins\", \"/abs\"]").unwrap();
        assert_eq!(roots(dir, &all[3..]), [dir.join("plugins"), PathBuf::from("/abs")]);
        fs::write(dir.join(CONFIG), "plugin_dirs = []").unwrap();
        assert_eq!(roots(dir, &all[3..]), [PathBuf::from("/five")]);
        assert_eq!(roots(dir, &[]), [dir.join("tools")]);
        fs::write(dir.join("other.toml"), "plugin_dirs = [\"x\"]").unwrap();
        let named = dir.join("other.toml");
        assert_eq!(roots(dir, &[("TOOLS_CONFIG", named.to_str().unwrap())]), [dir.join("x")]);
    }

    #[test]
    fn a_file_that_is_wrong_is_not_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let none = |_: &str| None;
        let error = |text: &str| {
            fs::write(dir.join(CONFIG), text).unwrap();
            of_server(&none, dir).map_err(|error| error.to_string())
        };
        assert!(error("plugin_dirs = [\"a\"]").is_ok());
        assert!(error("plugin_dirs = [5]").unwrap_err().contains("array of strings"));
        assert!(error("plugin_dirs = ").is_err());
        let missing = |name: &str| (name == "TOOLS_CONFIG").then(|| "/nowhere/tools.toml".to_owned());
        assert!(of_server(&missing, dir).unwrap_err().to_string().contains("/nowhere/tools.toml"));
    }
}
