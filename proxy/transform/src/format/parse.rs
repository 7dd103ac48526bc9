//! From tokens to a tree. Functions and variables are looked up here, so that a misspelt one stops the start.

use std::collections::HashMap;

use super::funcs::Func;
use super::lex::{Lexed, Token, lex};
use super::{Problem, TemplateError};

pub(super) struct Template {
    pub(super) main: Vec<Node>,
    pub(super) named: HashMap<String, Vec<Node>>,
}

pub(super) enum Node {
    Text(String),
    Action(Pipeline),
    If(Branch),
    With(Branch),
    Range(Branch),
    Call(String, Option<Pipeline>),
    Break,
    Continue,
}

pub(super) struct Branch {
    pub(super) on: Pipeline,
    pub(super) then: Vec<Node>,
    pub(super) otherwise: Vec<Node>,
}

pub(super) struct Pipeline {
    /// Variables that take the value; two only in `range`.
    pub(super) variables: Vec<String>,
    /// They are declared here.
    pub(super) declares: bool,
    pub(super) commands: Vec<Vec<Operand>>,
}

pub(super) enum Operand {
    Dot,
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    /// Fields of the dot.
    Field(Vec<String>),
    Variable(String, Vec<String>),
    Nested(Box<Pipeline>, Vec<String>),
    Func(Func),
}

pub(super) fn template(text: &str) -> Result<Template, TemplateError> {
    let tokens = lex(text)?;
    let mut parser =
        Parser { tokens, at: 0, variables: vec![String::new()], named: HashMap::new(), depth: 0, loops: 0 };
    let (main, end) = parser.list()?;
    if end != Ended::Text {
        return parser.fail(Problem::Unexpected("end or else"));
    }
    Ok(Template { main, named: parser.named })
}

struct Parser {
    tokens: Vec<Lexed>,
    at: usize,
    /// In scope, innermost last; the empty name is `$`.
    variables: Vec<String>,
    named: HashMap<String, Vec<Node>>,
    depth: usize,
    loops: usize,
}

/// What ended a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Text,
    End,
    Else,
}

const MAX_DEPTH: usize = 64;

type Parsed<T> = Result<T, TemplateError>;

