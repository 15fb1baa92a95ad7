//! Running simple commands: assignments, redirections, functions, builtins, programs.

use std::collections::BTreeMap;

use brush_parser::ast::{
    Assignment, AssignmentName, AssignmentValue, CommandPrefixOrSuffixItem as Item, FunctionBody, IoRedirect,
    SimpleCommand, Word,
};

use super::{
    DEPTH_LIMIT, builtins,
    memory::is_too_long,
    quoting::quote_if_needed,
    state::{Flow, Shell, Variable},
};
use crate::{applets, os::pipe::read_all};

impl Shell {
    pub(super) async fn simple(&mut self, simple: &SimpleCommand, last: bool) -> Flow {
        let mut assignments = Vec::new();
        let mut redirects: Vec<IoRedirect> = Vec::new();
        let mut words: Vec<Word> = simple.word_or_name.iter().cloned().collect();
        for item in simple.prefix.iter().flat_map(|p| &p.0) {
            match item {
                Item::IoRedirect(redirect) => redirects.push(redirect.clone()),
                Item::AssignmentWord(assignment, _) => assignments.push(assignment.clone()),
                Item::Word(word) => words.push(word.clone()),
                Item::ProcessSubstitution(..) => return self.fatal("syntax error: unexpected \"(\"".to_owned()).await,
            }
        }
        for item in simple.suffix.iter().flat_map(|s| &s.0) {
            match item {
                Item::IoRedirect(redirect) => redirects.push(redirect.clone()),
                Item::AssignmentWord(_, word) | Item::Word(word) => words.push(word.clone()),
                Item::ProcessSubstitution(..) => return self.fatal("syntax error: unexpected \"(\"".to_owned()).await,
            }
        }
        if let Some(at) =
            words.first().or(assignments.first().map(|_| &words).and_then(|w| w.first())).and_then(|w| w.loc.as_ref())
        {
            self.line = usize::try_from(at.start.line as isize + self.line_base).unwrap_or(0);
        }
        if let Some(script) = self.aliased(&words, &assignments) {
            return self.alias(&words[0].value, &script, &redirects).await;
        }
        self.substituted = None;
        let fields = match self.fields(&words).await {
            Ok(fields) => fields,
            Err(error) => return self.fatal(error).await,
        };
        let mut values = Vec::new();
        for assignment in &assignments {
            let AssignmentName::VariableName(name) = &assignment.name else {
                return self.fatal("syntax error: bad variable name".to_owned()).await;
            };
            let AssignmentValue::Scalar(word) = &assignment.value else {
                return self.fatal("syntax error: unexpected \"(\"".to_owned()).await;
            };
            match self.text(&word.value).await {
                Ok(value) => values.push((name.clone(), value)),
                Err(error) => return self.fatal(error).await,
            }
        }
        // Without a command, the status is that of the last substitution.
        let substituted = self.substituted.unwrap_or(0);
        let Some(name) = fields.first().cloned() else {
            self.show(&values, &[]).await;
            for (name, value) in values {
                if let Err(error) = self.set(&name, value) {
                    return self.fatal(error).await;
                }
            }
            if let Some(saved) = self.redirected(&redirects).await {
                self.restore(saved);
                self.status = substituted;
            }
            return Flow::Next;
        };
        self.show(&values, &fields).await;
        if let Some(body) = self.functions.get(&name).cloned() {
            return self.function(&fields, values, &redirects, &body.body).await;
        }
        if builtins::is_builtin(&name) {
            return self.builtin(&fields, values, &redirects).await;
        }
        let Some(saved) = self.redirected(&redirects).await else {
            return Flow::Next;
        };
        let mut env = self.environment();
        env.extend(values);
        let flow = self.external(fields, env, last).await;
        self.restore(saved);
        flow
    }

    async fn builtin(&mut self, fields: &[String], values: Vec<(String, String)>, redirects: &[IoRedirect]) -> Flow {
        let special = builtins::is_special(&fields[0]);
        let Some(saved) = self.redirected(redirects).await else {
            return if special { Flow::Exit } else { Flow::Next };
        };
        // Assignments before a special builtin stay; before another they are undone.
        let mut undo = Vec::new();
        for (name, value) in values {
            undo.push((name.clone(), self.variables.get(&name).cloned()));
            if let Err(error) = self.set(&name, value) {
                return self.fatal(error).await;
            }
        }
        let keeps_redirects = fields[0] == "exec" && fields.len() == 1;
        let flow = builtins::run(self, fields).await;
        if !special {
            self.undo(undo);
        }
        if !keeps_redirects {
            self.restore(saved);
        }
        flow
    }

