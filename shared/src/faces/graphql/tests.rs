//! Admission and execution, against the real schema over a store in memory.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_graphql::{Request, ServerError, Value, Variables};
use serde_json::json;

use super::rules::Rules;
use super::{Graph, Operation, Services, entities};
use crate::breaker::Breakers;
use crate::cache::{Cache, MemoryTier};
use crate::platform::auth::{Principal, Role};
use crate::platform::clock::{Clock, SystemClock};
use crate::platform::metrics::prometheus;
use crate::services::Call;
use crate::services::chains::ChainReader;
use crate::services::context::Contexts;
use crate::services::emotion::Emotions;
use crate::services::fake_store::FakeStore;
use crate::services::memory::Memories;
use crate::services::prices::{PriceCache, Prices};
use crate::services::quotes::Quotes;
use crate::services::remote_tools::RemoteTools;
use crate::services::transactions::Transactions;
use crate::sources::prices::OrderedSources;
use crate::sources::quotes::NoTokens;

struct Fixture {
    graph: Graph,
    store: Arc<FakeStore>,
}

fn fixture(production: bool) -> Fixture {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = Arc::new(FakeStore::default());
    let cache = PriceCache::new(
        Arc::new(Cache::new(MemoryTier::new(1 << 20, clock.clone()), clock.clone())),
        Duration::from_secs(30),
    );
    let sources = Arc::new(OrderedSources::new([], &clock, &crate::breaker::Breakers::new(clock.clone())));
    let prices = Arc::new(Prices::new(cache, sources, store.clone()));
    let services = Services {
        emotions: Emotions::new(store.clone(), clock.clone()),
        memories: Memories::new(store.clone(), store.clone(), clock.clone()),
        context: Contexts::new(prices.clone(), vec![], clock.clone()),
        chains: ChainReader::new(Arc::default(), vec![]),
        transactions: Transactions::new(Arc::default(), store.clone(), clock.clone()),
        quotes: Quotes::new(Arc::default(), Arc::new(NoTokens), [], clock.clone(), &Breakers::new(clock.clone())),
        remote_tools: RemoteTools::new([], clock.clone(), &Breakers::new(clock)),
        prices,
    };
    Fixture { graph: Graph::new(services, production).unwrap(), store }
}

impl Fixture {
    fn admit_with(
        &self,
        document: &str,
        variables: serde_json::Value,
        role: Option<Role>,
    ) -> Result<Operation, Vec<ServerError>> {
        let principal = role.map(|role| Principal { user_id: "ada".to_owned(), role, expires_at: None });
        let request = Request::new(document).variables(Variables::from_json(variables));
        self.graph.admit(request, Call { principal, ..Call::default() })
    }

    /// The code that an operation is refused with.
    fn code(&self, document: &str, role: Option<Role>) -> Option<String> {
        code(self.admit_with(document, json!({ "yes": true, "no": false }), role))
    }
}

fn sdl() -> String {
    fixture(false).graph.sdl().to_owned()
}

fn admit(document: &str, role: Option<Role>) -> Operation {
    fixture(false).admit_with(document, json!({}), role).ok().unwrap()
}

fn code(outcome: Result<Operation, Vec<ServerError>>) -> Option<String> {
    let errors = outcome.err()?;
    match errors[0].extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code.clone()),
        _ => None,
    }
}

#[test]
fn the_sdl_declares_and_applies_the_directives() {
    let sdl = sdl();
    for line in [
        "directive @auth(requires: Role!) on FIELD_DEFINITION",
        "directive @rateLimit(limit: Int!, duration: Int!) on FIELD_DEFINITION",
        "directive @cacheControl(maxAge: Int!) on FIELD_DEFINITION",
        "mcp(tool: String): MCPContext! @cacheControl(maxAge: 300)",
        "cryptoPrices(coins: [String!]!): [Price!]! @rateLimit(limit: 100, duration: 60)",
        "defiSwapQuote(input: SwapInput!): SwapQuote! @auth(requires: USER)",
        "sendTransaction(chain: String!, signed: String!): SentTransaction! @auth(requires: USER) @rateLimit(limit: 10, duration: 60)",
        "chainEvents(chain: String!, filter: String!): ChainEventUpdate! @auth(requires: USER)",
        "updateEmotion(feedback: Int!): EmotionState! @auth(requires: USER)",
        "addMemory(content: String!): Memory! @auth(requires: USER)",
        "priceUpdates(coins: [String!]!): PriceUpdate! @auth(requires: USER)",
        "emotionChanges(userId: ID!): EmotionUpdate! @auth(requires: ADMIN)",
    ] {
        assert!(sdl.contains(line), "missing: {line}\n{sdl}");
    }
}

