//! Which disturbance reaches which connection. Pure: what is done about it is the relay's.

use std::{collections::BTreeMap, time::Duration};

/// What happens to connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// Dials fail with `ConnectionRefused`; open connections are left alone.
    Refuse,
    /// Connecting takes this long, and so does each byte in each direction; how much flows is not limited. Several delays add up.
    Delay(Duration),
    /// Nothing arrives and dials hang (127 s, then `TimedOut`); what was sent arrives after healing, as with TCP.
    BlackHole,
}

/// Which connections a disturbance reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Those open now.
    Present,
    /// Those opened from now on.
    Future,
    /// Both.
    All,
}

/// Names a disturbance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleId(u64);

/// What the rules want of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) refuse: bool,
    pub(super) hole: bool,
    pub(super) delay: Duration,
}

#[derive(Debug)]
struct Rule {
    pattern: String,
    what: Disturbance,
    reach: Reach,
}

/// The rules in force.
#[derive(Debug, Default)]
pub(super) struct Rules {
    next: u64,
    all: BTreeMap<u64, Rule>,
}

impl Rules {
    /// How many rules there have been: the age of a connection in rules.
    pub(super) fn count(&self) -> u64 {
        self.next
    }

    pub(super) fn add(&mut self, pattern: &str, what: Disturbance, reach: Reach) -> RuleId {
        let id = self.next;
        self.next += 1;
        self.all.insert(id, Rule { pattern: pattern.to_owned(), what, reach });
        RuleId(id)
    }

    pub(super) fn remove(&mut self, id: RuleId) {
        self.all.remove(&id.0);
    }

    pub(super) fn clear(&mut self) {
        self.all.clear();
    }

    /// What is wanted of a connection that is being opened now.
    pub(super) fn on_dial(&self, names: &[String; 2]) -> Wanted {
        self.on_open(names, self.next)
    }

    /// What is wanted of a connection opened when there had been `since` rules.
    pub(super) fn on_open(&self, names: &[String; 2], since: u64) -> Wanted {
        let mut wanted = Wanted::default();
        for (id, rule) in &self.all {
            let reached = match rule.reach {
                Reach::All => true,
                Reach::Present => since <= *id,
                Reach::Future => since > *id,
            };
            if !reached || !fits(&rule.pattern, names) {
                continue;
            }
            match rule.what {
                Disturbance::Refuse => wanted.refuse = true,
                Disturbance::BlackHole => wanted.hole = true,
                Disturbance::Delay(by) => wanted.delay = wanted.delay.saturating_add(by),
            }
        }
        wanted
    }
}

/// Whether one of the names fits.
pub(super) fn fits(pattern: &str, names: &[String; 2]) -> bool {
    names.iter().any(|name| matches(pattern.as_bytes(), name.as_bytes()))
}

/// Whether `text` is `pattern` with any text for each `*`.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == text[t] => {
                p += 1;
                t += 1;
            }
            // Let the last star stand for one byte more.
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::same("127.0.0.1:80", "127.0.0.1:80", true)]
    #[case::other_port("127.0.0.1:80", "127.0.0.1:8080", false)]
    #[case::all("*", "unix:///run/x.sock", true)]
    #[case::host("10.*:80", "10.1.2.3:80", true)]
    #[case::end("10.*:80", "10.1.2.3:8", false)]
    #[case::backtracks("*a*b", "aabab", true)]
    #[case::nothing("", "x", false)]
    #[case::star_for_nothing("x*", "x", true)]
    fn patterns(#[case] pattern: &str, #[case] text: &str, #[case] fits: bool) {
        assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), fits);
    }

    #[rstest]
    #[case::present(Reach::Present, true, false)]
    #[case::future(Reach::Future, false, true)]
    #[case::all(Reach::All, true, true)]
    fn reaches(#[case] reach: Reach, #[case] open_before: bool, #[case] open_after: bool) {
        let names = ["a:1".to_owned(), "b:1".to_owned()];
        let mut rules = Rules::default();
        let before = rules.count();
        rules.add("b:*", Disturbance::BlackHole, reach);
        assert_eq!(rules.on_open(&names, before).hole, open_before);
        assert_eq!(rules.on_open(&names, rules.count()).hole, open_after);
        assert_eq!(rules.on_dial(&names).hole, open_after);
    }

    #[test]
    fn delays_add_up() {
        let names = ["a:1".to_owned(), "b:1".to_owned()];
        let mut rules = Rules::default();
        rules.add("*", Disturbance::Delay(Duration::from_secs(1)), Reach::All);
        let second = rules.add("a:1", Disturbance::Delay(Duration::from_secs(2)), Reach::All);
        assert_eq!(rules.on_dial(&names).delay, Duration::from_secs(3));
        rules.remove(second);
        assert_eq!(rules.on_dial(&names).delay, Duration::from_secs(1));
    }
}
