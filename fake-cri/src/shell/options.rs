//! What `set` switches, by letter and by name, as busybox's ash has it.

/// The options of a shell.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options {
    pub errexit: bool,
    pub nounset: bool,
    pub xtrace: bool,
    pub noglob: bool,
    pub noexec: bool,
    pub pipefail: bool,
    pub allexport: bool,
    pub noclobber: bool,
    pub verbose: bool,
    pub command: bool,
    pub stdin: bool,
    /// What may be set and changes nothing here.
    ignored: [bool; 5],
}

/// Letter, or a space for none, and name of each option, in the order in which they are listed.
const ALL: [(char, &str); 16] = [
    ('e', "errexit"),
    ('f', "noglob"),
    ('I', "ignoreeof"),
    ('i', "interactive"),
    ('m', "monitor"),
    ('n', "noexec"),
    ('s', "stdin"),
    ('c', "command"),
    ('x', "xtrace"),
    ('v', "verbose"),
    ('C', "noclobber"),
    ('a', "allexport"),
    ('b', "notify"),
    ('u', "nounset"),
    (' ', "vi"),
    (' ', "pipefail"),
];

impl Options {
    fn switch(&mut self, name: &str) -> Option<&mut bool> {
        Some(match name {
            "errexit" => &mut self.errexit,
            "nounset" => &mut self.nounset,
            "xtrace" => &mut self.xtrace,
            "noglob" => &mut self.noglob,
            "noexec" => &mut self.noexec,
            "pipefail" => &mut self.pipefail,
            "allexport" => &mut self.allexport,
            "noclobber" => &mut self.noclobber,
            "verbose" => &mut self.verbose,
            "command" => &mut self.command,
            "stdin" => &mut self.stdin,
            "ignoreeof" => &mut self.ignored[0],
            "monitor" => &mut self.ignored[1],
            "notify" => &mut self.ignored[2],
            "vi" => &mut self.ignored[3],
            "interactive" => &mut self.ignored[4],
            _ => return None,
        })
    }

    /// Sets an option by its name; `false` if there is none.
    pub fn set_name(&mut self, name: &str, on: bool) -> bool {
        self.switch(name).map(|switch| *switch = on).is_some()
    }

    /// Sets an option by its letter; `false` if there is none.
    pub fn set_letter(&mut self, letter: char, on: bool) -> bool {
        match letter {
            'h' => true,
            ' ' => false,
            _ => ALL.iter().find(|(l, _)| *l == letter).is_some_and(|(_, name)| self.set_name(name, on)),
        }
    }

    /// What `$-` says: the letters of what is on.
    pub fn letters(mut self) -> String {
        let on = |(letter, name): &(char, &str)| *letter != ' ' && self.switch(name).is_some_and(|on| *on);
        ALL.iter().copied().filter(on).map(|(letter, _)| letter).collect()
    }

    /// What `set -o` says: every option by name, on or off.
    pub fn listing(mut self) -> String {
        let mut text = String::new();
        for (_, name) in ALL.iter().filter(|(_, name)| !matches!(*name, "command" | "stdin" | "interactive")) {
            let state = if self.switch(name).is_some_and(|on| *on) { "on" } else { "off" };
            text.push_str(&format!("{name:<16}{state}\n"));
        }
        text
    }
}
