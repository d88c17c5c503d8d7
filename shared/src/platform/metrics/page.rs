//! `docs/OBSERVABILITY.md` says all that is measured and logged, and nothing else: the sources are read for what they name.

use std::collections::BTreeSet;
use std::path::Path;

/// What a call or a macro of this kind names.
type Names = BTreeSet<String>;

/// The sources of this crate without their tests, each with its path.
fn sources() -> Vec<(String, String)> {
    let mut sources = vec![];
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                if name != "tests" {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|kind| kind == "rs")
                && !["tests.rs", "page.rs"].contains(&name.as_str())
            {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
                sources.push((path.display().to_string(), code));
            }
        }
    }
    sources
}

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/OBSERVABILITY.md")).unwrap()
}

/// What stands in backquotes in the first column of the tables of a section.
fn listed(page: &str, heading: &str) -> Names {
    let section = page.split(&format!("\n## {heading}\n")).nth(1).unwrap().split("\n## ").next().unwrap();
    let first = section.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    first.flat_map(|cell| cell.split(',').map(|name| name.trim().trim_matches('`').to_owned())).collect()
}

/// The names of metrics: the first argument of what makes a sample.
fn measured(code: &str) -> Names {
    let makers = ["counter(", "gauge(", "histogram("];
    let calls = makers.iter().flat_map(|maker| code.split(maker).skip(1));
    let name = |call: &str| Some(call.trim_start().strip_prefix('"')?.split('"').next()?.to_owned());
    calls.filter_map(name).collect()
}

/// The arguments of each call of these macros.
fn arguments<'a>(code: &'a str, macros: &'a [&'a str]) -> impl Iterator<Item = Vec<&'a str>> {
    macros.iter().flat_map(move |name| code.match_indices(name).map(move |(at, _)| split(&code[at + name.len()..])))
}

/// What stands between the commas up to the parenthesis that closes.
fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut quoted, mut escaped, mut start, mut parts) = (0, false, false, 0, vec![]);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => {
                parts.push(&text[start..at]);
                return parts;
            }
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    panic!("a macro that does not end: {}", &text[..80]);
}

const MACROS: [&str; 7] = [
    "tracing::trace!(",
    "tracing::debug!(",
    "tracing::info!(",
    "tracing::warn!(",
    "tracing::error!(",
    "_span!(",
    "event!(",
];

/// The code without lines that are comments, which may have commas.
fn uncommented(code: &str) -> String {
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .fold(String::new(), |text, line| text + line + "\n")
}

/// The fields that lines and spans have.
fn logged(code: &str) -> Names {
    let field = |argument: &str| {
        let name = argument.trim().trim_start_matches(['%', '?']).split('=').next().unwrap().trim();
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        is_name.then(|| name.to_owned())
    };
    arguments(&uncommented(code), &MACROS).flatten().filter_map(field).collect()
}

/// The names of spans.
fn spans(code: &str) -> Names {
    let name = |parts: Vec<&str>| Some(parts.first()?.trim().strip_prefix('"')?.strip_suffix('"')?.to_owned());
    arguments(&uncommented(code), &["info_span!("]).filter_map(name).collect()
}

fn in_sources(find: fn(&str) -> Names) -> Names {
    sources().iter().flat_map(|(_, code)| find(code)).collect()
}

fn differences(found: &Names, listed: &Names) -> String {
    let lines =
        |what, one: &Names, other| one.difference(other).map(|name| format!("{name}: {what}\n")).collect::<String>();
    lines("not on the page", found, listed) + &lines("on the page, but nowhere in the code", listed, found)
}

#[test]
fn every_metric_is_on_the_page() {
    let found = in_sources(measured);
    assert!(found.contains("cache.hit") && found.contains("circuit_breaker.open"), "{found:?}");
    let differences = differences(&found, &listed(&page(), "Metrics"));
    assert!(differences.is_empty(), "docs/OBSERVABILITY.md:\n{differences}");
}

#[test]
fn every_field_of_a_log_line_is_on_the_page() {
    let found = in_sources(logged);
    assert!(found.contains("correlation_id") && found.contains("backlog_age_ms"), "{found:?}");
    let differences = differences(&found, &listed(&page(), "Logs"));
    assert!(differences.is_empty(), "docs/OBSERVABILITY.md:\n{differences}");
}

#[test]
fn every_span_is_on_the_page() {
    let differences = differences(&in_sources(spans), &listed(&page(), "Spans"));
    assert!(differences.is_empty(), "docs/OBSERVABILITY.md:\n{differences}");
}

#[test]
fn what_the_sources_name_is_found() {
    let code = "tracing::warn!(%error, offset = record.offset, self.of, kind = ?f(a, \"(\"), \"a, b {x}\");\n\
                let span = tracing::info_span!(\n  \"request\",\n  // Not that, it may be long.\n  path = a.b(c, d),\n  status = field::Empty,\n);";
    let expected = ["error", "kind", "offset", "path", "status"].map(str::to_owned);
    assert_eq!(logged(code), expected.into());
    assert_eq!(spans(code), ["request".to_owned()].into());
    let code = "Sample::counter(\"a.b\", help, 1); gauge(\n  \"c.d\",\n 2.0)";
    assert_eq!(measured(code), ["a.b", "c.d"].map(str::to_owned).into());
}
