//! From tokens to an awk program: rules, functions, statements.

use super::syntax::{Expr, Function, Output, Program, Rule, Statement, Token, When, tokens};

/// Words that are no names.
pub(super) const KEYWORDS: [&str; 20] = [
    "BEGIN", "END", "break", "continue", "delete", "do", "else", "exit", "for", "func", "function", "getline", "if",
    "in", "next", "nextfile", "print", "printf", "return", "while",
];

/// Functions that awk has.
const BUILTINS: [&str; 27] = [
    "and", "atan2", "close", "compl", "cos", "exp", "fflush", "gsub", "index", "int", "length", "log", "lshift",
    "match", "mktime", "or", "rand", "rshift", "sin", "split", "sprintf", "sqrt", "srand", "strftime", "sub", "substr",
    "system",
];

/// Functions that awk has and that need no brackets or were told apart late.
const MORE_BUILTINS: [&str; 4] = ["systime", "tolower", "toupper", "xor"];

/// Deepest nesting: the reader recurses.
const DEPTH_LIMIT: usize = 200;

pub(super) fn is_builtin(name: &str) -> bool {
    BUILTINS.contains(&name) || MORE_BUILTINS.contains(&name)
}

/// Reads a program; the error is what to say after `awk: cmd. line:1: `.
pub(super) fn parse(text: &str) -> Result<Program, String> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, ranges: 0, depth: 0, in_print: false };
    let mut program = Program::default();
    loop {
        parser.skip_ends();
        match parser.peek().clone() {
            Token::End => return Ok(program),
            Token::Name(word) if word == "function" || word == "func" => {
                parser.at += 1;
                let (Token::Name(name) | Token::Called(name)) = parser.next() else {
                    return Err(UNEXPECTED.to_owned());
                };
                parser.expect("(")?;
                let mut parameters = Vec::new();
                while let Token::Name(parameter) = parser.peek().clone() {
                    parser.at += 1;
                    parameters.push(parameter);
                    if !parser.take(",") {
                        break;
                    }
                    parser.skip_newlines();
                }
                parser.expect(")")?;
                parser.skip_newlines();
                let body = parser.block()?;
                program.functions.insert(name, Function { parameters, body });
            }
            _ => {
                let rule = parser.rule()?;
                program.rules.push(rule);
            }
        }
    }
}

pub(super) const UNEXPECTED: &str = "unexpected token";

/// Reads tokens one after the other.
pub(super) struct Parser {
    pub tokens: Vec<Token>,
    pub at: usize,
    ranges: usize,
    depth: usize,
    /// `>` and `|` belong to `print`.
    pub in_print: bool,
}

