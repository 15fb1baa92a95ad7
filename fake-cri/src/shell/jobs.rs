//! Background commands by number, for `jobs`, `wait %1` and `kill %1`. No job control: nothing is stopped or brought to the front.

/// One background command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    pub number: u32,
    pub pid: u32,
}

/// The background commands that have not been waited for, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Jobs(Vec<Job>);

impl Jobs {
    /// Takes in a command; it gets the number after the highest.
    pub fn add(&mut self, pid: u32) {
        let number = self.0.iter().map(|job| job.number).max().unwrap_or(0) + 1;
        self.0.push(Job { number, pid });
    }

    /// Lets go of a command that was waited for.
    pub fn remove(&mut self, pid: u32) {
        self.0.retain(|job| job.pid != pid);
    }

    /// The process of `%n`, `%%`, `%+`, `%-` or `%`.
    pub fn find(&self, name: &str) -> Option<u32> {
        let job = match name.strip_prefix('%')? {
            "" | "%" | "+" => self.0.last(),
            "-" => self.0.iter().rev().nth(1),
            number => self.0.iter().find(|job| number.parse() == Ok(job.number)),
        };
        job.map(|job| job.pid)
    }

    /// All of them, the newest first.
    pub fn newest_first(&self) -> Vec<Job> {
        self.0.iter().rev().copied().collect()
    }
}
