//! `${pods.NAME.path}` in a scenario's texts: a field of a pod as `/pods` shows it, or showed it last.

use serde_json::Value;

use super::Scene;
use crate::{
    format::tree::{Node, Tree},
    history::{What, is_named},
};

/// Replaces every `${pods.NAME.PATH}` in `text`. `$${` stands for `${`.
///
/// # Errors
/// There is no such pod or field.
pub async fn expand(text: &str, scene: &mut Scene<'_>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = after.get(2..).unwrap_or_default();
            continue;
        }
        out.push_str(before);
        let (name, after) =
            after.get(2..).and_then(|s| s.split_once('}')).ok_or_else(|| format!("{text:?}: a `${{` has no `}}`"))?;
        out.push_str(&lookup(name, scene).await?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// [`expand`] for every text of a tree.
///
/// # Errors
/// There is no such pod or field.
pub async fn expand_tree(tree: &Tree, scene: &mut Scene<'_>) -> Result<Tree, String> {
    let mut values = Vec::new();
    collect(tree, &mut values);
    let mut expanded = Vec::new();
    for text in values {
        expanded.push(expand(&text, scene).await?);
    }
    let mut next = expanded.into_iter();
    tree.try_map_text(&mut |text| {
        Ok(if text.contains("${") { next.next().unwrap_or_default() } else { text.to_owned() })
    })
}

fn collect(tree: &Tree, into: &mut Vec<String>) {
    match &tree.node {
        Node::Scalar(Value::String(text)) if text.contains("${") => into.push(text.clone()),
        Node::Scalar(_) => {}
        Node::List(items) => items.iter().for_each(|item| collect(item, into)),
        Node::Map(entries) => entries.iter().for_each(|(_, item)| collect(item, into)),
    }
}

async fn lookup(name: &str, scene: &mut Scene<'_>) -> Result<String, String> {
    let known = "known is ${pods.NAME.FIELD.FIELD…}";
    let rest = name.strip_prefix("pods.").ok_or_else(|| format!("`${{{name}}}` is not known: {known}"))?;
    let (pod, path) = rest.split_once('.').ok_or_else(|| format!("`${{{name}}}` names no field: {known}"))?;
    let shown = scene.pods().await.unwrap_or_default();
    let object = match shown.iter().rev().find(|object| is_named(object, pod)) {
        Some(object) => object.clone(),
        // It is gone: what it was last.
        None => scene.target.history().read(|entries| {
            let last = entries.iter().rev().find_map(|entry| match &entry.what {
                What::Pod(object) if is_named(object, pod) => Some(Value::clone(object)),
                _ => None,
            });
            last.ok_or_else(|| format!("`${{{name}}}`: there is and was no pod `{pod}`"))
        })?,
    };
    let mut value = &object;
    for step in path.split('.') {
        let next = match value {
            Value::Array(items) => match step.parse::<usize>() {
                Ok(index) => items.get(index),
                Err(_) => items.iter().find(|item| item.get("name").and_then(Value::as_str) == Some(step)),
            },
            value => value.get(step),
        };
        value = next.ok_or_else(|| format!("`${{{name}}}`: pod `{pod}` has no {path} (missing: {step})"))?;
    }
    Ok(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}
