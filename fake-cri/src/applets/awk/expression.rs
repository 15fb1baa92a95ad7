//! Reading awk's expressions, by precedence climbing.

use super::{
    super::Regex,
    parse::{KEYWORDS, Parser, UNEXPECTED, is_builtin},
    syntax::{Expr, Operator, Source, Token},
};

impl Parser {
    pub(super) fn expression(&mut self) -> Result<Expr, String> {
        self.deeper(|parser| {
            let left = parser.conditional()?;
            let operator = match parser.peek() {
                Token::Sign("=") => None,
                Token::Sign("+=") => Some(Operator::Add),
                Token::Sign("-=") => Some(Operator::Subtract),
                Token::Sign("*=") => Some(Operator::Multiply),
                Token::Sign("/=") => Some(Operator::Divide),
                Token::Sign("%=") => Some(Operator::Remainder),
                Token::Sign("^=" | "**=") => Some(Operator::Power),
                _ => return Ok(left),
            };
            if !is_place(&left) {
                return Err(UNEXPECTED.to_owned());
            }
            parser.at += 1;
            parser.skip_newlines();
            let right = parser.expression()?;
            Ok(Expr::Assign(Box::new(left), operator, Box::new(right)))
        })
    }

    fn conditional(&mut self) -> Result<Expr, String> {
        let test = self.or()?;
        if !self.take("?") {
            return Ok(test);
        }
        self.skip_newlines();
        let yes = self.expression()?;
        self.skip_newlines();
        self.expect(":")?;
        self.skip_newlines();
        let no = self.expression()?;
        Ok(Expr::Conditional(Box::new(test), Box::new(yes), Box::new(no)))
    }