impl Parser {
    pub(super) fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }

    pub(super) fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    pub(super) fn is(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(s) if *s == sign)
    }

    pub(super) fn take(&mut self, sign: &str) -> bool {
        let is = self.is(sign);
        self.at += usize::from(is);
        is
    }

    pub(super) fn expect(&mut self, sign: &str) -> Result<(), String> {
        if self.take(sign) { Ok(()) } else { Err(UNEXPECTED.to_owned()) }
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Name(w) if w == word)
    }

    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let is = self.is_word(word);
        self.at += usize::from(is);
        is
    }

    pub(super) fn skip_newlines(&mut self) {
        while *self.peek() == Token::Newline {
            self.at += 1;
        }
    }

    fn skip_ends(&mut self) {
        while *self.peek() == Token::Newline || self.is(";") {
            self.at += 1;
        }
    }

    pub(super) fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err("nested too deeply".to_owned());
        }
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn rule(&mut self) -> Result<Rule, String> {
        let when = if self.take_word("BEGIN") {
            When::Begin
        } else if self.take_word("END") {
            When::End
        } else if self.is("{") {
            When::Always
        } else {
            let first = self.expression()?;
            if self.take(",") {
                self.skip_newlines();
                self.ranges += 1;
                When::Range(first, self.expression()?, self.ranges)
            } else {
                When::Held(first)
            }
        };
        let action = if self.is("{") { Some(self.block()?) } else { None };
        if action.is_none() && matches!(when, When::Begin | When::End) {
            return Err(UNEXPECTED.to_owned());
        }
        Ok(Rule { when, action })
    }

    fn block(&mut self) -> Result<Statement, String> {
        self.expect("{")?;
        let mut statements = Vec::new();
        loop {
            self.skip_ends();
            if self.take("}") {
                return Ok(Statement::Block(statements));
            }
            if *self.peek() == Token::End {
                return Err("unexpected end of file".to_owned());
            }
            statements.push(self.statement()?);
        }
    }

    fn end(&mut self) -> Result<(), String> {
        match self.peek() {
            Token::Newline => self.at += 1,
            Token::Sign(";") => self.at += 1,
            Token::Sign("}") | Token::End => {}
            _ => return Err(UNEXPECTED.to_owned()),
        }
        Ok(())
    }

    fn body(&mut self) -> Result<Box<Statement>, String> {
        self.skip_newlines();
        if self.take(";") {
            return Ok(Box::new(Statement::Block(Vec::new())));
        }
        Ok(Box::new(self.statement()?))
    }

    fn bracketed(&mut self) -> Result<Expr, String> {
        self.expect("(")?;
        let expr = self.expression()?;
        self.expect(")")?;
        Ok(expr)
    }

    fn statement(&mut self) -> Result<Statement, String> {
        self.deeper(Self::any_statement)
    }

    fn any_statement(&mut self) -> Result<Statement, String> {
        if self.is("{") {
            return self.block();
        }
        if self.take_word("if") {
            let condition = self.bracketed()?;
            let then = self.body()?;
            let before = self.at;
            self.skip_ends();
            if self.take_word("else") {
                return Ok(Statement::If(condition, then, Some(self.body()?)));
            }
            self.at = before;
            return Ok(Statement::If(condition, then, None));
        }
        if self.take_word("while") {
            let condition = self.bracketed()?;
            return Ok(Statement::While(condition, self.body()?));
        }
        if self.take_word("do") {
            let body = self.body()?;
            self.skip_ends();
            if !self.take_word("while") {
                return Err(UNEXPECTED.to_owned());
            }
            let condition = self.bracketed()?;
            self.end()?;
            return Ok(Statement::Do(body, condition));
        }
        if self.take_word("for") {
            return self.for_loop();
        }
        let statement = self.simple()?;
        self.end()?;
        Ok(statement)
    }

    fn for_loop(&mut self) -> Result<Statement, String> {
        self.expect("(")?;
        if let [Token::Name(variable), Token::Name(word), Token::Name(array), Token::Sign(")")] =
            self.tokens.get(self.at..self.at + 4).unwrap_or_default()
            && word == "in"
        {
            let (variable, array) = (variable.clone(), array.clone());
            self.at += 4;
            return Ok(Statement::ForIn(variable, array, self.body()?));
        }
        let first = if self.is(";") { None } else { Some(Box::new(self.simple()?)) };
        self.expect(";")?;
        self.skip_newlines();
        let condition = if self.is(";") { None } else { Some(self.expression()?) };
        self.expect(";")?;
        self.skip_newlines();
        let step = if self.is(")") { None } else { Some(Box::new(self.simple()?)) };
        self.expect(")")?;
        Ok(Statement::For(first, condition, step, self.body()?))
    }

    fn ends(&self) -> bool {
        matches!(self.peek(), Token::Newline | Token::End | Token::Sign(";" | "}" | ")"))
    }

    fn simple(&mut self) -> Result<Statement, String> {
        let word = match self.peek() {
            Token::Name(word) => word.clone(),
            _ => String::new(),
        };
        match word.as_str() {
            "print" | "printf" => {
                self.at += 1;
                self.print(word == "printf")
            }
            "next" | "nextfile" => {
                self.at += 1;
                Ok(Statement::Next)
            }
            "break" => {
                self.at += 1;
                Ok(Statement::Break)
            }
            "continue" => {
                self.at += 1;
                Ok(Statement::Continue)
            }
            "exit" | "return" => {
                self.at += 1;
                let value = if self.ends() { None } else { Some(self.expression()?) };
                Ok(if word == "exit" { Statement::Exit(value) } else { Statement::Return(value) })
            }
            "delete" => {
                self.at += 1;
                let Token::Name(array) = self.next() else { return Err(UNEXPECTED.to_owned()) };
                let index = if self.take("[") { Some(self.list("]")?) } else { None };
                Ok(Statement::Delete(array, index))
            }
            _ => Ok(Statement::Expression(self.expression()?)),
        }
    }

    fn print(&mut self, formatted: bool) -> Result<Statement, String> {
        self.in_print = true;
        let mut values = Vec::new();
        while !self.ends() && !self.is(">") && !self.is(">>") && !self.is("|") {
            // `print (a, b)`: the brackets may be print's own.
            let before = self.at;
            if values.is_empty() && self.take("(") {
                self.in_print = false;
                let list = self.list(")");
                self.in_print = true;
                if let Ok(list) = list
                    && (self.ends() || self.is(">") || self.is(">>") || self.is("|"))
                {
                    values = list;
                    break;
                }
                self.at = before;
            }
            values.push(self.expression()?);
            if !self.take(",") {
                break;
            }
            self.skip_newlines();
        }
        self.in_print = false;
        let output = if self.take(">") {
            Output::File(self.concatenation()?)
        } else if self.take(">>") {
            Output::Append(self.concatenation()?)
        } else if self.take("|") {
            Output::Command(self.concatenation()?)
        } else {
            Output::Standard
        };
        Ok(if formatted { Statement::Printf(values, output) } else { Statement::Print(values, output) })
    }

    pub(super) fn list(&mut self, end: &str) -> Result<Vec<Expr>, String> {
        let mut values = Vec::new();
        self.skip_newlines();
        if self.take(end) {
            return Ok(values);
        }
        loop {
            values.push(self.expression()?);
            self.skip_newlines();
            if self.take(end) {
                return Ok(values);
            }
            self.expect(",")?;
            self.skip_newlines();
        }
    }
}
