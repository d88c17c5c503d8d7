//! Budgets: what a benchmark's figures are held against, all of them in one list.
//!
//! A benchmark makes a [`Report`], gives it each figure that has a budget, and ends by its exit code. Each figure is printed,
//! and appended as a line of JSON to the file that `BENCH_FIGURES` names; `scripts/bench.sh` gives that file to `budgets`
//! (`bench/budgets.rs`), which prints [`table`] at the end.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};

/// The variable with the path of the file of figures.
pub const FIGURES: &str = "BENCH_FIGURES";

/// A figure, or its ratio to what it is compared with, and what it has to be.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// The benchmark, a slash, and which of its figures.
    pub name: &'static str,
    /// What is measured, for people.
    pub what: &'static str,
    /// Of the figure; empty for a plain number.
    pub unit: &'static str,
    /// What it has to be.
    pub limit: Limit,
}

/// What a figure has to be.
#[derive(Debug, Clone, Copy)]
pub enum Limit {
    /// The figure itself is no more.
    AtMost(f64),
    /// The figure itself is less.
    Under(f64),
    /// Its ratio to what it is compared with is no more.
    RatioAtMost(f64),
    /// Its ratio to what it is compared with is no less.
    RatioAtLeast(f64),
}

/// What was measured, and what was measured beside it in the same run.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    measured: f64,
    beside: Option<(String, f64)>,
}

/// Every budget. Those of figures that the design does not name come last.
pub const ALL: &[Budget] = &[
    budget("cached_prices/kept", "cached cryptoPrices of 10 coins, with the response cache", "/s", RATE),
    budget("cached_prices/computed", "the same without the response cache", "/s", RATE),
    budget("cached_prices/aliases", "upstream calls for 100 coins in 100 aliases", "", Limit::AtMost(1.0)),
    budget("cached_prices/concurrent", "upstream calls for 100 coins, by 100 requests at once", "", Limit::AtMost(1.0)),
    budget("append/one_event", "append of one event, 16 at once", "/s", Limit::RatioAtLeast(0.9)),
    budget("store/load_round_trips", "round trips of loading an aggregate", "", Limit::AtMost(1.0)),
    budget("store/append_among_many", "append of one event among many, beside a thousand", "us", FLAT),
    budget("store/load_among_many", "load of an aggregate among many, beside a thousand", "us", FLAT),
    budget("breaker/closed", "what a closed breaker adds to a call", "ns", Limit::Under(100.0)),
    budget("cache/hit", "a hit in memory", "ns", Limit::RatioAtMost(2.0)),
    budget("cache/round_trips", "round trips of reading 100 keys from Redis", "", Limit::AtMost(1.0)),
    budget("cold_start/graphql", "cold start of graphql, cached query", "ms", Limit::RatioAtMost(4.0)),
    budget("cold_start/binary", "its binary", "MiB", Limit::Under(20.0)),
    budget("cold_start/memory", "its memory", "MiB", Limit::Under(32.0)),
    budget("first_run/crates", "crates of the first `make run`", "", Limit::AtMost(250.0)),
    budget("first_run/build", "building them (FIRST_BUILD=1)", "min", Limit::AtMost(5.0)),
    budget("fan_out/ready", "the local process, from its start to its first answer", "s", Limit::AtMost(1.0)),
    budget("fan_out/p99", "from commit to client, p99: 1,000 sockets, 10 updates a second", "ms", Limit::Under(20.0)),
    budget("fan_out/cpu", "CPU a delivered message", "us", Limit::Under(10.0)),
    budget("fan_out/undelivered", "messages that were not delivered", "", Limit::AtMost(0.0)),
    budget("cache/hit_rate", "hit rate, Zipf 0.99, room for a tenth of the keys", "", Limit::RatioAtLeast(0.95)),
    budget("backlog/left", "events of a backlog that the relay left", "", Limit::AtMost(0.0)),
    budget("backlog/memory", "memory while a backlog is drained", "MiB", Limit::AtMost(128.0)),
];

const RATE: Limit = Limit::RatioAtLeast(0.5);
/// A tree of ten million entries is a level or two deeper than one of a thousand.
const FLAT: Limit = Limit::RatioAtMost(1.5);

const fn budget(name: &'static str, what: &'static str, unit: &'static str, limit: Limit) -> Budget {
    Budget { name, what, unit, limit }
}

impl Figure {
    /// One with nothing beside it.
    pub fn alone(measured: f64) -> Self {
        Self { measured, beside: None }
    }

    /// One beside another in the same unit, and what that is of.
    pub fn beside(measured: f64, what: &str, other: f64) -> Self {
        Self { measured, beside: Some((what.to_owned(), other)) }
    }

