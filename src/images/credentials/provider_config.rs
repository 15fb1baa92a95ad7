//! The configuration of credential providers: a `CredentialProviderConfig`, or a directory of them, and the plugins it names. As kubelet
//! 1.36 reads and checks it at its start. Running a plugin is `plugin`'s.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use world::{Files, files::FileKind};

use crate::api::{decode, duration, gojson};

const LIMIT: u64 = 10 << 20;
const VERSIONS: [&str; 3] =
    ["kubelet.config.k8s.io/v1", "kubelet.config.k8s.io/v1alpha1", "kubelet.config.k8s.io/v1beta1"];
const API_VERSIONS: [&str; 3] = [
    "credentialprovider.kubelet.k8s.io/v1",
    "credentialprovider.kubelet.k8s.io/v1alpha1",
    "credentialprovider.kubelet.k8s.io/v1beta1",
];

/// Why credential providers cannot be used; the kubelet does not start then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Failed to register CRI auth plugins: {0}")]
pub struct ProviderError(String);

/// One provider, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Name of the program.
    pub name: String,
    /// Where it is.
    pub program: PathBuf,
    /// For which images it is asked.
    pub match_images: Vec<String>,
    /// How long an answer counts that says nothing about it.
    pub cache: Duration,
    /// Version of request and answer.
    pub api_version: String,
    /// Arguments.
    pub args: Vec<String>,
    /// On top of the kubelet's own environment.
    pub env: Vec<(String, String)>,
    /// Whether it answers for pods with a service account only: never, without an API server.
    pub wants_service_account: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    kind: String,
    api_version: String,
    #[serde(default)]
    providers: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    #[serde(default)]
    name: String,
    #[serde(default)]
    match_images: Vec<String>,
    default_cache_duration: Option<String>,
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: Vec<Variable>,
    token_attributes: Option<TokenAttributes>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Variable {
    name: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TokenAttributes {
    #[serde(default)]
    service_account_token_audience: String,
    require_service_account: Option<bool>,
    #[serde(default)]
    cache_type: String,
    #[serde(default)]
    required_service_account_annotation_keys: Vec<String>,
    #[serde(default)]
    #[expect(dead_code, reason = "may be written, but nobody has annotations here")]
    optional_service_account_annotation_keys: Vec<String>,
}

/// Reads the configuration at `path`, a file or a directory, of plugins in `programs`.
///
/// # Errors
/// Upstream's text.
pub fn load(files: &Files, path: &Path, programs: &Path) -> Result<Vec<Provider>, ProviderError> {
    read(files, path, programs).map_err(ProviderError)
}

fn read(files: &Files, path: &Path, programs: &Path) -> Result<Vec<Provider>, String> {
    if !files.exists(programs) {
        return Err(format!("plugin binary directory {} did not exist", programs.display()));
    }
    let mut written: Vec<Written> = Vec::new();
    for file in config_files(files, path)? {
        let bytes = files.read(&file, LIMIT).map_err(|e| format!("unable to read file {file:?}: {e}"))?;
        let config = parse(&bytes).map_err(|e| format!("error decoding config {file:?}: {e}"))?;
        for provider in config.providers {
            if written.iter().any(|known| known.name == provider.name) {
                return Err(format!("duplicate provider name {:?} found in configuration file(s)", provider.name));
            }
            written.push(provider);
        }
    }
    let errors = check(&written);
    if !errors.is_empty() {
        let list = if errors.len() == 1 { errors.join("") } else { format!("[{}]", errors.join(", ")) };
        return Err(format!("failed to validate credential provider config: {list}"));
    }
    written.into_iter().map(|provider| accept(files, provider, programs)).collect()
}

fn config_files(files: &Files, path: &Path) -> Result<Vec<PathBuf>, String> {
    let facts = files.metadata(path).map_err(|e| format!("unable to access path {path:?}: {e}"))?;
    if facts.kind != FileKind::Directory {
        return Ok(vec![path.to_owned()]);
    }
    let entries = files.read_dir(path).map_err(|e| format!("unable to read directory {path:?}: {e}"))?;
    let config = |name: &str| [".json", ".yaml", ".yml"].iter().any(|end| name.ends_with(end));
    let found: Vec<PathBuf> = entries
        .into_iter()
        .filter(|entry| entry.kind != FileKind::Directory && config(&entry.name))
        .map(|entry| path.join(entry.name))
        .collect();
    match found.is_empty() {
        true => Err(format!("no configuration files found in directory {path:?}")),
        false => Ok(found),
    }
}

fn parse(bytes: &[u8]) -> Result<Config, String> {
    let value = decode::document(bytes).map_err(|e| e.to_string())?;
    let config: Config = serde_json::from_value(value).map_err(|e| e.to_string())?;
    if config.kind != "CredentialProviderConfig" || !VERSIONS.contains(&config.api_version.as_str()) {
        return Err(format!(
            "no kind {:?} is registered for version {:?}: a CredentialProviderConfig of kubelet.config.k8s.io/v1 is wanted",
            config.kind, config.api_version
        ));
    }
    Ok(config)
}

fn check(providers: &[Written]) -> Vec<String> {
    let mut errors = Vec::new();
    if providers.is_empty() {
        errors.push("providers: Required value: at least 1 item in plugins is required".to_owned());
    }
    let mut names = BTreeSet::new();
    for provider in providers {
        let name = gojson::go_quoted(&provider.name);
        for (bad, why) in [
            (provider.name.contains('/'), "provider name cannot contain '/'"),
            (provider.name.contains(' '), "provider name cannot contain spaces"),
            (provider.name == ".", "provider name cannot be '.'"),
            (provider.name == "..", "provider name cannot be '..'"),
            // It is the name of a file.
            (provider.name.is_empty() || provider.name.contains('\0'), "provider name must be the name of a program"),
        ] {
            if bad {
                errors.push(format!("providers.name: Invalid value: {name}: {why}"));
            }
        }
        if !names.insert(&provider.name) {
            errors.push(format!("providers.name: Duplicate value: {name}"));
        }
        if provider.api_version.is_empty() {
            errors.push("providers.apiVersion: Required value".to_owned());
        } else if !API_VERSIONS.contains(&provider.api_version.as_str()) {
            let all = API_VERSIONS.map(|version| format!("{version:?}")).join(", ");
            let own = gojson::go_quoted(&provider.api_version);
            errors.push(format!("providers.apiVersion: Unsupported value: {own}: supported values: {all}"));
        }
        if provider.match_images.is_empty() {
            errors.push("providers.matchImages: Required value: at least 1 item in matchImages is required".to_owned());
        }
        match provider.default_cache_duration.as_deref().map(duration::parse) {
            None => errors.push("providers.defaultCacheDuration: Required value".to_owned()),
            Some(Err(error)) => errors.push(format!("providers.defaultCacheDuration: {error}")),
            Some(Ok(length)) if length.to_std().is_none() => errors.push(format!(
                "providers.defaultCacheDuration: Invalid value: \"{length}\": must be greater than or equal to 0"
            )),
            Some(Ok(_)) => {}
        }
        if let Some(tokens) = &provider.token_attributes {
            check_tokens(&mut errors, provider, tokens);
        }
    }
    errors
}

fn check_tokens(errors: &mut Vec<String>, provider: &Written, tokens: &TokenAttributes) {
    let at = "providers.tokenAttributes";
    if tokens.service_account_token_audience.is_empty() {
        errors.push(format!("{at}.serviceAccountTokenAudience: Required value"));
    }
    if tokens.require_service_account.is_none() {
        errors.push(format!("{at}.requireServiceAccount: Required value"));
    }
    if provider.api_version != API_VERSIONS[0] {
        errors.push(format!("{at}: Forbidden: tokenAttributes is only supported for {} API version", API_VERSIONS[0]));
    }
    if tokens.require_service_account == Some(false) && !tokens.required_service_account_annotation_keys.is_empty() {
        errors.push(format!(
            "{at}.requiredServiceAccountAnnotationKeys: Forbidden: requireServiceAccount cannot be false when \
             requiredServiceAccountAnnotationKeys is set"
        ));
    }
    match tokens.cache_type.as_str() {
        "ServiceAccount" | "Token" => {}
        "" => errors.push(format!(
            "{at}.cacheType: Required value: cacheType is required to be set when tokenAttributes is specified. Supported values are: \
             ServiceAccount, Token"
        )),
        other => errors.push(format!(
            "{at}.cacheType: Unsupported value: {}: supported values: \"ServiceAccount\", \"Token\"",
            gojson::go_quoted(other)
        )),
    }
}

fn accept(files: &Files, written: Written, programs: &Path) -> Result<Provider, String> {
    let program = programs.join(&written.name);
    let runs = files.metadata(&program).is_ok_and(|facts| facts.kind == FileKind::File && facts.mode & 0o111 != 0);
    if !runs {
        return Err(format!("plugin binary executable {} did not exist", program.display()));
    }
    let cache = written.default_cache_duration.as_deref().and_then(|text| duration::parse(text).ok()?.to_std());
    Ok(Provider {
        name: written.name,
        program,
        match_images: written.match_images,
        cache: cache.unwrap_or_default(),
        api_version: written.api_version,
        args: written.args,
        env: written.env.into_iter().map(|each| (each.name, each.value)).collect(),
        wants_service_account: written.token_attributes.is_some_and(|t| t.require_service_account == Some(true)),
    })
}
