//! Schemas of tools as providers of models take them (`packages/api/src/mcp/zod.ts`, `resolveJsonSchemaRefs` and
//! `normalizeJsonSchema`): without references, `const`, vendors' members and draft 3's `required: true`.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::nesting::MAX_NESTING;

/// Members that are schemas.
const SCHEMAS: [&str; 12] = [
    "items",
    "additionalItems",
    "unevaluatedItems",
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "contains",
    "contentSchema",
    "not",
    "if",
    "then",
    "else",
];

/// Members that are schemas by name.
const SCHEMAS_BY_NAME: [&str; 4] = [
    "properties",
    "patternProperties",
    "dependentSchemas",
    "dependencies",
];

/// Members that are lists of schemas.
const SCHEMA_LISTS: [&str; 4] = ["oneOf", "anyOf", "allOf", "prefixItems"];

/// References within references.
const MOST_OPEN: usize = 64;

/// What references may add to the schemas of a list of tools, in values and, for each 16, bytes of text: a schema whose
/// definitions name each other twice would double with each of them.
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(500_000)
    }
}

/// The schema, repaired. What is no object is left as it is.
pub(super) fn repaired(schema: &Value, budget: &mut Budget) -> Value {
    let mut repair = Repair {
        root: schema,
        open: Vec::new(),
        budget,
    };
    repair.schema(schema, 0)
}

struct Repair<'a, 'b> {
    root: &'a Value,
    /// References that lead to what is being repaired.
    open: Vec<&'a str>,
    budget: &'b mut Budget,
}

impl<'a> Repair<'a, '_> {
    fn schema(&mut self, schema: &'a Value, depth: usize) -> Value {
        match schema {
            Value::Object(members) => Value::Object(self.members(members, depth)),
            other => self.copy(other),
        }
    }

    fn members(&mut self, members: &'a Map<String, Value>, depth: usize) -> Map<String, Value> {
        let mut repaired = Map::new();
        // Only what is referred to can be deeper than what was sent.
        if !self.pays(1) || (!self.open.is_empty() && depth > MAX_NESTING) {
            return repaired;
        }
        for (name, value) in members {
            match name.as_str() {
                "$ref" => match self.target(value) {
                    Target::Itself => {
                        return Map::from_iter([("type".to_owned(), json!("object"))]);
                    }
                    Target::Schema(reference, target) => {
                        self.open.push(reference);
                        repaired.extend(self.members(target, depth));
                        self.open.pop();
                    }
                    Target::Unknown => {}
                },
                "const" => {
                    if !members.contains_key("enum") {
                        repaired.insert("enum".to_owned(), Value::Array(vec![self.copy(value)]));
                    }
                }
                "required" => {
                    if let Value::Array(names) = value {
                        repaired.insert(name.clone(), self.copy(&required(names)));
                    }
                }
                name if name == "definitions"
                    || name.starts_with(['$'])
                    || name.starts_with("x-") => {}
                _ => {
                    let value = self.member(name, value, depth + 1);
                    repaired.insert(name.clone(), value);
                }
            }
        }
        repaired
    }

    fn member(&mut self, name: &str, value: &'a Value, depth: usize) -> Value {
        match value {
            Value::Object(named) if SCHEMAS_BY_NAME.contains(&name) => {
                let mut schemas = Map::new();
                for (name, schema) in named {
                    schemas.insert(name.clone(), self.schema(schema, depth + 1));
                }
                Value::Object(schemas)
            }
            Value::Object(_) if SCHEMAS.contains(&name) => self.schema(value, depth),
            Value::Array(items) if SCHEMAS.contains(&name) || SCHEMA_LISTS.contains(&name) => {
                let items = items.iter();
                Value::Array(items.map(|item| self.schema(item, depth + 1)).collect())
            }
            _ => self.copy(value),
        }
    }

    fn target(&self, reference: &'a Value) -> Target<'a> {
        let Value::String(reference) = reference else {
            return Target::Unknown;
        };
        if self.open.contains(&reference.as_str()) {
            return Target::Itself;
        }
        let found = reference
            .strip_prefix('#')
            .and_then(|pointer| self.root.pointer(pointer));
        match found {
            Some(Value::Object(target)) if self.open.len() < MOST_OPEN => {
                Target::Schema(reference, target)
            }
            _ => Target::Unknown,
        }
    }

    /// A value that is no schema, unless a reference leads to it and there are too many of these.
    fn copy(&mut self, value: &Value) -> Value {
        if self.open.is_empty() || self.pays(weight(value)) {
            value.clone()
        } else {
            Value::Null
        }
    }

    /// Takes from the budget for what a reference leads to.
    fn pays(&mut self, price: usize) -> bool {
        if self.open.is_empty() {
            return true;
        }
        let left = self.budget.0.checked_sub(price);
        self.budget.0 = left.unwrap_or_default();
        left.is_some()
    }
}

enum Target<'a> {
    /// What contains the reference.
    Itself,
    Schema(&'a str, &'a Map<String, Value>),
    Unknown,
}

/// Names of members, each once. Draft 3 has `true` and `false` in their place, within the member.
fn required(names: &[Value]) -> Value {
    let mut seen = HashSet::new();
    let names = names.iter().filter_map(Value::as_str);
    names.filter(|name| seen.insert(*name)).collect()
}

