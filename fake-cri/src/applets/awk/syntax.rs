//! Awk programs as trees, and the tokens that they are read from.

use super::super::Regex;

/// An expression.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    Number(f64),
    Text(String),
    /// `/…/`: alone it is held to the record.
    Pattern(Regex),
    Variable(String),
    /// `$n`.
    Field(Box<Expr>),
    Element(String, Vec<Expr>),
    /// `(a, b) in array`.
    In(Vec<Expr>, String),
    Unary(char, Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Match(bool, Box<Expr>, Box<Expr>),
    Conditional(Box<Expr>, Box<Expr>, Box<Expr>),
    /// A place, what is done to its old value (nothing: replaced), and the new one.
    Assign(Box<Expr>, Option<Operator>, Box<Expr>),
    /// A place, one more or less, and whether the new value counts.
    Step(Box<Expr>, f64, bool),
    Call(String, Vec<Expr>),
    Builtin(String, Vec<Expr>),
    Getline(Option<Box<Expr>>, Source),
}

/// Where `getline` reads.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Input,
    File(Box<Expr>),
    Command(Box<Expr>),
}

/// What takes two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
    Concatenate,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
}

/// Where `print` writes.
#[derive(Clone, Debug)]
pub(super) enum Output {
    Standard,
    File(Expr),
    Append(Expr),
    Command(Expr),
}

/// A statement.
#[derive(Clone, Debug)]
pub(super) enum Statement {
    Expression(Expr),
    Print(Vec<Expr>, Output),
    Printf(Vec<Expr>, Output),
    If(Expr, Box<Statement>, Option<Box<Statement>>),
    While(Expr, Box<Statement>),
    Do(Box<Statement>, Expr),
    For(Option<Box<Statement>>, Option<Expr>, Option<Box<Statement>>, Box<Statement>),
    ForIn(String, String, Box<Statement>),
    Block(Vec<Statement>),
    Delete(String, Option<Vec<Expr>>),
    Next,
    Break,
    Continue,
    Exit(Option<Expr>),
    Return(Option<Expr>),
}

/// When a rule's action runs.
#[derive(Clone, Debug)]
pub(super) enum When {
    Begin,
    End,
    Always,
    Held(Expr),
    /// From a record to another; by number, to remember that it has begun.
    Range(Expr, Expr, usize),
}

/// A rule; without an action it prints.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub when: When,
    pub action: Option<Statement>,
}

/// A function.
#[derive(Clone, Debug)]
pub(super) struct Function {
    pub parameters: Vec<String>,
    pub body: Statement,
}

/// A program.
#[derive(Clone, Debug, Default)]
pub(super) struct Program {
    pub rules: Vec<Rule>,
    pub functions: std::collections::BTreeMap<String, Function>,
}

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Number(f64),
    Text(String),
    Pattern(String),
    Name(String),
    /// A name with a bracket right behind it: a function's.
    Called(String),
    Sign(&'static str),
    Newline,
    End,
}

/// Signs, longer ones first.
const SIGNS: [&str; 43] = [
    "**=", "&&", "||", "++", "--", "+=", "-=", "*=", "/=", "%=", "^=", "**", "==", "!=", "<=", ">=", ">>", "!~", "{",
    "}", "(", ")", "[", "]", ";", ",", "+", "-", "*", "/", "%", "^", "!", ">", "<", "|", "?", ":", "~", "$", "=", "&",
    "@",
];

/// Takes a text apart; the error is what cannot be read.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        // After a value a slash divides; elsewhere it begins a pattern.
        let after_value = match tokens.last() {
            Some(Token::Number(_) | Token::Text(_) | Token::Pattern(_)) => true,
            Some(Token::Name(name)) => !super::parse::KEYWORDS.contains(&name.as_str()),
            Some(Token::Sign(sign)) => matches!(*sign, ")" | "]" | "$" | "++" | "--"),
            _ => false,
        };
        match c {
            '\n' => {
                tokens.push(Token::Newline);
                rest = &rest[1..];
            }
            ' ' | '\t' | '\r' => rest = &rest[1..],
            '\\' if rest[1..].starts_with('\n') => rest = &rest[2..],
            '#' => rest = rest.find('\n').map_or("", |at| &rest[at..]),
            '"' => {
                let (text, length) = quoted(&rest[1..], '"').ok_or("unterminated string")?;
                tokens.push(Token::Text(super::super::printf::unescaped(&text)));
                rest = &rest[1 + length..];
            }
            '/' if !after_value => {
                let (text, length) = quoted(&rest[1..], '/').ok_or("unterminated regex")?;
                tokens.push(Token::Pattern(text.replace("\\/", "/")));
                rest = &rest[1 + length..];
            }
            '0'..='9' | '.' => {
                let length = number_length(rest);
                let number = rest.get(..length).and_then(|digits| digits.parse().ok()).ok_or("unexpected token")?;
                tokens.push(Token::Number(number));
                rest = &rest[length..];
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                let name = rest[..length].to_owned();
                rest = &rest[length..];
                let called = rest.starts_with('(') && !super::parse::KEYWORDS.contains(&name.as_str());
                tokens.push(if called { Token::Called(name) } else { Token::Name(name) });
            }
            _ => {
                let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign)).ok_or("unexpected token")?;
                tokens.push(Token::Sign(sign));
                rest = &rest[sign.len()..];
            }
        }
    }
    Ok(tokens)
}

/// The text up to a closing mark that no backslash precedes, and its length with the mark.
fn quoted(text: &str, mark: char) -> Option<(String, usize)> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\n' => return None,
            _ if c == mark => return Some((text[..at].replace("\\\"", "\""), at + 1)),
            _ => {}
        }
    }
    None
}

fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let mut at = digits(0);
    if bytes.get(at) == Some(&b'.') {
        at = digits(at + 1);
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let end = digits(at + 1 + sign);
        if end > at + 1 + sign {
            at = end;
        }
    }
    at
}
