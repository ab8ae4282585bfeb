//! Tables: wrapped to the terminal, one line a row where the output goes elsewhere.

use std::io::{IsTerminal as _, stdout};

use comfy_table::{ContentArrangement, Table, presets::NOTHING};
use terminal_size::{Width, terminal_size_of};

/// Narrower than this a table is not made, whatever the terminal says.
const NARROWEST: u16 = 40;

/// The width of the terminal to which standard output leads.
pub(super) fn width() -> Option<u16> {
    let size = stdout().is_terminal().then(|| terminal_size_of(stdout())).flatten();
    size.map(|(Width(width), _)| width.max(NARROWEST))
}

/// Columns below their headings, within this width if there is one.
pub(super) fn table<const N: usize>(
    width: Option<u16>,
    headings: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(headings);
    for row in rows {
        table.add_row(row);
    }
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A long sentence is wrapped within its column; a pipe gets each row on one line, fit for grep.
    #[test]
    fn rows_are_wrapped_to_a_terminal_and_whole_elsewhere() {
        let rows = || {
            let sentence = "_dnsauth.www.example.com is not at 192.0.2.53:53 and at [2001:db8::53]:53 yet";
            [["main/112233".to_owned(), "www.example.com".to_owned(), sentence.to_owned()]].into_iter()
        };
        let wrapped = table(Some(80), ["order", "names", "status"], rows());
        assert!(wrapped.lines().all(|line| line.chars().count() <= 80), "{wrapped}");
        assert!(wrapped.lines().count() > 2, "{wrapped}");
        assert!(wrapped.contains("www.example.com"), "a name is not broken where there is room: {wrapped}");
        let whole = table(None, ["order", "names", "status"], rows());
        assert_eq!(whole.lines().count(), 2, "{whole}");
        assert!(whole.contains("[2001:db8::53]:53 yet"), "{whole}");
    }
}