#[test]
fn what_has_a_key_says_so_and_the_subgraph_composes_the_directives() {
    let sdl = sdl();
    for line in [
        "directive @key(fields: String!) on OBJECT",
        "type Price @key(fields: \"coin\") {",
        "type EmotionState @key(fields: \"userId\") {",
        "type Memory @key(fields: \"id\") {",
        "_service: _Service!",
        "_entities(representations: [_Any!]!): [_Entity]!",
        "union _Entity = Price | EmotionState | Memory",
    ] {
        assert!(sdl.contains(line), "missing: {line}\n{sdl}");
    }
}

#[tokio::test]
async fn a_gateway_reads_the_subgraph_though_introspection_is_off() {
    let it = fixture(true);
    let operation = it.admit_with("{ _service { sdl } }", json!({}), None).ok().unwrap();
    let answer = it.graph.run(operation, false).await.response.into_result().unwrap().data.into_json().unwrap();
    let sdl = answer["_service"]["sdl"].as_str().unwrap();
    for line in [
        "url: \"https://specs.apollo.dev/federation/v2.5\"",
        "\"@key\"",
        "url: \"https://example.com/mcpServer/v1.0\"",
        "@composeDirective(name: \"@auth\")",
        "@composeDirective(name: \"@rateLimit\")",
        "@composeDirective(name: \"@cacheControl\")",
        "type Price @key(fields: \"coin\") {",
        "emotion: EmotionState! @auth(requires: USER)",
    ] {
        assert!(sdl.contains(line), "missing: {line}\n{sdl}");
    }
    assert!(!sdl.contains("_entities") && !sdl.contains("_Any") && !sdl.contains("type Subscription"), "{sdl}");
}

/// What entities of a type demand is what their root field does: the table names fields that there are.
#[test]
fn every_entity_has_a_root_field_that_gives_it() {
    let rules = Rules::from_sdl(&sdl()).unwrap();
    for (entity, root, gives) in [
        ("Price", "cryptoPrices", "Price"),
        ("EmotionState", "emotion", "EmotionState"),
        ("Memory", "memories", "MemoryConnection"),
    ] {
        assert_eq!(entities::root_of(entity), Some(root));
        assert_eq!(rules.of("Query", root).unwrap().returns, gives);
    }
    let members = sdl().lines().find_map(|line| line.strip_prefix("union _Entity = ").map(str::to_owned)).unwrap();
    assert_eq!(members.split(" | ").filter(|member| entities::root_of(member).is_some()).count(), 3, "{members}");
}

const ENTITIES: &str = "query($r: [_Any!]!) { _entities(representations: $r) { __typename ... on Price { usd } } }";

