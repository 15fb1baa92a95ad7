//! The node's docker configuration: `config.json`, or the older `.dockercfg`, in the kubelet's directory, the working directory, the home
//! directory and the root. The first that can be read counts. As kubelet 1.36.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose};
use serde::Deserialize;
use std::collections::BTreeMap;
use world::World;

use super::keyring::{Entries, Login};

const LIMIT: u64 = 10 << 20;

#[derive(Deserialize)]
struct ConfigJson {
    #[serde(default)]
    auths: BTreeMap<String, Written>,
}

/// One entry as written; `auth` is both in one.
#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    auth: String,
}

/// What the first readable configuration says; nothing without one.
pub(super) fn read(world: &World, root: &Path) -> Entries {
    let parent = world.programs.parent();
    let home = parent.env.iter().find(|(name, _)| name == "HOME").map(|(_, home)| PathBuf::from(home));
    let home = home.unwrap_or_default();
    let working = parent.working_dir;
    let json = [root.to_owned(), working.clone(), home.join(".docker"), PathBuf::from("/.docker")];
    let old = [root.to_owned(), working, home, PathBuf::from("/")];
    let files = json.iter().map(|dir| (dir.join("config.json"), true));
    let files = files.chain(old.iter().map(|dir| (dir.join(".dockercfg"), false)));
    for (path, is_json) in files.filter(|(path, _)| path.is_absolute()) {
        let Ok(bytes) = world.files.read(&path, LIMIT) else { continue };
        let written = match is_json {
            true => serde_json::from_slice::<ConfigJson>(&bytes).map(|config| config.auths).ok(),
            false => serde_json::from_slice(&bytes).ok(),
        };
        // Why it cannot be read may quote what it says.
        match written.and_then(logins) {
            Some(entries) => return entries,
            None => tracing::debug!(path = %path.display(), "Docker configuration not readable"),
        }
    }
    Entries::new()
}

fn logins(written: BTreeMap<String, Written>) -> Option<Entries> {
    written.into_iter().map(|(address, each)| Some((address, login(each)?))).collect()
}

fn login(written: Written) -> Option<Login> {
    if written.auth.is_empty() {
        return Some(Login { username: written.username, password: written.password });
    }
    let bytes = match written.auth.trim().ends_with('=') {
        true => general_purpose::STANDARD.decode(&written.auth),
        false => general_purpose::STANDARD_NO_PAD.decode(&written.auth),
    };
    let text = String::from_utf8(bytes.ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    Some(Login { username: username.to_owned(), password: password.to_owned() })
}