fn weight(value: &Value) -> usize {
    let within = match value {
        Value::String(text) => text.len() / 16,
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| name.len() / 16 + weight(value))
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    within + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repair(schema: &Value) -> Value {
        repaired(schema, &mut Budget::default())
    }

    #[test]
    fn what_providers_refuse() {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": "x",
            "type": "object",
            "x-google-enum-descriptions": [1],
            "properties": {
                "a": { "type": "string", "required": true },
                "b": { "const": "b", "x-order": 1 },
                "c": { "const": 1, "enum": [1, 2] },
                "$ref": { "type": "string" },
                "x-own": { "type": "string" },
                "definitions": { "type": "array", "items": [{ "const": 1 }] },
                "required": { "type": "boolean", "required": false, "default": { "$id": 1, "const": 2 } },
            },
            "required": ["a", 5, "b", "a"],
            "additionalProperties": { "anyOf": [{ "const": null }, true] },
        });
        assert_eq!(
            repair(&schema),
            json!({
                "type": "object",
                "properties": {
                    "a": { "type": "string" },
                    "b": { "enum": ["b"] },
                    "c": { "enum": [1, 2] },
                    "$ref": { "type": "string" },
                    "x-own": { "type": "string" },
                    "definitions": { "type": "array", "items": [{ "enum": [1] }] },
                    "required": { "type": "boolean", "default": { "$id": 1, "const": 2 } },
                },
                "required": ["a", "b"],
                "additionalProperties": { "anyOf": [{ "enum": [null] }, true] },
            })
        );
        for whole in [json!(true), json!([1]), json!("x"), json!({})] {
            assert_eq!(repair(&whole), whole);
        }
    }

    #[test]
    fn references() {
        let schema = json!({
            "type": "object",
            "properties": {
                "start": { "$ref": "#/$defs/Date" },
                "end": { "$ref": "#/properties/start", "description": "own" },
                "odd": { "$ref": "#/$defs/a~1b~0c" },
                "old": { "$ref": "#/definitions/Old" },
                "gone": { "$ref": "#/$defs/Gone", "type": "string" },
                "far": { "$ref": "https://a.example/schema.json" },
                "list": { "items": { "$ref": "#/$defs/Date" } },
                "node": { "$ref": "#/$defs/Node" },
                "self": { "$ref": "#/properties/self" },
            },
            "$defs": {
                "Date": { "type": "string", "description": "a date", "const": "today" },
                "a/b~c": { "type": "integer" },
                "Node": { "type": "object", "properties": { "next": { "$ref": "#/$defs/Node" } } },
            },
            "definitions": { "Old": { "type": "null" } },
        });
        let date = json!({ "type": "string", "description": "a date", "enum": ["today"] });
        assert_eq!(
            repair(&schema),
            json!({ "type": "object", "properties": {
                "start": date,
                "end": { "type": "string", "description": "own", "enum": ["today"] },
                "odd": { "type": "integer" },
                "old": { "type": "null" },
                "gone": { "type": "string" },
                "far": {},
                "list": { "items": date },
                "node": { "type": "object", "properties": { "next": { "type": "object" } } },
                "self": { "type": "object" },
            } })
        );
        let whole = json!({ "$ref": "#/$defs/A", "$defs": { "A": { "type": "object", "properties": { "again": { "$ref": "#" } } } } });
        let repaired = repair(&whole);
        assert_eq!(repaired["type"], "object");
        assert!(!repaired.to_string().contains("$ref"));
    }

    #[test]
    fn hostile_references_stay_small() {
        let mut definitions = Map::new();
        definitions.insert("D0".to_owned(), json!({ "enum": ["x".repeat(10_000)] }));
        for n in 1..60 {
            let twice = json!({ "$ref": format!("#/$defs/D{}", n - 1) });
            definitions.insert(
                format!("D{n}"),
                json!({ "properties": { "a": twice, "b": twice, "c": twice } }),
            );
        }
        let properties: Map<_, _> = (0..60)
            .map(|n| (n.to_string(), json!({ "$ref": format!("#/$defs/D{n}") })))
            .collect();
        let schema = json!({ "properties": properties, "$defs": definitions });
        let mut budget = Budget::default();
        for _ in 0..3 {
            assert!(repaired(&schema, &mut budget).to_string().len() < 30_000_000);
        }
        // Each reference goes as deep as it may.
        let deep = (0..400).fold(json!({}), |inner, _| json!({ "not": inner }));
        let text = deep.to_string();
        let chain: Map<_, _> = (0..60)
            .map(|n| {
                let next = format!(r##"{{"$ref":"#/$defs/{}"}}"##, n + 1);
                let text = text.replacen("{}", &next, 1);
                (
                    n.to_string(),
                    crate::nesting::parse(&text, MAX_NESTING).expect("JSON"),
                )
            })
            .collect();
        let repaired = repair(&json!({ "$ref": "#/$defs/0", "$defs": chain }));
        assert!(!crate::nesting::is_deeper(
            &repaired.to_string(),
            MAX_NESTING + 2
        ));
    }
}
