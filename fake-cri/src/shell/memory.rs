//! What a shell holds of its kernel's memory, so that no script, however it multiplies what it has, uses up the host's.

use std::collections::BTreeMap;

use brush_parser::ast::FunctionBody;

use super::{
    EXPANSION_LIMIT,
    state::{Shell, Variable},
};
use crate::os::Held;

/// About how many bytes of syntax tree a byte of script becomes.
const TREE_BYTES: usize = 64;

/// What a process takes beside its texts.
const PROCESS_BYTES: usize = 4096;

/// What an entry of a table takes beside its texts.
const ENTRY_BYTES: usize = 64;

/// Most bytes of one argument or variable of a program with its end, as Linux's `MAX_ARG_STRLEN`.
const STRING_LIMIT: usize = 128 * 1024;

/// Most bytes of all of them: a quarter of Linux's usual stack.
const STRINGS_LIMIT: usize = 2 * 1024 * 1024;

/// A function, and the memory of its tree.
#[derive(Debug)]
pub(super) struct Function {
    pub body: FunctionBody,
    _held: Held,
}

/// Whether Linux would not start a program so.
pub(super) fn is_too_long(args: &[String], env: &BTreeMap<String, String>) -> bool {
    let variables = env.iter().map(|(name, value)| name.len() + value.len() + 2);
    let strings = || args.iter().map(|arg| arg.len() + 1).chain(variables.clone());
    strings().any(|size| size > STRING_LIMIT) || strings().sum::<usize>() > STRINGS_LIMIT
}

fn table<'a>(entries: impl Iterator<Item = (&'a String, &'a Variable)>) -> usize {
    entries.map(|(name, variable)| name.len() + variable.value.len() + ENTRY_BYTES).sum()
}

impl Shell {
    fn remembered(&self) -> usize {
        let locals = self.locals.iter().flatten().filter_map(|(name, old)| Some((name, old.as_ref()?)));
        let parameters = self.parameters.iter().map(|text| text.len() + size_of::<String>());
        let aliases = self.aliases.iter().map(|(name, text)| name.len() + text.len() + ENTRY_BYTES);
        let traps = self.traps.values().map(|action| action.len() + ENTRY_BYTES);
        table(self.variables.iter()) + table(locals) + parameters.chain(aliases).chain(traps).sum::<usize>()
    }

    /// Takes so much memory, or says that there is none.
    pub(super) fn hold(&self, bytes: usize) -> Result<Held, String> {
        self.process.kernel().memory().hold(bytes).ok_or_else(|| "out of memory".to_owned())
    }

    /// Memory for the tree of a script of that length.
    pub(super) fn hold_tree(&self, text: usize) -> Result<Held, String> {
        self.hold(text * TREE_BYTES)
    }

    /// Memory for a copy of this shell that runs a command of that length.
    pub(super) fn hold_copy(&self, text: usize) -> Option<Held> {
        self.account().and_then(|()| self.hold(self.remembered() + text * TREE_BYTES)).ok()
    }

    /// Memory for a child process with those arguments and that environment.
    pub(super) fn hold_for_child(&self, args: &[String], env: &BTreeMap<String, String>) -> Option<Held> {
        self.account().ok()?;
        let variables: usize = env.iter().map(|(name, value)| name.len() + value.len() + ENTRY_BYTES).sum();
        self.hold(PROCESS_BYTES + variables + args.iter().map(|arg| arg.len() + ENTRY_BYTES).sum::<usize>()).ok()
    }

    /// A function with that body.
    pub(super) fn defined(&self, body: &FunctionBody) -> Result<Function, String> {
        let held = self.hold_tree(body.to_string().len())?;
        Ok(Function { body: body.clone(), _held: held })
    }

    /// Counts what this shell remembers now and has expanded.
    pub(super) fn account(&self) -> Result<(), String> {
        let fits = self.held.resize(self.remembered() + self.expanded);
        if fits { Ok(()) } else { Err("out of memory".to_owned()) }
    }

    /// Counts what a command expands to, until it ends.
    pub(super) fn expand_by(&mut self, bytes: usize) -> Result<(), String> {
        self.expanded += bytes;
        if self.expanded > EXPANSION_LIMIT { Err("out of memory".to_owned()) } else { Ok(()) }
    }
}
