//! What is measured, for CloudWatch: lines in its embedded format
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>) on
//! standard output, at the end of an invocation and before its answer. Counters are told as what they grew by since, gauges as
//! they are, durations one by one; and of all that only what changed.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, json};

use super::{Lapses, Measured, Sample, Value};
use crate::platform::clock::Timestamp;

/// The namespace of all metrics.
const NAMESPACE: &str = "mcp-server";
/// How many metrics a line may have, and how many values a metric.
const MOST: usize = 100;

/// Those of this process who are listened to.
static HERE: Journal = Journal::new();

/// From now on what these measure is told by [`write`]: all that a function has to measure, each time that it is constructed.
pub fn follow(measured: impl IntoIterator<Item = Arc<dyn Measured>>) {
    HERE.follow(measured);
}

/// Writes what changed since the last time to standard output. To be called at the end of an invocation.
pub fn write(now: Timestamp) {
    let lines = HERE.lines(now);
    let mut out = std::io::stdout().lock();
    for line in lines {
        // That nobody reads it is no reason to fail an invocation.
        let _ = writeln!(out, "{line}");
    }
    let _ = out.flush();
}

/// What was told of whom: those that were constructed last, and those before, which are used until the last ones are, and
/// stay where these could not be finished.
#[derive(Default)]
struct Journal(Mutex<[Vec<Followed>; 2]>);

struct Followed {
    measured: Arc<dyn Measured>,
    told: BTreeMap<Key, Value>,
}

