//! Who of several pods of one full name may run: one at a time, in the order in which they came. As upstream's static pod start queue.

use std::collections::{BTreeMap, VecDeque};

/// Owners and those who wait, by full name.
#[derive(Debug, Default)]
pub(super) struct Names {
    owner: BTreeMap<String, String>,
    waiting: BTreeMap<String, VecDeque<String>>,
}

impl Names {
    /// A pod of that name has come.
    pub fn queue(&mut self, name: &str, uid: &str) {
        let waiting = self.waiting.entry(name.to_owned()).or_default();
        if !waiting.iter().any(|u| u == uid) {
            waiting.push_back(uid.to_owned());
        }
    }

    /// A pod has the name already, as it runs since before anybody asked.
    pub fn hold(&mut self, name: &str, uid: &str) {
        self.owner.entry(name.to_owned()).or_insert_with(|| uid.to_owned());
    }

    /// Whether the pod may start now; it owns the name then. `alive`: whether a pod that came earlier still means to start.
    pub fn try_start(&mut self, name: &str, uid: &str, alive: impl Fn(&str) -> bool) -> bool {
        match self.owner.get(name) {
            Some(owner) if owner == uid => return true,
            Some(_) => return false,
            None => {}
        }
        let waiting = self.waiting.entry(name.to_owned()).or_default();
        while waiting.front().is_some_and(|first| first != uid && !alive(first)) {
            waiting.pop_front();
        }
        if waiting.front().is_some_and(|first| first != uid) {
            return false;
        }
        waiting.pop_front();
        if waiting.is_empty() {
            self.waiting.remove(name);
        }
        self.owner.insert(name.to_owned(), uid.to_owned());
        true
    }

    /// A pod has ended, or will never start. Who waits for a name that nobody has now, first come.
    pub fn release(&mut self, uid: &str) -> Option<String> {
        let waited = self.waiting.iter().find(|(_, waiting)| waiting.iter().any(|u| u == uid)).map(|(name, _)| name);
        let owned = self.owner.iter().find(|(_, owner)| *owner == uid).map(|(name, _)| name);
        let name = owned.or(waited)?.clone();
        self.waiting.retain(|_, waiting| {
            waiting.retain(|u| u != uid);
            !waiting.is_empty()
        });
        self.owner.retain(|_, owner| owner != uid);
        // One who gave up while it was its turn passes the turn on.
        if self.owner.contains_key(&name) { None } else { self.waiting.get(&name).and_then(|w| w.front().cloned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_in_order() {
        let mut names = Names::default();
        names.queue("web", "1");
        assert!(names.try_start("web", "1", |_| true));
        names.queue("web", "2");
        names.queue("web", "3");
        assert!(!names.try_start("web", "2", |_| true));
        assert_eq!(names.release("1").as_deref(), Some("2"));
        assert!(!names.try_start("web", "3", |_| true), "2 came first");
        assert!(names.try_start("web", "3", |uid| uid != "2"), "2 has given up");
    }

    #[test]
    fn who_ran_before_is_waited_for() {
        let mut names = Names::default();
        names.hold("web", "old");
        names.queue("web", "new");
        assert!(!names.try_start("web", "new", |_| true));
        assert_eq!(names.release("old").as_deref(), Some("new"));
        assert!(names.try_start("web", "new", |_| true));
    }

    #[test]
    fn one_who_gives_up_in_its_turn_passes_it_on() {
        let mut names = Names::default();
        for uid in ["1", "2", "3"] {
            names.queue("web", uid);
        }
        assert!(names.try_start("web", "1", |_| true));
        assert_eq!(names.release("1").as_deref(), Some("2"), "2 is woken");
        assert_eq!(names.release("2").as_deref(), Some("3"), "but was removed before it ran");
        assert!(names.try_start("web", "3", |_| true));
        names.queue("web", "4");
        names.queue("web", "5");
        assert_eq!(names.release("4"), None, "3 still has the name");
    }
}