    fn undo(&mut self, undo: Vec<(String, Option<Variable>)>) {
        for (name, old) in undo.into_iter().rev() {
            match old {
                Some(variable) => self.variables.insert(name, variable),
                None => self.variables.remove(&name),
            };
        }
    }

    async fn function(
        &mut self,
        fields: &[String],
        values: Vec<(String, String)>,
        redirects: &[IoRedirect],
        body: &FunctionBody,
    ) -> Flow {
        if self.depth >= DEPTH_LIMIT {
            return self.fatal("maximum function recursion depth exceeded".to_owned()).await;
        }
        let Some(saved) = self.redirected(redirects).await else {
            return Flow::Next;
        };
        for (name, value) in values {
            if let Err(error) = self.set(&name, value) {
                return self.fatal(error).await;
            }
        }
        let parameters = std::mem::replace(&mut self.parameters, fields[1..].to_vec());
        self.locals.push(BTreeMap::new());
        self.depth += 1;
        let loops = std::mem::take(&mut self.loops);
        let flow = self.with_redirects(&body.0, body.1.as_ref(), false).await;
        self.loops = loops;
        self.depth -= 1;
        for (name, old) in self.locals.pop().unwrap_or_default() {
            match old {
                Some(variable) => self.variables.insert(name, variable),
                None => self.variables.remove(&name),
            };
        }
        self.parameters = parameters;
        self.restore(saved);
        if flow == Flow::Return { Flow::Next } else { flow }
    }

    /// Shows a command before it runs, if that is wanted.
    async fn show(&mut self, values: &[(String, String)], fields: &[String]) {
        if !self.options.xtrace {
            return;
        }
        let shown = |value: &str| if value.is_empty() { String::new() } else { quote_if_needed(value) };
        let values = values.iter().map(|(name, value)| format!("{name}={}", shown(value)));
        let words: Vec<String> = values.chain(fields.iter().map(|field| quote_if_needed(field))).collect();
        let prefix = self.get("PS4").unwrap_or_default();
        let prefix = self.here_document(&prefix).await.unwrap_or(prefix);
        self.process.err(format!("{prefix}{}\n", words.join(" "))).await;
    }

    /// What a command whose first word is an alias stands for.
    fn aliased(&self, words: &[Word], assignments: &[Assignment]) -> Option<String> {
        let value = self.aliases.get(&words.first()?.value).filter(|_| assignments.is_empty())?;
        let rest = words[1..].iter().map(|word| word.value.as_str());
        Some(std::iter::once(value.as_str()).chain(rest).collect::<Vec<_>>().join(" "))
    }

    async fn alias(&mut self, name: &str, script: &str, redirects: &[IoRedirect]) -> Flow {
        let Some(saved) = self.redirected(redirects).await else {
            return Flow::Next;
        };
        // Its own name within it is the command.
        let value = self.aliases.remove(name);
        let flow = self.evaluate(script).await;
        if let Some(value) = value {
            self.aliases.entry(name.to_owned()).or_insert(value);
        }
        self.restore(saved);
        flow
    }

    /// Runs a program: in a child process, or in this one if nothing follows.
    pub(super) async fn external(&mut self, args: Vec<String>, env: BTreeMap<String, String>, replace: bool) -> Flow {
        let path = env.get("PATH").cloned().or_else(|| self.get("PATH")).unwrap_or_default();
        let program = match applets::find(&self.process, &args[0], &path) {
            Ok(_) if is_too_long(&args, &env) => {
                self.complain(format!("{}: Argument list too long", args[0])).await;
                self.status = 126;
                return Flow::Next;
            }
            Ok(program) => program,
            Err(error) => {
                let text = if error.code == 127 { "not found".to_owned() } else { error.text.clone() };
                self.complain(format!("{}: {text}", args[0])).await;
                self.status = error.code;
                return Flow::Next;
            }
        };
        if replace {
            self.process.become_program(args, env);
            self.status = program(self.process.clone()).await;
            return Flow::Exit;
        }
        match self.launch(args, env, program) {
            Some(child) => self.status = self.reap(&child).await,
            None => self.cannot_fork().await,
        }
        Flow::Next
    }

    /// The content of a file or of standard input, for `.`.
    pub(super) async fn source(&mut self, path: &str) -> Result<String, String> {
        let full = self.process.absolute(path);
        let who = self.process.credentials();
        let file = self
            .process
            .files()
            .open(&full, crate::os::OpenMode::READ, &who)
            .map_err(|e| format!("can't open '{path}': {e}"))?;
        let bytes = read_all(&*file, super::SCRIPT_LIMIT).await.map_err(|e| format!("{path}: {e}"))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