#[test]
fn an_entity_is_no_way_around_a_guard() {
    let it = fixture(false);
    let [price, emotion, memory] = [
        json!({ "__typename": "Price", "coin": "bitcoin" }),
        json!({ "__typename": "EmotionState", "userId": "ada" }),
        json!({ "__typename": "Memory", "id": "0190a0a0-0000-7000-8000-000000000000" }),
    ];
    let code = |representations: &[&serde_json::Value], role| {
        code(it.admit_with(ENTITIES, json!({ "r": representations }), role))
    };
    assert_eq!(code(&[&price], None), None);
    for guarded in [&emotion, &memory] {
        assert_eq!(code(&[&price, guarded], None).as_deref(), Some("UNAUTHENTICATED"), "{guarded}");
        assert_eq!(code(&[&price, guarded], Some(Role::User)), None, "{guarded}");
    }
    for document in [
        "{ _entities(representations: [{ __typename: \"Memory\", id: \"x\" }]) { __typename } }",
        "query($t: String! = \"Memory\") { _entities(representations: [{ __typename: $t }]) { __typename } }",
        "query($r: [_Any!] = [{ __typename: \"EmotionState\" }]) { _entities(representations: $r) { __typename } }",
        "{ ... on Query { a: _entities(representations: [{ __typename: \"Memory\" }]) { __typename } } }",
    ] {
        assert_eq!(it.code(document, None).as_deref(), Some("UNAUTHENTICATED"), "{document}");
    }
    for unknown in [
        "{ _entities { __typename } }",
        "{ _entities(representations: { __typename: \"Memory\" }) { __typename } }",
        "{ _entities(representations: [{ __typename: $undefined }]) { __typename } }",
    ] {
        assert_eq!(it.code(unknown, None).as_deref(), Some("BAD_USER_INPUT"), "{unknown}");
    }
}

#[test]
fn entities_are_charged_once_for_each_use_and_bounded() {
    let it = fixture(false);
    let prices = |count: usize| {
        let price = |n: usize| json!({ "__typename": "Price", "coin": format!("coin-{n}") });
        json!({ "r": (0..count).map(price).collect::<Vec<_>>() })
    };
    let operation = it.admit_with(ENTITIES, prices(250), None).ok().unwrap();
    let charges = operation.charges();
    assert_eq!(charges.len(), 1);
    assert_eq!((charges[0].quota.name.as_str(), charges[0].cost), ("Query.cryptoPrices", 1));
    assert_eq!(code(it.admit_with(ENTITIES, prices(251), None)).as_deref(), Some("QUERY_TOO_COMPLEX"));
    let fields: String = (0..100).map(|n| format!("u{n}: usd ")).collect();
    let wide = ENTITIES.replace("usd", &fields);
    assert_eq!(code(it.admit_with(&wide, prices(100), None)), None);
    assert_eq!(code(it.admit_with(&wide, prices(250), None)).as_deref(), Some("QUERY_TOO_COMPLEX"));
}

/// Every guarded field, asked for as a document would that it can run.
fn guarded() -> Vec<(&'static str, String, Role)> {
    let rules = Rules::from_sdl(&sdl()).unwrap();
    let guarded: Vec<_> = rules
        .guarded()
        .map(|(parent, field, role)| {
            let keyword = match parent {
                "Query" => "query",
                "Mutation" => "mutation",
                "Subscription" => "subscription",
                _ => panic!("{parent}.{field} is guarded below the root: let these tests reach it"),
            };
            let arguments = match field {
                "defiSwapQuote" => "(input: { chain: \"a\", fromToken: \"b\", toToken: \"c\", amount: \"1\" })",
                "updateEmotion" => "(feedback: 1)",
                "addMemory" => "(content: \"x\")",
                "deleteMemory" => "(id: \"x\")",
                "priceUpdates" => "(coins: [\"bitcoin\"])",
                "emotionChanges" => "(userId: \"ada\")",
                "sendTransaction" => "(chain: \"a\", signed: \"0x\")",
                "chainEvents" => "(chain: \"a\", filter: \"b\")",
                "emotion" | "memories" => "",
                _ => panic!("{field} is new: say how to ask for it"),
            };
            let selection = if field == "deleteMemory" { "" } else { " { __typename }" };
            (keyword, format!("{field}{arguments}{selection}"), role)
        })
        .collect();
    assert!(guarded.len() >= 10, "{guarded:?}");
    guarded
}