    fn or(&mut self) -> Result<Expr, String> {
        let mut left = self.and()?;
        while self.take("||") {
            self.skip_newlines();
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr, String> {
        let mut left = self.membership()?;
        while self.take("&&") {
            self.skip_newlines();
            left = Expr::And(Box::new(left), Box::new(self.membership()?));
        }
        Ok(left)
    }

    fn membership(&mut self) -> Result<Expr, String> {
        let mut left = self.matching()?;
        while self.take_word("in") {
            let Token::Name(array) = self.next() else { return Err(UNEXPECTED.to_owned()) };
            left = Expr::In(vec![left], array);
        }
        Ok(left)
    }

    fn matching(&mut self) -> Result<Expr, String> {
        let mut left = self.comparison()?;
        loop {
            let wanted = if self.take("~") {
                true
            } else if self.take("!~") {
                false
            } else {
                return Ok(left);
            };
            left = Expr::Match(wanted, Box::new(left), Box::new(self.comparison()?));
        }
    }

    fn comparison(&mut self) -> Result<Expr, String> {
        let left = self.concatenation()?;
        let operator = match self.peek() {
            Token::Sign("<") => Operator::Less,
            Token::Sign("<=") => Operator::LessOrEqual,
            Token::Sign("==") => Operator::Equal,
            Token::Sign("!=") => Operator::NotEqual,
            Token::Sign(">=") => Operator::GreaterOrEqual,
            Token::Sign(">") if !self.in_print => Operator::Greater,
            _ => return Ok(left),
        };
        self.at += 1;
        Ok(Expr::Binary(operator, Box::new(left), Box::new(self.concatenation()?)))
    }

    pub(super) fn concatenation(&mut self) -> Result<Expr, String> {
        let mut left = self.sum()?;
        loop {
            if self.is("|") && !self.in_print
                || self.is("|") && matches!(self.tokens.get(self.at + 1), Some(Token::Name(w)) if w == "getline")
            {
                self.at += 1;
                if !self.take_word("getline") {
                    return Err(UNEXPECTED.to_owned());
                }
                left = Expr::Getline(self.place()?, Source::Command(Box::new(left)));
                continue;
            }
            let goes_on = match self.peek() {
                Token::Number(_) | Token::Text(_) | Token::Called(_) | Token::Pattern(_) => true,
                Token::Name(word) => !KEYWORDS.contains(&word.as_str()),
                Token::Sign(sign) => matches!(*sign, "$" | "!" | "(" | "-" | "+" | "++" | "--"),
                _ => false,
            };
            if !goes_on {
                return Ok(left);
            }
            left = Expr::Binary(Operator::Concatenate, Box::new(left), Box::new(self.sum()?));
        }
    }

    fn sum(&mut self) -> Result<Expr, String> {
        let mut left = self.product()?;
        loop {
            let operator = match self.peek() {
                Token::Sign("+") => Operator::Add,
                Token::Sign("-") => Operator::Subtract,
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expr::Binary(operator, Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Result<Expr, String> {
        let mut left = self.unary()?;
        loop {
            let operator = match self.peek() {
                Token::Sign("*") => Operator::Multiply,
                Token::Sign("/") => Operator::Divide,
                Token::Sign("%") => Operator::Remainder,
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expr::Binary(operator, Box::new(left), Box::new(self.unary()?));
        }
    }

    fn unary(&mut self) -> Result<Expr, String> {
        for (sign, letter) in [("!", '!'), ("-", '-'), ("+", '+')] {
            if self.take(sign) {
                return self.deeper(|parser| Ok(Expr::Unary(letter, Box::new(parser.unary()?))));
            }
        }
        self.power()
    }

    fn power(&mut self) -> Result<Expr, String> {
        let base = self.stepped()?;
        if self.take("^") || self.take("**") {
            return self.deeper(|parser| Ok(Expr::Binary(Operator::Power, Box::new(base), Box::new(parser.unary()?))));
        }
        Ok(base)
    }

    fn stepped(&mut self) -> Result<Expr, String> {
        for (sign, by) in [("++", 1.0), ("--", -1.0)] {
            if self.take(sign) {
                let place = self.primary()?;
                return if is_place(&place) {
                    Ok(Expr::Step(Box::new(place), by, true))
                } else {
                    Err(UNEXPECTED.to_owned())
                };
            }
        }
        let place = self.primary()?;
        if is_place(&place) {
            for (sign, by) in [("++", 1.0), ("--", -1.0)] {
                if self.take(sign) {
                    return Ok(Expr::Step(Box::new(place), by, false));
                }
            }
        }
        Ok(place)
    }

    /// What `getline` reads into, if something follows that can be it.
    fn place(&mut self) -> Result<Option<Box<Expr>>, String> {
        let begins = match self.peek() {
            Token::Name(word) => !KEYWORDS.contains(&word.as_str()),
            Token::Sign(sign) => *sign == "$",
            _ => false,
        };
        if begins { Ok(Some(Box::new(self.primary()?))) } else { Ok(None) }
    }

    fn primary(&mut self) -> Result<Expr, String> {
        self.deeper(Self::any_primary)
    }

    fn any_primary(&mut self) -> Result<Expr, String> {
        match self.next() {
            Token::Number(number) => Ok(Expr::Number(number)),
            Token::Text(text) => Ok(Expr::Text(text)),
            Token::Pattern(pattern) => Ok(Expr::Pattern(Regex::new(&pattern, true, false, false).ok_or("bad regex")?)),
            Token::Sign("$") => {
                let index =
                    if self.is("-") || self.is("++") || self.is("--") { self.unary()? } else { self.primary()? };
                Ok(Expr::Field(Box::new(index)))
            }
            Token::Sign("(") => {
                let print = std::mem::take(&mut self.in_print);
                let mut list = self.list(")")?;
                self.in_print = print;
                if list.len() > 1 || list.is_empty() {
                    if list.is_empty() || !self.take_word("in") {
                        return Err(UNEXPECTED.to_owned());
                    }
                    let Token::Name(array) = self.next() else { return Err(UNEXPECTED.to_owned()) };
                    return Ok(Expr::In(list, array));
                }
                // Brackets make a value of a place, and keep what is in them together.
                Ok(Expr::Unary('(', Box::new(list.remove(0))))
            }
            Token::Name(word) if word == "getline" => {
                let place = self.place()?;
                let source = if self.take("<") { Source::File(Box::new(self.primary()?)) } else { Source::Input };
                Ok(Expr::Getline(place, source))
            }
            Token::Name(word) if KEYWORDS.contains(&word.as_str()) => Err(UNEXPECTED.to_owned()),
            Token::Name(word) if is_builtin(&word) => Ok(Expr::Builtin(word, Vec::new())),
            Token::Name(word) => {
                if self.take("[") {
                    let print = std::mem::take(&mut self.in_print);
                    let index = self.list("]")?;
                    self.in_print = print;
                    return Ok(Expr::Element(word, index));
                }
                Ok(Expr::Variable(word))
            }
            Token::Called(word) => {
                self.expect("(")?;
                let print = std::mem::take(&mut self.in_print);
                let args = self.list(")")?;
                self.in_print = print;
                Ok(if is_builtin(&word) { Expr::Builtin(word, args) } else { Expr::Call(word, args) })
            }
            Token::End => Err("unexpected end of file".to_owned()),
            _ => Err(UNEXPECTED.to_owned()),
        }
    }
}

fn is_place(expr: &Expr) -> bool {
    matches!(expr, Expr::Variable(_) | Expr::Field(_) | Expr::Element(..))
}
