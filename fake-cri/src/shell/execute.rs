//! Running a syntax tree: lists, pipelines, compound commands, functions, programs, traps.

use std::sync::Arc;

use brush_parser::ast::{
    AndOr, AndOrList, CaseItemPostAction, Command, CompoundCommand, CompoundList, Pipeline, RedirectList,
    SeparatorOperator,
};
use futures_util::future::BoxFuture;

use super::{
    DEPTH_LIMIT, builtins,
    pattern::matches,
    state::{Flow, Shell},
    syntax,
};
use crate::os::{
    Code, Disposition, Process, Signal,
    pipe::{Null, pipe},
};

impl Shell {
    /// Runs a script to its end, with the EXIT trap. The exit status.
    pub(super) fn run_script<'a>(&'a mut self, script: &'a str, last: bool) -> BoxFuture<'a, Code> {
        Box::pin(async move {
            let _held = match self.hold_tree(script.len()) {
                Ok(held) => held,
                Err(error) => {
                    self.complain(error).await;
                    return 2;
                }
            };
            match syntax::parse(script) {
                Ok(program) => {
                    let lists = program.complete_commands;
                    let count = lists.len();
                    for (i, list) in lists.iter().enumerate() {
                        if self.list(list, last && i + 1 == count && self.traps.is_empty()).await != Flow::Next {
                            break;
                        }
                    }
                }
                Err(error) => {
                    self.complain(error).await;
                    self.status = 2;
                }
            }
            self.exit_trap().await;
            self.status
        })
    }

    /// Runs what standard input gives, line by line as complete commands come in.
    pub(super) async fn run_stdin(&mut self) -> Code {
        let mut pending = String::new();
        let mut lines = 0;
        self.options.stdin = true;
        loop {
            let line = match builtins::read_line(&self.process).await {
                Ok(Some(line)) => line,
                Ok(None) | Err(_) => break,
            };
            pending.push_str(&line);
            pending.push('\n');
            if pending.len() > super::SCRIPT_LIMIT {
                self.complain("syntax error: script too long").await;
                self.status = 2;
                break;
            }
            lines += 1;
            let Ok(program) = syntax::parse(&pending) else { continue };
            pending.clear();
            if self.options.verbose {
                self.process.err(format!("{line}\n")).await;
            }
            let mut flow = Flow::Next;
            for list in &program.complete_commands {
                flow = self.list(list, false).await;
                if flow != Flow::Next {
                    break;
                }
            }
            self.line_base = lines;
            if flow == Flow::Exit {
                break;
            }
        }
        if !pending.trim().is_empty()
            && let Err(error) = syntax::parse(&pending)
        {
            self.complain(error).await;
            self.status = 2;
        }
        self.exit_trap().await;
        self.status
    }

    pub(super) async fn exit_trap(&mut self) {
        if let Some(action) = self.traps.remove(&None).filter(|a| !a.is_empty()) {
            let status = self.status;
            if self.evaluate(&action).await != Flow::Exit {
                self.status = status;
            }
        }
    }

    /// Runs a text in this shell: `eval`, traps, sourced files.
    pub(super) fn evaluate<'a>(&'a mut self, script: &'a str) -> BoxFuture<'a, Flow> {
        Box::pin(async move {
            if self.depth >= DEPTH_LIMIT {
                self.complain("maximum nesting exceeded").await;
                self.status = 2;
                return Flow::Exit;
            }
            let _held = match self.hold_tree(script.len()) {
                Ok(held) => held,
                Err(error) => return self.fatal(error).await,
            };
            match syntax::parse(script) {
                Ok(program) => {
                    self.depth += 1;
                    let mut flow = Flow::Next;
                    for list in &program.complete_commands {
                        flow = self.list(list, false).await;
                        if flow != Flow::Next {
                            break;
                        }
                    }
                    self.depth -= 1;
                    flow
                }
                Err(error) => {
                    self.complain(error).await;
                    self.status = 2;
                    Flow::Exit
                }
            }
        })
    }

    /// Runs a list. `last`: nothing follows it in this process, so a program may take the shell's place.
    pub(super) fn list<'a>(&'a mut self, list: &'a CompoundList, last: bool) -> BoxFuture<'a, Flow> {
        Box::pin(async move {
            let count = list.0.len();
            for (i, item) in list.0.iter().enumerate() {
                let flow = match item.1 {
                    SeparatorOperator::Async => {
                        self.background(&item.0).await;
                        Flow::Next
                    }
                    SeparatorOperator::Sequence => self.and_or(&item.0, last && i + 1 == count).await,
                };
                if flow != Flow::Next {
                    return flow;
                }
                let flow = self.traps_due().await;
                if flow != Flow::Next {
                    return flow;
                }
            }
            Flow::Next
        })
    }

