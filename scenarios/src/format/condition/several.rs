//! One condition or a list of them, as steps take them. Not what one condition says.

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use serde_saphyr::Spanned;

use super::{Condition, ConditionForm};
use crate::format::{place::At, problem::Complaint};

/// One condition, or a list of them.
#[derive(Clone, Debug)]
pub struct Conditions(Vec<At<ConditionForm>>);

impl Conditions {
    /// Checks all of them.
    ///
    /// # Errors
    /// The first that is wrong.
    pub fn check(this: Option<Self>) -> Result<Vec<Condition>, Complaint> {
        this.map(|all| all.0).unwrap_or_default().into_iter().map(At::<ConditionForm>::check).collect()
    }
}

impl<'de> Deserialize<'de> for Conditions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<OneOrMore>::deserialize(deserializer)?;
        Ok(Self(match spanned.value {
            OneOrMore::One(form) => vec![At { place: spanned.referenced.into(), value: *form }],
            OneOrMore::More(all) => all,
        }))
    }
}

enum OneOrMore {
    One(Box<ConditionForm>),
    More(Vec<At<ConditionForm>>),
}

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = OneOrMore;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a condition or a list of conditions")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OneOrMore, A::Error> {
                ConditionForm::deserialize(MapAccessDeserializer::new(map)).map(Box::new).map(OneOrMore::One)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OneOrMore, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = seq.next_element()? {
                    all.push(item);
                }
                Ok(OneOrMore::More(all))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Conditions {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Conditions".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let one = generator.subschema_for::<ConditionForm>();
        schemars::json_schema!({ "oneOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    }
}