    fn ratio(&self) -> Option<f64> {
        self.beside.as_ref().map(|(_, other)| self.measured / other)
    }

    fn to_json(&self, budget: &Budget) -> Value {
        let beside = self.beside.as_ref().map(|(what, other)| json!({ "what": what, "measured": other }));
        json!({
            "name": budget.name, "measured": self.measured, "unit": budget.unit, "beside": beside,
            "ratio": self.ratio(), "budget": budget.limit.text(budget.unit), "met": budget.limit.is_met_by(self),
        })
    }

    /// A line of the file. What has no number there, such as infinity, is not a number here either, and meets no budget.
    fn from_json(line: &str) -> Option<(String, Self)> {
        let line: Value = serde_json::from_str(line).ok()?;
        let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
        let beside = line["beside"]["what"].as_str().map(|what| (what.to_owned(), number(&line["beside"]["measured"])));
        Some((line["name"].as_str()?.to_owned(), Self { measured: number(&line["measured"]), beside }))
    }
}

impl Limit {
    /// Whether the figure is as it has to be. One that is not a number, or has no ratio where that counts, is not.
    fn is_met_by(self, figure: &Figure) -> bool {
        match self {
            Self::AtMost(most) => figure.measured <= most,
            Self::Under(bound) => figure.measured < bound,
            Self::RatioAtMost(most) => figure.ratio().is_some_and(|ratio| ratio <= most),
            Self::RatioAtLeast(least) => figure.ratio().is_some_and(|ratio| ratio >= least),
        }
    }

    fn text(self, unit: &str) -> String {
        match self {
            Self::AtMost(most) => format!("at most {}", with_unit(&most.to_string(), unit)),
            Self::Under(bound) => format!("under {}", with_unit(&bound.to_string(), unit)),
            Self::RatioAtMost(most) => format!("ratio at most {most}"),
            Self::RatioAtLeast(least) => format!("ratio at least {least}"),
        }
    }
}

/// What one benchmark has measured so far.
#[derive(Debug, Default)]
pub struct Report {
    missed: bool,
}

impl Report {
    /// Holds a figure against the budget of that name.
    ///
    /// # Panics
    /// If there is no such budget, or the file of figures cannot be written.
    pub fn figure(&mut self, name: &str, figure: &Figure) {
        let budget = ALL.iter().find(|budget| budget.name == name);
        let budget = budget.unwrap_or_else(|| panic!("{name} is no budget: name it in support::budget::ALL"));
        self.missed |= !budget.limit.is_met_by(figure);
        println!("{}", row(budget, Some(figure)).join("; "));
        if let Some(path) = std::env::var_os(FIGURES) {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
            let line = format!("{}\n", figure.to_json(budget));
            file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the file of figures can be written");
        }
    }

