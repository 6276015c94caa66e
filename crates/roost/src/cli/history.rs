//! `roost server logs` and `send`: reading a console's history, following it, looking through it, typing a line.

mod pages;

use super::{Context, when};
use crate::{
    args::LogSearch,
    client::segment,
    failure::Failure,
    output::{plain, shown},
};
use roost_wire::{
    admin_api::{EraseRequest, Erased},
    clock::{Clock, SystemClock, rfc3339},
    node_api::{Gap, JournalLine, JournalPage, SearchPage, Source},
};
use serde_json::json;
use std::{io::IsTerminal, time::Duration};

/// The same while searching.
const FOUND_PAGE: usize = 1000;
/// Found lines that are held at most: the newest ones come first, and are printed last.
const FOUND_MAX: usize = 500_000;
/// Times that a busy node is asked again.
const PATIENCE: u32 = 20;

/// Prints history: the last `lines` of it, or all; then new lines if `follow`.
pub async fn logs(server: &str, lines: Option<u32>, follow: bool, cx: &Context) -> Result<(), Failure> {
    let base = format!("/api/client/servers/{}/logs", segment(server));
    let ask = async |query: String| cx.panel.get(&format!("{base}?{query}")).await;
    let read = pages::read(&ask, lines, follow, |page| print(page, cx)).await;
    read.map_err(|failure| failure.about_server(server))
}

fn print(page: &JournalPage, cx: &Context) -> Result<(), Failure> {
    if let Some(gap) = &page.gap {
        let count = gap
            .lines
            .map_or_else(|| "Lines".to_owned(), |n| format!("{n} lines"));
        print_gap(gap, &format!("{count} are missing here ({})", gap.reason), cx)?;
    }
    page.data.iter().try_for_each(|line| print_line(line, cx))
}

/// What stands in the place of missing lines.
fn print_gap(gap: &Gap, sentence: &str, cx: &Context) -> Result<(), Failure> {
    if cx.out.json {
        cx.out.line(&json!({"gap": gap}).to_string())
    } else {
        cx.out.line(&format!("-- {sentence} --"))
    }
}

fn print_line(line: &JournalLine, cx: &Context) -> Result<(), Failure> {
    if cx.out.json {
        let mut row = json!({"seq": line.seq, "time": line.time, "source": line.source, "text": line.text});
        if let Some(row) = row.as_object_mut() {
            if line.continued {
                row.insert("continued".to_owned(), json!(true));
            }
            if line.open {
                row.insert("open".to_owned(), json!(true));
            }
        }
        cx.out.line(&row.to_string())
    } else if line.source == Source::Daemon {
        cx.out.line(&format!("[Roost] {}", plain(&line.text)))
    } else {
        cx.out.line(&shown(&line.text, std::io::stdout().is_terminal()))
    }
}

/// Prints lines that match, oldest first: the newest `lines` of them, or all.
pub async fn search(
    server: &str,
    lines: Option<u32>,
    wanted: &LogSearch,
    cx: &Context,
) -> Result<(), Failure> {
    let now = SystemClock.now();
    let time = |text: &Option<String>| text.as_deref().map(|text| when::parse(text, now)).transpose();
    let (since, until) = (time(&wanted.since)?, time(&wanted.until)?);
    let most = lines.map_or(FOUND_MAX, |lines| lines as usize);
    let mut query = String::new();
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            query.push_str(&format!("&{name}={}", segment(&value)));
        }
    };
    put("text", wanted.grep.clone());
    put("regex", wanted.regex.clone());
    put("case", wanted.case_sensitive.then(|| "true".to_owned()));
    put("since", since.map(|time| time.to_string()));
    put("until", until.map(|time| time.to_string()));
    put("source", wanted.source.clone());
    let (mut found, mut before, mut refusals) = (Vec::<JournalLine>::new(), None, 0);
    while found.len() < most {
        let count = (most - found.len()).min(FOUND_PAGE);
        let before_query = before
            .map(|seq: u64| format!("&before={seq}"))
            .unwrap_or_default();
        let path = format!(
            "/api/client/servers/{}/logs/search?lines={count}{before_query}{query}",
            segment(server)
        );
        let page: SearchPage = match cx.panel.get(&path).await {
            Ok(page) => page,
            // Others search, too.
            Err(failure) if failure.status == Some(429) && refusals < PATIENCE => {
                refusals += 1;
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
            Err(failure) => return Err(failure.about_server(server)),
        };
        found.extend(page.data);
        before = Some(page.from);
        if page.begin {
            break;
        }
    }
    if lines.is_none() && found.len() >= FOUND_MAX {
        let gap = Gap {
            lines: None,
            reason: "most".to_owned(),
            first: found.last().map_or(0, |line| line.seq),
        };
        let sentence = format!("Only the newest {FOUND_MAX} lines are shown: narrow it with --until");
        print_gap(&gap, &sentence, cx)?;
    }
    found.iter().rev().try_for_each(|line| print_line(line, cx))
}

/// Types one line.
pub async fn send(server: &str, text: String, cx: &Context) -> Result<(), Failure> {
    let path = format!("/api/client/servers/{}/command", segment(server));
    let body = serde_json::to_vec(&json!({"command": text})).map_err(|e| Failure::new(e.to_string()))?;
    let answer = cx
        .panel
        .send(http::Method::POST, &path, Some(body))
        .await?
        .ok(&cx.panel)
        .map_err(|failure| failure.about_server(server))?;
    let header = |name: &str| {
        answer
            .headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned)
    };
    let (stream, seq) = (header("roost-stream"), header("roost-seq"));
    // A daemon that keeps no journal says no place in it.
    let next = match seq {
        Some(_) => format!("What follows: roost server logs {server} --lines 20"),
        None => format!("Its console: roost attach {server}"),
    };
    cx.out.done(
        &format!("Sent. {next}"),
        json!({"server": server, "stream": stream, "seq": seq.and_then(|s| s.parse::<u64>().ok())}),
    )
}

/// Erases old lines.
pub async fn erase(server: &str, time: &str, cx: &Context) -> Result<(), Failure> {
    let before = when::parse(time, SystemClock.now())?;
    let path = format!("/api/admin/servers/{}/erase", segment(server));
    let erased: Erased = cx.panel.post(&path, &EraseRequest { before }).await?;
    cx.out.done(
        &format!(
            "{} lines from before {} are erased.",
            erased.lines,
            rfc3339(before)
        ),
        json!({"server": server, "lines": erased.lines}),
    )
}