#[test]
fn no_guarded_field_is_admitted_without_its_role_however_it_is_asked_for() {
    let it = fixture(false);
    for (keyword, field, required) in guarded() {
        let parent = format!("{}{}", keyword[..1].to_uppercase(), &keyword[1..]);
        for document in [
            format!("{keyword} {{ {field} }}"),
            format!("{keyword} {{ {} alias: {field} }}", if keyword == "subscription" { "" } else { "__typename" }),
            format!("{keyword} {{ ... {{ {field} }} }}"),
            format!("{keyword} {{ ... on {parent} {{ {field} }} }}"),
            format!("{keyword} {{ ...A }} fragment A on {parent} {{ ...B }} fragment B on {parent} {{ {field} }}"),
            format!("{keyword} {{ ... @include(if: true) {{ {field} }} }}"),
            format!("{keyword} ($yes: Boolean!) {{ ... @include(if: $yes) {{ {field} }} }}"),
            format!("{keyword} ($no: Boolean!) {{ ... @skip(if: $no) {{ {field} }} }}"),
            format!("{keyword} ($d: Boolean = true) {{ ... @include(if: $d) {{ {field} }} }}"),
            format!("{keyword} ($d: Boolean = false) {{ ... @skip(if: $d) {{ {field} }} }}"),
            format!("{keyword} ($d: Boolean) {{ ... @skip(if: $d) {{ {field} }} }}"),
            format!("{keyword} {{ ... @skip(if: $undefined) {{ {field} }} }}"),
        ] {
            assert_eq!(it.code(&document, None).as_deref(), Some("UNAUTHENTICATED"), "{document}");
            let as_user = (required > Role::User).then_some("FORBIDDEN");
            assert_eq!(it.code(&document, Some(Role::User)).as_deref(), as_user, "{document}");
            assert_eq!(it.code(&document, Some(Role::Admin)), None, "{document}");
        }
    }
}

/// What admission takes for left out must be left out by the executor too: the two read `@skip` and `@include` apart.
#[tokio::test]
async fn what_is_admitted_without_a_role_never_runs_a_guarded_field() {
    let it = fixture(false);
    let mut left_out = 0;
    for (keyword, field, _) in guarded() {
        for directive in ["skip", "include"] {
            for declared in ["Boolean", "Boolean = true", "Boolean = false", "Boolean = null", "Boolean!"] {
                for sent in
                    [json!({}), json!({"x": true}), json!({"x": false}), json!({"x": null}), json!({"x": "true"})]
                {
                    for selected in [
                        format!("{field} @{directive}(if: $x)"),
                        format!("... @{directive}(if: $x) {{ {field} }}"),
                        format!("...F @{directive}(if: $x)"),
                    ] {
                        let on = format!("{}{}", keyword[..1].to_uppercase(), &keyword[1..]);
                        let fragment = format!("fragment F on {on} {{ {field} }}");
                        let fragment = if selected.starts_with("...F") { fragment.as_str() } else { "" };
                        let beside = if keyword == "subscription" { "" } else { "__typename" };
                        let document = format!("{keyword}($x: {declared}) {{ {beside} {selected} }} {fragment}");
                        let Ok(operation) = it.admit_with(&document, sent.clone(), None) else { continue };
                        left_out += 1;
                        if operation.is_subscription() {
                            let opened = it.graph.open(operation).await;
                            assert!(opened.is_err(), "{document} {sent}: a guarded field says what it listens to");
                        } else {
                            let response = it.graph.run(operation, false).await.response;
                            let name = field.split(['(', ' ']).next().unwrap();
                            assert!(!response.data.to_string().contains(name), "{document} {sent}: {response:?}");
                            let paths = response.errors.iter().filter(|error| !error.path.is_empty()).count();
                            assert_eq!(paths, 0, "{document} {sent}: {response:?}");
                        }
                    }
                }
            }
        }
    }
    assert!(left_out > 100, "{left_out}");
    assert!(it.store.events.lock().unwrap().is_empty(), "a mutation ran");
    assert!(!it.store.down.load(Ordering::SeqCst));
}

#[test]
fn what_is_left_out_needs_no_role() {
    let it = fixture(false);
    let include = "query($no: Boolean!) { __typename emotion @include(if: $no) { points } }";
    assert_eq!(it.code(include, None), None);
    let skip = "query($yes: Boolean!) { __typename ... @skip(if: $yes) { emotion { points } } }";
    assert_eq!(it.code(skip, None), None);
}

