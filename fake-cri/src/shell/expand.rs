//! Word expansion: tilde, parameters, substitutions, arithmetic, field splitting, path names, quote removal; in POSIX's order.

use brush_parser::{
    ast::Word,
    word::{
        Parameter, ParameterExpr, ParameterTestType, SpecialParameter, SubstringMatchKind, TildeExpr, WordPiece,
        WordPieceWithSource,
    },
};
use futures_util::future::BoxFuture;

use super::{DEPTH_LIMIT, EXPANSION_LIMIT, FIELD_LIMIT, SUBSTITUTION_LIMIT, pattern::matches, state::Shell, syntax};
use crate::{
    applets,
    os::{OpenFile, pipe::pipe},
};

/// A piece of an expanded word.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// Text that was quoted: neither split nor a pattern.
    Quoted(String),
    /// Text from the script itself: a pattern, not split.
    Literal(String),
    /// What an expansion gave: split and a pattern.
    Expanded(String),
    /// A field ends here: between the parameters of `"$@"`.
    Break,
}

impl Part {
    /// Bytes of its text.
    fn size(&self) -> usize {
        match self {
            Self::Quoted(text) | Self::Literal(text) | Self::Expanded(text) => text.len(),
            Self::Break => 0,
        }
    }
}

/// An expanded field, as text and as a pattern with what was quoted escaped.
#[derive(Clone, Debug, Default)]
pub(super) struct Field {
    pub text: String,
    pub pattern: String,
    /// Something was there, if only quotes.
    real: bool,
}

impl Field {
    fn quoted(&mut self, text: &str) {
        self.text.push_str(text);
        self.pattern.push_str(&escape(text));
        self.real = true;
    }

    fn open(&mut self, text: &str) {
        self.text.push_str(text);
        self.pattern.push_str(text);
        self.real |= !text.is_empty();
    }
}

/// Escapes what a pattern would take as special.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '-' | '!') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

impl Shell {
    /// Expands the words of a command to its fields.
    pub(super) async fn fields(&mut self, words: &[Word]) -> Result<Vec<String>, String> {
        let mut all = Vec::new();
        for word in words {
            let parts = self.parts(&word.value, false).await?;
            let before = all.len();
            for field in self.split(parts)? {
                self.path_names(field, &mut all)?;
            }
            if all.len() > FIELD_LIMIT {
                return Err("argument list too long".to_owned());
            }
            self.expand_by((all.len() - before) * size_of::<String>())?;
        }
        Ok(all)
    }

    /// Expands a word to one text: assignments, redirections, `case`.
    pub(super) async fn text(&mut self, word: &str) -> Result<String, String> {
        Ok(join(self.parts(word, false).await?).text)
    }

    /// Expands a word to a pattern.
    pub(super) async fn pattern(&mut self, word: &str) -> Result<String, String> {
        Ok(join(self.parts(word, false).await?).pattern)
    }

    /// Expands the body of a here-document.
    pub(super) async fn here_document(&mut self, body: &str) -> Result<String, String> {
        let pieces = syntax::here_document(body)?;
        let mut parts = Vec::new();
        for piece in pieces {
            self.piece(piece.piece, true, &mut parts).await?;
        }
        Ok(join(parts).text)
    }

    fn parts<'a>(&'a mut self, word: &'a str, quoted: bool) -> BoxFuture<'a, Result<Vec<Part>, String>> {
        Box::pin(async move {
            let mut parts = Vec::new();
            for WordPieceWithSource { piece, .. } in syntax::word(word)? {
                self.piece(piece, quoted, &mut parts).await?;
            }
            Ok(parts)
        })
    }

