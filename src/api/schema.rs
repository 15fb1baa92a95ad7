//! The shape of Kubernetes objects as Go declares them: field order, omission rules and type names, as data. One table
//! serves decoding (type errors, unknown fields) and printing (order, omission). The rules that read it are elsewhere.

mod container;
mod meta;
mod pod;
mod scheduling;
mod status;
mod volume;

pub use container::{CONTAINER, CONTAINER_PORT, LIFECYCLE_HANDLER, RESOURCE_REQUIREMENTS};
pub use meta::{LABEL_SELECTOR, OBJECT_META, OWNER_REFERENCE};
pub use pod::{POD, POD_LIST, POD_SPEC};
pub use status::{CONTAINER_STATUS, POD_STATUS};

/// A Go struct.
#[derive(Debug)]
pub struct Type {
    /// Its name without the package: `Container`.
    pub name: &'static str,
    /// Its fields in declaration order, inlined structs flattened.
    pub fields: &'static [Field],
}

/// A field of a Go struct.
#[derive(Debug)]
pub struct Field {
    /// Its JSON name.
    pub name: &'static str,
    /// Its type.
    pub shape: Shape,
    /// When Go leaves it out.
    pub omit: Omit,
}

/// When Go's encoder leaves a field out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Omit {
    /// A value with `omitempty`: left out when zero. Structs are never zero to Go 1.x's `omitempty`.
    Empty,
    /// A pointer with `omitempty`: left out when nil; zero values print.
    Nil,
    /// A value without `omitempty`: the zero value prints.
    Never,
    /// A pointer without `omitempty`: nil prints as `null`.
    Null,
}

/// The Go type of a field.
#[derive(Debug)]
pub enum Shape {
    /// A string or named string; the Go type name.
    Str(&'static str),
    /// `bool`.
    Bool,
    /// `int32`.
    Int32,
    /// `int64`.
    Int64,
    /// `resource.Quantity`: printed canonically.
    Quantity,
    /// `metav1.Time`: whole seconds, `null` when zero.
    Time,
    /// `intstr.IntOrString`.
    IntOrString,
    /// Any JSON, untouched (`FieldsV1`).
    Raw,
    /// A struct.
    Struct(&'static Type),
    /// `[]struct`.
    Structs(&'static Type),
    /// A slice of strings; the element's Go type name.
    Strs(&'static str),
    /// `[]int64`.
    Int64s,
    /// `[]int32`.
    Int32s,
    /// `map[string]string`.
    StrMap,
    /// `v1.ResourceList`.
    Resources,
    /// `v1.ResourceList` of what the runtime reported: its texts are as they are to be printed. Go knows an amount's format, which a text
    /// without a suffix does not tell: 100000000 bytes that were reported are not `100M`.
    Reported,
}

/// `string`.
const S: Shape = Shape::Str("string");

/// A field with `omitempty`.
const fn opt(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, omit: Omit::Empty }
}

/// A pointer field with `omitempty`.
const fn ptr(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, omit: Omit::Nil }
}

/// A field without `omitempty`, and any struct by value.
const fn always(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, omit: Omit::Never }
}

/// A pointer field without `omitempty`.
const fn nullable(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, omit: Omit::Null }
}

impl Type {
    /// The field of that JSON name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

#[cfg(test)]
mod tests;