#[test]
fn every_refusal_has_its_place() {
    let it = fixture(false);
    let document = "{ a: emotion { points } mcp { version } memories { pageInfo { hasNextPage } } }";
    let errors = it.admit_with(document, json!({}), None).err().unwrap();
    let places: Vec<_> = errors.iter().map(|error| (format!("{:?}", error.path), error.locations.len())).collect();
    assert_eq!(places, [("[Field(\"a\")]".to_owned(), 1), ("[Field(\"memories\")]".to_owned(), 1)]);
}

#[test]
fn each_use_of_a_limited_field_is_charged() {
    let admission = admit(
        "{ a: cryptoPrices(coins: []) { usd } b: cryptoPrices(coins: []) { usd } ...F }
        fragment F on Query { cryptoPrices(coins: []) { usd } }",
        None,
    );
    let charges = admission.charges();
    assert_eq!(charges.len(), 1);
    assert_eq!((charges[0].quota.name.as_str(), charges[0].cost), ("Query.cryptoPrices", 3));
}

#[test]
fn the_lowest_max_age_counts() {
    let max_age = |document| admit(document, Some(Role::User)).admission.max_age;
    assert_eq!(max_age("{ mcp { version } }"), 300);
    assert_eq!(max_age("{ mcp { version emotion { points } } }"), 0);
    assert_eq!(max_age("{ mcp { version } priceHistory(coin: \"bitcoin\") { edges { cursor } } }"), 0);
    assert_eq!(max_age("{ mcp { version } ... { cryptoPrices(coins: [\"bitcoin\"]) { usd } } }"), 0);
    assert_eq!(max_age("{ ...F } fragment F on Query { mcp { version } }"), 300);
    assert_eq!(max_age("{ mcp { version } ...F } fragment F on Query { emotion { points } }"), 0);
    assert_eq!(max_age("mutation { updateEmotion(feedback: 1) { points } }"), 0);
}

#[test]
fn what_depends_on_the_caller_is_private() {
    assert!(admit("{ emotion { points } }", Some(Role::User)).admission.private);
    assert!(!admit("{ mcp { version } }", Some(Role::User)).admission.private);
}

#[test]
fn what_may_be_given_again_depends_on_nobody() {
    let seconds = |document| admit(document, Some(Role::User)).repeatable().map(|life| life.as_secs());
    assert_eq!(seconds("{ mcp { version } }"), Some(300));
    assert_eq!(seconds("{ cryptoPrices(coins: []) { usd } mcp { version } }"), Some(1));
    assert_eq!(seconds("{ cryptoPrices(coins: []) { usd } }"), Some(1));
    for document in [
        "{ mcp { version emotion { points } } }",
        "{ mcp { personas { prompt } } }",
        "{ cryptoPrices(coins: []) { usd } emotion { points } }",
        "{ mcp { version } priceHistory(coin: \"bitcoin\") { edges { cursor } } }",
        "{ _entities(representations: [{ __typename: \"Price\", coin: \"bitcoin\" }]) { __typename } }",
        "{ __typename }",
        "mutation { updateEmotion(feedback: 1) { points } }",
        "subscription { priceUpdates(coins: [\"bitcoin\"]) { usd } }",
    ] {
        assert_eq!(seconds(document), None, "{document}");
    }
    // No client is told to keep prices.
    assert_eq!(admit("{ cryptoPrices(coins: []) { usd } }", None).cache_control(false), super::NO_STORE);
}

/// Whoever's field needs a token, or tells of who asks, keeps what it is in from being given to anybody else.
#[test]
fn no_guarded_field_is_in_an_answer_that_is_given_again() {
    let it = fixture(false);
    let queries = guarded().into_iter().filter(|(keyword, ..)| *keyword == "query").map(|(_, field, _)| field);
    for field in queries.chain(["mcp { emotion { points } }".to_owned(), "mcp { memories { id } }".to_owned()]) {
        let document = format!("{{ mcp {{ version }} a: {field} }}");
        let operation = it.admit_with(&document, json!({}), Some(Role::Admin)).ok().unwrap();
        assert_eq!(operation.repeatable(), None, "{document}");
    }
}

