//! Every decoder of bytes from outside, on bytes that it was not made for: the corpus in `tests/corpus`, what small changes
//! make of it, and anything. `tests/fuzz` runs the same for hours.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use mcp_core::fuzzing::{TARGETS, Target};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

/// What decoders look for, put where it does not belong.
const WORDS: &[&[u8]] = &[
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1e999",
    b"18446744073709551616",
    b"\"\"",
    b"[]",
    b"{}",
    b"[",
    b"{",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"\xf0\x9f\x98\x80",
    b"0x",
    b".",
    b"%",
    b"$",
    b"...",
    b"\x00\x00\x00\x00",
    b"\x80",
    b"\xb8\xff",
    b"\xf9\xff\xff",
    b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The corpus of a target: each file with its name.
fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = root().join("corpus").join(target.name);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn names(folder: &str, of: fn(&Path) -> Option<&std::ffi::OsStr>) -> BTreeSet<String> {
    let files = fs::read_dir(root().join(folder)).unwrap().map(|file| file.unwrap().path());
    files.filter_map(|path| Some(of(&path)?.to_str()?.to_owned())).collect()
}

#[test]
fn every_target_has_a_corpus_and_a_program() {
    let targets: BTreeSet<_> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(targets.len(), TARGETS.len());
    assert_eq!(names("corpus", Path::file_name), targets);
    assert_eq!(names("fuzz/fuzz_targets", Path::file_stem), targets);
    let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&manifest).unwrap();
    let programs = manifest["bin"].as_array().unwrap().iter();
    for name in &targets {
        let program = fs::read_to_string(root().join(format!("fuzz/fuzz_targets/{name}.rs"))).unwrap();
        assert!(program.contains(&format!("fuzzing::run(\"{name}\", ")), "{program}");
    }
    assert_eq!(programs.map(|program| program["name"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>(), targets);
}

/// Or what follows from it says little.
#[test]
fn a_corpus_holds_what_is_taken_and_what_is_not() {
    let mut problems = vec![];
    for target in TARGETS {
        let mut verdicts = BTreeSet::new();
        for (path, bytes) in corpus(target) {
            match std::panic::catch_unwind(|| (target.run)(&bytes)) {
                Ok(taken) => _ = verdicts.insert(taken),
                Err(_) => problems.push(format!("{} breaks it", path.display())),
            }
        }
        if verdicts.len() < 2 {
            problems.push(format!("{} is all alike: {verdicts:?}", target.name));
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

#[derive(Debug, Clone)]
enum Change {
    Flip(Index, u8),
    Set(Index, u8),
    Word(Index, usize),
    Cut(Index, usize),
    Repeat(Index, usize, usize),
    End(Index),
    Splice(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<Index>(), 0..WORDS.len()).prop_map(|(at, word)| Change::Word(at, word)),
        (any::<Index>(), 1..40_usize).prop_map(|(at, length)| Change::Cut(at, length)),
        (any::<Index>(), 1..40_usize, 1..20_usize).prop_map(|(at, length, times)| Change::Repeat(at, length, times)),
        any::<Index>().prop_map(Change::End),
        (any::<Index>(), any::<Index>()).prop_map(|(from, at)| Change::Splice(from, at)),
    ]
}

impl Change {
    fn make(&self, bytes: &mut Vec<u8>, others: &[(PathBuf, Vec<u8>)]) {
        let place = |at: &Index, bytes: &[u8]| at.index(bytes.len() + 1);
        match self {
            Self::Flip(..) | Self::Set(..) if bytes.is_empty() => {}
            Self::Flip(at, bit) => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            Self::Set(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Self::Word(at, word) => {
                let at = place(at, bytes);
                bytes.splice(at..at, WORDS[*word].iter().copied());
            }
            Self::Cut(at, length) => {
                let at = place(at, bytes);
                let end = bytes.len().min(at + length);
                bytes.drain(at..end);
            }
            Self::Repeat(at, length, times) => {
                let at = place(at, bytes);
                let end = bytes.len().min(at + length);
                let part = bytes[at..end].repeat(*times);
                bytes.splice(at..at, part);
            }
            Self::End(at) => bytes.truncate(place(at, bytes)),
            Self::Splice(from, at) => {
                let other = &from.get(others).1;
                let (at, from) = (place(at, bytes), place(at, other));
                bytes.truncate(at);
                bytes.extend(&other[from..]);
            }
        }
    }
}

/// Puts what a strategy makes to a target. What goes wrong is told as the bytes that it takes.
fn put<S: Strategy>(
    target: &Target,
    cases: u32,
    strategy: &S,
    bytes: impl Fn(S::Value) -> Vec<u8>,
) -> Result<(), String> {
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(strategy, |value| {
        let bytes = bytes(value);
        std::panic::catch_unwind(|| (target.run)(&bytes)).map(drop).map_err(|_| {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            TestCaseError::fail(format!("{}: {text:?}, put it into the corpus: {bytes:?}", target.name))
        })
    });
    outcome.map_err(|error| error.to_string())
}

#[track_caller]
fn assert_none(problems: impl Iterator<Item = Result<(), String>>) {
    let problems: Vec<_> = problems.filter_map(Result::err).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn a_corpus_with_small_changes_breaks_nothing() {
    assert_none(TARGETS.iter().map(|target| {
        let corpus = corpus(target);
        let strategy = (any::<Index>(), prop::collection::vec(change(), 1..6));
        put(target, 512, &strategy, |(start, changes): (Index, Vec<Change>)| {
            let mut bytes = start.get(&corpus).1.clone();
            changes.iter().for_each(|change| change.make(&mut bytes, &corpus));
            bytes
        })
    }));
}

#[test]
fn any_bytes_break_nothing() {
    assert_none(TARGETS.iter().flat_map(|target| {
        let bytes = put(target, 256, &prop::collection::vec(any::<u8>(), 0..512), |bytes| bytes);
        [bytes, put(target, 256, &"\\PC{0,200}", String::into_bytes)]
    }));
}
