//! Running the tree.

use zeroize::Zeroizing;

use super::RunError;
use super::funcs::Func;
use super::parse::{Branch, Node, Operand, Pipeline, Template};
use super::print::display;

/// A value of the language. Texts are wiped when dropped.
#[derive(Clone)]
pub(super) enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Zeroizing<String>),
    /// The object with the field `Value`.
    Object(Zeroizing<String>),
}

impl Value {
    pub(super) fn truth(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(b) => *b,
            Self::Int(n) => *n != 0,
            Self::Float(n) => *n != 0.0,
            Self::Str(s) => !s.is_empty(),
            Self::Object(_) => true,
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Str(_) => "string",
            Self::Object(_) => "object",
        }
    }
}

pub(super) fn run(template: &Template, value: &str) -> Result<Zeroizing<String>, RunError> {
    let root = Value::Object(Zeroizing::new(value.to_owned()));
    let mut run = Run {
        template,
        variables: vec![(String::new(), root.clone())],
        out: Zeroizing::new(String::with_capacity(value.len() * 2 + 64)),
        steps: 0,
        depth: 0,
    };
    run.list(&template.main, &root)?;
    Ok(run.out)
}

struct Run<'a> {
    template: &'a Template,
    variables: Vec<(String, Value)>,
    out: Zeroizing<String>,
    steps: usize,
    depth: usize,
}

/// How a list ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

const MAX_STEPS: usize = 100_000;
const MAX_DEPTH: usize = 64;
const MAX_OUTPUT: usize = 1 << 20;