    /// Runs the actions of signals that came in.
    pub(super) async fn traps_due(&mut self) -> Flow {
        while let Some(signal) = self.process.take_pending() {
            let Some(action) = self.traps.get(&Some(signal)).cloned() else {
                if self.interactive && signal == Signal::INT {
                    self.interrupted = true;
                    return Flow::Exit;
                }
                continue;
            };
            let status = self.status;
            let flow = self.evaluate(&action).await;
            if flow != Flow::Next {
                return flow;
            }
            self.status = status;
        }
        Flow::Next
    }

    async fn background(&mut self, list: &AndOrList) {
        let list = list.clone();
        let saved = self.process.descriptor(0).ok();
        self.process.set_descriptor(0, Arc::new(Null));
        let child = self.fork(list.to_string().len(), move |mut shell| {
            Box::pin(async move {
                shell.and_or(&list, true).await;
                shell.exit_trap().await;
                shell.status
            })
        });
        if let Some(file) = saved {
            self.process.set_descriptor(0, file);
        }
        match child {
            Some(child) => {
                // As POSIX has it without job control: what is typed to stop the foreground leaves the background alone.
                child.set_disposition(Signal::INT, Disposition::Ignore);
                child.set_disposition(Signal::QUIT, Disposition::Ignore);
                self.last_background = Some(child.pid());
                self.jobs.add(child.pid());
                self.status = 0;
            }
            None => self.cannot_fork().await,
        }
    }

    pub(super) async fn cannot_fork(&mut self) {
        self.complain("can't fork: Resource temporarily unavailable").await;
        self.status = 2;
    }

    /// Starts a copy of this shell as a child process.
    /// `text` is how long what it runs is as text.
    pub(super) fn fork<F>(&self, text: usize, run: F) -> Option<Process>
    where
        F: FnOnce(Shell) -> BoxFuture<'static, Code> + Send + 'static,
    {
        let held = self.hold_copy(text)?;
        let copy = self.clone();
        self.launch(self.process.args(), self.process.env(), Box::new(move |process| run(copy.subshell(process, held))))
    }

    async fn and_or(&mut self, list: &AndOrList, last: bool) -> Flow {
        let single = list.additional.is_empty();
        if !single {
            self.tested += 1;
        }
        let mut flow = self.pipeline(&list.first, last && single).await;
        let count = list.additional.len();
        for (i, next) in list.additional.iter().enumerate() {
            if flow != Flow::Next {
                break;
            }
            let final_one = i + 1 == count;
            if final_one {
                self.tested -= 1;
            }
            let (wanted, pipeline) = match next {
                AndOr::And(pipeline) => (self.status == 0, pipeline),
                AndOr::Or(pipeline) => (self.status != 0, pipeline),
            };
            if wanted {
                flow = self.pipeline(pipeline, last && final_one).await;
            }
            if final_one {
                return flow;
            }
        }
        if !single {
            self.tested -= 1;
        }
        flow
    }

    async fn pipeline(&mut self, pipeline: &Pipeline, last: bool) -> Flow {
        if pipeline.bang {
            self.tested += 1;
        }
        let last = last && !pipeline.bang && pipeline.timed.is_none();
        let began = tokio::time::Instant::now();
        let flow = match pipeline.seq.as_slice() {
            [command] => self.command(command, last).await,
            commands => {
                self.piped(commands).await;
                Flow::Next
            }
        };
        if pipeline.timed.is_some() {
            let took = began.elapsed();
            let (minutes, rest) = (took.as_secs() / 60, took.as_secs_f64() % 60.0);
            self.process.err(format!("real\t{minutes}m {rest:.2}s\nuser\t0m 0.00s\nsys\t0m 0.00s\n")).await;
        }
        if pipeline.bang {
            self.tested -= 1;
            self.status = i32::from(self.status == 0);
        }
        let stop = flow == Flow::Next && self.options.errexit && self.status != 0 && self.tested == 0 && !pipeline.bang;
        if stop { Flow::Exit } else { flow }
    }

