//! Running an awk program: rules over records, statements, output.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures_util::future::BoxFuture;

use super::{
    Stop,
    files::{Input, Streams},
    syntax::{Output, Program, Rule, Statement, When},
    value::{Value, format},
};
use crate::os::{Code, OpenMode, Process};

/// Most elements of all arrays.
pub(super) const ELEMENT_LIMIT: usize = 1_000_000;

/// Deepest nesting of statements, expressions and calls: each level is some stack of the runtime's own.
pub(super) const DEPTH_LIMIT: usize = 150;

/// An array.
pub(super) type Array = BTreeMap<String, Value>;

/// What a function call sees of its own: values, and what its array parameters are called outside.
#[derive(Debug, Default)]
pub(super) struct Frame {
    pub values: BTreeMap<String, Value>,
    pub arrays: BTreeMap<String, String>,
    /// Parameters that are neither yet.
    pub open: BTreeSet<String>,
}

/// A run of a program.
pub(super) struct Run {
    pub process: Process,
    pub program: Arc<Program>,
    pub globals: BTreeMap<String, Value>,
    pub arrays: BTreeMap<String, Array>,
    pub elements: usize,
    pub frames: Vec<Frame>,
    pub record: String,
    pub fields: Vec<Value>,
    pub streams: Streams,
    pub draws: u32,
    pub depth: usize,
    operands: Vec<String>,
    at: usize,
    input: Option<Input>,
    read_any: bool,
    ranges: BTreeSet<usize>,
    code: Code,
}

impl Run {
    pub fn new(process: Process, operands: Vec<String>) -> Self {
        let mut globals = BTreeMap::new();
        let texts = [
            ("FS", " "),
            ("OFS", " "),
            ("ORS", "\n"),
            ("RS", "\n"),
            ("SUBSEP", "\u{1c}"),
            ("OFMT", "%.6g"),
            ("CONVFMT", "%.6g"),
            ("FILENAME", ""),
        ];
        for (name, value) in texts {
            globals.insert(name.to_owned(), Value::Text(value.to_owned()));
        }
        for name in ["NR", "FNR", "NF", "RSTART"] {
            globals.insert(name.to_owned(), Value::Number(0.0));
        }
        globals.insert("RLENGTH".to_owned(), Value::Number(-1.0));
        globals.insert("ARGC".to_owned(), Value::Number(operands.len() as f64 + 1.0));
        let environment: Array = process.env().into_iter().map(|(name, value)| (name, Value::Input(value))).collect();
        let arguments: Array = std::iter::once("awk")
            .chain(operands.iter().map(String::as_str))
            .enumerate()
            .map(|(n, word)| (n.to_string(), Value::Input(word.to_owned())))
            .collect();
        Self {
            streams: Streams::new(process.clone()),
            process,
            program: Arc::default(),
            globals,
            arrays: BTreeMap::from([("ENVIRON".to_owned(), environment), ("ARGV".to_owned(), arguments)]),
            elements: 0,
            frames: Vec::new(),
            record: String::new(),
            fields: Vec::new(),
            draws: 0,
            depth: 0,
            operands,
            at: 0,
            input: None,
            read_any: false,
            ranges: BTreeSet::new(),
            code: 0,
        }
    }

    pub fn set_variable(&mut self, name: &str, value: Value) {
        self.globals.insert(name.to_owned(), value);
    }

    /// A variable's text.
    pub fn setting(&self, name: &str) -> String {
        self.globals.get(name).map(|value| value.text("%.6g")).unwrap_or_default()
    }

    /// Takes `NAME=VALUE`; `false` if it is none.
    pub fn assign_operand(&mut self, text: &str) -> bool {
        let Some((name, value)) = text.split_once('=') else { return false };
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if is_name {
            self.set_variable(name, Value::Input(crate::applets::unescaped(value)));
        }
        is_name
    }

    /// Runs it all. The error is what ended it.
    pub async fn program(&mut self, program: &Arc<Program>) -> Result<Code, String> {
        self.program = program.clone();
        let result = self.rules(program).await;
        self.streams.close_all().await;
        match result {
            Ok(()) | Err(Stop::Exit) => Ok(self.code),
            Err(Stop::Fatal(error)) => Err(error),
            Err(_) => Err("unexpected token".to_owned()),
        }
    }

