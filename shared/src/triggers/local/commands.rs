//! `mcp-local admin ...` and `mcp-local dlq ...`: what the functions `admin` and `dlq-replay` do, for a person at a
//! terminal.

use std::io::{IsTerminal, Write};

use chrono::{TimeDelta, Utc};

use crate::app::{self, Failure};
use crate::platform::config::Vars;
use crate::services::rebuild::RebuildProgress;
use crate::services::replay::{DeadLetter, ReplayRequest, ReplaySummary};

/// A person waits as long as it takes.
fn patience() -> chrono::DateTime<Utc> {
    Utc::now() + TimeDelta::days(1)
}

pub(super) async fn migrate(vars: &Vars) -> Result<(), Failure> {
    let applied = app::admin(vars).await?.migrate().await?;
    match applied.as_slice() {
        [] => println!("The schema is up to date."),
        _ => println!("Applied: {}", applied.join(", ")),
    }
    Ok(())
}

pub(super) async fn topics(vars: &Vars) -> Result<(), Failure> {
    let created = app::admin(vars).await?.create_topics().await?;
    match created.as_slice() {
        [] => println!("Every topic is there."),
        _ => println!("Made: {}", created.join(", ")),
    }
    Ok(())
}

pub(super) async fn rebuild(vars: &Vars) -> Result<(), Failure> {
    let done = app::admin(vars).await?.rebuild(patience(), tell).await?;
    println!("Rebuilt from {} events; the rebuilt read models are live.", done.done);
    Ok(())
}

/// One line that moves on a terminal; elsewhere only its end.
fn tell(RebuildProgress { done, total, finished }: RebuildProgress) {
    let mut out = std::io::stderr();
    if out.is_terminal() {
        let share = |total: u64| {
            let percent = (done * 100).checked_div(total).unwrap_or(100).min(100);
            format!(" of {total} events ({percent} %)")
        };
        let of = total.map_or_else(|| " events".to_owned(), share);
        // A terminal that is gone is no reason to stop.
        let _ = write!(out, "\r{done}{of}{}", if finished { "\n" } else { "" });
        let _ = out.flush();
    }
}

pub(super) async fn list(vars: &Vars, topic: &str, max: usize, json: bool) -> Result<(), Failure> {
    let letters = app::dlq_replay(vars).await?.list(topic, max).await?;
    for letter in &letters {
        println!("{}", if json { serde_json::to_string(letter)? } else { line(letter) });
    }
    if !json {
        println!("{} dead letters of {topic}", letters.len());
    }
    Ok(())
}

fn line(letter: &DeadLetter) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    format!(
        "{}/{}  {}  {}  key {}  {} bytes, replayed {} times: {}: {}",
        letter.partition,
        letter.offset,
        letter.died_at.map_or_else(|| "-".to_owned(), |at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)),
        text(&letter.event_type),
        text(&letter.key),
        letter.bytes,
        letter.replays,
        text(&letter.kind),
        text(&letter.error),
    )
}

pub(super) async fn replay(vars: &Vars, request: &ReplayRequest) -> Result<(), Failure> {
    let ReplaySummary { replayed, skipped, parked, remaining, dry_run } =
        app::dlq_replay(vars).await?.run(request, patience()).await?;
    let would = if dry_run { "Nothing was changed; it would be: " } else { "" };
    println!("{would}{replayed} replayed, {skipped} skipped, {parked} parked, {remaining} not looked at");
    Ok(())
}
