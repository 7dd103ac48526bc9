//! `completion SHELL`, and what its scripts ask for.

pub(super) mod names;

use clap::CommandFactory as _;

use crate::args::{Cli, Shell};
use crate::report::Report;

/// The words of the command line, and behind that what the console knows (`__complete`).
pub(super) fn run(shell: Shell) -> Report {
    let mut command = Cli::command();
    let name = "centaur-perms";
    let mut script = Vec::new();
    let generator = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
        Shell::Power => clap_complete::Shell::PowerShell,
    };
    clap_complete::generate(generator, &mut command, name, &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    script.push_str(match shell {
        Shell::Bash => BASH,
        Shell::Zsh => ZSH,
        Shell::Fish => FISH,
        Shell::Power => "",
    });
    Report::new(serde_json::json!({ "script": script }), script)
}

const BASH: &str = include_str!("completion/names.bash");
const ZSH: &str = include_str!("completion/names.zsh");
const FISH: &str = include_str!("completion/names.fish");
