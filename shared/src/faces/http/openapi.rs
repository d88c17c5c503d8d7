//! What REST offers, as an `OpenAPI` 3.1 document made from the table of operations, and a page to try it.
//! <https://spec.openapis.org/oas/v3.1.0>

use std::sync::{Arc, OnceLock};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::security::{self, Elsewhere};
use super::{Http, negotiate, rest};
use crate::faces::error::Code;
use crate::faces::operations::{Operation, all};

/// Where the document is.
pub(super) const PATH: &str = "/v1/openapi.json";

/// The page's software: its version, and what its files must be. <https://www.npmjs.com/package/swagger-ui-dist>
const SWAGGER_UI: &str = "https://cdn.jsdelivr.net/npm/swagger-ui-dist@5.35.0";
const STYLE_INTEGRITY: &str = "sha384-WlYgdmXYOOBWL5apwjDEZwN+U3HmXSSu5R6V5aGxEcf7z+KuRNwBhoxKVN1i3D5I";
const SCRIPT_INTEGRITY: &str = "sha384-gjRm0bEPMeTmMh5jT2cHccIwCUZSTd8YC+j0d0sXw0MdGEfScduGpSyF3ZSSLkX9";

pub(super) async fn document(State(http): State<Arc<Http>>, headers: HeaderMap) -> Response {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    let document = DOCUMENT.get_or_init(|| generate(|operation| http.graph.role_of(operation.about.field).is_some()));
    let tag = rest::tag(document.as_bytes());
    let known = rest::is_known(&headers, &tag);
    let mut answer = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ]);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        answer.insert(ETAG, tag);
    }
    if known { (StatusCode::NOT_MODIFIED, answer).into_response() } else { (answer, document.as_str()).into_response() }
}

/// A page to try it for a browser; links for everybody else.
pub(super) async fn page(headers: HeaderMap) -> Response {
    if !negotiate::wants_html(&headers) {
        return axum::Json(json!({ "openapi": PATH, "resources": resources() })).into_response();
    }
    let html = format!(
        r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>mcp-server: REST</title>
<link rel="stylesheet" href="{SWAGGER_UI}/swagger-ui.css" integrity="{STYLE_INTEGRITY}" crossorigin="anonymous">
</head>
<body>
<div id="page"></div>
<script src="{SWAGGER_UI}/swagger-ui-bundle.js" integrity="{SCRIPT_INTEGRITY}" crossorigin="anonymous"></script>
<script>SwaggerUIBundle({{ url: {PATH:?}, dom_id: "#page", deepLinking: true, validatorUrl: null }})</script>
</body>
</html>
"##
    );
    security::page(html, Elsewhere { code: &["https://cdn.jsdelivr.net"], images: &[] })
}

fn resources() -> Value {
    all().iter().map(|operation| format!("{} {}", operation.about.route.0, operation.about.route.1)).collect()
}

/// The document, for these operations. `requires_token` says which need one.
pub(super) fn generate(requires_token: impl Fn(&Operation) -> bool) -> String {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for operation in all() {
        let (method, path) = &operation.about.route;
        let output = (operation.output)(&mut generator).to_value();
        let described = described(operation, &output, requires_token(operation));
        let methods = paths.entry(*path).or_insert_with(|| json!({}));
        methods[method.as_str().to_ascii_lowercase()] = described;
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Problem".to_owned(), problem());
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "mcp-server",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Prices, swap quotes, chains, emotion and memories for AI agents: the same services as GraphQL's, as resources.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": [
            { "name": "prices", "description": "Prices and swap quotes" },
            { "name": "agent", "description": "The caller's agent" },
            { "name": "chains", "description": "Chains and what is on them" },
        ],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } },
            "headers": headers(),
        },
    });
    document.to_string()
}

