//! Tables in Markdown, aligned.

use std::fmt;

/// A title, a note, headings, and as many cells in every row.
pub struct Table {
    /// What stands above it.
    pub title: String,
    /// What must be known to read it, or nothing.
    pub note: String,
    /// One a column.
    pub headings: Vec<String>,
    /// From top to bottom.
    pub rows: Vec<Vec<String>>,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "### {}\n", self.title)?;
        if !self.note.is_empty() {
            writeln!(f, "{}\n", self.note)?;
        }
        self.row(f, &self.headings)?;
        let rules = (0..self.headings.len()).map(|column| {
            let dashes = "-".repeat(self.width(column) - 1);
            // What is not the name of a transport is a number.
            if column == 0 {
                format!(":{dashes}")
            } else {
                format!("{dashes}:")
            }
        });
        self.row(f, &rules.collect::<Vec<_>>())?;
        self.rows.iter().try_for_each(|row| self.row(f, row))
    }
}

impl Table {
    fn row(&self, f: &mut fmt::Formatter<'_>, cells: &[String]) -> fmt::Result {
        for (column, cell) in cells.iter().enumerate() {
            let width = self.width(column);
            match column {
                0 => write!(f, "| {cell:<width$} ")?,
                _ => write!(f, "| {cell:>width$} ")?,
            }
        }
        writeln!(f, "|")
    }

    fn width(&self, column: usize) -> usize {
        let rows = std::iter::once(&self.headings).chain(&self.rows);
        let widths = rows.map(|row| row[column].chars().count());
        widths.max().unwrap_or_default()
    }
}

/// A number with so many digits behind the point, and a comma between thousands.
pub fn number(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let whole = text.split('.').next().unwrap_or_default().len();
    let mut spaced = String::new();
    for (place, character) in text.chars().enumerate() {
        if place > 0 && place < whole && (whole - place).is_multiple_of(3) {
            spaced.push(',');
        }
        spaced.push(character);
    }
    spaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let table = Table {
            title: "Fruit".into(),
            note: "Of the season.".into(),
            headings: vec!["kind".into(), "n".into()],
            rows: vec![vec!["fig".into(), number(1234567.0, 0)]],
        };
        let expected = "### Fruit\n\nOf the season.\n\n| kind |         n |\n| :--- | --------: |\n| fig  | 1,234,567 |\n";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn commas_stand_before_the_point_only() {
        assert_eq!(number(999.0, 0), "999");
        assert_eq!(number(1000.12345, 4), "1,000.1235");
    }
}
