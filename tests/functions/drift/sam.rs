//! template.yaml: its functions, and that what it refers to is there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use serde_yaml_ng::Value;

use super::super::emulator::root;
use super::Function;

fn template() -> Value {
    let path = root().join("template.yaml");
    serde_yaml_ng::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The functions, by the zip that each is.
fn resources(template: &Value) -> BTreeMap<String, (String, Value)> {
    let resources = template["Resources"].as_mapping().unwrap();
    let functions = resources.iter().filter(|(_, resource)| resource["Type"] == "AWS::Serverless::Function");
    let named = functions.map(|(logical, resource)| {
        let zip = resource["Properties"]["CodeUri"].as_str().unwrap();
        let name = zip.rsplit('/').next().unwrap().strip_suffix(".zip").unwrap();
        (name.to_owned(), (logical.as_str().unwrap().to_owned(), resource["Properties"].clone()))
    });
    named.collect()
}

pub(super) fn functions() -> BTreeMap<String, Function> {
    let template = template();
    let globals = &template["Globals"]["Function"];
    assert_eq!((&globals["Handler"], &globals["Runtime"]), (&"bootstrap".into(), &"provided.al2023".into()));
    let read = |(name, (logical, properties)): (&String, &(String, Value))| {
        let or_global =
            |name: &str| properties.get(name).unwrap_or(&globals[name]).as_u64().unwrap().try_into().unwrap();
        let vpc = match properties.get("VpcConfig") {
            None => "never",
            Some(Value::Tagged(chosen)) if chosen.tag == "If" => "with-postgres",
            Some(_) => "always",
        };
        let function = Function {
            memory: or_global("MemorySize"),
            timeout: or_global("Timeout"),
            vpc: vpc.to_owned(),
            triggers: triggers(&template, logical, properties),
        };
        (name.clone(), function)
    };
    resources(&template).iter().map(read).collect()
}

/// The names of each function's variables.
pub(super) fn variables() -> BTreeMap<String, BTreeSet<String>> {
    let read = |(name, (_, properties)): (&String, &(String, Value))| {
        let variables = properties["Environment"]["Variables"].as_mapping().unwrap();
        (name.clone(), variables.keys().map(|name| name.as_str().unwrap().to_owned()).collect())
    };
    resources(&template()).iter().map(read).collect()
}

fn triggers(template: &Value, logical: &str, properties: &Value) -> BTreeSet<String> {
    let mut triggers = BTreeSet::new();
    let events = properties.get("Events").and_then(Value::as_mapping).cloned().unwrap_or_default();
    for event in events.values() {
        let about = &event["Properties"];
        let trigger = match event["Type"].as_str().unwrap() {
            "HttpApi" => json!({ "kind": "http-api" }),
            "ScheduleV2" => {
                let rate = about["ScheduleExpression"].as_str().unwrap();
                let mut trigger =
                    json!({ "kind": "schedule", "rate": rate.trim_start_matches("rate(").trim_end_matches(')') });
                if let Some(input) = about.get("Input").and_then(Value::as_str).filter(|input| *input != "{}") {
                    trigger["input"] = serde_json::from_str(input).unwrap();
                }
                trigger
            }
            "DynamoDB" => json!({ "kind": "dynamodb-stream" }),
            "MSK" => kafka(about),
            other => panic!("{logical}: what is {other}?"),
        };
        triggers.insert(trigger.to_string());
    }
    // What SAM has no event for stands beside the functions.
    for resource in template["Resources"].as_mapping().unwrap().values() {
        let about = &resource["Properties"];
        let is_of = |value: &Value| {
            let text = serde_yaml_ng::to_string(value).unwrap();
            text.split(|it: char| !it.is_ascii_alphanumeric()).any(|word| word == logical)
        };
        match resource["Type"].as_str().unwrap() {
            "AWS::Lambda::EventSourceMapping" if is_of(&about["FunctionName"]) => {
                let kind =
                    if about.get("Topics").is_some() { kafka(about) } else { json!({ "kind": "dynamodb-stream" }) };
                triggers.insert(kind.to_string());
            }
            "AWS::ApiGatewayV2::Integration" if is_of(&about["IntegrationUri"]) => {
                triggers.insert(json!({ "kind": "websocket-api" }).to_string());
            }
            _ => {}
        }
    }
    triggers
}

fn kafka(about: &Value) -> serde_json::Value {
    let topic = serde_yaml_ng::to_string(&about["Topics"]).unwrap();
    let topic = ["mcp.events", "mcp.prices", "mcp.chain-events"].into_iter().find(|name| topic.contains(name));
    json!({ "kind": "kafka", "topic": topic, "from": about["StartingPosition"].as_str().unwrap() })
}

/// Every `!Ref`, `!GetAtt` and `${...}` names a parameter, a resource or what CloudFormation itself knows.
#[test]
fn every_reference_is_resolved() {
    let template = template();
    let mut known: BTreeSet<String> = BTreeSet::new();
    for section in ["Parameters", "Resources"] {
        known.extend(template[section].as_mapping().unwrap().keys().map(|name| name.as_str().unwrap().to_owned()));
    }
    let conditions = template["Conditions"].as_mapping().unwrap();
    known.extend(conditions.keys().map(|name| format!("condition {}", name.as_str().unwrap())));
    let mut wanted = BTreeSet::new();
    references(&template["Resources"], &mut wanted);
    references(&template["Outputs"], &mut wanted);
    references(&template["Conditions"], &mut wanted);
    let unknown: Vec<_> = wanted.iter().filter(|name| !name.starts_with("AWS::") && !known.contains(*name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(wanted.len() > 40, "they are found: {}", wanted.len());
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Tagged(tagged) => {
            let (tag, inner) = (tagged.tag.to_string(), &tagged.value);
            match (tag.trim_start_matches('!'), inner) {
                ("Ref", Value::String(name)) => _ = found.insert(name.clone()),
                ("GetAtt", Value::String(name)) => _ = found.insert(name.split('.').next().unwrap().to_owned()),
                ("Condition", Value::String(name)) => _ = found.insert(format!("condition {name}")),
                ("Sub", Value::String(text)) => substituted(text, &BTreeSet::new(), found),
                ("Sub", Value::Sequence(parts)) => {
                    let own = parts[1].as_mapping().unwrap();
                    let own = own.keys().map(|name| name.as_str().unwrap().to_owned()).collect();
                    substituted(parts[0].as_str().unwrap(), &own, found);
                    references(&parts[1], found);
                }
                ("If", Value::Sequence(parts)) => {
                    found.insert(format!("condition {}", parts[0].as_str().unwrap()));
                    parts[1..].iter().for_each(|part| references(part, found));
                }
                _ => references(inner, found),
            }
        }
        Value::Mapping(mapping) => mapping.values().for_each(|value| references(value, found)),
        Value::Sequence(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

fn substituted(text: &str, own: &BTreeSet<String>, found: &mut BTreeSet<String>) {
    for part in text.split("${").skip(1) {
        let name = part.split('}').next().unwrap().split('.').next().unwrap();
        if !own.contains(name) && !name.starts_with('!') {
            found.insert(name.to_owned());
        }
    }
}