    /// Failure, if any figure missed its budget.
    pub fn exit_code(&self) -> ExitCode {
        if self.missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

/// Every budget, what was measured of it according to the lines of `figures`, and whether none was missed. Of a figure that
/// was measured again the newest counts. A budget that was not measured is not missed, but said.
///
/// # Errors
/// A line that is no figure, or that of no budget.
pub fn table(figures: &str) -> Result<(String, bool), String> {
    let mut measured = HashMap::new();
    for line in figures.lines() {
        let (name, figure) = Figure::from_json(line).ok_or_else(|| format!("not a figure: {line}"))?;
        if ALL.iter().all(|budget| budget.name != name) {
            return Err(format!("of no budget: {line}"));
        }
        measured.insert(name, figure);
    }
    let mut rows = vec![["what", "measured", "beside", "ratio", "budget", "verdict"].map(str::to_owned)];
    let mut counts = [0; 3];
    for budget in ALL {
        let figure = measured.get(budget.name);
        rows.push(row(budget, figure));
        counts[figure.map_or(2, |figure| usize::from(!budget.limit.is_met_by(figure)))] += 1;
    }
    let mut text = aligned(&rows);
    let [met, missed, unmeasured] = counts;
    let _ = writeln!(text, "{} budgets: {met} met, {missed} missed, {unmeasured} not measured", ALL.len());
    Ok((text, missed == 0))
}

fn row(budget: &Budget, figure: Option<&Figure>) -> [String; 6] {
    let none = || "-".to_owned();
    let in_unit = |number| with_unit(&short(number), budget.unit);
    [
        budget.what.to_owned(),
        figure.map_or_else(none, |figure| in_unit(figure.measured)),
        figure
            .and_then(|figure| figure.beside.as_ref())
            .map_or_else(none, |(what, other)| format!("{what}, {}", in_unit(*other))),
        figure.and_then(Figure::ratio).map_or_else(none, |ratio| format!("{ratio:.2}")),
        budget.limit.text(budget.unit),
        match figure.map(|figure| budget.limit.is_met_by(figure)) {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "not measured",
        }
        .to_owned(),
    ]
}

/// As a table of Markdown, whose columns are aligned.
fn aligned(rows: &[[String; 6]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
        if number == 0 {
            let _ = writeln!(text, "|{}|", widths.map(|width| "-".repeat(width + 2)).join("|"));
        }
    }
    text
}

/// Three digits or so.
fn short(number: f64) -> String {
    match number.abs() {
        size if size >= 100.0 || number.fract() == 0.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

fn with_unit(number: &str, unit: &str) -> String {
    match unit {
        "" | "/s" => format!("{number}{unit}"),
        _ => format!("{number} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_budget_is_measured_by_its_benchmark_and_every_figure_has_one() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut reported = BTreeSet::new();
        let mut folders = vec![root.join("bench")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                let words = text.split(".figure(").skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
                let names: Vec<_> = words.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect();
                // A part of a benchmark is in the folder of its name.
                let of_bench = path.strip_prefix(root.join("bench")).unwrap().with_extension("");
                let bench = of_bench.iter().next().unwrap().to_str().unwrap().to_owned();
                assert!(names.iter().all(|name| name.split('/').next() == Some(&*bench)), "{path:?}: {names:?}");
                reported.extend(names);
            }
        }
        let script = std::fs::read_to_string(root.join("../scripts/bench.sh")).unwrap();
        let of_script = script.lines().filter_map(|line| line.trim().strip_prefix("figure ")?.split(' ').next());
        reported.extend(of_script.map(str::to_owned));
        let budgets: BTreeSet<_> = ALL.iter().map(|budget| budget.name.to_owned()).collect();
        assert_eq!(reported, budgets);
        assert_eq!(budgets.len(), ALL.len(), "two budgets have one name");
    }

    #[test]
    fn a_figure_meets_its_limit_or_does_not() {
        let (figure, nothing) = (Figure::beside(8.0, "another", 10.0), Figure::alone(8.0));
        for (limit, met) in [
            (Limit::AtMost(8.0), true),
            (Limit::AtMost(7.9), false),
            (Limit::Under(8.1), true),
            (Limit::Under(8.0), false),
            (Limit::RatioAtMost(0.8), true),
            (Limit::RatioAtMost(0.7), false),
            (Limit::RatioAtLeast(0.8), true),
            (Limit::RatioAtLeast(0.9), false),
        ] {
            assert_eq!(limit.is_met_by(&figure), met, "{limit:?}");
            assert!(!limit.is_met_by(&Figure::beside(f64::NAN, "another", 10.0)), "{limit:?}");
        }
        assert!(Limit::AtMost(8.0).is_met_by(&nothing));
        assert!(!Limit::RatioAtMost(100.0).is_met_by(&nothing), "there is no ratio");
    }

    #[test]
    fn the_table_has_every_budget_and_says_what_was_missed_and_what_not_measured() {
        let find = |name: &str| ALL.iter().find(|budget| budget.name == name).unwrap();
        let (closed, append) = (find("breaker/closed"), find("append/one_event"));
        let lines = |nanos: f64| {
            let figures = [
                Figure::alone(150.0).to_json(closed),
                Figure::beside(900.0, "pgbench", 1000.0).to_json(append),
                Figure::alone(nanos).to_json(closed),
            ];
            figures.map(|figure| figure.to_string()).join("\n")
        };
        let (text, none_missed) = table(&lines(90.0)).unwrap();
        assert!(none_missed, "the newest counts: {text}");
        assert!(text.ends_with(&format!("{0} budgets: 2 met, 0 missed, {1} not measured\n", ALL.len(), ALL.len() - 2)));
        let cells = |what: &str| {
            let line = text.lines().find(|line| line.contains(what)).unwrap();
            line.split('|').map(str::trim).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(cells(append.what)[2..7], ["900/s", "pgbench, 1000/s", "0.90", "ratio at least 0.9", "met"]);
        assert_eq!(cells(closed.what)[2..7], ["90 ns", "-", "-", "under 100 ns", "met"]);
        assert_eq!(cells("a hit in memory")[2..7], ["-", "-", "-", "ratio at most 2", "not measured"]);

        let (text, none_missed) = table(&lines(f64::INFINITY)).unwrap();
        assert!(!none_missed && text.contains("MISSED") && text.contains("1 met, 1 missed"), "{text}");
    }

    #[test]
    fn what_is_no_figure_of_a_budget_is_refused() {
        assert!(table("garbage").is_err());
        assert!(table(r#"{"name":"breaker/nothing","measured":1}"#).is_err());
        assert!(table("").is_ok_and(|(text, none_missed)| none_missed && text.contains("0 met, 0 missed")));
    }
}
