//! One credential provider: asked on standard input, answering on standard output, and its answers kept for as long as it says. As kubelet
//! 1.36, except that two pulls of one image at the same moment may ask twice.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use world::{SteadyClock, World, programs::Invocation};

use super::{
    keyring::{Entries, Login, matches},
    provider_config::Provider,
};
use crate::api::{duration, gojson};

const TIMEOUT: Duration = Duration::from_mins(1);
const OUTPUT_LIMIT: usize = 10 << 20;
/// Key of answers for every image; no image can be called so.
const GLOBAL: &str = "<global>";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Response {
    kind: String,
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(default)]
    cache_key_type: String,
    cache_duration: Option<String>,
    #[serde(default)]
    auth: BTreeMap<String, Auth>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Auth {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
}

/// A provider and what it answered.
#[derive(Debug)]
pub(super) struct Plugin {
    world: World,
    steady: SteadyClock,
    provider: Provider,
    /// By image, registry or [`GLOBAL`]: until when, and what.
    answers: Mutex<BTreeMap<String, (Timestamp, Entries)>>,
}

impl Plugin {
    pub(super) fn new(world: World, provider: Provider) -> Self {
        Self { steady: world.clock.steady(), world, provider, answers: Mutex::default() }
    }

    /// What the provider has for `repository`; nothing if it is not one of its images or if it fails, which is logged.
    pub(super) async fn provide(&self, repository: &str) -> Entries {
        let provider = &self.provider;
        if provider.wants_service_account || !provider.match_images.iter().any(|image| matches(image, repository)) {
            return Entries::new();
        }
        if let Some(known) = self.known(repository) {
            return known;
        }
        self.ask(repository).await.unwrap_or_else(|why| {
            tracing::error!(
                provider = provider.name,
                image = repository,
                err = why,
                "Failed to provide credentials for image"
            );
            Entries::new()
        })
    }

    fn known(&self, repository: &str) -> Option<Entries> {
        let now = self.steady.now();
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|_, (until, _)| *until >= now);
        [repository, registry(repository), GLOBAL].iter().find_map(|key| Some(answers.get(*key)?.1.clone()))
    }

    async fn ask(&self, repository: &str) -> Result<Entries, String> {
        let Provider { name, api_version, .. } = &self.provider;
        let failed = |why: String| {
            format!(
                "failed to get credential from external registry credential provider: error execing credential provider plugin {name} for \
                 image {repository}: {why}"
            )
        };
        let outcome = self.world.programs.run(self.invocation(repository)).await.map_err(|e| failed(e.to_string()))?;
        if outcome.code != 0 {
            let said: String = String::from_utf8_lossy(&outcome.stderr).chars().take(4096).collect();
            return Err(failed(format!("exit status {}: {said}", outcome.code)));
        }
        let response = self.read(&outcome.stdout)?;
        let key = match response.cache_key_type.as_str() {
            "Image" => repository,
            "Registry" => registry(repository),
            "Global" => GLOBAL,
            other => return Err(format!("credential provider plugin did not return a valid cacheKeyType: {other}")),
        };
        let length = match response.cache_duration.as_deref() {
            None => self.provider.cache,
            // What it answered may not be quoted: it stands beside passwords.
            Some(text) => duration::parse(text).ok().and_then(|d| d.to_std()).ok_or_else(|| {
                format!(
                    "error decoding credential provider plugin response from stdout of {api_version}: cacheDuration"
                )
            })?,
        };
        let login = |auth: Auth| Login { username: auth.username, password: auth.password };
        let entries: Entries = response.auth.into_iter().map(|(image, auth)| (image, login(auth))).collect();
        if !length.is_zero() {
            let length = SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX);
            let until = self.steady.now().saturating_add(length).unwrap_or(Timestamp::MAX);
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            answers.insert(key.to_owned(), (until, entries.clone()));
        }
        Ok(entries)
    }

    fn invocation(&self, repository: &str) -> Invocation {
        let provider = &self.provider;
        let mut env = self.world.programs.parent().env;
        env.retain(|(name, _)| !provider.env.iter().any(|(own, _)| own == name));
        env.extend(provider.env.iter().cloned());
        let stdin = format!(
            "{{\"kind\":\"CredentialProviderRequest\",\"apiVersion\":{},\"image\":{}}}\n",
            gojson::quoted(&provider.api_version),
            gojson::quoted(repository)
        );
        Invocation {
            program: provider.program.clone(),
            args: provider.args.clone(),
            env,
            stdin: stdin.into_bytes(),
            timeout: Some(TIMEOUT),
            output_limit: OUTPUT_LIMIT,
        }
    }

    /// The answer. What is wrong with it is told without what it says.
    fn read(&self, stdout: &[u8]) -> Result<Response, String> {
        let value: serde_json::Value =
            serde_json::from_slice(stdout).map_err(|_| "error reading GVK from response: it is no JSON".to_owned())?;
        let version = value.get("apiVersion").and_then(|version| version.as_str()).unwrap_or_default();
        let wanted = &self.provider.api_version;
        if version != wanted {
            return Err(format!(
                "apiVersion from credential plugin response did not match expected apiVersion:{wanted}, actual apiVersion:{version}"
            ));
        }
        let response: Option<Response> = serde_json::from_value(value).ok();
        response
            .filter(|response| response.kind == "CredentialProviderResponse")
            .ok_or_else(|| "error decoding credential provider plugin response from stdout".to_owned())
    }
}

/// The registry of a repository.
fn registry(repository: &str) -> &str {
    repository.split('/').next().unwrap_or_default()
}