    fn piece<'a>(
        &'a mut self,
        piece: WordPiece,
        quoted: bool,
        parts: &'a mut Vec<Part>,
    ) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let before = parts.len();
            let expanded = |text: String| if quoted { Part::Quoted(text) } else { Part::Expanded(text) };
            match piece {
                WordPiece::Text(text) => parts.push(if quoted { Part::Quoted(text) } else { Part::Literal(text) }),
                WordPiece::SingleQuotedText(text) => parts.push(Part::Quoted(text)),
                WordPiece::AnsiCQuotedText(text) => parts.push(Part::Quoted(applets::unescaped(&text))),
                WordPiece::DoubleQuotedSequence(pieces) | WordPiece::GettextDoubleQuotedSequence(pieces) => {
                    let before = parts.len();
                    let mut empty_list = false;
                    for inner in pieces {
                        empty_list |= self.parameters.is_empty() && is_all_parameters(&inner.piece);
                        self.piece(inner.piece, true, parts).await?;
                    }
                    if parts.len() == before && !empty_list {
                        parts.push(Part::Quoted(String::new()));
                    }
                }
                WordPiece::EscapeSequence(text) => parts.push(Part::Quoted(unescape(&text, quoted))),
                WordPiece::TildeExpansion(tilde) => {
                    let home = self.get("HOME").unwrap_or_else(|| "/".to_owned());
                    parts.push(Part::Quoted(match tilde {
                        TildeExpr::Home => home,
                        TildeExpr::UserHome(user) if user == "root" => "/root".to_owned(),
                        TildeExpr::UserHome(user) => format!("~{user}"),
                        TildeExpr::WorkingDir => self.process.cwd(),
                        _ => "~".to_owned(),
                    }));
                }
                WordPiece::CommandSubstitution(script) => parts.push(expanded(self.substitute(&script).await?)),
                WordPiece::BackquotedCommandSubstitution(script) => {
                    parts.push(expanded(self.substitute(&unbackquote(&script)).await?));
                }
                WordPiece::ArithmeticExpression(expression) => {
                    // Neither tildes nor quotes mean anything here.
                    let text = self.here_document(&expression.value.replace('"', "")).await?;
                    parts.push(expanded(self.arithmetic(&text)?.to_string()));
                }
                WordPiece::ParameterExpansion(expression) => self.parameter(expression, quoted, parts).await?,
            }
            let grown = parts.get(before..).unwrap_or_default();
            self.expand_by(grown.iter().map(Part::size).sum())
        })
    }

    async fn parameter(
        &mut self,
        expression: ParameterExpr,
        quoted: bool,
        parts: &mut Vec<Part>,
    ) -> Result<(), String> {
        use ParameterExpr as E;
        let expanded = |text: String| if quoted { Part::Quoted(text) } else { Part::Expanded(text) };
        match expression {
            E::Parameter { parameter, .. } => {
                if let Parameter::Special(SpecialParameter::AllPositionalParameters { concatenate }) = &parameter {
                    self.all_parameters(*concatenate, quoted, parts);
                    return Ok(());
                }
                let value = self.value_of(&parameter);
                if value.is_none() && self.options.nounset && !matches!(parameter, Parameter::Special(_)) {
                    return Err(format!("{}: parameter not set", name_of(&parameter)));
                }
                parts.push(expanded(value.unwrap_or_default()));
            }
            E::UseDefaultValues { parameter, test_type, default_value, .. } => {
                match self.tested_value(&parameter, &test_type) {
                    Some(value) => parts.push(expanded(value)),
                    None => parts.extend(self.inner(&default_value.unwrap_or_default(), quoted).await?),
                }
            }
            E::AssignDefaultValues { parameter, test_type, default_value, .. } => {
                let value = match self.tested_value(&parameter, &test_type) {
                    Some(value) => value,
                    None => {
                        let value = join(self.inner(&default_value.unwrap_or_default(), quoted).await?).text;
                        let Parameter::Named(name) = &parameter else {
                            return Err(format!("{}: bad variable name", name_of(&parameter)));
                        };
                        self.set(name, value.clone())?;
                        value
                    }
                };
                parts.push(expanded(value));
            }
            E::IndicateErrorIfNullOrUnset { parameter, test_type, error_message, .. } => {
                match self.tested_value(&parameter, &test_type) {
                    Some(value) => parts.push(expanded(value)),
                    None => {
                        let message = match error_message.filter(|message| !message.is_empty()) {
                            Some(message) => join(self.parts(&message, true).await?).text,
                            None if matches!(test_type, ParameterTestType::Unset) => "parameter not set".to_owned(),
                            None => "parameter not set or null".to_owned(),
                        };
                        return Err(format!("{}: {message}", name_of(&parameter)));
                    }
                }
            }
            E::UseAlternativeValue { parameter, test_type, alternative_value, .. } => {
                if self.tested_value(&parameter, &test_type).is_some() {
                    parts.extend(self.inner(&alternative_value.unwrap_or_default(), quoted).await?);
                } else if quoted {
                    parts.push(Part::Quoted(String::new()));
                }
            }
            E::ParameterLength { parameter, .. } => {
                let length = match &parameter {
                    Parameter::Special(SpecialParameter::AllPositionalParameters { .. }) => self.parameters.len(),
                    other => self.value_of(other).unwrap_or_default().chars().count(),
                };
                parts.push(expanded(length.to_string()));
            }
            E::RemoveSmallestSuffixPattern { parameter, pattern, .. } => {
                parts.push(expanded(self.trimmed(&parameter, pattern, false, false).await?));
            }
            E::RemoveLargestSuffixPattern { parameter, pattern, .. } => {
                parts.push(expanded(self.trimmed(&parameter, pattern, false, true).await?));
            }
            E::RemoveSmallestPrefixPattern { parameter, pattern, .. } => {
                parts.push(expanded(self.trimmed(&parameter, pattern, true, false).await?));
            }
            E::RemoveLargestPrefixPattern { parameter, pattern, .. } => {
                parts.push(expanded(self.trimmed(&parameter, pattern, true, true).await?));
            }
            E::Substring { parameter, offset, length, .. } => {
                let value: Vec<char> = self.value_of(&parameter).unwrap_or_default().chars().collect();
                let offset = self.number(&offset.value).await?;
                let length = match length {
                    Some(length) => Some(self.number(&length.value).await?),
                    None => None,
                };
                parts.push(expanded(substring(&value, offset, length)));
            }
            E::ReplaceSubstring { parameter, pattern, replacement, match_kind, .. } => {
                let value = self.value_of(&parameter).unwrap_or_default();
                let pattern = self.pattern(&pattern).await?;
                let with = join(self.parts(&replacement.unwrap_or_default(), true).await?).text;
                parts.push(expanded(replaced(&value, &pattern, &with, &match_kind)?));
            }
            _ => return Err("syntax error: bad substitution".to_owned()),
        }
        Ok(())
    }

    /// The word within `${x:-…}`: split where it is not quoted; in double quotes, single ones mean nothing.
    async fn inner(&mut self, word: &str, quoted: bool) -> Result<Vec<Part>, String> {
        if quoted && !word.contains('"') {
            return Ok(vec![Part::Quoted(self.here_document(word).await?)]);
        }
        let mut parts = self.parts(word, quoted).await?;
        for part in &mut parts {
            if let Part::Literal(text) = part {
                *part = Part::Expanded(std::mem::take(text));
            }
        }
        Ok(parts)
    }

    async fn number(&mut self, text: &str) -> Result<i64, String> {
        let text = join(self.parts(text, true).await?).text;
        self.arithmetic(&text)
    }

    async fn trimmed(
        &mut self,
        parameter: &Parameter,
        pattern: Option<String>,
        front: bool,
        longest: bool,
    ) -> Result<String, String> {
        let value = self.value_of(parameter).unwrap_or_default();
        let pattern = self.pattern(&pattern.unwrap_or_default()).await?;
        let mut cuts: Vec<usize> = value.char_indices().map(|(i, _)| i).chain([value.len()]).collect();
        if front == longest {
            cuts.reverse();
        }
        for cut in cuts {
            let (head, tail) = value.split_at(cut);
            if front && matches(&pattern, head) {
                return Ok(tail.to_owned());
            }
            if !front && matches(&pattern, tail) {
                return Ok(head.to_owned());
            }
        }
        Ok(value)
    }

    fn tested_value(&self, parameter: &Parameter, test: &ParameterTestType) -> Option<String> {
        self.value_of(parameter).filter(|value| matches!(test, ParameterTestType::Unset) || !value.is_empty())
    }

    fn value_of(&self, parameter: &Parameter) -> Option<String> {
        match parameter {
            Parameter::Positional(0) => Some(self.name.clone()),
            Parameter::Positional(n) => self.parameters.get(*n as usize - 1).cloned(),
            Parameter::Named(name) => self.get(name),
            Parameter::Special(special) => match special {
                SpecialParameter::AllPositionalParameters { .. } if self.parameters.is_empty() => None,
                SpecialParameter::AllPositionalParameters { .. } => Some(self.parameters.join(" ")),
                SpecialParameter::PositionalParameterCount => Some(self.parameters.len().to_string()),
                SpecialParameter::LastExitStatus => Some(self.status.to_string()),
                SpecialParameter::ProcessId => Some(self.main_pid.to_string()),
                SpecialParameter::LastBackgroundProcessId => self.last_background.map(|p| p.to_string()),
                SpecialParameter::ShellName => Some(self.name.clone()),
                SpecialParameter::CurrentOptionFlags => Some(self.options.letters()),
            },
            _ => None,
        }
    }

    fn all_parameters(&self, concatenate: bool, quoted: bool, parts: &mut Vec<Part>) {
        if quoted && concatenate {
            let separator = self.get("IFS").map_or(" ".to_owned(), |ifs| ifs.chars().take(1).collect());
            parts.push(Part::Quoted(self.parameters.join(&separator)));
            return;
        }
        for (i, parameter) in self.parameters.iter().enumerate() {
            if i > 0 {
                parts.push(Part::Break);
            }
            parts.push(if quoted { Part::Quoted(parameter.clone()) } else { Part::Expanded(parameter.clone()) });
        }
    }

    /// The output of a script run in a subshell, without the newlines at its end.
    async fn substitute(&mut self, script: &str) -> Result<String, String> {
        if self.depth >= DEPTH_LIMIT {
            return Err("maximum nesting exceeded".to_owned());
        }
        let (reader, writer) = pipe();
        let saved = self.process.descriptor(1).ok();
        self.process.set_descriptor(1, writer);
        let script = script.to_owned();
        let child = self.fork(0, move |mut shell| Box::pin(async move { shell.run_script(&script, false).await }));
        match saved {
            Some(file) => self.process.set_descriptor(1, file),
            None => self.process.close(1),
        }
        let child = child.ok_or_else(|| "can't fork: Resource temporarily unavailable".to_owned())?;
        let output = self.collect(&*reader).await;
        drop(reader);
        self.status = self.reap(&child).await;
        self.substituted = Some(self.status);
        let output = output?;
        let mut text = String::from_utf8_lossy(&output).replace('\0', "");
        text.truncate(text.trim_end_matches('\n').len());
        Ok(text)
    }

    /// What a substitution writes; it is held while it grows.
    async fn collect(&self, file: &dyn OpenFile) -> Result<Vec<u8>, String> {
        let held = self.hold(0)?;
        let mut all = Vec::new();
        loop {
            let chunk = file.read(64 * 1024).await.map_err(|e| e.to_string())?;
            if chunk.is_empty() {
                return Ok(all);
            }
            all.extend_from_slice(&chunk);
            if all.len() > SUBSTITUTION_LIMIT || !held.resize(all.len()) {
                return Err("out of memory".to_owned());
            }
        }
    }

    fn split(&self, parts: Vec<Part>) -> Result<Vec<Field>, String> {
        let ifs = self.get("IFS").unwrap_or_else(|| " \t\n".to_owned());
        let mut fields = Vec::new();
        let mut field = Field::default();
        for part in parts {
            if fields.len() > FIELD_LIMIT {
                return Err("argument list too long".to_owned());
            }
            match part {
                Part::Quoted(text) => field.quoted(&text),
                Part::Literal(text) => field.open(&text),
                Part::Break => {
                    field.real = true;
                    fields.push(std::mem::take(&mut field));
                }
                Part::Expanded(text) => {
                    let mut after_separator = false;
                    for c in text.chars() {
                        if fields.len() > FIELD_LIMIT {
                            return Err("argument list too long".to_owned());
                        }
                        if !ifs.contains(c) {
                            after_separator = false;
                            field.open(c.encode_utf8(&mut [0; 4]));
                        } else if c.is_ascii_whitespace() {
                            if field.real {
                                fields.push(std::mem::take(&mut field));
                                after_separator = true;
                            }
                        } else if after_separator {
                            after_separator = false;
                        } else {
                            field.real = true;
                            fields.push(std::mem::take(&mut field));
                        }
                    }
                }
            }
        }
        if field.real {
            fields.push(field);
        }
        Ok(fields)
    }
}