type Labels = Vec<(&'static str, String)>;
/// A name, its labels, and its remarks.
type Key = (&'static str, Labels, Labels);

/// Metrics of a line: they have the same labels.
#[derive(Default)]
struct Line(BTreeMap<&'static str, Vec<f64>>);

impl Journal {
    const fn new() -> Self {
        Self(Mutex::new([vec![], vec![]]))
    }

    fn follow(&self, measured: impl IntoIterator<Item = Arc<dyn Measured>>) {
        let new = measured.into_iter().map(|measured| Followed { measured, told: BTreeMap::new() }).collect();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.swap(0, 1);
        all[1] = new;
    }

    fn lines(&self, now: Timestamp) -> Vec<String> {
        let mut lines: BTreeMap<(Labels, Labels), Line> = BTreeMap::new();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for followed in all.iter_mut().flatten() {
            for sample in followed.measured.samples() {
                let Sample { name, labels, remarks, value, .. } = sample;
                let told = followed.told.insert((name, labels.clone(), remarks.clone()), value.clone());
                let news = news(&value, told.as_ref());
                if !news.is_empty() {
                    lines.entry((labels, remarks)).or_default().0.entry(name).or_default().extend(news);
                }
            }
        }
        lines.iter().flat_map(|((labels, remarks), line)| line.written(labels, remarks, now)).collect()
    }
}

/// What is new. What was never told of was 0.
fn news(value: &Value, told: Option<&Value>) -> Vec<f64> {
    match (value, told) {
        // Durations never shrink: whoever counts anew is another who measures.
        (Value::Durations(now), Some(Value::Durations(before))) => now.since(before),
        (Value::Durations(now), _) => now.since(&Lapses::default()),
        (Value::Counter(now), told) => {
            let before = if let Some(Value::Counter(before)) = told { *before } else { 0.0 };
            let grown = if *now < before { *now } else { now - before };
            Some(grown).filter(|grown| *grown > 0.0).into_iter().collect()
        }
        (Value::Gauge(now), told) => {
            let before = if let Some(Value::Gauge(before)) = told { *before } else { 0.0 };
            Some(*now).filter(|now| now.to_bits() != before.to_bits()).into_iter().collect()
        }
    }
}

impl Line {
    /// As text: as many lines as the format's limits make of it.
    fn written(&self, labels: &Labels, remarks: &Labels, now: Timestamp) -> Vec<String> {
        let of_name = |(name, values): (&&'static str, &Vec<f64>)| {
            values.chunks(MOST).map(|some| (*name, some.to_vec())).collect::<Vec<_>>()
        };
        // A name may be in a line once: its first values, then those that did not fit.
        let mut turns: BTreeMap<usize, Vec<(&str, Vec<f64>)>> = BTreeMap::new();
        for chunks in self.0.iter().map(of_name) {
            for (turn, chunk) in chunks.into_iter().enumerate() {
                turns.entry(turn).or_default().push(chunk);
            }
        }
        let lines = turns.values().flat_map(|metrics| metrics.chunks(MOST));
        lines.map(|metrics| line(metrics, labels, remarks, now)).collect()
    }
}

fn line(metrics: &[(&str, Vec<f64>)], labels: &Labels, remarks: &Labels, now: Timestamp) -> String {
    let definition = |(name, _): &(&str, Vec<f64>)| json!({ "Name": name, "Unit": unit(name) });
    let directive = json!({
        "Namespace": NAMESPACE,
        "Dimensions": [labels.iter().map(|(label, _)| label).collect::<Vec<_>>()],
        "Metrics": metrics.iter().map(definition).collect::<Vec<_>>(),
    });
    let mut members = Map::new();
    members.insert("_aws".to_owned(), json!({ "Timestamp": now.timestamp_millis(), "CloudWatchMetrics": [directive] }));
    for (label, value) in labels.iter().chain(remarks) {
        // A dimension that says nothing would make CloudWatch throw the metric away.
        let value = if value.is_empty() { "-" } else { value.as_str() };
        members.insert((*label).to_owned(), value.into());
    }
    for (name, values) in metrics {
        let value = if let [value] = values.as_slice() { json!(value) } else { json!(values) };
        members.insert((*name).to_owned(), value);
    }
    serde_json::Value::Object(members).to_string()
}

/// The unit is in the name.
fn unit(name: &str) -> &'static str {
    match name {
        _ if name.ends_with("_seconds") => "Seconds",
        _ if name.contains(".bytes") => "Bytes",
        _ => "None",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::super::Durations;
    use super::*;

    /// Measures what it is told to.
    #[derive(Default)]
    struct Told(Mutex<Vec<Sample>>);

    impl Told {
        fn says(&self, samples: impl Into<Vec<Sample>>) {
            *self.0.lock().unwrap() = samples.into();
        }
    }

    impl Measured for Told {
        fn samples(&self) -> Vec<Sample> {
            self.0.lock().unwrap().clone()
        }
    }

    struct Scene {
        journal: Journal,
        told: Arc<Told>,
    }

    impl Scene {
        fn new() -> Self {
            let (journal, told) = (Journal::new(), Arc::new(Told::default()));
            journal.follow([told.clone() as Arc<dyn Measured>]);
            Self { journal, told }
        }

        /// The lines, each of them checked against the format.
        fn lines(&self) -> Vec<serde_json::Value> {
            let lines = self.journal.lines(Timestamp::UNIX_EPOCH + chrono::TimeDelta::milliseconds(1_750_000_000_000));
            lines.iter().map(|line| checked(line)).collect()
        }
    }

    fn checked(line: &str) -> serde_json::Value {
        assert!(!line.contains('\n'), "{line}");
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["_aws"]["Timestamp"], 1_750_000_000_000_i64);
        let [directive] = line["_aws"]["CloudWatchMetrics"].as_array().unwrap().as_slice() else { panic!("{line}") };
        assert_eq!(directive["Namespace"], "mcp-server");
        let [dimensions] = directive["Dimensions"].as_array().unwrap().as_slice() else { panic!("{line}") };
        // Each dimension and each metric is a member of the line.
        for dimension in dimensions.as_array().unwrap() {
            assert!(!line[dimension.as_str().unwrap()].as_str().unwrap().is_empty(), "{line}");
        }
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!((1..=MOST).contains(&metrics.len()), "{line}");
        for metric in metrics {
            let value = &line[metric["Name"].as_str().unwrap()];
            assert!(value.is_number() || value.as_array().is_some_and(|all| (2..=MOST).contains(&all.len())), "{line}");
            assert!(["None", "Seconds", "Bytes"].contains(&metric["Unit"].as_str().unwrap()), "{line}");
        }
        line
    }

    fn hits(count: u64) -> Sample {
        Sample::counter("cache.hit", "Hits", count).with("tier", "memory")
    }

    fn open(value: f64) -> Sample {
        Sample::gauge("circuit_breaker.open", "Open", value).with("service", "coingecko").remarked("group", "prices")
    }

    #[test]
    fn a_counter_is_told_as_what_it_grew_by() {
        let scene = Scene::new();
        scene.told.says([hits(3)]);
        let lines = scene.lines();
        assert_eq!((lines.len(), &lines[0]["cache.hit"], &lines[0]["tier"]), (1, &json!(3.0), &json!("memory")));
        assert!(scene.lines().is_empty(), "nothing changed");
        scene.told.says([hits(8)]);
        assert_eq!(scene.lines()[0]["cache.hit"], 5.0);
        // One who counts from 0 again.
        scene.told.says([hits(2)]);
        assert_eq!(scene.lines()[0]["cache.hit"], 2.0);
    }

    #[test]
    fn a_circuit_is_told_by_its_service_alone_when_it_changes() {
        let scene = Scene::new();
        scene.told.says([open(0.0)]);
        assert!(scene.lines().is_empty(), "it is closed, as all are");
        scene.told.says([open(1.0)]);
        let lines = scene.lines();
        assert_eq!((lines.len(), &lines[0]["circuit_breaker.open"]), (1, &json!(1.0)));
        // What the alarm asks for: SCHEMA("mcp-server", service).
        assert_eq!(lines[0]["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["service"]]));
        assert_eq!((&lines[0]["service"], &lines[0]["group"]), (&json!("coingecko"), &json!("prices")));
        assert!(scene.lines().is_empty());
        scene.told.says([open(0.0)]);
        assert_eq!(scene.lines()[0]["circuit_breaker.open"], 0.0);
    }

    #[test]
    fn durations_are_told_one_by_one() {
        let (scene, durations) = (Scene::new(), Durations::default());
        let took = |durations: &Durations| {
            Sample::histogram("http.request_seconds", "Took", durations.lapses()).with("route", "/graphql")
        };
        durations.add(Duration::from_micros(12_345));
        scene.told.says([took(&durations)]);
        let lines = scene.lines();
        assert_eq!(lines[0]["http.request_seconds"], 0.012_345, "the very duration, for percentiles");
        assert_eq!(lines[0]["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Unit"], "Seconds");
        for _ in 0..250 {
            durations.add(Duration::from_millis(70));
        }
        scene.told.says([took(&durations)]);
        let sizes: Vec<_> =
            scene.lines().iter().map(|line| line["http.request_seconds"].as_array().unwrap().len()).collect();
        assert_eq!(sizes, [100, 100, 50]);
    }

    #[test]
    fn a_line_has_at_most_a_hundred_metrics_of_the_same_labels() {
        let scene = Scene::new();
        let names: Vec<&'static str> = (0..150).map(|n| &*format!("metric.number_{n}").leak()).collect();
        let mut samples: Vec<_> = names.iter().map(|name| Sample::counter(name, "One", 1)).collect();
        samples.push(hits(1));
        samples.push(Sample::counter("cache.miss", "Misses", 2).with("tier", "memory"));
        samples.push(Sample::counter("cache.miss", "Misses", 2).with("tier", ""));
        scene.told.says(samples);
        let sizes = scene
            .lines()
            .iter()
            .map(|line| line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap().len())
            .collect::<Vec<_>>();
        assert_eq!(sizes, [100, 50, 1, 2]);
    }

    #[test]
    fn what_was_constructed_last_is_told_of_and_what_was_before_until_it_is_twice_gone() {
        let scene = Scene::new();
        let other = Arc::new(Told::default());
        scene.journal.follow([other.clone() as Arc<dyn Measured>]);
        scene.told.says([hits(3)]);
        other.says([hits(4)]);
        assert_eq!(scene.lines()[0]["cache.hit"], json!([3.0, 4.0]));
        scene.journal.follow([]);
        scene.told.says([hits(4)]);
        other.says([hits(6)]);
        assert_eq!(scene.lines()[0]["cache.hit"], 2.0);
    }

    #[test]
    fn remarks_tell_samples_of_one_name_apart_and_are_no_dimensions() {
        let scene = Scene::new();
        let field = |name: &str, count| Sample::counter("graphql.field", "Uses", count).remarked("field", name);
        scene.told.says([field("Query.emotion", 2), field("Query.mcp", 3)]);
        scene.lines();
        scene.told.says([field("Query.emotion", 3), field("Query.mcp", 3)]);
        let lines = scene.lines();
        assert_eq!(
            (lines.len(), &lines[0]["field"], &lines[0]["graphql.field"]),
            (1, &json!("Query.emotion"), &json!(1.0))
        );
        assert_eq!(lines[0]["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([[]]));
    }
}
