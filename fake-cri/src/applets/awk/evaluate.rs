//! Evaluating awk's expressions: places, fields, operators, calls, built-in functions.

use futures_util::future::BoxFuture;

use super::{
    super::{Regex, date},
    Stop,
    run::{Array, DEPTH_LIMIT, ELEMENT_LIMIT, Frame, Run},
    syntax::{Expr, Operator, Source},
    value::{Value, compare, format},
};

/// Longest text that a concatenation may make.
const TEXT_LIMIT: usize = 4 * 1024 * 1024;

/// Bytes that one turn makes.
const TURN: usize = 1024;

/// Highest number of a field.
const FIELD_LIMIT: usize = 32 * 1024;

fn fatal(text: impl Into<String>) -> Stop {
    Stop::Fatal(text.into())
}

fn truth(held: bool) -> Value {
    Value::Number(f64::from(u8::from(held)))
}

/// Splits a text as `FS` says: a space means blanks, one letter itself, more an expression; nothing: letters.
fn split(text: &str, separator: &str) -> Result<Vec<String>, Stop> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    Ok(match separator {
        " " => text.split_ascii_whitespace().map(str::to_owned).collect(),
        "" => text.chars().map(String::from).collect(),
        one if one.chars().count() == 1 && one != "\\" => text.split(one).map(str::to_owned).collect(),
        _ => split_by(text, &regex(separator)?),
    })
}

fn split_by(text: &str, regex: &Regex) -> Vec<String> {
    let mut parts = Vec::new();
    let (mut from, mut at) = (0, 0);
    while let Some((start, end)) = regex.place(text, at) {
        if end > start {
            parts.push(text[from..start].to_owned());
            from = end;
            at = end;
        } else {
            at = end + text[end..].chars().next().map_or(1, char::len_utf8);
        }
        if at > text.len() {
            break;
        }
    }
    parts.push(text[from..].to_owned());
    parts
}

fn regex(pattern: &str) -> Result<Regex, Stop> {
    Regex::new(pattern, true, false, false).ok_or_else(|| fatal(format!("bad regex '{pattern}'")))
}

impl Run {
    fn form(&self) -> String {
        self.setting("CONVFMT")
    }

    /// Makes a text the record and takes it apart.
    pub(super) fn set_record(&mut self, record: String) {
        self.fields = split(&record, &self.setting("FS")).unwrap_or_default().into_iter().map(Value::Input).collect();
        self.record = record;
        let count = self.fields.len() as f64;
        self.set_variable("NF", Value::Number(count));
    }

    /// Puts the record together from its fields.
    fn join_record(&mut self) {
        let form = self.form();
        let fields: Vec<String> = self.fields.iter().map(|field| field.text(&form)).collect();
        self.record = fields.join(&self.setting("OFS"));
        let count = self.fields.len() as f64;
        self.set_variable("NF", Value::Number(count));
    }

    /// Where an array that is called so here really is.
    pub(super) fn array_name(&mut self, name: &str) -> Result<String, Stop> {
        let depth = self.frames.len();
        if let Some(frame) = self.frames.last_mut() {
            if let Some(outside) = frame.arrays.get(name) {
                return Ok(outside.clone());
            }
            if frame.open.remove(name) {
                let own = format!("{name} of call {depth}");
                frame.arrays.insert(name.to_owned(), own.clone());
                return Ok(own);
            }
            if frame.values.contains_key(name) {
                return Err(fatal(format!("{name} is not an array")));
            }
        }
        Ok(name.to_owned())
    }

    /// The key of an element.
    pub(super) async fn key(&mut self, index: &[Expr]) -> Result<String, Stop> {
        let form = self.form();
        let mut parts = Vec::new();
        for expr in index {
            parts.push(self.value(expr).await?.text(&form));
        }
        Ok(parts.join(&self.setting("SUBSEP")))
    }

    pub(super) async fn assign_variable(&mut self, name: &str, value: Value) -> Result<(), Stop> {
        if let Some(frame) = self.frames.last_mut()
            && (frame.values.contains_key(name) || frame.open.remove(name))
        {
            frame.values.insert(name.to_owned(), value);
            return Ok(());
        }
        if name == "NF" {
            let count = (value.number().max(0.0) as usize).min(FIELD_LIMIT);
            self.fields.resize(count, Value::Nothing);
            self.join_record();
            return Ok(());
        }
        self.set_variable(name, value);
        Ok(())
    }