fn is_all_parameters(piece: &WordPiece) -> bool {
    matches!(
        piece,
        WordPiece::ParameterExpansion(ParameterExpr::Parameter {
            parameter: Parameter::Special(SpecialParameter::AllPositionalParameters { concatenate: false }),
            ..
        })
    )
}

fn name_of(parameter: &Parameter) -> String {
    match parameter {
        Parameter::Positional(n) => n.to_string(),
        Parameter::Named(name) => name.clone(),
        Parameter::Special(special) => special.to_string(),
        _ => "parameter".to_owned(),
    }
}

fn join(parts: Vec<Part>) -> Field {
    let mut field = Field::default();
    for part in parts {
        match part {
            Part::Quoted(text) => field.quoted(&text),
            Part::Literal(text) | Part::Expanded(text) => field.open(&text),
            Part::Break => field.open(" "),
        }
    }
    field
}

/// What a backslash sequence stands for: the character after it; a line that goes on stands for nothing.
fn unescape(text: &str, quoted: bool) -> String {
    let Some(rest) = text.strip_prefix('\\') else { return text.to_owned() };
    match rest {
        "\n" => String::new(),
        _ if quoted && !rest.starts_with(['$', '`', '"', '\\']) => text.to_owned(),
        _ => rest.to_owned(),
    }
}

