//! Shapes of object metadata and label selectors (`k8s.io/apimachinery/pkg/apis/meta/v1`). Data only.

use super::Shape::{Bool, Int64, Raw, StrMap, Strs, Structs, Time};
use super::{S, Shape, Type, always, opt, ptr};

/// `ObjectMeta`.
pub static OBJECT_META: Type = Type {
    name: "ObjectMeta",
    fields: &[
        opt("name", S),
        opt("generateName", S),
        opt("namespace", S),
        opt("selfLink", S),
        opt("uid", Shape::Str("types.UID")),
        opt("resourceVersion", S),
        opt("generation", Int64),
        // omitzero since 1.34: gone when zero, unlike other times by value.
        ptr("creationTimestamp", Time),
        ptr("deletionTimestamp", Time),
        ptr("deletionGracePeriodSeconds", Int64),
        opt("labels", StrMap),
        opt("annotations", StrMap),
        opt("ownerReferences", Structs(&OWNER_REFERENCE)),
        opt("finalizers", Strs("string")),
        opt("managedFields", Structs(&MANAGED_FIELDS_ENTRY)),
    ],
};

/// `ListMeta`.
pub(super) static LIST_META: Type = Type {
    name: "ListMeta",
    fields: &[opt("selfLink", S), opt("resourceVersion", S), opt("continue", S), ptr("remainingItemCount", Int64)],
};

/// `OwnerReference`.
pub static OWNER_REFERENCE: Type = Type {
    name: "OwnerReference",
    fields: &[
        always("apiVersion", S),
        always("kind", S),
        always("name", S),
        always("uid", Shape::Str("types.UID")),
        ptr("controller", Bool),
        ptr("blockOwnerDeletion", Bool),
    ],
};

static MANAGED_FIELDS_ENTRY: Type = Type {
    name: "ManagedFieldsEntry",
    fields: &[
        opt("manager", S),
        opt("operation", Shape::Str("v1.ManagedFieldsOperationType")),
        opt("apiVersion", S),
        ptr("time", Time),
        opt("fieldsType", S),
        ptr("fieldsV1", Raw),
        opt("subresource", S),
    ],
};

/// `LabelSelector`.
pub static LABEL_SELECTOR: Type = Type {
    name: "LabelSelector",
    fields: &[opt("matchLabels", StrMap), opt("matchExpressions", Structs(&LABEL_SELECTOR_REQUIREMENT))],
};

static LABEL_SELECTOR_REQUIREMENT: Type = Type {
    name: "LabelSelectorRequirement",
    fields: &[
        always("key", S),
        always("operator", Shape::Str("v1.LabelSelectorOperator")),
        opt("values", Strs("string")),
    ],
};