impl Parser {
    fn fail<T>(&self, problem: Problem) -> Parsed<T> {
        let line = self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |t| t.line);
        Err(TemplateError { line, problem })
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|t| &t.token)
    }

    fn take(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at)?.token.clone();
        self.at += 1;
        Some(token)
    }

    fn eat(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.at += usize::from(found);
        found
    }

    fn close(&mut self) -> Parsed<()> {
        if self.eat(&Token::Close) { Ok(()) } else { self.fail(Problem::Unexpected("operand")) }
    }

    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == MAX_DEPTH {
            return self.fail(Problem::TooDeep);
        }
        self.depth += 1;
        let scope = self.variables.len();
        let result = parse(self);
        self.variables.truncate(scope);
        self.depth -= 1;
        result
    }

    /// Nodes up to `end`, `else` or the end of the text. After `else` its action is open.
    fn list(&mut self) -> Parsed<(Vec<Node>, Ended)> {
        let mut nodes = Vec::new();
        loop {
            match self.take() {
                None => return Ok((nodes, Ended::Text)),
                Some(Token::Text(text)) => nodes.push(Node::Text(text)),
                Some(_) => {}
            }
            if self.at == 0 || self.tokens[self.at - 1].token != Token::Open {
                continue;
            }
            let Some(Token::Word(word)) = self.peek().cloned() else {
                nodes.push(Node::Action(self.action()?));
                continue;
            };
            self.at += 1;
            match word.as_str() {
                "end" => {
                    self.close()?;
                    return Ok((nodes, Ended::End));
                }
                "else" => return Ok((nodes, Ended::Else)),
                "if" => nodes.push(Node::If(self.nested(|p| p.branch("if"))?)),
                "with" => nodes.push(Node::With(self.nested(|p| p.branch("with"))?)),
                "range" => nodes.push(Node::Range(self.nested(|p| p.branch("range"))?)),
                "break" | "continue" => {
                    let (name, node) =
                        if word == "break" { ("break", Node::Break) } else { ("continue", Node::Continue) };
                    if self.loops == 0 {
                        return self.fail(Problem::OutsideRange(name));
                    }
                    self.close()?;
                    nodes.push(node);
                }
                "define" => self.nested(Self::define)?,
                "block" => {
                    let name = self.name()?;
                    let on = self.pipeline()?;
                    self.close()?;
                    self.body(name.clone())?;
                    nodes.push(Node::Call(name, Some(on)));
                }
                "template" => {
                    let name = self.name()?;
                    let on = if self.peek() == Some(&Token::Close) { None } else { Some(self.pipeline()?) };
                    self.close()?;
                    nodes.push(Node::Call(name, on));
                }
                _ => {
                    self.at -= 1;
                    nodes.push(Node::Action(self.action()?));
                }
            }
        }
    }

    fn action(&mut self) -> Parsed<Pipeline> {
        let pipeline = self.pipeline()?;
        self.close()?;
        Ok(pipeline)
    }

    /// The rest of `if`, `with` or `range` after the keyword.
    fn branch(&mut self, keyword: &str) -> Parsed<Branch> {
        let scope = self.variables.len();
        let on = self.ranged(keyword == "range")?;
        self.close()?;
        self.loops += usize::from(keyword == "range");
        let inner = self.variables.len();
        let (then, end) = self.list()?;
        self.loops -= usize::from(keyword == "range");
        let otherwise = match end {
            Ended::Text => return self.fail(Problem::MissingEnd),
            Ended::End => Vec::new(),
            Ended::Else => {
                // What the condition declared is in scope of `else`, except for `range`.
                self.variables.truncate(if keyword == "range" { scope } else { inner });
                self.otherwise(keyword)?
            }
        };
        Ok(Branch { on, then, otherwise })
    }

    /// After `else`: a list, or `else if` and `else with`, which share the `end`.
    fn otherwise(&mut self, keyword: &str) -> Parsed<Vec<Node>> {
        if let Some(Token::Word(word)) = self.peek().cloned()
            && word == keyword
            && word != "range"
        {
            self.at += 1;
            let branch = self.nested(|p| p.branch(keyword))?;
            return Ok(vec![if keyword == "if" { Node::If(branch) } else { Node::With(branch) }]);
        }
        self.close()?;
        match self.list()? {
            (nodes, Ended::End) => Ok(nodes),
            (_, Ended::Else) => self.fail(Problem::Unexpected("else")),
            (_, Ended::Text) => self.fail(Problem::MissingEnd),
        }
    }

    fn define(&mut self) -> Parsed<()> {
        let name = self.name()?;
        self.close()?;
        self.body(name)
    }

    /// The body of a named template, which sees `$` alone.
    fn body(&mut self, name: String) -> Parsed<()> {
        let outer = std::mem::replace(&mut self.variables, vec![String::new()]);
        let loops = std::mem::take(&mut self.loops);
        let (nodes, end) = self.nested(Self::list)?;
        self.loops = loops;
        self.variables = outer;
        if end != Ended::End {
            return self.fail(Problem::MissingEnd);
        }
        if self.named.contains_key(&name) {
            return self.fail(Problem::DefinedTwice(name));
        }
        self.named.insert(name, nodes);
        Ok(())
    }

    fn name(&mut self) -> Parsed<String> {
        match self.take() {
            Some(Token::Str(name)) => Ok(name),
            _ => self.fail(Problem::Unexpected("template name")),
        }
    }

    fn pipeline(&mut self) -> Parsed<Pipeline> {
        self.ranged(false)
    }

    fn ranged(&mut self, range: bool) -> Parsed<Pipeline> {
        let (variables, declares) = self.variables_before(range)?;
        let mut commands = vec![self.command()?];
        while self.eat(&Token::Pipe) {
            let command = self.command()?;
            if !matches!(command.first(), Some(Operand::Func(_))) {
                return self.fail(Problem::NotAFunction);
            }
            commands.push(command);
        }
        if declares {
            self.variables.extend(variables.iter().cloned());
        }
        Ok(Pipeline { variables, declares, commands })
    }

    /// `$x :=`, `$x =`, and in `range` also `$i, $x :=`.
    fn variables_before(&mut self, range: bool) -> Parsed<(Vec<String>, bool)> {
        let start = self.at;
        let mut names = Vec::new();
        while let Some(Token::Variable(name)) = self.peek().cloned() {
            self.at += 1;
            names.push(name);
            if !(range && names.len() == 1 && self.eat(&Token::Comma)) {
                break;
            }
        }
        let declares = match self.peek() {
            Some(Token::Declare) if !names.is_empty() => true,
            Some(Token::Assign) if !names.is_empty() => false,
            _ => {
                self.at = start;
                return Ok((Vec::new(), false));
            }
        };
        if let Some(unknown) = names.iter().find(|name| !declares && !self.variables.contains(name)) {
            return self.fail(Problem::UnknownVariable(format!("${unknown}")));
        }
        self.at += 1;
        Ok((names, declares))
    }

    fn command(&mut self) -> Parsed<Vec<Operand>> {
        let mut operands = Vec::new();
        loop {
            match self.peek() {
                Some(Token::Close | Token::Pipe | Token::RightParen) => break,
                None => return self.fail(Problem::UnclosedAction),
                Some(_) => operands.push(self.operand()?),
            }
        }
        match operands.as_slice() {
            [] => self.fail(Problem::MissingValue),
            [Operand::Nil] => self.fail(Problem::Unexpected("nil")),
            [Operand::Func(_), ..] | [_] => Ok(operands),
            _ => self.fail(Problem::NotAFunction),
        }
    }

    fn operand(&mut self) -> Parsed<Operand> {
        let Some(token) = self.take() else { return self.fail(Problem::UnclosedAction) };
        Ok(match token {
            Token::Dot => Operand::Dot,
            Token::Field(name) => {
                let mut fields = vec![name];
                fields.extend(self.fields());
                Operand::Field(fields)
            }
            Token::Variable(name) => {
                if !self.variables.contains(&name) {
                    return self.fail(Problem::UnknownVariable(format!("${name}")));
                }
                Operand::Variable(name, self.fields())
            }
            Token::Str(text) => Operand::Str(text),
            Token::Int(n) => Operand::Int(n),
            Token::Float(n) => Operand::Float(n),
            Token::LeftParen => {
                let inner = self.nested(Self::pipeline)?;
                if !self.eat(&Token::RightParen) {
                    return self.fail(Problem::Unexpected("end of parentheses"));
                }
                Operand::Nested(Box::new(inner), self.fields())
            }
            Token::Word(word) => match word.as_str() {
                "true" => Operand::Bool(true),
                "false" => Operand::Bool(false),
                "nil" => Operand::Nil,
                _ => match Func::named(&word) {
                    Some(func) => Operand::Func(func),
                    None => return self.fail(Problem::UnknownFunction(word)),
                },
            },
            Token::Declare | Token::Assign => return self.fail(Problem::Unexpected("assignment")),
            Token::Comma => return self.fail(Problem::Unexpected("comma")),
            Token::Text(_) | Token::Open | Token::Close | Token::Pipe | Token::RightParen => {
                return self.fail(Problem::Unexpected("token"));
            }
        })
    }

    /// `.A.B` directly behind an operand.
    fn fields(&mut self) -> Vec<String> {
        let mut fields = Vec::new();
        while let Some(Lexed { token: Token::Field(name), glued: true, .. }) = self.tokens.get(self.at) {
            fields.push(name.clone());
            self.at += 1;
        }
        fields
    }
}
