//! The compiled CRI against the table of facts it was written from: every name, number, type, label and option, and nothing beyond.

use std::collections::BTreeSet;

use cri_proto::descriptor_pool;
use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor, ServiceDescriptor};

const TABLE: &str = include_str!("fixtures/cri-v1-descriptor.tsv");

/// Everything that the definition declares, a row each, in the table's form.
fn compiled() -> BTreeSet<String> {
    let mut rows = BTreeSet::new();
    for service in descriptor_pool().services() {
        rows.extend(service.methods().enumerate().map(|(index, method)| rpc(&service, index, &method)));
    }
    for descriptor in descriptor_pool().all_enums() {
        let name = local_name(descriptor.full_name());
        rows.extend(descriptor.values().map(|v| format!("enum_value\t{name}\t{}\t{}\tenum\t\t", v.name(), v.number())));
    }
    for message in messages() {
        if message.fields().len() == 0 {
            rows.insert(format!("message\t{}\t\t\t\t\tempty message", message.name()));
        }
        rows.extend(message.fields().map(|f| field(&message, &f)));
    }
    rows
}

/// Messages as written; the entries of maps are the compiler's.
fn messages() -> impl Iterator<Item = MessageDescriptor> {
    descriptor_pool().all_messages().filter(|m| !m.is_map_entry())
}

fn rpc(service: &ServiceDescriptor, index: usize, method: &MethodDescriptor) -> String {
    assert!(!method.is_client_streaming(), "{}", method.full_name());
    let streaming = if method.is_server_streaming() { "server-stream" } else { "unary" };
    let types = format!("{} -> {}", method.input().name(), method.output().name());
    let path = format!("/{}/{}", service.full_name(), method.name());
    format!("rpc\t{}\t{}\t{}\t{types}\t{streaming}\t{path}", service.name(), method.name(), index + 1)
}

fn field(message: &MessageDescriptor, field: &FieldDescriptor) -> String {
    assert!(
        !field.supports_presence() || matches!(field.kind(), Kind::Message(_)),
        "{} is optional",
        field.full_name()
    );
    let (kind, label, mut notes) = match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            let (key, value) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
            (format!("map<{},{}>", type_name(&key), type_name(&value)), "map", "map".to_owned())
        }
        kind => {
            let label = if field.cardinality() == Cardinality::Repeated { "repeated" } else { "singular" };
            let class = match kind {
                Kind::Message(_) => "message",
                Kind::Enum(_) => "enum",
                _ => "scalar",
            };
            (type_name(&kind), label, class.to_owned())
        }
    };
    for option in ["deprecated", "debug_redact"] {
        if field.options().get_field_by_name(option).is_some_and(|v| v.as_bool() == Some(true)) {
            notes.push(';');
            notes.push_str(option);
        }
    }
    format!("field\t{}\t{}\t{}\t{kind}\t{label}\t{notes}", message.name(), field.name(), field.number())
}

fn type_name(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => local_name(message.full_name()),
        Kind::Enum(descriptor) => local_name(descriptor.full_name()),
        scalar => format!("{scalar:?}").to_lowercase(),
    }
}

/// The name within the package: one dot for what is nested.
fn local_name(full: &str) -> String {
    full.trim_start_matches("runtime.v1.").to_owned()
}

#[test]
fn the_definition_is_the_table_and_nothing_beyond() {
    let compiled = compiled();
    let table: BTreeSet<String> = TABLE.lines().skip(1).map(str::to_owned).collect();
    let missing: Vec<_> = table.difference(&compiled).collect();
    let beyond: Vec<_> = compiled.difference(&table).collect();
    assert!(
        missing.is_empty() && beyond.is_empty(),
        "only in the table: {missing:#?}\nonly in the definition: {beyond:#?}"
    );
}

#[test]
fn the_counts_are_those_of_the_release() {
    let pool = descriptor_pool();
    let rpcs: usize = pool.services().map(|s| s.methods().len()).sum();
    let fields: usize = messages().map(|m| m.fields().len()).sum();
    let values: usize = pool.all_enums().map(|e| e.values().len()).sum();
    assert_eq!((messages().count(), pool.all_enums().count(), fields, values, rpcs), (170, 11, 463, 95, 41));
    assert_eq!(
        pool.services().map(|s| s.full_name().to_owned()).collect::<Vec<_>>(),
        ["runtime.v1.RuntimeService", "runtime.v1.ImageService"]
    );
}
