//! terraform/functions.tf, evaluated: its locals, over the variables of an environment and stand-ins for what other modules make.

use std::collections::{BTreeMap, BTreeSet};

use hcl::eval::{Context, Evaluate, FuncArgs, FuncDef, ParamType};
use hcl::{Body, Map, Structure, Value as Hcl};
use serde_json::{Value, json};

use super::super::emulator::root;
use super::{Function, number, triggers};

/// The catalogue of one environment.
pub(super) struct Terraform {
    pub(super) name: String,
    functions: Value,
}

impl Terraform {
    /// That of `environments/NAME.tfvars`, but for what differs.
    pub(super) fn read(name: &str, but: Value) -> Self {
        let folder = root().join("terraform");
        let parse = |path: &str| hcl::parse(&std::fs::read_to_string(folder.join(path)).unwrap()).unwrap();
        let mut variables = Map::new();
        for block in parse("variables.tf").into_blocks().filter(|block| block.identifier() == "variable") {
            let default = block.body().attributes().find(|attribute| attribute.key() == "default");
            let value = default.map_or(Hcl::Null, |default| default.expr().evaluate(&Context::new()).unwrap());
            variables.insert(block.labels()[0].as_str().to_owned(), value);
        }
        for attribute in parse(&format!("environments/{name}.tfvars")).attributes() {
            variables.insert(attribute.key().to_owned(), attribute.expr().evaluate(&Context::new()).unwrap());
        }
        for (variable, value) in but.as_object().unwrap() {
            assert!(variables.contains_key(variable), "there is no variable {variable}");
            variables.insert(variable.clone(), hcl::to_value(value).unwrap());
        }
        let locals = evaluate(parse("functions.tf"), Hcl::Object(variables));
        let functions = serde_json::to_value(&locals["functions"]).unwrap();
        Self { name: format!("{name} with {but}"), functions }
    }

    pub(super) fn functions(&self) -> BTreeMap<String, Function> {
        let read = |(name, function): (&String, &Value)| {
            let function = Function {
                memory: number(&function["memory"]),
                timeout: number(&function["timeout"]),
                vpc: function["vpc"].as_str().unwrap().to_owned(),
                triggers: triggers(&function["triggers"]),
            };
            (name.clone(), function)
        };
        self.all().iter().map(read).collect()
    }

    pub(super) fn handlers(&self) -> BTreeSet<String> {
        self.all().values().map(|function| function["handler"].as_str().unwrap().to_owned()).collect()
    }

    pub(super) fn variables(&self, function: &str) -> BTreeMap<String, String> {
        let variables = self.functions[function]["variables"].as_object().unwrap();
        variables.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
    }

    fn all(&self) -> &serde_json::Map<String, Value> {
        self.functions.as_object().unwrap()
    }
}

/// The locals of a file, from the first to the last: each may name those before it.
fn evaluate(file: Body, variables: Hcl) -> Map<String, Hcl> {
    let on = |name: &str| variables.as_object().and_then(|all| all.get(name)).cloned().unwrap_or(Hcl::Null);
    let database = match (on("database"), on("size")) {
        (Hcl::Null, size) if size == Hcl::from("small") => Hcl::from("dynamodb"),
        (Hcl::Null, _) => Hcl::from("postgres"),
        (named, _) => named,
    };
    let secrets = on("external_secrets").as_array().cloned().unwrap_or_default();
    let secrets = secrets.iter().map(|name| name.as_str().unwrap().to_owned()).chain(["REDIS_PASSWORD".to_owned()]);
    let secrets: BTreeMap<_, _> = secrets.map(|name| (name.clone(), format!("secretsmanager:arn:{name}"))).collect();
    let mut locals: Map<String, Hcl> = hcl::from_value(
        hcl::to_value(json!({
            "secrets": secrets,
            "flags": { "GRAPHQL_ENABLED": "ssm:/mcp-server-test/graphql-enabled" },
            "relay_function": "mcp-server-test-outbox-relay",
            "jwt_issuer": "https://issuer.example.com",
            "jwks_url": "https://issuer.example.com/.well-known/jwks.json",
            "jwt_audience": ["a-client"],
        }))
        .unwrap(),
    )
    .unwrap();
    locals.insert("database".to_owned(), database);
    let module = hcl::to_value(json!({
        "postgres": [{ "user": "mcp", "proxy_endpoint": "proxy.example.com", "database": "mcp" }],
        "dynamodb": { "store_table": "mcp-server-test", "subscriptions_table": "mcp-server-test-subscriptions" },
        "kafka": { "cluster_arn": "arn:aws:kafka:us-east-1:123456789012:cluster/mcp/1" },
        "redis": { "replication_group": "mcp-redis-cluster" },
        "cold_cache": { "bucket": "mcp-server-test-cache" },
        "websocket": { "management_endpoint": "https://x.execute-api.us-east-1.amazonaws.com/live" },
    }))
    .unwrap();
    for structure in file.into_inner() {
        let Structure::Block(block) = structure else { continue };
        for attribute in block.body().attributes() {
            let mut context = Context::new();
            context.declare_var("var", variables.clone());
            context.declare_var("module", module.clone());
            context.declare_var("local", Hcl::Object(locals.clone()));
            for (name, function) in functions() {
                context.declare_func(name, function);
            }
            let value = attribute.expr().evaluate(&context);
            let value = value.unwrap_or_else(|error| panic!("local.{}: {error}", attribute.key()));
            locals.insert(attribute.key().to_owned(), value);
        }
    }
    locals
}

/// Those functions of Terraform that the catalogue calls.
fn functions() -> [(&'static str, FuncDef); 5] {
    let merge = |arguments: FuncArgs| {
        let mut merged = Map::new();
        for argument in arguments.iter() {
            merged.extend(argument.as_object().ok_or("only maps can be merged")?.clone());
        }
        Ok(Hcl::Object(merged))
    };
    let contains =
        |arguments: FuncArgs| Ok(Hcl::from(arguments[0].as_array().is_some_and(|all| all.contains(&arguments[1]))));
    let length = |arguments: FuncArgs| Ok(Hcl::from(arguments[0].as_array().map_or(0, Vec::len)));
    let join = |arguments: FuncArgs| {
        let parts = arguments[1].as_array().ok_or("only lists can be joined")?;
        let parts: Vec<_> = parts.iter().filter_map(Hcl::as_str).collect();
        Ok(Hcl::from(parts.join(arguments[0].as_str().unwrap_or_default())))
    };
    let tostring = |arguments: FuncArgs| match &arguments[0] {
        Hcl::String(text) => Ok(Hcl::from(text.as_str())),
        other => Ok(Hcl::from(other.to_string())),
    };
    [
        ("merge", FuncDef::builder().variadic_param(ParamType::Any).build(merge)),
        ("contains", FuncDef::builder().param(ParamType::Any).param(ParamType::Any).build(contains)),
        ("length", FuncDef::builder().param(ParamType::Any).build(length)),
        ("join", FuncDef::builder().param(ParamType::String).param(ParamType::Any).build(join)),
        ("tostring", FuncDef::builder().param(ParamType::Any).build(tostring)),
    ]
}