    async fn piped(&mut self, commands: &[Command]) {
        let saved = (self.process.descriptor(0).ok(), self.process.descriptor(1).ok());
        let mut children = Vec::new();
        let mut input = None;
        for (i, command) in commands.iter().enumerate() {
            if let Some(reader) = input.take() {
                self.process.set_descriptor(0, reader);
            }
            if i + 1 < commands.len() {
                let (reader, writer) = pipe();
                self.process.set_descriptor(1, writer);
                input = Some(reader as crate::os::Descriptor);
            } else if let Some(out) = &saved.1 {
                self.process.set_descriptor(1, out.clone());
            }
            let command = command.clone();
            let child = self.fork(command.to_string().len(), move |mut shell| {
                Box::pin(async move {
                    shell.command(&command, true).await;
                    shell.exit_trap().await;
                    shell.status
                })
            });
            match child {
                Some(child) => children.push(child),
                None => self.cannot_fork().await,
            }
        }
        for (number, file) in [(0, saved.0), (1, saved.1)] {
            match file {
                Some(file) => self.process.set_descriptor(number, file),
                None => self.process.close(number),
            }
        }
        drop(input);
        let mut failed = 0;
        for child in children {
            self.status = self.reap(&child).await;
            if self.status != 0 {
                failed = self.status;
            }
        }
        if self.options.pipefail {
            self.status = failed;
        }
    }

    fn command<'a>(&'a mut self, command: &'a Command, last: bool) -> BoxFuture<'a, Flow> {
        Box::pin(async move {
            if self.options.noexec {
                return Flow::Next;
            }
            let before = self.expanded;
            let flow = match command {
                Command::Simple(simple) => self.simple(simple, last).await,
                Command::Compound(compound, redirects) => {
                    let last = last && self.traps.values().all(String::is_empty);
                    self.with_redirects(compound, redirects.as_ref(), last).await
                }
                Command::Function(definition) => match self.defined(&definition.body) {
                    Ok(function) => {
                        self.functions.insert(definition.fname.value.clone(), Arc::new(function));
                        self.status = 0;
                        Flow::Next
                    }
                    Err(error) => self.fatal(error).await,
                },
                Command::ExtendedTest(test, redirects) => {
                    let none = Vec::new();
                    let Some(saved) = self.redirected(redirects.as_ref().map_or(&none, |r| &r.0)).await else {
                        self.expanded = before;
                        return Flow::Next;
                    };
                    let result = self.extended_test(&test.expr).await;
                    self.restore(saved);
                    match result {
                        Ok(held) => self.status = i32::from(!held),
                        Err(error) => {
                            self.complain_as_program(error).await;
                            self.status = 2;
                        }
                    }
                    Flow::Next
                }
            };
            self.expanded = before;
            match self.account() {
                Err(error) if flow != Flow::Exit => self.fatal(error).await,
                _ => flow,
            }
        })
    }

    pub(super) async fn with_redirects(
        &mut self,
        compound: &CompoundCommand,
        redirects: Option<&RedirectList>,
        last: bool,
    ) -> Flow {
        let none = Vec::new();
        let Some(saved) = self.redirected(redirects.map_or(&none, |r| &r.0)).await else {
            return Flow::Next;
        };
        let flow = self.compound(compound, last).await;
        self.restore(saved);
        flow
    }

