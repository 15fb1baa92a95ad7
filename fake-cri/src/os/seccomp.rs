//! Seccomp filters: profiles as runtimes read them, and what one says of a system call by name. Arguments of calls are not looked at.

use serde::Deserialize;

use super::{
    Errno,
    capability::{Capability, CapabilitySet},
};

/// What a filter says of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Allow,
    /// Fail with this error.
    Refuse(Errno),
    /// End the process with SIGSYS.
    Kill,
}

/// A filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    default: Verdict,
    rules: Vec<(Vec<String>, Verdict)>,
}

/// A profile file, of the keys that matter here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    default_action: String,
    #[serde(default)]
    default_errno_ret: Option<u32>,
    #[serde(default)]
    syscalls: Vec<Rule>,
}

/// A rule of a profile.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    name: Option<String>,
    action: String,
    #[serde(default)]
    errno_ret: Option<u32>,
    #[serde(default)]
    args: Option<Vec<serde_json::Value>>,
}

fn verdict(action: &str, errno: Option<u32>) -> Result<Verdict, String> {
    Ok(match action {
        "SCMP_ACT_ALLOW" | "SCMP_ACT_LOG" => Verdict::Allow,
        "SCMP_ACT_ERRNO" | "SCMP_ACT_TRACE" => Verdict::Refuse(errno_of(errno.unwrap_or(1))),
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" | "SCMP_ACT_KILL_PROCESS" | "SCMP_ACT_TRAP" => Verdict::Kill,
        other => return Err(format!("string {other} is not a valid action for seccomp")),
    })
}

fn errno_of(number: u32) -> Errno {
    match number {
        13 => Errno::Access,
        22 => Errno::Invalid,
        38 => Errno::NotImplemented,
        _ => Errno::NotPermitted,
    }
}

impl Filter {
    /// Reads a profile.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let profile: Profile =
            serde_json::from_slice(text).map_err(|e| format!("decoding seccomp profile failed: {e}"))?;
        let default = verdict(&profile.default_action, profile.default_errno_ret)?;
        let mut rules = Vec::new();
        for rule in profile.syscalls {
            let verdict = verdict(&rule.action, rule.errno_ret)?;
            // A rule on arguments holds for some calls only, and those cannot be told here.
            if rule.args.is_none_or(|a| a.is_empty()) {
                rules.push((rule.names.into_iter().chain(rule.name).collect(), verdict));
            }
        }
        Ok(Self { default, rules })
    }

    /// The runtime's own profile for a container with these capabilities: of the calls that exist here, it refuses what needs
    /// a capability that the container has not.
    pub fn runtime_default(capabilities: CapabilitySet) -> Self {
        let mut refused: Vec<&str> = vec!["kexec_load", "open_by_handle_at", "userfaultfd", "add_key", "keyctl"];
        if !capabilities.has(Capability::SYS_ADMIN) {
            refused.extend(["mount", "umount2", "sethostname", "setdomainname", "setns", "unshare", "pivot_root"]);
        }
        let refused = refused.into_iter().map(str::to_owned).collect();
        Self { default: Verdict::Allow, rules: vec![(refused, Verdict::Refuse(Errno::NotPermitted))] }
    }

    /// What it says of a call. The first rule that names it holds.
    pub fn verdict(&self, call: &str) -> Verdict {
        self.rules.iter().find(|(names, _)| names.iter().any(|n| n == call)).map_or(self.default, |(_, v)| *v)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_names_calls_and_the_rest_is_the_default() {
        let text =
            br#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["chmod","fchmodat"],"action":"SCMP_ACT_ERRNO"},
            {"name":"mkdir","action":"SCMP_ACT_KILL"},{"names":["kill"],"action":"SCMP_ACT_ERRNO","errnoRet":13}]}"#;
        let filter = Filter::parse(text).expect("a profile");
        assert_eq!(filter.verdict("chmod"), Verdict::Refuse(Errno::NotPermitted));
        assert_eq!(filter.verdict("mkdir"), Verdict::Kill);
        assert_eq!(filter.verdict("kill"), Verdict::Refuse(Errno::Access));
        assert_eq!(filter.verdict("openat"), Verdict::Allow);
    }

    #[test]
    fn what_is_no_profile_is_told() {
        assert!(Filter::parse(b"{").expect_err("not JSON").starts_with("decoding seccomp profile failed"));
        let unknown = Filter::parse(br#"{"defaultAction":"SCMP_ACT_WISH"}"#).expect_err("an action that is none");
        assert_eq!(unknown, "string SCMP_ACT_WISH is not a valid action for seccomp");
    }

    #[test]
    fn the_default_profile_follows_the_capabilities() {
        let plain = Filter::runtime_default(CapabilitySet::NONE);
        assert_eq!(plain.verdict("sethostname"), Verdict::Refuse(Errno::NotPermitted));
        let admin = Filter::runtime_default(CapabilitySet::ALL);
        assert_eq!(admin.verdict("sethostname"), Verdict::Allow);
    }
}