    async fn rules(&mut self, program: &Program) -> Result<(), Stop> {
        let mut exited = false;
        for rule in program.rules.iter().filter(|rule| matches!(rule.when, When::Begin)) {
            match self.action(rule).await {
                Err(Stop::Exit) => {
                    exited = true;
                    break;
                }
                other => other?,
            }
        }
        let reads = program.rules.iter().any(|rule| !matches!(rule.when, When::Begin));
        while !exited && reads {
            match self.next_record().await? {
                Some(record) => self.set_record(record),
                None => break,
            }
            for rule in &program.rules {
                if !self.applies(rule).await? {
                    continue;
                }
                match self.action(rule).await {
                    Ok(()) => {}
                    Err(Stop::Next) => break,
                    Err(Stop::Exit) => {
                        exited = true;
                        break;
                    }
                    Err(other) => return Err(other),
                }
            }
            self.process.spin().await;
        }
        for rule in program.rules.iter().filter(|rule| matches!(rule.when, When::End)) {
            self.action(rule).await?;
        }
        Ok(())
    }

    async fn applies(&mut self, rule: &Rule) -> Result<bool, Stop> {
        Ok(match &rule.when {
            When::Begin | When::End => false,
            When::Always => true,
            When::Held(condition) => self.value(condition).await?.held(),
            When::Range(first, last, number) => {
                let inside = self.ranges.contains(number) || self.value(first).await?.held();
                if inside {
                    if self.value(last).await?.held() {
                        self.ranges.remove(number);
                    } else {
                        self.ranges.insert(*number);
                    }
                }
                inside
            }
        })
    }

    async fn action(&mut self, rule: &Rule) -> Result<(), Stop> {
        match &rule.action {
            Some(action) => self.statement(action).await,
            None => {
                let line = format!("{}{}", self.record, self.setting("ORS"));
                self.write(&Output::Standard, line).await
            }
        }
    }

    /// The next record of the input; `None` at its end.
    pub async fn next_record(&mut self) -> Result<Option<String>, Stop> {
        loop {
            if self.input.is_none() && !self.open_next().await? {
                return Ok(None);
            }
            let separator = self.setting("RS");
            let Some(input) = self.input.as_mut() else { return Ok(None) };
            match input.record(&separator).await {
                Ok(Some(record)) => {
                    for name in ["NR", "FNR"] {
                        let count = self.globals.get(name).map_or(0.0, Value::number) + 1.0;
                        self.set_variable(name, Value::Number(count));
                    }
                    return Ok(Some(record));
                }
                Ok(None) => self.input = None,
                Err(error) => return Err(Stop::Fatal(error.to_string())),
            }
        }
    }

    async fn open_next(&mut self) -> Result<bool, Stop> {
        while let Some(operand) = self.operands.get(self.at).cloned() {
            self.at += 1;
            if operand.is_empty() || self.assign_operand(&operand) {
                continue;
            }
            self.read_any = true;
            let opened = if operand == "-" {
                self.process.descriptor(0)
            } else {
                let path = self.process.absolute(&operand);
                self.process.files().open(&path, OpenMode::READ, &self.process.credentials())
            };
            match opened {
                Ok(file) => {
                    self.input = Some(Input::new(file));
                    self.set_variable("FNR", Value::Number(0.0));
                    self.set_variable("FILENAME", Value::Input(operand));
                    return Ok(true);
                }
                Err(error) => {
                    self.process.err(format!("awk: {operand}: {error}\n")).await;
                    self.code = 2;
                    return Err(Stop::Exit);
                }
            }
        }
        if self.read_any {
            return Ok(false);
        }
        self.read_any = true;
        let file = self.process.descriptor(0).map_err(|error| Stop::Fatal(error.to_string()))?;
        self.input = Some(Input::new(file));
        Ok(true)
    }

    /// Runs a statement.
    pub fn statement<'a>(&'a mut self, statement: &'a Statement) -> BoxFuture<'a, Result<(), Stop>> {
        Box::pin(async move {
            self.descend()?;
            let result = self.perform(statement).await;
            self.depth -= 1;
            result
        })
    }