fn described(operation: &Operation, output: &Value, requires_token: bool) -> Value {
    let about = &operation.about;
    let (method, path) = &about.route;
    let properties = operation.input["properties"].as_object().cloned().unwrap_or_default();
    let required: Vec<_> = operation.input["required"].as_array().cloned().unwrap_or_default();
    let is_in_path = |name: &str| path.contains(&format!("{{{name}}}"));
    let is_body = *method == Method::POST;
    let parameters: Vec<_> = properties
        .iter()
        .filter(|(name, _)| is_in_path(name) || !is_body)
        .map(|(name, schema)| parameter(name, schema, is_in_path(name), required.iter().any(|needed| needed == name)))
        .chain((about.field.0 == "Mutation").then(idempotency_key))
        .collect();
    let mut described = json!({
        "operationId": about.name,
        "summary": about.title,
        "description": about.description,
        "tags": [tag_of(path)],
        "parameters": parameters,
        "responses": responses(operation, output, requires_token),
        // Without a token, the caller is anonymous.
        "security": if requires_token { json!([{ "token": [] }]) } else { json!([{}, { "token": [] }]) },
    });
    if is_body {
        let members: Map<_, _> = properties.into_iter().filter(|(name, _)| !is_in_path(name)).collect();
        let required: Vec<_> = required.into_iter().filter(|name| !name.as_str().is_some_and(is_in_path)).collect();
        let schema = json!({
            "type": "object", "properties": members, "required": required, "additionalProperties": false,
        });
        described["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    }
    described
}

fn parameter(name: &str, schema: &Value, is_in_path: bool, required: bool) -> Value {
    let mut schema = schema.clone();
    let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
    // A parameter is there or not: there is no null in a URL.
    if let Some(kinds) = schema["type"].as_array() {
        let kind = kinds.iter().find(|kind| *kind != "null").cloned();
        schema["type"] = kind.unwrap_or(Value::Null);
    }
    let mut parameter = json!({
        "name": name,
        "in": if is_in_path { "path" } else { "query" },
        "required": required || is_in_path,
        "description": description,
    });
    if is_in_path && schema["type"] == "string" && schema.get("pattern").is_none() && schema.get("format").is_none() {
        schema["minLength"] = json!(1);
    }
    if schema["type"] == "array" {
        parameter["style"] = json!("form");
        parameter["explode"] = json!(false);
    }
    parameter["schema"] = schema;
    parameter
}

fn idempotency_key() -> Value {
    json!({
        "name": "Idempotency-Key",
        "in": "header",
        "required": false,
        "description": "Tried again with the same key, it is done once.",
        "schema": { "type": "string", "pattern": "^[!-~]{1,255}$" },
    })
}

fn tag_of(path: &str) -> &'static str {
    match path.split('/').nth(2) {
        Some("chains") => "chains",
        Some("prices" | "price-results" | "swap-quotes") => "prices",
        _ => "agent",
    }
}

fn responses(operation: &Operation, output: &Value, requires_token: bool) -> Value {
    let about = &operation.about;
    let header = |name: &str| json!({ "$ref": format!("#/components/headers/{name}") });
    let mut said = Map::new();
    for name in ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "X-Correlation-Id"] {
        said.insert(name.to_owned(), header(name));
    }
    let mut success = json!({ "description": "Done." });
    let mut headers = said.clone();
    if about.route.0 == Method::GET {
        headers.insert("ETag".to_owned(), header("ETag"));
        if operation.input["properties"].get("after").is_some() {
            headers.insert("Link".to_owned(), header("Link"));
        }
    }
    if about.success != StatusCode::NO_CONTENT {
        success["content"] = json!({ "application/json": { "schema": output } });
    }
    success["headers"] = Value::Object(headers);
    let mut responses = Map::from_iter([(about.success.as_str().to_owned(), success)]);
    if about.route.0 == Method::GET {
        let unchanged =
            json!({ "description": "What the client has is still so.", "headers": { "ETag": header("ETag") } });
        responses.insert("304".to_owned(), unchanged);
    }
    let problem = |description: &str| {
        json!({
            "description": description,
            "headers": said,
            "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
        })
    };
    let mut problems = vec![
        (StatusCode::BAD_REQUEST, "What was asked makes no sense."),
        (StatusCode::UNAUTHORIZED, "A token is needed, or the one that was sent is not valid."),
        (StatusCode::TOO_MANY_REQUESTS, "Too often."),
        (StatusCode::INTERNAL_SERVER_ERROR, "A fault of ours."),
        (StatusCode::SERVICE_UNAVAILABLE, "Something that this depends on does not answer."),
        (StatusCode::GATEWAY_TIMEOUT, "It took too long."),
        (StatusCode::NOT_FOUND, "There is no such thing."),
    ];
    if requires_token {
        problems.push((StatusCode::FORBIDDEN, "The token is not for this."));
    }
    if about.field.0 == "Mutation" {
        problems.push((StatusCode::CONFLICT, "Others changed the same at the same time."));
    }
    if about.route.0 == Method::POST {
        problems.push((StatusCode::PAYLOAD_TOO_LARGE, "The body is too large."));
        problems.push((StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is not JSON."));
    }
    for (status, description) in problems {
        responses.insert(status.as_str().to_owned(), problem(description));
    }
    Value::Object(responses)
}

fn problem() -> Value {
    let codes: Vec<_> = Code::ALL.into_iter().map(Code::as_str).collect();
    json!({
        "description": "An error, as of RFC 9457.",
        "type": "object",
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string", "description": "A sentence for a person." },
            "code": { "type": "string", "enum": codes },
            "coins": { "type": "array", "items": { "type": "string" } },
            "service": { "type": "string" },
            "retryAfterSeconds": { "type": "integer" },
        },
        "required": ["type", "title", "status", "detail", "code"],
    })
}

fn headers() -> Value {
    let text = |description: &str| json!({ "description": description, "schema": { "type": "string" } });
    let number = |description: &str| json!({ "description": description, "schema": { "type": "integer" } });
    json!({
        "ETag": text("What this is known by: send it back as If-None-Match."),
        "Link": text("The next page, as rel=\"next\" (RFC 8288)."),
        "RateLimit-Limit": number("How many requests there may be in a window."),
        "RateLimit-Remaining": number("How many are left of them."),
        "RateLimit-Reset": number("In how many seconds there are more."),
        "X-Correlation-Id": text("What finds the request in the logs."),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Value {
        serde_json::from_str(&generate(|operation| operation.about.name == "emotion")).unwrap()
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let text = document.to_string();
        let mut references: Vec<_> =
            text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        references.sort_unstable();
        references.dedup();
        assert!(references.len() > 10, "{references:?}");
        for reference in references {
            assert!(document.pointer(reference).is_some(), "{reference}");
        }
    }

    #[test]
    fn what_is_in_the_path_is_a_parameter_of_the_path_and_in_no_body() {
        let document = document();
        let fees = &document["paths"]["/v1/chains/{chain}/fee-estimates"]["post"];
        assert_eq!(fees["parameters"][0]["in"], "path");
        let body = &fees["requestBody"]["content"]["application/json"]["schema"];
        assert!(body["properties"].get("chain").is_none() && body["properties"].get("from").is_some());
        assert!(body["required"].as_array().unwrap().is_empty());
    }

    #[test]
    fn who_needs_a_token_is_told() {
        let document = document();
        assert_eq!(document["paths"]["/v1/emotion"]["get"]["security"], json!([{ "token": [] }]));
        assert_eq!(document["paths"]["/v1/prices"]["get"]["security"][0], json!({}));
    }
}