    async fn field_number(&mut self, expr: &Expr) -> Result<usize, Stop> {
        let number = self.value(expr).await?.number();
        if !(0.0..=FIELD_LIMIT as f64).contains(&number) {
            return Err(fatal("access to negative field"));
        }
        Ok(number as usize)
    }

    async fn assign(&mut self, place: &Expr, value: Value) -> Result<(), Stop> {
        match place {
            Expr::Variable(name) => self.assign_variable(name, value).await,
            Expr::Field(index) => {
                let number = self.field_number(index).await?;
                if number == 0 {
                    let text = value.text(&self.form());
                    self.set_record(text);
                } else {
                    if self.fields.len() < number {
                        self.fields.resize(number, Value::Nothing);
                    }
                    self.fields[number - 1] = value;
                    self.join_record();
                }
                Ok(())
            }
            Expr::Element(name, index) => {
                let key = self.key(index).await?;
                let name = self.array_name(name)?;
                self.put(&name, key, value)
            }
            _ => Err(fatal("unexpected token")),
        }
    }

    fn put(&mut self, array: &str, key: String, value: Value) -> Result<(), Stop> {
        if self.arrays.entry(array.to_owned()).or_default().insert(key, value).is_none() {
            self.elements += 1;
            if self.elements > ELEMENT_LIMIT {
                return Err(fatal("out of memory"));
            }
        }
        Ok(())
    }

    /// A text operand.
    async fn text(&mut self, expr: &Expr) -> Result<String, Stop> {
        let form = self.form();
        Ok(self.value(expr).await?.text(&form))
    }

    /// An operand as an expression to match.
    async fn pattern(&mut self, expr: &Expr) -> Result<Regex, Stop> {
        match expr {
            Expr::Pattern(regex) => Ok(regex.clone()),
            other => regex(&self.text(other).await?),
        }
    }

    /// The value of an expression.
    pub(super) fn value<'a>(&'a mut self, expr: &'a Expr) -> BoxFuture<'a, Result<Value, Stop>> {
        Box::pin(async move {
            self.descend()?;
            let value = self.evaluate(expr).await;
            self.depth -= 1;
            value
        })
    }