    async fn compound(&mut self, compound: &CompoundCommand, last: bool) -> Flow {
        match compound {
            CompoundCommand::BraceGroup(group) => self.list(&group.list, false).await,
            // Nothing follows in this process, so it is the subshell.
            CompoundCommand::Subshell(subshell) if last => {
                self.list(&subshell.list, true).await;
                Flow::Exit
            }
            CompoundCommand::Subshell(subshell) => {
                let list = subshell.list.clone();
                let child = self.fork(list.to_string().len(), move |mut shell| {
                    Box::pin(async move {
                        shell.list(&list, true).await;
                        shell.exit_trap().await;
                        shell.status
                    })
                });
                match child {
                    Some(child) => self.status = self.reap(&child).await,
                    None => self.cannot_fork().await,
                }
                Flow::Next
            }
            CompoundCommand::IfClause(clause) => {
                match self.condition(&clause.condition).await {
                    Ok(true) => return self.list(&clause.then, false).await,
                    Ok(false) => {}
                    Err(flow) => return flow,
                }
                for branch in clause.elses.iter().flatten() {
                    let taken = match &branch.condition {
                        Some(condition) => self.condition(condition).await,
                        None => Ok(true),
                    };
                    match taken {
                        Ok(true) => return self.list(&branch.body, false).await,
                        Ok(false) => {}
                        Err(flow) => return flow,
                    }
                }
                self.status = 0;
                Flow::Next
            }
            CompoundCommand::WhileClause(clause) => self.counted(&clause.0, &clause.1.list, true).await,
            CompoundCommand::UntilClause(clause) => self.counted(&clause.0, &clause.1.list, false).await,
            CompoundCommand::ForClause(clause) => {
                let values = match &clause.values {
                    Some(words) => match self.fields(words).await {
                        Ok(values) => values,
                        Err(error) => return self.fatal(error).await,
                    },
                    None => self.parameters.clone(),
                };
                self.status = 0;
                self.loops += 1;
                let mut end = Flow::Next;
                for value in values {
                    if let Err(error) = self.set(&clause.variable_name, value) {
                        end = self.fatal(error).await;
                        break;
                    }
                    let flow = self.list(&clause.body.list, false).await;
                    if let Some(flow) = after_turn(flow) {
                        end = flow;
                        break;
                    }
                    // A loop that never waits must still let time and signals pass.
                    self.process.spin().await;
                }
                self.loops -= 1;
                end
            }
            CompoundCommand::CaseClause(clause) => {
                let value = match self.text(&clause.value.value).await {
                    Ok(value) => value,
                    Err(error) => return self.fatal(error).await,
                };
                self.status = 0;
                let mut falling = false;
                for item in &clause.cases {
                    let mut taken = falling;
                    for pattern in &item.patterns {
                        if taken {
                            break;
                        }
                        match self.pattern(&pattern.value).await {
                            Ok(pattern) => taken = matches(&pattern, &value),
                            Err(error) => return self.fatal(error).await,
                        }
                    }
                    if !taken {
                        continue;
                    }
                    if let Some(list) = &item.cmd {
                        let flow = self.list(list, false).await;
                        if flow != Flow::Next {
                            return flow;
                        }
                    }
                    match item.post_action {
                        CaseItemPostAction::ExitCase => return Flow::Next,
                        CaseItemPostAction::UnconditionallyExecuteNextCaseItem => falling = true,
                        CaseItemPostAction::ContinueEvaluatingCases => falling = false,
                    }
                }
                Flow::Next
            }
            CompoundCommand::Arithmetic(command) => {
                match self.text(&format!("$(({}))", command.expr.value)).await {
                    Ok(value) => self.status = i32::from(value == "0"),
                    Err(error) => return self.fatal(error).await,
                }
                Flow::Next
            }
            CompoundCommand::ArithmeticForClause(_) | CompoundCommand::Coprocess(_) => {
                self.fatal("syntax error: bad for loop variable".to_owned()).await
            }
        }
    }

    async fn condition(&mut self, list: &CompoundList) -> Result<bool, Flow> {
        self.tested += 1;
        let flow = self.list(list, false).await;
        self.tested -= 1;
        if flow == Flow::Next { Ok(self.status == 0) } else { Err(flow) }
    }

    async fn counted(&mut self, condition: &CompoundList, body: &CompoundList, wanted: bool) -> Flow {
        self.loops += 1;
        let flow = self.repeat(condition, body, wanted).await;
        self.loops -= 1;
        flow
    }

    async fn repeat(&mut self, condition: &CompoundList, body: &CompoundList, wanted: bool) -> Flow {
        let mut status = 0;
        loop {
            match self.condition(condition).await {
                Ok(held) if held == wanted => {}
                Ok(_) => break,
                Err(flow) => match after_turn(flow) {
                    Some(flow) => return flow,
                    None => continue,
                },
            }
            let flow = self.list(body, false).await;
            status = self.status;
            if let Some(flow) = after_turn(flow) {
                return flow;
            }
            // A loop that never waits must still let time and signals pass.
            self.process.spin().await;
        }
        self.status = status;
        Flow::Next
    }

    /// An error that ends a script.
    pub(super) async fn fatal(&mut self, error: String) -> Flow {
        self.complain(error).await;
        self.status = 2;
        self.failed = true;
        Flow::Exit
    }
}

/// What a loop does after a turn: `None` to go on.
fn after_turn(flow: Flow) -> Option<Flow> {
    match flow {
        Flow::Next | Flow::Continue(1) => None,
        Flow::Break(1) => Some(Flow::Next),
        Flow::Break(n) => Some(Flow::Break(n - 1)),
        Flow::Continue(n) => Some(Flow::Continue(n - 1)),
        other => Some(other),
    }
}
