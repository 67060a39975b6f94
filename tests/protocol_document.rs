//! Holds the list of messages in `report/PROTOCOL.md` against the code's.

use std::fs;
use std::path::Path;

use crds::control::{Event, RefusalCode, Reply, RequestKind, plain_words};

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
fn a_document_is_read_as_it_is_written() {
    let document = "# Title\n## Requests\n### `hello`\ntext `x`\n### `bye`\n\
        ## Refusals\n| code | meaning |\n|---|---|\n| `too-fast` | slow `down` |\n## Else\n### `no`\n";
    assert_eq!(headings(section_of(document, "Requests")), ["hello", "bye"]);
    assert_eq!(first_cells(section_of(document, "Refusals")), ["too-fast"]);
}

fn document() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("report/PROTOCOL.md");
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
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