    /// Goes one level deeper; what is nested too deeply must not use up the machine's stack.
    pub(super) fn descend(&mut self) -> Result<(), Stop> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(fatal("nested too deeply"));
        }
        Ok(())
    }

    fn evaluate<'a>(&'a mut self, expr: &'a Expr) -> BoxFuture<'a, Result<Value, Stop>> {
        Box::pin(async move {
            Ok(match expr {
                Expr::Number(number) => Value::Number(*number),
                Expr::Text(text) => Value::Text(text.clone()),
                Expr::Pattern(regex) => truth(regex.held(&self.record)),
                Expr::Variable(name) => {
                    let own = self.frames.last().and_then(|frame| frame.values.get(name));
                    own.or_else(|| self.globals.get(name)).cloned().unwrap_or_default()
                }
                Expr::Field(index) => match self.field_number(index).await? {
                    0 => Value::Input(self.record.clone()),
                    number => self.fields.get(number - 1).cloned().unwrap_or_default(),
                },
                Expr::Element(name, index) => {
                    let key = self.key(index).await?;
                    let name = self.array_name(name)?;
                    match self.arrays.get(&name).and_then(|array| array.get(&key)) {
                        Some(value) => value.clone(),
                        None => {
                            // Looking at an element makes it.
                            self.put(&name, key, Value::Nothing)?;
                            Value::Nothing
                        }
                    }
                }
                Expr::In(index, name) => {
                    let key = self.key(index).await?;
                    let name = self.array_name(name)?;
                    truth(self.arrays.get(&name).is_some_and(|array| array.contains_key(&key)))
                }
                Expr::Unary('!', inner) => truth(!self.value(inner).await?.held()),
                Expr::Unary('-', inner) => Value::Number(-self.value(inner).await?.number()),
                Expr::Unary('+', inner) => Value::Number(self.value(inner).await?.number()),
                Expr::Unary(_, inner) => self.value(inner).await?,
                Expr::And(left, right) => truth(self.value(left).await?.held() && self.value(right).await?.held()),
                Expr::Or(left, right) => truth(self.value(left).await?.held() || self.value(right).await?.held()),
                Expr::Match(wanted, text, pattern) => {
                    let text = self.text(text).await?;
                    truth(self.pattern(pattern).await?.held(&text) == *wanted)
                }
                Expr::Conditional(test, yes, no) => {
                    let branch = if self.value(test).await?.held() { yes } else { no };
                    self.value(branch).await?
                }
                Expr::Binary(operator, left, right) => {
                    let (left, right) = (self.value(left).await?, self.value(right).await?);
                    let value = self.binary(*operator, &left, &right)?;
                    if let Value::Text(text) = &value {
                        // A long text takes its time, so that one that grows for ever does not take the machine's.
                        for _ in 0..text.len() / TURN {
                            self.process.spin().await;
                        }
                    }
                    value
                }
                Expr::Assign(place, operator, right) => {
                    let mut new = self.value(right).await?;
                    if let Some(operator) = operator {
                        let old = self.value(place).await?;
                        new = self.binary(*operator, &old, &new)?;
                    }
                    self.assign(place, new.clone()).await?;
                    new
                }
                Expr::Step(place, by, new_counts) => {
                    let old = self.value(place).await?.number();
                    self.assign(place, Value::Number(old + by)).await?;
                    Value::Number(if *new_counts { old + by } else { old })
                }
                Expr::Call(name, args) => Box::pin(self.call(name, args)).await?,
                Expr::Builtin(name, args) => Box::pin(self.builtin(name, args)).await?,
                Expr::Getline(place, source) => Box::pin(self.getline(place.as_deref(), source)).await?,
            })
        })
    }

    fn binary(&self, operator: Operator, left: &Value, right: &Value) -> Result<Value, Stop> {
        let (l, r) = (left.number(), right.number());
        Ok(match operator {
            Operator::Add => Value::Number(l + r),
            Operator::Subtract => Value::Number(l - r),
            Operator::Multiply => Value::Number(l * r),
            Operator::Divide | Operator::Remainder if r == 0.0 => return Err(fatal("Division by zero")),
            Operator::Divide => Value::Number(l / r),
            Operator::Remainder => Value::Number(l % r),
            Operator::Power => Value::Number(l.powf(r)),
            Operator::Concatenate => {
                let form = self.form();
                let text = left.text(&form) + &right.text(&form);
                if text.len() > TEXT_LIMIT {
                    return Err(fatal("out of memory"));
                }
                Value::Text(text)
            }
            comparison => truth(compare(comparison, left, right, &self.form())),
        })
    }

    async fn call(&mut self, name: &str, args: &[Expr]) -> Result<Value, Stop> {
        let program = self.program.clone();
        let Some(function) = program.functions.get(name) else {
            return Err(fatal("Call to undefined function"));
        };
        let mut frame = Frame::default();
        for (at, parameter) in function.parameters.iter().enumerate() {
            match args.get(at) {
                Some(Expr::Variable(given)) if self.is_array(given) => {
                    let outside = self.array_name(given)?;
                    frame.arrays.insert(parameter.clone(), outside);
                }
                Some(arg) => {
                    let value = self.value(arg).await?;
                    frame.values.insert(parameter.clone(), value);
                }
                None => drop(frame.open.insert(parameter.clone())),
            }
        }
        self.frames.push(frame);
        let result = self.statement(&function.body).await;
        let depth = self.frames.len();
        self.frames.pop();
        // Arrays of the call's own go with it.
        let suffix = format!(" of call {depth}");
        self.arrays.retain(|name, _| !name.ends_with(&suffix));
        match result {
            Ok(()) => Ok(Value::Nothing),
            Err(Stop::Return(value)) => Ok(value),
            Err(other) => Err(other),
        }
    }

    /// Whether a name is an array's, here or outside.
    fn is_array(&self, name: &str) -> bool {
        match self.frames.last() {
            Some(frame) if frame.arrays.contains_key(name) => true,
            Some(frame) if frame.values.contains_key(name) || frame.open.contains(name) => false,
            _ => self.arrays.contains_key(name) || !self.globals.contains_key(name),
        }
    }

    async fn getline(&mut self, place: Option<&Expr>, source: &Source) -> Result<Value, Stop> {
        let form = self.form();
        let separator = self.setting("RS");
        let read = match source {
            Source::Input => self.next_record().await?,
            Source::File(path) => {
                let path = self.value(path).await?.text(&form);
                match self.streams.file(&path) {
                    Ok(input) => input.record(&separator).await.unwrap_or(None),
                    Err(_) => return Ok(Value::Number(-1.0)),
                }
            }
            Source::Command(command) => {
                let command = self.value(command).await?.text(&form);
                match self.streams.output_of(&command).await {
                    Ok(input) => input.record(&separator).await.unwrap_or(None),
                    Err(_) => return Ok(Value::Number(-1.0)),
                }
            }
        };
        let Some(record) = read else { return Ok(Value::Number(0.0)) };
        match place {
            Some(place) => self.assign(place, Value::Input(record)).await?,
            None => self.set_record(record),
        }
        Ok(Value::Number(1.0))
    }

    async fn builtin(&mut self, name: &str, args: &[Expr]) -> Result<Value, Stop> {
        match (name, args) {
            ("length", []) => return Ok(Value::Number(self.record.chars().count() as f64)),
            ("length", [Expr::Variable(array)]) if self.is_array(array) && !self.globals.contains_key(array) => {
                let array = self.array_name(array)?;
                return Ok(Value::Number(self.arrays.get(&array).map_or(0, Array::len) as f64));
            }
            ("split", [text, Expr::Variable(array), rest @ ..]) => {
                let text = self.text(text).await?;
                let parts = match rest.first() {
                    None => split(&text, &self.setting("FS"))?,
                    Some(Expr::Pattern(regex)) if text.is_empty() => {
                        let _ = regex;
                        Vec::new()
                    }
                    Some(Expr::Pattern(regex)) => split_by(&text, regex),
                    Some(other) => split(&text, &self.text(other).await?)?,
                };
                let array = self.array_name(array)?;
                self.arrays.remove(&array);
                let count = parts.len();
                for (at, part) in parts.into_iter().enumerate() {
                    self.put(&array, (at + 1).to_string(), Value::Input(part))?;
                }
                return Ok(Value::Number(count as f64));
            }
            ("sub" | "gsub", [pattern, with, rest @ ..]) => {
                let record = Expr::Field(Box::new(Expr::Number(0.0)));
                let place = rest.first().unwrap_or(&record);
                let pattern = self.pattern(pattern).await?;
                let with = self.text(with).await?;
                let text = self.text(place).await?;
                let (text, count) = replace(&text, &pattern, &with, name == "gsub");
                if count > 0 {
                    self.assign(place, Value::Text(text)).await?;
                }
                return Ok(Value::Number(count as f64));
            }
            ("match", [text, pattern]) => {
                let text = self.text(text).await?;
                let found = self.pattern(pattern).await?.place(&text, 0);
                let (start, length) = found.map_or((0.0, -1.0), |(start, end)| {
                    (text[..start].chars().count() as f64 + 1.0, text[start..end].chars().count() as f64)
                });
                self.set_variable("RSTART", Value::Number(start));
                self.set_variable("RLENGTH", Value::Number(length));
                return Ok(Value::Number(start));
            }
            _ => {}
        }
        let mut values = Vec::new();
        for arg in args {
            values.push(self.value(arg).await?);
        }
        let form = self.form();
        let number = |at: usize| values.get(at).map_or(0.0, Value::number);
        let text = |at: usize| values.get(at).map(|value| value.text(&form)).unwrap_or_default();
        Ok(match name {
            "length" => Value::Number(text(0).chars().count() as f64),
            "substr" => {
                // Positions count from 1 and are rounded, as awk has it.
                let from = number(1).round();
                let until = values.get(2).map_or(f64::INFINITY, |length| from + length.number().round());
                let within = |at: usize| (at as f64 + 1.0) >= from && (at as f64 + 1.0) < until;
                Value::Text(text(0).chars().enumerate().filter(|(at, _)| within(*at)).map(|(_, c)| c).collect())
            }
            "index" => {
                let (text, part) = (text(0), text(1));
                Value::Number(text.find(&part).map_or(0, |at| text[..at].chars().count() + 1) as f64)
            }
            "tolower" => Value::Text(text(0).to_lowercase()),
            "toupper" => Value::Text(text(0).to_uppercase()),
            "sprintf" => {
                Value::Text(format(&text(0), values.get(1..).unwrap_or_default(), &form).map_err(Stop::Fatal)?)
            }
            "int" => Value::Number(number(0).trunc()),
            "sqrt" => Value::Number(number(0).sqrt()),
            "exp" => Value::Number(number(0).exp()),
            "log" => Value::Number(number(0).ln()),
            "sin" => Value::Number(number(0).sin()),
            "cos" => Value::Number(number(0).cos()),
            "atan2" => Value::Number(number(0).atan2(number(1))),
            "and" => Value::Number((number(0) as i64 & number(1) as i64) as f64),
            "or" => Value::Number((number(0) as i64 | number(1) as i64) as f64),
            "xor" => Value::Number((number(0) as i64 ^ number(1) as i64) as f64),
            "compl" => Value::Number(!(number(0) as i64) as f64),
            "lshift" => Value::Number((number(0) as i64).wrapping_shl(number(1) as u32) as f64),
            "rshift" => Value::Number((number(0) as i64).wrapping_shr(number(1) as u32) as f64),
            "rand" => {
                self.draws += 1;
                let label = format!("awk {} {}", self.process.node_pid(), self.draws);
                let random = &self.process.kernel().surroundings().world.random;
                let drawn = u32::from_str_radix(&world::random::hex(&mut random.fork(&label), 8), 16).unwrap_or(0);
                Value::Number(f64::from(drawn) / (f64::from(u32::MAX) + 1.0))
            }
            "srand" => Value::Number(0.0),
            "systime" => Value::Number(self.process.kernel().surroundings().world.clock.now().as_second() as f64),
            "strftime" => {
                let form = if values.is_empty() { "%c".to_owned() } else { text(0) };
                let now = self.process.kernel().surroundings().world.clock.now();
                let at = match values.get(1) {
                    Some(seconds) => jiff::Timestamp::from_second(seconds.number() as i64).unwrap_or(now),
                    None => now,
                };
                Value::Text(date::shown(&at.to_zoned(date::zone(&self.process)), &form).unwrap_or_default())
            }
            "system" => {
                let command = text(0);
                Value::Number(f64::from(self.streams.system(&command).await))
            }
            "close" => {
                let name = text(0);
                Value::Number(f64::from(self.streams.close(&name).await))
            }
            _ => Value::Number(0.0),
        })
    }
}