impl Run<'_> {
    fn list(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow, RunError> {
        let scope = self.variables.len();
        for node in nodes {
            self.tick()?;
            let flow = self.node(node, dot)?;
            if flow != Flow::On {
                self.variables.truncate(scope);
                return Ok(flow);
            }
        }
        self.variables.truncate(scope);
        Ok(Flow::On)
    }

    fn tick(&mut self) -> Result<(), RunError> {
        self.steps += 1;
        if self.steps > MAX_STEPS || self.out.len() > MAX_OUTPUT { Err(RunError::Limit) } else { Ok(()) }
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Result<Flow, RunError> {
        match node {
            Node::Text(text) => self.write(text),
            Node::Action(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.variables.is_empty() {
                    self.write(&display(&value));
                }
            }
            Node::If(branch) => return self.scoped(|run| run.branch(branch, dot, false)),
            Node::With(branch) => return self.scoped(|run| run.branch(branch, dot, true)),
            Node::Range(branch) => return self.scoped(|run| run.range(branch, dot)),
            Node::Call(name, on) => self.call(name, on.as_ref(), dot)?,
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    /// Grows the output without leaving copies behind.
    fn write(&mut self, text: &str) {
        if self.out.len() + text.len() > self.out.capacity() {
            let mut grown = Zeroizing::new(String::with_capacity((self.out.len() + text.len()) * 2));
            grown.push_str(&self.out);
            self.out = grown;
        }
        self.out.push_str(text);
    }

    fn scoped<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> T {
        let scope = self.variables.len();
        let result = run(self);
        self.variables.truncate(scope);
        result
    }

    fn branch(&mut self, branch: &Branch, dot: &Value, with: bool) -> Result<Flow, RunError> {
        let value = self.pipeline(&branch.on, dot)?;
        if !value.truth() {
            return self.list(&branch.otherwise, dot);
        }
        self.list(&branch.then, if with { &value } else { dot })
    }

    /// The values of this language have no elements, so only integers can be ranged over.
    fn range(&mut self, branch: &Branch, dot: &Value) -> Result<Flow, RunError> {
        let value = self.commands(&branch.on, dot)?;
        let Value::Int(count) = value else { return Err(RunError::NotIterable(value.kind())) };
        if count <= 0 {
            return self.list(&branch.otherwise, dot);
        }
        for i in 0..count {
            self.tick()?;
            let scope = self.variables.len();
            for name in &branch.on.variables {
                self.set(name, Value::Int(i), branch.on.declares);
            }
            let flow = self.list(&branch.then, &Value::Int(i))?;
            self.variables.truncate(scope);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn call(&mut self, name: &str, on: Option<&Pipeline>, dot: &Value) -> Result<(), RunError> {
        let nodes = self.template.named.get(name).ok_or_else(|| RunError::NoTemplate(name.to_owned()))?;
        let dot = match on {
            Some(pipeline) => self.pipeline(pipeline, dot)?,
            None => Value::Nil,
        };
        if self.depth == MAX_DEPTH {
            return Err(RunError::Limit);
        }
        self.depth += 1;
        let outer = std::mem::replace(&mut self.variables, vec![(String::new(), dot.clone())]);
        let result = self.list(nodes, &dot);
        self.variables = outer;
        self.depth -= 1;
        result.map(|_| ())
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, RunError> {
        let value = self.commands(pipeline, dot)?;
        for name in &pipeline.variables {
            self.set(name, value.clone(), pipeline.declares);
        }
        Ok(value)
    }

    fn set(&mut self, name: &str, value: Value, declare: bool) {
        let known = self.variables.iter_mut().rev().find(|(n, _)| n == name);
        match known {
            Some((_, slot)) if !declare => *slot = value,
            _ => self.variables.push((name.to_owned(), value)),
        }
    }

    fn commands(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, RunError> {
        let mut piped = None;
        for command in &pipeline.commands {
            self.tick()?;
            piped = Some(self.command(command, piped, dot)?);
        }
        Ok(piped.unwrap_or(Value::Nil))
    }

    fn command(
        &mut self,
        operands: &[Operand],
        piped: Option<Value>,
        dot: &Value,
    ) -> Result<Value, RunError> {
        let Some((first, rest)) = operands.split_first() else { return Ok(Value::Nil) };
        let Operand::Func(func) = first else {
            return if piped.is_some() { Err(RunError::NotAFunction) } else { self.operand(first, dot) };
        };
        if matches!(func, Func::And | Func::Or) {
            return self.shortcut(*func, rest, piped, dot);
        }
        let mut arguments = Vec::with_capacity(rest.len() + 1);
        for operand in rest {
            arguments.push(self.operand(operand, dot)?);
        }
        arguments.extend(piped);
        func.call(&arguments)
    }

    /// `and`, `or`: what is not needed is not evaluated.
    fn shortcut(
        &mut self,
        func: Func,
        operands: &[Operand],
        piped: Option<Value>,
        dot: &Value,
    ) -> Result<Value, RunError> {
        let stops = |value: &Value| value.truth() == (func == Func::Or);
        let mut last = None;
        for operand in operands {
            let value = self.operand(operand, dot)?;
            if stops(&value) {
                return Ok(value);
            }
            last = Some(value);
        }
        piped.or(last).ok_or(RunError::Arguments(func.name()))
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Value, RunError> {
        match operand {
            Operand::Dot => Ok(dot.clone()),
            Operand::Nil => Ok(Value::Nil),
            Operand::Bool(b) => Ok(Value::Bool(*b)),
            Operand::Int(n) => Ok(Value::Int(*n)),
            Operand::Float(n) => Ok(Value::Float(*n)),
            Operand::Str(text) => Ok(Value::Str(Zeroizing::new(text.clone()))),
            Operand::Field(fields) => field(dot.clone(), fields),
            Operand::Variable(name, fields) => {
                let value = self.variables.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.clone());
                field(value.unwrap_or(Value::Nil), fields)
            }
            Operand::Nested(pipeline, fields) => {
                let value = self.pipeline(pipeline, dot)?;
                field(value, fields)
            }
            Operand::Func(func) => func.call(&[]),
        }
    }
}

fn field(mut value: Value, fields: &[String]) -> Result<Value, RunError> {
    for name in fields {
        value = match value {
            Value::Object(text) if name == "Value" => Value::Str(text),
            _ => return Err(RunError::NoField(name.clone())),
        };
    }
    Ok(value)
}
