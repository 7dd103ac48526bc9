//! Any text is a manifest or a list of problems, and what is valid becomes records whose ids the console takes.
#![no_main]

use std::path::Path;

use centaur_manifest::discover::Tool;
use centaur_manifest::parse;
use centaur_manifest::register::registration;
use centaur_manifest::source::Sources;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let dir = Path::new("/tools/t");
    let read = parse::manifest(text, &dir.join(parse::FILE), "t");
    let again = parse::manifest(text, &dir.join(parse::FILE), "t");
    assert_eq!(read, again);
    if let Err(problems) = &read.manifest {
        assert!(!problems.is_empty());
        for problem in problems {
            assert!(!problem.to_string().is_empty());
        }
    }
    let tool = Tool {
        name: "t".to_owned(),
        dir: dir.to_owned(),
        root: Path::new("/tools").to_owned(),
        overlay: "unknown".to_owned(),
        shadowed: Vec::new(),
        manifest: read.manifest,
        warnings: read.warnings,
    };
    let Ok(registration) = registration(&tool, "default", &Sources::default()) else { return };
    for secret in registration.secrets {
        let is_id = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        assert!(!secret.foreign_id.is_empty() && secret.foreign_id.len() <= 255);
        assert!(secret.foreign_id.bytes().all(is_id), "{}", secret.foreign_id);
    }
});
