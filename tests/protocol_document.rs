//! Holds the list of messages in `report/PROTOCOL.md`, and numbers of its datagrams, against the code's.

use std::fs;
use std::path::Path;

use crds::control::{Event, RefusalCode, Reply, RequestKind, plain_words};
use crds::multicast::config::{SYMBOL_BYTES_MAX, SYMBOL_BYTES_STEP};
use crds::multicast::packet::{
    self, Body, HEADER_BYTES, Header, MemberId, QuantisedShare, ReportEntry,
};

#[test]
fn the_document_has_every_message_and_no_other() {
    let document = document();
    let plain_words = plain_words::Command::ALL.map(|command| command.as_str());
    let requests: Vec<&str> = RequestKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let refusals: Vec<&str> = RefusalCode::ALL.iter().map(|code| code.as_str()).collect();
    let expected: [(&str, &[&str]); 4] = [
        ("Plain words", &plain_words),
        ("Requests", &requests),
        ("Replies", Reply::NAMES),
        ("Events", Event::NAMES),
    ];
    for (section, words) in expected {
        compare(section, headings(section_of(&document, section)), words);
    }
    let codes = first_cells(section_of(&document, "Refusals"));
    compare("Refusals", codes, &refusals);
}

#[test]
fn the_document_tells_of_datagrams_as_they_are_written() {
    let document = document();
    let section = section_of(&document, "Rooms: the reliable dialect");
    let datagram = report(0);
    let version = usize::from(datagram[1]);
    assert_eq!(number_behind(section, "| version | "), version);
    let header_bytes = number_behind(section, "a header of ");
    assert_eq!((header_bytes, datagram.len()), (HEADER_BYTES, HEADER_BYTES));
    let entry_bytes = report(1).len() - HEADER_BYTES;
    assert_eq!(number_behind(section, "for each origin ("), entry_bytes);
    let step = number_behind(section, "the bytes of its symbols (2; a multiple of ");
    assert_eq!(step, SYMBOL_BYTES_STEP);
    let range = format!("a multiple of {step}, ");
    assert_eq!(number_behind(section, &range), SYMBOL_BYTES_STEP);
    let range = format!("{range}{SYMBOL_BYTES_STEP} to ");
    assert_eq!(number_behind(section, &range), SYMBOL_BYTES_MAX);
}

#[test]
fn a_document_is_read_as_it_is_written() {
    let document = "# Title\n## Requests\n### `hello`\ntext `x`\n### `bye`\n\
        ## Refusals\n| code | meaning |\n|---|---|\n| `too-fast` | slow `down` |\n## Else\n### `no`\n";
    assert_eq!(headings(section_of(document, "Requests")), ["hello", "bye"]);
    assert_eq!(first_cells(section_of(document, "Refusals")), ["too-fast"]);
    assert_eq!(number_behind("1 of at most 1,372 bytes", "at most "), 1372);
}

fn document() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("report/PROTOCOL.md");
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// A report on so many origins, as a datagram.
fn report(entries: usize) -> Vec<u8> {
    let header = Header::new(0, MemberId(1));
    let entry = ReportEntry {
        origin: MemberId(1),
        next: 0,
        top: 0,
        lost: (0, 0),
        age_ms: 0,
        echo_stamp_us: 0,
        echo_delay_us: 0,
        loss: QuantisedShare::default(),
    };
    packet::encode(&header, &Body::Report(vec![entry; entries]))
}

fn compare(section: &str, documented: Vec<&str>, in_code: &[&str]) {
    for word in in_code {
        let times = documented.iter().filter(|d| d == &word).count();
        assert_eq!(
            times, 1,
            "PROTOCOL.md, section {section}: `{word}` is there {times} times"
        );
    }
    for word in documented {
        let is_known = in_code.contains(&word);
        assert!(
            is_known,
            "PROTOCOL.md, section {section}: the code has no `{word}`"
        );
    }
}

/// From the heading to the next one of its kind.
fn section_of<'a>(document: &'a str, title: &str) -> &'a str {
    let mut sections = document.split("\n## ");
    sections
        .find(|section| section.lines().next() == Some(title))
        .unwrap_or_else(|| panic!("PROTOCOL.md has no section {title}"))
}

/// The number behind these words, which stand there once.
fn number_behind(section: &str, words: &str) -> usize {
    let parts: Vec<&str> = section.split(words).collect();
    let [_, behind] = parts[..] else {
        let times = parts.len() - 1;
        panic!("PROTOCOL.md has `{words}` {times} times, where it should stand once");
    };
    let number = behind
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == ',');
    let digits: String = number.filter(char::is_ascii_digit).collect();
    digits
        .parse()
        .unwrap_or_else(|_| panic!("PROTOCOL.md has no number behind `{words}`"))
}

/// The words of the headings ``### `word` ``.
fn headings(section: &str) -> Vec<&str> {
    let headings = section.lines().filter_map(|line| line.strip_prefix("### "));
    headings.map(word).collect()
}

/// The words in the first column of the table.
fn first_cells(section: &str) -> Vec<&str> {
    let cells = section.lines().filter_map(|line| line.strip_prefix('|'));
    let cells = cells.filter_map(|row| row.split('|').next());
    let words = cells.map(str::trim).filter(|cell| cell.starts_with('`'));
    words.map(word).collect()
}

fn word(text: &str) -> &str {
    text.trim().trim_matches('`')
}