    fn perform<'a>(&'a mut self, statement: &'a Statement) -> BoxFuture<'a, Result<(), Stop>> {
        Box::pin(async move {
            match statement {
                Statement::Expression(expr) => drop(self.value(expr).await?),
                Statement::Block(statements) => {
                    for statement in statements {
                        self.statement(statement).await?;
                    }
                }
                Statement::Print(values, output) => {
                    let mut texts = Vec::new();
                    let form = self.setting("OFMT");
                    for value in values {
                        texts.push(self.value(value).await?.text(&form));
                    }
                    let line = if values.is_empty() { self.record.clone() } else { texts.join(&self.setting("OFS")) };
                    self.write(output, line + &self.setting("ORS")).await?;
                }
                Statement::Printf(values, output) => {
                    let mut given = Vec::new();
                    for value in values {
                        given.push(self.value(value).await?);
                    }
                    let convert = self.setting("CONVFMT");
                    let form = given.first().map(|form| form.text(&convert)).unwrap_or_default();
                    let text = format(&form, given.get(1..).unwrap_or_default(), &convert).map_err(Stop::Fatal)?;
                    self.write(output, text).await?;
                }
                Statement::If(condition, then, otherwise) => {
                    if self.value(condition).await?.held() {
                        self.statement(then).await?;
                    } else if let Some(otherwise) = otherwise {
                        self.statement(otherwise).await?;
                    }
                }
                Statement::While(condition, body) => {
                    while self.value(condition).await?.held() && self.turn(body).await? {}
                }
                Statement::Do(body, condition) => {
                    while self.turn(body).await? && self.value(condition).await?.held() {}
                }
                Statement::For(first, condition, step, body) => {
                    if let Some(first) = first {
                        self.statement(first).await?;
                    }
                    loop {
                        if let Some(condition) = condition
                            && !self.value(condition).await?.held()
                        {
                            break;
                        }
                        if !self.turn(body).await? {
                            break;
                        }
                        if let Some(step) = step {
                            self.statement(step).await?;
                        }
                    }
                }
                Statement::ForIn(variable, array, body) => {
                    let name = self.array_name(array)?;
                    let keys: Vec<String> =
                        self.arrays.get(&name).map(|a| a.keys().cloned().collect()).unwrap_or_default();
                    for key in keys {
                        self.assign_variable(variable, Value::Input(key)).await?;
                        if !self.turn(body).await? {
                            break;
                        }
                    }
                }
                Statement::Delete(array, index) => {
                    let name = self.array_name(array)?;
                    match index {
                        Some(index) => {
                            let key = self.key(index).await?;
                            self.arrays.entry(name).or_default().remove(&key);
                        }
                        None => drop(self.arrays.remove(&name)),
                    }
                }
                Statement::Next => return Err(Stop::Next),
                Statement::Break => return Err(Stop::Break),
                Statement::Continue => return Err(Stop::Continue),
                Statement::Exit(value) => {
                    if let Some(value) = value {
                        self.code = (self.value(value).await?.number() as i64 & 0xff) as Code;
                    }
                    return Err(Stop::Exit);
                }
                Statement::Return(value) => {
                    let value = match value {
                        Some(value) => self.value(value).await?,
                        None => Value::Nothing,
                    };
                    return Err(Stop::Return(value));
                }
            }
            Ok(())
        })
    }

    /// One turn of a loop: whether it goes on.
    async fn turn(&mut self, body: &Statement) -> Result<bool, Stop> {
        // A loop that never waits must still let time and signals pass.
        self.process.spin().await;
        match self.statement(body).await {
            Ok(()) | Err(Stop::Continue) => Ok(true),
            Err(Stop::Break) => Ok(false),
            Err(other) => Err(other),
        }
    }

    async fn write(&mut self, output: &Output, text: String) -> Result<(), Stop> {
        let convert = self.setting("CONVFMT");
        let done = match output {
            Output::Standard => self.process.out(text).await,
            Output::File(name) => {
                let name = self.value(name).await?.text(&convert);
                self.streams.write(&name, false, text.as_bytes()).await
            }
            Output::Append(name) => {
                let name = self.value(name).await?.text(&convert);
                self.streams.write(&name, true, text.as_bytes()).await
            }
            Output::Command(command) => {
                let command = self.value(command).await?.text(&convert);
                self.streams.pipe(&command, text.as_bytes()).await
            }
        };
        done.map_err(|error| Stop::Fatal(error.to_string()))
    }
}