/// A text with the first match, or all, replaced; `&` in the replacement is what matched. How many there were.
fn replace(text: &str, pattern: &Regex, with: &str, all: bool) -> (String, usize) {
    let mut new = String::new();
    let (mut at, mut count) = (0, 0);
    while let Some((start, end)) = pattern.place(text, at).filter(|_| new.len() < TEXT_LIMIT) {
        new.push_str(&text[at..start]);
        let mut letters = with.chars().peekable();
        while let Some(c) = letters.next() {
            match c {
                '\\' if letters.peek() == Some(&'&') => new.extend(letters.next()),
                '\\' if letters.peek() == Some(&'\\') => new.extend(letters.next()),
                '&' => new.push_str(&text[start..end]),
                c => new.push(c),
            }
        }
        count += 1;
        at = end;
        if end == start {
            // Nothing matched: one letter goes by, and after it there may be more.
            let Some(c) = text[end..].chars().next() else { return (new, count) };
            new.push(c);
            at = end + c.len_utf8();
        }
        if !all || at > text.len() {
            break;
        }
    }
    new.push_str(text.get(at..).unwrap_or_default());
    (new, count)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("hello", "l", "L", true, "heLLo", 2)]
    #[case("hello", "l", "[&]", false, "he[l]lo", 1)]
    #[case("ab", "x*", "-", true, "-a-b-", 3)]
    #[case("ab", "b", "\\&", true, "a&", 1)]
    fn replacing(
        #[case] text: &str,
        #[case] pattern: &str,
        #[case] with: &str,
        #[case] all: bool,
        #[case] expected: &str,
        #[case] count: usize,
    ) {
        let pattern = Regex::new(pattern, true, false, false).expect("a pattern");
        assert_eq!(replace(text, &pattern, with, all), (expected.to_owned(), count));
    }

    #[rstest]
    #[case("a  b c", " ", &["a", "b", "c"])]
    #[case("a::b", ":", &["a", "", "b"])]
    #[case("a:b c", "[ :]+", &["a", "b", "c"])]
    #[case("a|b", "|", &["a", "b"])]
    fn splitting(#[case] text: &str, #[case] separator: &str, #[case] expected: &[&str]) {
        assert_eq!(
            split(text, separator).ok().as_deref(),
            Some(expected.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>().as_slice())
        );
    }
}
