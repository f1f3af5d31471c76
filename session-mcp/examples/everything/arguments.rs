//! What a tool can say of its arguments beside their types.

use std::sync::Arc;

use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::JsonObject;
use rmcp::{tool, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Everything;

#[derive(Deserialize, JsonSchema)]
struct Routed {
    /// Where to go. A client of 2026-07-28 repeats it in the header `Mcp-Param-Region`, by which a balancer can route.
    #[schemars(extend("x-mcp-header" = "Region"))]
    region: String,
}

#[tool_router(router = arguments, vis = "pub(crate)")]
impl Everything {
    /// Takes how somebody is to be reached: by phone or by mail, and then with the number or the address.
    #[tool(input_schema = contact(), annotations(read_only_hint = true))]
    fn json_schema_2020_12_tool(Parameters(contact): Parameters<JsonObject>) -> String {
        format!("{} arguments", contact.len())
    }

    /// Says which region it was called for.
    #[tool(annotations(read_only_hint = true))]
    fn test_custom_headers(Parameters(Routed { region }): Parameters<Routed>) -> String {
        format!("Called for {region}")
    }
}

/// A schema that no Rust type has, with what JSON Schema 2020-12 brought.
fn contact() -> Arc<JsonObject> {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": { "street": { "type": "string" }, "city": { "type": "string" } },
            },
        },
        "properties": {
            "name": { "type": "string" },
            "address": { "$ref": "#/$defs/address" },
            "contactMethod": { "type": "string", "enum": ["phone", "email"] },
            "phone": { "type": "string" },
            "email": { "type": "string" },
        },
        "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
        "if": { "properties": { "contactMethod": { "const": "phone" } }, "required": ["contactMethod"] },
        "then": { "required": ["phone"] },
        "else": { "required": ["email"] },
        "additionalProperties": false,
    });
    let Value::Object(schema) = schema else { unreachable!("it is written as an object above") };
    Arc::new(schema)
}