#[test]
fn equal_questions_have_one_key_and_others_another() {
    let it = fixture(false);
    let document = "query A($c: [String!]!, $d: Boolean = true) { cryptoPrices(coins: $c) { usd @include(if: $d) } }";
    let key = |document: &str, variables| {
        let operation = it.admit_with(document, variables, None).ok().unwrap();
        it.graph.key_of(&operation).unwrap()
    };
    let bitcoin = key(document, json!({ "c": ["bitcoin"] }));
    assert_eq!(bitcoin, key(document, json!({ "c": ["bitcoin"], "d": true })), "the default is a value");
    assert_eq!(bitcoin, key(document, json!({ "c": ["bitcoin"], "unknown": 1 })), "nobody looks at that");
    let of_ada = it.admit_with(document, json!({ "c": ["bitcoin"] }), Some(Role::User)).ok().unwrap();
    assert_eq!(bitcoin, fixture(false).graph.key_of(&of_ada).unwrap(), "in another process, for another caller");
    for other in [
        key(document, json!({ "c": ["ethereum"] })),
        key(document, json!({ "c": ["bitcoin", "ethereum"] })),
        key(document, json!({ "c": ["bitcoin"], "d": false })),
        key(&document.replace("usd", "coin"), json!({ "c": ["bitcoin"] })),
        key("{ cryptoPrices(coins: [\"bitcoin\"]) { usd } }", json!({ "c": ["bitcoin"] })),
    ] {
        assert_ne!(bitcoin, other);
    }
    let both = "query A { mcp { version } } query B { mcp { timestamp } }";
    let [a, b] = ["A", "B"].map(|name| {
        let mut request = Request::new(both);
        request.operation_name = Some(name.to_owned());
        it.graph.key_of(&it.graph.admit(request, Call::default()).ok().unwrap()).unwrap()
    });
    assert_ne!(a, b);
}

#[test]
fn the_cost_of_an_operation_is_known_and_its_limit_can_be_moved() {
    let document = "{ cryptoPrices(coins: [\"a\", \"b\", \"c\"]) { coin usd } __typename }";
    assert_eq!(admit(document, None).cost(), 2 + 3 * 2);
    let it = fixture(false);
    let code_within =
        |max_cost| code(it.graph.clone().bounded(max_cost).admit(Request::new(document), Call::default()));
    assert_eq!(code_within(8), None);
    assert_eq!(code_within(7).as_deref(), Some("QUERY_TOO_COMPLEX"));
}

#[tokio::test]
async fn each_field_counts_once_for_each_operation_that_touches_it() {
    let it = fixture(false);
    let document = "{ mcp { version } a: mcp { version ...F } } fragment F on MCPContext { tools { name } }";
    for _ in 0..2 {
        it.graph.run(it.admit_with(document, json!({}), None).ok().unwrap(), false).await;
    }
    assert!(it.admit_with("{ emotion { points } }", json!({}), None).is_err());
    let operation = it.admit_with("mutation { updateEmotion(feedback: 1000) { points } }", json!({}), Some(Role::User));
    it.graph.run(operation.ok().unwrap(), true).await;
    let text = prometheus(it.graph.usage().samples());
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    for line in [
        "mcp_graphql_field_total{field=\"Query.mcp\"} 2",
        "mcp_graphql_field_total{field=\"MCPContext.version\"} 2",
        "mcp_graphql_field_total{field=\"Tool.name\"} 2",
        "mcp_graphql_field_total{field=\"Mutation.updateEmotion\"} 1",
        "mcp_graphql_field_total{field=\"EmotionState.points\"} 1",
        "mcp_graphql_operation_total{type=\"query\",outcome=\"ok\"} 2",
        "mcp_graphql_operation_total{type=\"mutation\",outcome=\"errors\"} 1",
        "mcp_graphql_operation_total{type=\"unknown\",outcome=\"refused\"} 1",
    ] {
        assert!(lines.contains(&line), "{line}\n{text}");
    }
    assert!(!text.contains("Query.emotion"), "{text}");
}

