//! Any text is a configuration or a list of problems.
#![no_main]

use centaur_policies::spec::{lint, parse_transforms};
use centaur_policies::yaml::{Cursor, Problems, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let problems = Problems::default();
    let Some(node) = parse(text, &problems) else { return };
    let list = Cursor::new(&node, &problems);
    for lenient in [false, true] {
        let transforms = parse_transforms(&list, lenient);
        let _ = lint(transforms.iter().map(|(_, transform)| transform));
    }
});
