//! Shapes of scheduling rules: affinity, tolerations, topology spread (`k8s.io/api/core/v1`). Data only.

use super::Shape::{Int32, Int64, Str, Strs, Struct, Structs};
use super::meta::LABEL_SELECTOR;
use super::{S, Type, always, opt, ptr};

/// `Toleration`.
pub(super) static TOLERATION: Type = Type {
    name: "Toleration",
    fields: &[
        opt("key", S),
        opt("operator", Str("v1.TolerationOperator")),
        opt("value", S),
        opt("effect", Str("v1.TaintEffect")),
        ptr("tolerationSeconds", Int64),
    ],
};

/// `TopologySpreadConstraint`.
pub(super) static TOPOLOGY_SPREAD_CONSTRAINT: Type = Type {
    name: "TopologySpreadConstraint",
    fields: &[
        always("maxSkew", Int32),
        always("topologyKey", S),
        always("whenUnsatisfiable", Str("v1.UnsatisfiableConstraintAction")),
        ptr("labelSelector", Struct(&LABEL_SELECTOR)),
        ptr("minDomains", Int32),
        ptr("nodeAffinityPolicy", Str("v1.NodeInclusionPolicy")),
        ptr("nodeTaintsPolicy", Str("v1.NodeInclusionPolicy")),
        opt("matchLabelKeys", Strs("string")),
    ],
};

/// `Affinity`.
pub(super) static AFFINITY: Type = Type {
    name: "Affinity",
    fields: &[
        ptr("nodeAffinity", Struct(&NODE_AFFINITY)),
        ptr("podAffinity", Struct(&POD_AFFINITY)),
        ptr("podAntiAffinity", Struct(&POD_ANTI_AFFINITY)),
    ],
};

static NODE_AFFINITY: Type = Type {
    name: "NodeAffinity",
    fields: &[
        ptr("requiredDuringSchedulingIgnoredDuringExecution", Struct(&NODE_SELECTOR)),
        opt("preferredDuringSchedulingIgnoredDuringExecution", Structs(&PREFERRED_SCHEDULING_TERM)),
    ],
};

static NODE_SELECTOR: Type =
    Type { name: "NodeSelector", fields: &[always("nodeSelectorTerms", Structs(&NODE_SELECTOR_TERM))] };

static NODE_SELECTOR_TERM: Type = Type {
    name: "NodeSelectorTerm",
    fields: &[
        opt("matchExpressions", Structs(&NODE_SELECTOR_REQUIREMENT)),
        opt("matchFields", Structs(&NODE_SELECTOR_REQUIREMENT)),
    ],
};

static NODE_SELECTOR_REQUIREMENT: Type = Type {
    name: "NodeSelectorRequirement",
    fields: &[always("key", S), always("operator", Str("v1.NodeSelectorOperator")), opt("values", Strs("string"))],
};

static PREFERRED_SCHEDULING_TERM: Type = Type {
    name: "PreferredSchedulingTerm",
    fields: &[always("weight", Int32), always("preference", Struct(&NODE_SELECTOR_TERM))],
};

static POD_AFFINITY: Type = Type {
    name: "PodAffinity",
    fields: &[
        opt("requiredDuringSchedulingIgnoredDuringExecution", Structs(&POD_AFFINITY_TERM)),
        opt("preferredDuringSchedulingIgnoredDuringExecution", Structs(&WEIGHTED_POD_AFFINITY_TERM)),
    ],
};

static POD_ANTI_AFFINITY: Type = Type {
    name: "PodAntiAffinity",
    fields: &[
        opt("requiredDuringSchedulingIgnoredDuringExecution", Structs(&POD_AFFINITY_TERM)),
        opt("preferredDuringSchedulingIgnoredDuringExecution", Structs(&WEIGHTED_POD_AFFINITY_TERM)),
    ],
};

static POD_AFFINITY_TERM: Type = Type {
    name: "PodAffinityTerm",
    fields: &[
        ptr("labelSelector", Struct(&LABEL_SELECTOR)),
        opt("namespaces", Strs("string")),
        always("topologyKey", S),
        ptr("namespaceSelector", Struct(&LABEL_SELECTOR)),
        opt("matchLabelKeys", Strs("string")),
        opt("mismatchLabelKeys", Strs("string")),
    ],
};

static WEIGHTED_POD_AFFINITY_TERM: Type = Type {
    name: "WeightedPodAffinityTerm",
    fields: &[always("weight", Int32), always("podAffinityTerm", Struct(&POD_AFFINITY_TERM))],
};
