//! Which fields of its object a template uses.

use super::parse::{Branch, Node, Operand, Pipeline, Template};

impl Template {
    /// Paths of fields, in the order of the text.
    pub(super) fn fields(&self) -> Vec<Vec<&str>> {
        let mut walk = Walk(Vec::new());
        walk.list(&self.main, true);
        for nodes in self.named.values() {
            // It is called with whatever its caller says.
            walk.list(nodes, false);
        }
        walk.0
    }
}

struct Walk<'a>(Vec<Vec<&'a str>>);

impl<'a> Walk<'a> {
    /// `is_root`: the dot is the object.
    fn list(&mut self, nodes: &'a [Node], is_root: bool) {
        for node in nodes {
            match node {
                Node::Text(_) | Node::Break | Node::Continue | Node::Call(_, None) => {}
                Node::Action(pipeline) | Node::Call(_, Some(pipeline)) => self.pipeline(pipeline, is_root),
                Node::If(branch) => self.branch(branch, is_root, is_root),
                Node::With(branch) | Node::Range(branch) => self.branch(branch, is_root, false),
            }
        }
    }

    fn branch(&mut self, branch: &'a Branch, is_root: bool, is_root_within: bool) {
        self.pipeline(&branch.on, is_root);
        self.list(&branch.then, is_root_within);
        self.list(&branch.otherwise, is_root);
    }

    fn pipeline(&mut self, pipeline: &'a Pipeline, is_root: bool) {
        for operand in pipeline.commands.iter().flatten() {
            match operand {
                Operand::Field(path) if is_root => self.0.push(path.iter().map(String::as_str).collect()),
                // `$` is the object, except in a named template.
                Operand::Variable(name, path) if name.is_empty() && is_root && !path.is_empty() => {
                    self.0.push(path.iter().map(String::as_str).collect());
                }
                Operand::Nested(inner, _) => self.pipeline(inner, is_root),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::format::Formatter;

    #[test]
    fn fields_of_the_object_are_found_wherever_they_stand() {
        for (text, expected) in [
            ("plain", &[][..]),
            ("{{ .Value }}", &["Value"]),
            ("{{ base64 .A (print .B.C) }}", &["A", "B.C"]),
            ("{{ if .A }}{{ .B }}{{ else }}{{ .C }}{{ end }}", &["A", "B", "C"]),
            ("{{ with .A }}{{ .B }}{{ else }}{{ .C }}{{ end }}", &["A", "C"]),
            ("{{ $.A }}{{ $x := .B }}{{ $x }}", &["A", "B"]),
        ] {
            let formatter = Formatter::parse(text).unwrap();
            let found: Vec<String> = formatter.fields().iter().map(|path| path.join(".")).collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