#[test]
fn a_document_out_of_proportion_is_refused_whatever_of_it_would_run() {
    let it = fixture(false);
    let deep = format!("{{ {} x {} }}", "mcp {".repeat(25), "}".repeat(25));
    let aliases: String = (0..201).map(|n| format!("a{n}: __typename ")).collect();
    let directives = "@include(if: true) ".repeat(51);
    let bomb: String =
        (0..28).map(|n| format!("fragment F{n} on Query {{ ...F{m} ...F{m} ...F{m} }} ", m = n + 1)).collect();
    for document in [
        deep,
        format!("{{ {aliases} }}"),
        format!("{{ __typename {directives} }}"),
        format!("{{ ...F0 }} {bomb}"),
        format!("{{ __typename ...F0 @skip(if: true) }} {bomb}"),
        format!("query A {{ __typename }} query B {{ ...F0 }} {bomb}"),
        format!("{{ __typename }} {bomb}"),
        "{ ...F } fragment F on Query { ...F }".to_owned(),
        "{ memories(first: 100000) { edges { node { id } } } }".to_owned(),
        "query($n: Int = 100000) { memories(first: $n) { edges { node { id } } } }".to_owned(),
    ] {
        assert_eq!(it.code(&document, Some(Role::User)).as_deref(), Some("QUERY_TOO_COMPLEX"), "{document}");
    }
}

#[test]
fn a_hundred_aliases_are_in_proportion() {
    let aliases: String =
        (0..100).map(|n| format!("a{n}: cryptoPrices(coins: [\"bitcoin\"]) {{ coin usd }} ")).collect();
    assert_eq!(fixture(false).code(&format!("{{ {aliases} }}"), None), None);
}

#[test]
fn variables_are_complete_and_of_types_that_there_are() {
    let it = fixture(false);
    for document in [
        "query($x: [Nope] = [1]) { __typename }",
        "query($x: Query) { __typename }",
        "query A { __typename } query B($x: [[Nope!]!] = [[1]]) { __typename }",
        "query($c: [String!]!) { cryptoPrices(coins: $c) { usd } }",
        "mutation($a: Int!) { x: updateEmotion(feedback: 1) { points } y: updateEmotion(feedback: $a) { points } }",
    ] {
        let outcome = it.admit_with(document, json!({}), Some(Role::User));
        assert_eq!(code(outcome).as_deref(), Some("BAD_USER_INPUT"), "{document}");
    }
}

#[test]
fn a_command_is_given_once_under_one_key() {
    let it = fixture(false);
    let update = "updateEmotion(feedback: 1) { points }";
    let twice = format!("mutation {{ {update} ...F }} fragment F on Mutation {{ {update} }}");
    assert_eq!(it.code(&twice, Some(Role::User)).as_deref(), Some("BAD_USER_INPUT"));
    let aliased = format!("mutation {{ {update} again: {update} }}");
    assert_eq!(it.code(&aliased, Some(Role::User)), None);
}

#[test]
fn the_operation_that_runs_is_the_one_that_is_judged() {
    let it = fixture(false);
    let document = "query A { __typename } query B { emotion { points } }";
    let code = |name: Option<&str>| {
        let mut request = Request::new(document);
        request.operation_name = name.map(str::to_owned);
        code(it.graph.admit(request, Call::default()))
    };
    assert_eq!(code(Some("A")), None);
    assert_eq!(code(Some("B")).as_deref(), Some("UNAUTHENTICATED"));
    assert_eq!(code(Some("C")).as_deref(), Some("BAD_USER_INPUT"));
    assert_eq!(code(None).as_deref(), Some("BAD_USER_INPUT"));
}

#[test]
fn introspection_can_be_off() {
    let it = fixture(true);
    assert_eq!(it.code("{ __schema { types { name } } }", None).as_deref(), Some("BAD_USER_INPUT"));
    assert_eq!(it.code("{ ... { a: __type(name: \"Query\") { name } } }", None).as_deref(), Some("BAD_USER_INPUT"));
    assert_eq!(it.code("{ __typename }", None), None);
}