fn unbackquote(script: &str) -> String {
    let mut text = String::with_capacity(script.len());
    let mut chars = script.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some('$' | '`' | '\\')) => text.extend(chars.next()),
            _ => text.push(c),
        }
    }
    text
}

/// A value with what matches the pattern replaced: once, everywhere, or at one of its ends; the longest match each time.
fn replaced(value: &str, pattern: &str, with: &str, kind: &SubstringMatchKind) -> Result<String, String> {
    let ends: Vec<usize> = value.char_indices().map(|(i, _)| i).chain([value.len()]).collect();
    let longest = |from: usize| {
        ends.iter().rev().copied().take_while(|to| *to > from).find(|to| matches(pattern, &value[from..*to]))
    };
    Ok(match kind {
        SubstringMatchKind::Prefix => match longest(0) {
            Some(to) => format!("{with}{}", &value[to..]),
            None => value.to_owned(),
        },
        SubstringMatchKind::Suffix => match ends.iter().copied().find(|from| matches(pattern, &value[*from..])) {
            Some(from) => format!("{}{with}", &value[..from]),
            None => value.to_owned(),
        },
        SubstringMatchKind::FirstOccurrence | SubstringMatchKind::Anywhere => {
            let mut text = String::new();
            let mut at = 0;
            while let Some(c) = value[at..].chars().next() {
                match longest(at) {
                    Some(to) => {
                        text.push_str(with);
                        if text.len() > EXPANSION_LIMIT {
                            return Err("out of memory".to_owned());
                        }
                        at = to;
                        if matches!(kind, SubstringMatchKind::FirstOccurrence) {
                            break;
                        }
                    }
                    None => {
                        text.push(c);
                        at += c.len_utf8();
                    }
                }
            }
            text + &value[at..]
        }
    })
}

fn substring(value: &[char], offset: i64, length: Option<i64>) -> String {
    let size = value.len() as i64;
    let from = if offset < 0 { (size + offset).max(0) } else { offset.min(size) };
    let to = match length {
        None => size,
        Some(length) if length < 0 => (size + length).max(from),
        Some(length) => from.saturating_add(length).min(size),
    };
    value.get(from as usize..to as usize).unwrap_or_default().iter().collect()
}
